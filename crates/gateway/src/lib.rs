//! The path of one call, from a tool name to a result. There is no other path to Scope3.
//!
//! `Gateway::run` reads from top to bottom: check that the tool may run, check the arguments, answer locally or place the
//! arguments in a request, send it, and present the result. Consent and the journal of changes will come before sending.

mod attempts;
mod caller;
pub mod failure;
pub mod limits;
mod local;
mod outcome;
pub mod policy;
mod record;
mod surfaces;
mod whoami;

use std::{num::NonZeroU32, panic::AssertUnwindSafe, sync::Arc, time::Instant};

use futures_util::FutureExt;
use jiff::{Timestamp, tz::Offset};
use scope3_mcp_catalog::{
    Catalog, Effect, Entry, EntryRef, Live, Local, Problem, Sentence, Unchanged, money_in_words, search,
    shortened,
};
use scope3_mcp_client::{
    Answer, PreparedRequest,
    credentials::{Fingerprint, KeyAge, KeyError, KeyReputations, KeyRing},
};
use serde_json::{Map, Value};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument;

pub use scope3_mcp_catalog as catalog;
pub use scope3_mcp_client::{
    BaseUrl, BaseUrlError, ClientConfig, Environment, LastContact, MemoryHolder, MemoryPermit, Profile,
    ResponseMemory, credentials, deadlines, instruments,
};

pub use self::{
    attempts::SendError,
    caller::{CallSlot, Caller, KeyOwner, OnLimit, OnWait, Waiting},
    local::describe_tool,
    outcome::{CallError, Success},
    surfaces::{Api, Surfaces},
};
use self::{
    caller::Call,
    failure::Failure,
    limits::{Limits, Usage},
    policy::Policy,
    record::Record,
};

/// Everything that a call passes through.
#[derive(Debug)]
pub struct Gateway {
    catalog: Live,
    policy: Policy,
    surfaces: Surfaces,
    limits: Limits,
    on_limit: OnLimit,
    reputations: KeyReputations,
    target: Backend,
    changes: TaskTracker,
    ending: CancellationToken,
}

/// The parts of a gateway.
#[derive(Debug)]
pub struct GatewayConfig {
    /// The tools.
    pub catalog: Catalog,
    /// Which tools may run.
    pub policy: Policy,
    /// The APIs behind the tools. Their quotas are the limits.
    pub surfaces: Surfaces,
    /// What to do with a call when no permit is free.
    pub on_limit: OnLimit,
    /// Requests per minute that callers' keys which Scope3 has not accepted yet may send, all together.
    pub unproven_per_minute: NonZeroU32,
    /// What the APIs belong to.
    pub target: Backend,
}

/// What the APIs belong to. Clients are told if it is not production.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// Scope3, with real money.
    Production,
    /// Scope3's test environment.
    Staging,
    /// The embedded simulator.
    Sandbox,
}

impl Gateway {
    /// Creates a gateway.
    #[must_use]
    pub fn new(parts: GatewayConfig) -> Self {
        let GatewayConfig { catalog, policy, surfaces, on_limit, unproven_per_minute, target } = parts;
        Self {
            catalog: Live::new(catalog),
            policy,
            limits: Limits::new(surfaces.quotas()),
            surfaces,
            on_limit,
            reputations: KeyReputations::new(unproven_per_minute),
            target,
            changes: TaskTracker::new(),
            ending: CancellationToken::new(),
        }
    }

    /// Calls a tool for a caller.
    ///
    /// Dropping the future cancels a read. A change whose request may have been sent continues in its own task and is logged
    /// with its true outcome. A change that was not sent yet is cancelled.
    ///
    /// # Errors
    /// When the call fails. The error says whether anything changed.
    pub async fn call(
        self: &Arc<Self>,
        caller: Caller,
        name: &str,
        arguments: Map<String, Value>,
        on_wait: OnWait,
    ) -> Result<Success, CallError> {
        let catalog = self.catalog.current();
        let entry = catalog.get(name).cloned().ok_or_else(|| unknown_tool(&catalog, name));
        let abandoned = CancellationToken::new();
        let started = Instant::now();
        let ending = self.ending.clone();
        let call = Call { caller, arguments, on_wait, started, abandoned: abandoned.clone(), ending };
        let is_change = entry.as_ref().is_ok_and(|entry| entry.tool.effect != Effect::Read);
        let span =
            tracing::info_span!("call", tool = entry.as_ref().map_or("unknown", |entry| &entry.tool.name));
        if !is_change {
            return self.recorded(catalog, entry, call).instrument(span).await;
        }
        let _cancelled_with_the_caller = abandoned.drop_guard();
        let gateway = Arc::clone(self);
        let change = async move { gateway.recorded(catalog, entry, call).await };
        let outcome = self.changes.spawn(change.instrument(span)).await;
        // Panics are caught inside the task, which is only aborted together with the program.
        outcome.unwrap_or_else(|_| Err(Failure::internal(true).into()))
    }

