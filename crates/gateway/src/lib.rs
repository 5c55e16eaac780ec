//! The path of one call, from the tool's name to the result. There is no other path to Scope3.
//!
//! `Gateway::run` reads from top to bottom: check that the tool may run, check the arguments, apply the operator's rules,
//! read files, ask for consent, answer a local tool here, place the arguments in a request, record a change in the journal,
//! send it, present the response.

mod attempts;
pub mod audit;
pub mod budget;
mod caller;
mod changes;
mod config;
pub mod consent;
mod discover;
pub mod failure;
mod identity;
pub mod journal;
pub mod limits;
mod local;
mod outcome;
mod own_arguments;
mod ownership;
mod paging;
mod permission;
pub mod policy;
mod present;
mod question;
mod record;
pub mod results;
pub mod state;
mod surfaces;
mod tally;
pub mod uploads;
mod wait;
mod whoami;

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use scope3_mcp_catalog::{Catalog, Effect, Entry, EntryRef, Live, Surface, money_in_words};
use scope3_mcp_client::{
    PreparedRequest,
    credentials::{Fingerprint, KeyReputations},
    sanitize::Sanitizer,
};
use serde_json::{Map, Value};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument;

pub use scope3_mcp_catalog as catalog;
pub use scope3_mcp_client::{
    BaseUrl, BaseUrlError, ClientConfig, Environment, LastContact, MemoryHolder, MemoryPermit, Profile,
    ResponseMemory, credentials, deadlines, instruments, redaction, sanitize,
};

pub use self::{
    attempts::SendError,
    caller::{CallSlot, Caller, KeyOwner, OnLimit, OnWait, Reader, WaitReason, Waiting},
    config::{Backend, GatewayConfig},
    local::describe_tool,
    outcome::{CallError, Success},
    surfaces::{Api, Surfaces},
};
use self::{
    budget::Caps,
    caller::Call,
    changes::Next,
    consent::Confirm,
    discover::{Resolved, unknown_tool},
    failure::Failure,
    limits::{Limits, Usage},
    policy::{Policy, PolicyFileError},
    present::Expected,
    question::Matter,
    record::CallRecord,
    results::Results,
    state::{State, StateError},
    tally::Tally,
    uploads::Uploads,
};

/// Carries calls from clients to Scope3, within the operator's policy and the rate limits.
#[derive(Debug)]
pub struct Gateway {
    catalog: Live,
    policy: Policy,
    surfaces: Surfaces,
    limits: Limits,
    on_limit: OnLimit,
    reputations: KeyReputations,
    state: Arc<dyn State>,
    tally: Arc<Tally>,
    repeat_guard: Duration,
    journal_arguments: bool,
    confirm: Confirm,
    caps: Caps,
    max_result: usize,
    uploads: Uploads,
    results: Results,
    target: Backend,
    changes: TaskTracker,
    ending: CancellationToken,
}

impl Gateway {
    /// Puts the parts together.
    #[must_use]
    pub fn new(parts: GatewayConfig) -> Self {
        let GatewayConfig {
            catalog,
            policy,
            surfaces,
            on_limit,
            unproven_per_minute,
            state,
            repeat_guard,
            journal_arguments,
            confirm,
            caps,
            max_result,
            uploads,
            target,
        } = parts;
        Self {
            catalog: Live::new(catalog),
            policy,
            limits: Limits::new(surfaces.quotas(), Arc::clone(&state)),
            surfaces,
            on_limit,
            reputations: KeyReputations::new(unproven_per_minute),
            tally: Arc::new(Tally::new(Arc::clone(&state))),
            state,
            repeat_guard,
            journal_arguments,
            confirm,
            caps,
            max_result,
            uploads,
            results: Results::default(),
            target,
            changes: TaskTracker::new(),
            ending: CancellationToken::new(),
        }
    }

    /// Calls a tool for a caller.
    ///
    /// Dropping the future cancels a read. A change that may already have been sent runs to completion in a separate
    /// task, and is logged with its true outcome; one that has not been sent is abandoned.
    ///
    /// # Errors
    /// If the tool is unknown or the call fails. The error says whether anything changed.
    pub async fn call(
        self: &Arc<Self>,
        caller: Caller,
        name: &str,
        arguments: Map<String, Value>,
        on_wait: OnWait,
    ) -> Result<Success, CallError> {
        let catalog = self.catalog.current();
        let found = catalog.get(name).cloned().ok_or_else(|| unknown_tool(&catalog, name));
        let (entry, arguments, waits_for) =
            match found.and_then(|entry| self.resolve(&catalog, entry, arguments)) {
                Ok(Resolved { entry, arguments, waits_for }) => (Ok(entry), arguments, waits_for),
                Err(error) => (Err(error), Map::new(), None),
            };
        let abandoned = CancellationToken::new();
        let started = Instant::now();
        let (caller, ending) = (caller.sanitized(), self.ending.clone());
        let abandon = abandoned.clone();
        let call = Call { caller, arguments, waits_for, on_wait, started, abandoned: abandon, ending };
        let is_change = entry.as_ref().is_ok_and(|entry| entry.tool.strongest_effect() != Effect::Read);
        let span =
            tracing::info_span!("call", tool = entry.as_ref().map_or("unknown", |entry| &entry.tool.name));
        if !is_change {
            return self.recorded(catalog, entry, call).instrument(span).await;
        }
        let _abandon_on_drop = abandoned.drop_guard();
        let gateway = Arc::clone(self);
        let change = async move { gateway.recorded(catalog, entry, call).await };
        let outcome = self.changes.spawn(change.instrument(span)).await;
        // `recorded` catches panics, and the task is aborted only when the program ends.
        outcome.unwrap_or_else(|_| Err(Failure::internal(true).into()))
    }