    /// Runs a call, catches panics, and logs how it ended.
    async fn recorded(
        &self,
        catalog: Catalog,
        entry: Result<EntryRef, CallError>,
        call: Call,
    ) -> Result<Success, CallError> {
        let mut record = Record::begin(entry.as_deref().ok(), &call.caller);
        let abandoned = call.abandoned.clone();
        let outcome = match entry {
            Err(unknown) => Err(unknown),
            Ok(entry) => {
                let run =
                    AssertUnwindSafe(self.run(&catalog, &entry, call, &mut record)).catch_unwind().await;
                run.unwrap_or_else(|_| {
                    let may_have_changed = entry.tool.effect != Effect::Read && record.has_sent();
                    Err(Failure::internal(may_have_changed).into())
                })
            }
        };
        record.end(&outcome, !abandoned.is_cancelled());
        outcome
    }

    async fn run(
        &self,
        catalog: &Catalog,
        entry: &Entry,
        mut call: Call,
        record: &mut Record,
    ) -> Result<Success, CallError> {
        self.policy.check(entry).map_err(|why| Failure::denied(entry, why))?;
        let arguments = entry
            .check_arguments(std::mem::take(&mut call.arguments))
            .map_err(|problems| Failure::arguments(entry, &problems))?;
        let request = match (&entry.tool.request, entry.tool.answers) {
            (Some(request), _) => request,
            (None, Some(local)) => {
                return self.answer_locally(local, catalog, entry, &call.caller.keys, &arguments).await;
            }
            // The build rejects a tool that does neither.
            (None, None) => return Err(Failure::internal(false).into()),
        };
        // The policy rejected the tools of other surfaces above.
        let api = self.surfaces.get(entry.surface).ok_or_else(|| Failure::internal(false))?;
        let unchanged = entry.tool.unchanged.as_ref().filter(|unchanged| unchanged.counts(&arguments));
        let amount = money_in_words(&entry.tool, &arguments);
        let request = PreparedRequest::new(api.client.base(), request, arguments)
            .map_err(|problem| Failure::misplaced(&problem))?
            .with_traceparent(call.caller.traceparent.clone());
        let answer = self.send(&call, entry, api, &request, record).await;
        let answer = answer.map_err(|error| Failure::send(error, &entry.tool, call.caller.key_owner))?;
        self.present(entry, &call.caller.keys, answer, Expected { amount, unchanged })
    }

    async fn answer_locally(
        &self,
        local: Local,
        catalog: &Catalog,
        entry: &Entry,
        keys: &KeyRing,
        arguments: &Map<String, Value>,
    ) -> Result<Success, CallError> {
        let data = match local {
            Local::Describe => {
                let name = arguments.get("name").and_then(Value::as_str).unwrap_or_default();
                local::describe_tool(catalog, &self.policy, name).map_err(|nearest| {
                    let problem =
                        Problem { did_you_mean: nearest, ..Problem::at("name", "is not the name of a tool") };
                    Failure::arguments(entry, &problem.into())
                })?
            }
            Local::Usage => {
                let keys = keys.keys().await.map_err(Failure::key)?;
                let Some(key) = keys.first() else { return Err(Failure::key(KeyError::Missing).into()) };
                local::usage(key.fingerprint(), &self.limits.usage(key.fingerprint()).await)
            }
        };
        Ok(Success::local(data))
    }