    /// Runs a call, catches panics, and records how the call ended.
    async fn recorded(
        &self,
        catalog: Catalog,
        entry: Result<EntryRef, CallError>,
        call: Call,
    ) -> Result<Success, CallError> {
        let mut record = CallRecord::begin(entry.as_deref().ok(), &call.caller);
        let (abandoned, key_owner) = (call.abandoned.clone(), call.caller.key_owner);
        let mut sanitizer = Sanitizer::new(call.caller.keys.redactor());
        let outcome = match entry {
            Err(unknown) => Err(unknown),
            Ok(entry) => {
                let run =
                    AssertUnwindSafe(self.run(&catalog, &entry, call, &mut record)).catch_unwind().await;
                run.unwrap_or_else(|_| {
                    let may_have_changed = entry.tool.strongest_effect() != Effect::Read && record.has_sent();
                    Err(Failure::internal(may_have_changed).into())
                })
            }
        };
        // Responses are clean already; this is what arguments bring in.
        let outcome = outcome.map_err(|error| error.sanitized(&mut sanitizer));
        if let Some(read) = record.open_read.take() {
            read.close();
        }
        if let Some(entry) = record.entry {
            self.end_change(entry, &outcome).await;
        }
        // Rows for invented keys could fill the state.
        let key = record.key.filter(|key| key_owner == KeyOwner::Server || self.reputations.is_proven(*key));
        self.count_call(key, record.end(&outcome, !abandoned.is_cancelled()));
        outcome
    }

    async fn run(
        &self,
        catalog: &Catalog,
        entry: &Entry,
        mut call: Call,
        record: &mut CallRecord,
    ) -> Result<Success, CallError> {
        self.policy.refresh().await;
        let narrowing = call.caller.narrowing.as_ref();
        self.policy.check(entry, narrowing).map_err(|why| Failure::denied(entry, &why))?;
        if let Some(place) = &entry.tool.person {
            return Err(Failure::for_a_person(entry, place).into());
        }
        let has_rules = self.policy.rules().is_some();
        let confirmation = own_arguments::take_confirmation(entry, &mut call.arguments, has_rules)?;
        let is_dry_run = own_arguments::take_dry_run(entry, &mut call.arguments)?;
        let fields = results::take_fields(entry, &mut call.arguments)?;
        let mut arguments = entry
            .check_arguments(std::mem::take(&mut call.arguments))
            .map_err(|problems| Failure::arguments(entry, &problems))?;
        // From here on, the entry has the effect of this call.
        let stronger = entry.for_call(&arguments);
        let entry = stronger.as_deref().unwrap_or(entry);
        if stronger.is_some() {
            self.policy
                .check(entry, call.caller.narrowing.as_ref())
                .map_err(|why| Failure::denied(entry, &why))?;
        }
        let reason = self.apply_rules(catalog, entry, &call, &arguments, record).await?;
        // From here on, a file is its description. Its content is what is sent, whatever becomes of the file.
        let files = self.uploads.read(entry, call.caller.key_owner, &mut arguments).await?;
        // A read for which a rule asks a person is recorded, too.
        let is_recorded = entry.tool.effect != Effect::Read || reason.is_some();
        let sanitized =
            is_recorded.then(|| entry.tool.without_secrets(&call.caller.sanitized_arguments(&arguments)));
        let mut matter = Matter {
            catalog,
            entry,
            api: self.surfaces.get(entry.surface),
            arguments: sanitized.as_ref().unwrap_or(&arguments),
            reason: reason.as_deref(),
            commitment: None,
            day: None,
        };
        let request = match (&entry.tool.request, entry.tool.answers) {
            (Some(request), _) => request,
            (None, Some(local)) => {
                if is_recorded
                    && let Next::Return(result) =
                        Box::pin(self.begin_change(&call, &mut matter, confirmation, record)).await?
                {
                    return Ok(result);
                }
                return self.answer_locally(local, catalog, entry, &call.caller, &arguments).await;
            }
            // The build rejects a tool that has neither.
            (None, None) => return Err(Failure::internal(false).into()),
        };
        // The policy has already denied tools of inactive surfaces.
        let api = matter.api.ok_or_else(|| Failure::internal(false))?;
        let unchanged = entry.tool.unchanged.as_ref().filter(|unchanged| unchanged.counts(&arguments));
        let amount = money_in_words(&entry.tool, &arguments);
        // Nothing that can delete or spend is sent before a person has consented.
        let is_risky = entry.tool.effect >= Effect::Delete;
        let sent = if is_risky { entry.tool.with_consent(arguments.clone()) } else { arguments.clone() };
        let mut request = PreparedRequest::with_files(api.client.base(), request, sent, &files)
            .map_err(|problem| Failure::placement(&problem))?
            .with_traceparent(call.caller.traceparent.clone());
        if is_dry_run {
            return Ok(Success::dry_run(request.description(), amount));
        }
        if is_recorded {
            // On the heap: reads, which are most calls, need not carry its state.
            let begun = Box::pin(self.begin_change(&call, &mut matter, confirmation, record));
            let started = match begun.await? {
                Next::Send(started) => started,
                Next::Return(result) => return Ok(result),
            };
            if let (Some(place), Some(key)) = (&entry.tool.idempotency, started.key) {
                request = request.with_idempotency_key(place, &key);
            }
        }
        let answer = Box::pin(self.send_until_done(&call, entry, api, &request, record)).await;
        let (mut answer, waited) =
            answer.map_err(|error| Failure::send(error, &entry.tool, call.caller.key_owner))?;
        self.upload_signed(api, entry, &files, &mut answer).await;
        let expected = Expected { amount, unchanged, key: record.key };
        let next = paging::next(entry, &arguments, &answer.data);
        let mut success = self.present(entry, &call.caller.keys, answer, expected)?;
        success.notes.extend(next.map(|arguments| ("next".to_owned(), arguments.into())));
        success.notes.extend(waited.map(|note| ("waited".to_owned(), note)));
        Ok(self.fit(entry, call.caller.reader, &fields, success, record))
    }