    /// Turns a response into the result for the caller.
    fn present(
        &self,
        entry: &Entry,
        keys: &KeyRing,
        answer: Answer,
        expected: Expected<'_>,
    ) -> Result<Success, CallError> {
        let Expected { amount, unchanged } = expected;
        let Answer { mut data, partial, replaced, sandbox, memory, .. } = answer;
        if let Some(partial) = &partial
            && entry.tool.effect != Effect::Read
        {
            return Err(Failure::partial(entry, partial, data).into());
        }
        let mut notes = Map::new();
        let mut note = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                notes.insert(name.to_owned(), value);
            }
        };
        note("sandbox", sandbox.then_some(true.into()));
        note("environment", (self.target == Backend::Staging).then_some("staging".into()));
        note("amount", amount.map(Value::from));
        if unchanged.is_some_and(|unchanged| unchanged.is_said_by(&data)) {
            note("changed", Some("no".into()));
            note("message", Some("Nothing was changed.".into()));
        }
        note("partial", partial.map(Value::from));
        note("replaced", replaced.map(Value::from));
        let mut sentence = None;
        match entry.tool.presents {
            Some(Sentence::Whoami) => {
                let mut said = whoami::sentence(&data, sandbox);
                if self.target == Backend::Staging {
                    said.push_str(". This is Scope3's staging environment, not production");
                }
                if let Some(notice) =
                    keys.age(Offset::UTC.to_datetime(Timestamp::now()).date()).and_then(KeyAge::notice)
                {
                    said = format!("{said}\n{notice}");
                }
                data.insert("message".to_owned(), said.clone().into());
                sentence = Some(said);
            }
            None => {}
        }
        Ok(Success { data, sentence, notes, memory })
    }

    /// The current tools.
    #[must_use]
    pub fn catalog(&self) -> Catalog {
        self.catalog.current()
    }

    /// Replaces the catalog for all later calls.
    pub fn replace_catalog(&self, catalog: Catalog) {
        self.catalog.replace(catalog);
    }

    /// The tools that clients are offered. The default set comes first, because some clients only use the first tools.
    #[must_use]
    pub fn offered(&self) -> Vec<EntryRef> {
        let catalog = self.catalog();
        let offered = catalog.shared_entries().iter().filter(|entry| self.policy.check(entry).is_ok());
        let (default, more): (Vec<_>, Vec<_>) = offered.cloned().partition(|entry| entry.tool.default);
        default.into_iter().chain(more).collect()
    }

    /// The tool with this name, if clients are offered it.
    #[must_use]
    pub fn find_offered(&self, name: &str) -> Option<EntryRef> {
        self.catalog().get(name).filter(|entry| self.policy.check(entry).is_ok()).cloned()
    }

    /// What the APIs belong to.
    #[must_use]
    pub fn target(&self) -> Backend {
        self.target
    }

    /// How much of each limit a key has used.
    pub async fn usage(&self, key: Fingerprint) -> Vec<Usage> {
        self.limits.usage(key).await
    }

    /// Whether Scope3 accepted this key since the server started. Sessions of other keys are closed first.
    #[must_use]
    pub fn is_proven(&self, key: Fingerprint) -> bool {
        self.reputations.is_proven(key)
    }

    /// The last contact with each API.
    pub fn last_contacts(&self) -> impl Iterator<Item = LastContact> {
        self.surfaces.iter().map(|api| api.client.last_contact())
    }

    /// Ends the waits of all calls, now and later. A request that was not sent yet is not sent.
    pub fn end_waits(&self) {
        self.ending.cancel();
    }

    /// Waits for running changes, as long as one may take. Call this before the program ends.
    pub async fn finish_changes(&self) {
        self.end_waits();
        self.changes.close();
        if tokio::time::timeout(deadlines::SHUTDOWN, self.changes.wait()).await.is_err() {
            tracing::error!(
                changes = self.changes.len(),
                "these changes did not finish in time; their outcome is unknown"
            );
        }
    }
}

/// What the arguments of a call mean for its result.
struct Expected<'a> {
    /// The amount of money, in words.
    amount: Option<String>,
    /// How the response would show that nothing changed.
    unchanged: Option<&'a Unchanged>,
}

fn unknown_tool(catalog: &Catalog, name: &str) -> CallError {
    let similar = catalog.nearest(name).map(str::to_owned);
    // The name may describe what the tool does.
    let nearest = similar.or_else(|| Some(search(catalog.entries(), name).first()?.tool.name.to_string()));
    CallError::UnknownTool { name: shortened(name).into_owned(), nearest }
}