    /// The current catalog.
    #[must_use]
    pub fn catalog(&self) -> Catalog {
        self.catalog.current()
    }

    /// Replaces the catalog for all later calls, and checks the rules of the policy against it.
    ///
    /// # Errors
    /// If the rules cannot be used with it. The current catalog then stays.
    pub fn adopt_catalog(&self, catalog: Catalog) -> Result<(), PolicyFileError> {
        self.policy.adopt(&catalog)?;
        self.catalog.replace(catalog);
        Ok(())
    }

    /// Replaces the catalog for all later calls.
    pub fn replace_catalog(&self, catalog: Catalog) {
        self.catalog.replace(catalog);
    }

    /// The active APIs, in the operator's order.
    #[must_use]
    pub fn surfaces(&self) -> Vec<Surface> {
        self.surfaces.iter().map(Api::surface).collect()
    }

    /// What the APIs connect to.
    #[must_use]
    pub fn target(&self) -> Backend {
        self.target
    }

    /// How much of each rate limit a key has used.
    pub async fn usage(&self, key: Fingerprint) -> Vec<Usage> {
        self.limits.usage(key).await
    }

    /// What all processes that use the same keys share.
    #[must_use]
    pub fn state(&self) -> &Arc<dyn State> {
        &self.state
    }

    /// Notes that the state could not be opened, so that the log and `get_usage` say so before the first call.
    pub fn note_state_failure(&self, error: StateError) {
        // The outcome is known.
        drop(self.limits.observe::<()>(Err(error)));
    }

    /// Whether Scope3 has accepted this key since the server started. Sessions of other keys are closed first to make
    /// room.
    #[must_use]
    pub fn is_proven(&self, key: Fingerprint) -> bool {
        self.reputations.is_proven(key)
    }

    /// The last contact with each API.
    pub fn last_contacts(&self) -> impl Iterator<Item = LastContact> {
        self.surfaces.iter().map(|api| api.client.last_contact())
    }

    /// Ends the waits of all calls, current and future: a request that has not been sent by then is not sent.
    pub fn end_waits(&self) {
        self.ending.cancel();
    }

    /// Waits for changes in progress, for at most [`deadlines::SHUTDOWN`]. Call this before the program ends.
    pub async fn finish_changes(&self) {
        self.end_waits();
        self.changes.close();
        if tokio::time::timeout(deadlines::SHUTDOWN, self.changes.wait()).await.is_err() {
            tracing::error!(
                changes = self.changes.len(),
                "changes still running at shutdown; their outcome is unknown"
            );
        }
    }
}
