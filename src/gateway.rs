//! The way of one call, from its name to its result. There is no second way to Scope3.
//!
//! [`Gateway::call`] reads from top to bottom: look the tool up, may it run, do the arguments fit, is there a seat,
//! send. Consent and the journal of changes will stand between the arguments and the sending.

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, Instant},
};

use http::HeaderValue;
use jiff::{Timestamp, tz::Offset};
use serde_json::{Map, Value};

use crate::{
    catalog::{Catalog, Effect, Entry, Local, Problem, Request, Sentence, SpecialLimit, shortened},
    credentials::{ApiKey, Fingerprint, KeyAge, KeyError, KeyRing},
    failure::Failure,
    limits::{Class, Full, Limits},
    local, measure,
    policy::Policy,
    scope3::{Answer, Client, Error, PathProblem, Prepared, SendError, usual_code},
    whoami,
};

/// Everything a call passes through.
#[derive(Debug)]
pub struct Gateway {
    /// The tools that there are.
    pub catalog: Catalog,
    /// Which of them run.
    pub policy: Policy,
    /// How many requests may leave.
    pub limits: Limits,
    /// The client of the Campaign API.
    pub campaign: Client,
    /// What happens when no request may leave.
    pub on_limit: OnLimit,
}

/// What a call does when no seat is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnLimit {
    /// Answer at once when one is free.
    Reject,
    /// Wait for one, if it is free within this time.
    Wait(Duration),
}

/// A call that is waiting for a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// How long it has waited so far.
    pub waited: Duration,
    /// How long it will have waited when it goes on.
    pub total: Duration,
}

/// On whose behalf a call is made.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The keys it is made with.
    pub keys: Arc<KeyRing>,
    /// The W3C trace context that it belongs to, passed on to Scope3.
    pub traceparent: Option<HeaderValue>,
}

/// What a call brought.
#[derive(Debug, Clone, PartialEq)]
pub struct Success {
    /// The data, without the provider's envelope.
    pub data: Map<String, Value>,
    /// The sentence to show in place of the data, where one is promised. It stands in the data as `message`, too.
    pub sentence: Option<String>,
    /// Whether the sandbox answered.
    pub sandbox: bool,
}

/// Why a call brought nothing.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// There is no tool of that name.
    #[error("unknown tool `{name}`{}", .nearest.as_ref().map_or_else(String::new, |near| format!("; did you mean `{near}`?")))]
    UnknownTool {
        /// The name.
        name: String,
        /// The name that was probably meant.
        nearest: Option<String>,
    },
    /// Everything else, in words for the agent.
    #[error("{}", .0.message)]
    Failed(Box<Failure>),
}

impl From<Failure> for CallError {
    fn from(failure: Failure) -> Self {
        Self::Failed(Box::new(failure))
    }
}

impl Gateway {
    /// Calls a tool for a caller. `on_wait` hears about once a second while the call waits for a seat.
    ///
    /// Dropping the future stops the request to Scope3.
    ///
    /// # Errors
    /// When the call brings nothing; the error says whether anything changed.
    pub async fn call(
        &self,
        caller: &Caller,
        name: &str,
        arguments: Map<String, Value>,
        on_wait: &(dyn Fn(Waiting) + Send + Sync),
    ) -> Result<Success, CallError> {
        let entry = self.catalog.get(name);
        let tool = entry.map_or("unknown".into(), |entry| entry.tool.name.clone());
        let measured = measure::Call::begin(tool, entry.map_or("none", |entry| measured_class(entry)));
        let outcome = self.run(caller, name, arguments, on_wait).await;
        measured.end(measured_outcome(&outcome));
        outcome
    }

    async fn run(
        &self,
        caller: &Caller,
        name: &str,
        arguments: Map<String, Value>,
        on_wait: &(dyn Fn(Waiting) + Send + Sync),
    ) -> Result<Success, CallError> {
        let entry = self.look_up(name)?;
        self.policy.permits(entry).map_err(|why| Failure::withheld(entry, why))?;
        let arguments =
            entry.check_arguments(arguments).map_err(|problems| Failure::arguments(entry, &problems))?;
        let request = match (&entry.tool.request, entry.tool.answers) {
            (Some(request), _) => request,
            (None, Some(local)) => {
                return self.answer_locally(local, entry, &caller.keys, &arguments).await;
            }
            // The build refuses a tool that does neither.
            (None, None) => {
                return Err(CallError::UnknownTool { name: shortened(name).into_owned(), nearest: None });
            }
        };
        let prepared = self.prepare(caller, request, arguments).map_err(|problem| Failure::path(&problem))?;
        let answer = self.send_within_limits(entry, &prepared, &caller.keys, on_wait).await;
        let answer =
            answer.map_err(|error| Failure::send(&error, &entry.tool, entry.tool.settled_by.as_deref()))?;
        Ok(finish(entry, &caller.keys, answer))
    }

    /// Whether Scope3 has accepted this key since the server started. Sessions of other keys make room first.
    #[must_use]
    pub fn is_proven(&self, _key: Fingerprint) -> bool {
        true
    }

    fn look_up(&self, name: &str) -> Result<&Entry, CallError> {
        self.catalog.get(name).map(|entry| &**entry).ok_or_else(|| CallError::UnknownTool {
            name: shortened(name).into_owned(),
            nearest: self.catalog.nearest(name).map(str::to_owned),
        })
    }

    fn prepare(
        &self,
        caller: &Caller,
        request: &Request,
        arguments: Map<String, Value>,
    ) -> Result<Prepared, PathProblem> {
        Prepared::new(self.campaign.base(), request, arguments)
            .map(|prepared| prepared.with_traceparent(caller.traceparent.clone()))
    }

    /// Sends a request once its seats are free, as far as the operator lets it wait.
    async fn send_within_limits(
        &self,
        entry: &Entry,
        request: &Prepared,
        keys: &KeyRing,
        on_wait: &(dyn Fn(Waiting) + Send + Sync),
    ) -> Result<Answer, SendError> {
        let started = Instant::now();
        loop {
            let outcome = self.send(entry, request, keys).await;
            let wait = match &outcome {
                Err(SendError::Full(full)) => full.wait,
                // Refused by Scope3's own count: it changed nothing, so it may be sent again, whatever its effect.
                Err(SendError::Api { error: Error::RateLimited { wait }, .. }) => *wait,
                _ => return outcome,
            };
            match self.on_limit {
                OnLimit::Wait(longest) if started.elapsed() + wait <= longest => {
                    sleep(started, wait, on_wait).await;
                }
                _ => return outcome,
            }
        }
    }

    /// Sends a request if its seats are free, and learns from the answer when the next may be sent.
    async fn send(&self, entry: &Entry, request: &Prepared, keys: &KeyRing) -> Result<Answer, SendError> {
        let repeatable = entry.tool.effect == Effect::Read;
        let mut charged: Option<Fingerprint> = None;
        let take_seats = |key: &ApiKey| -> Result<(), Full> {
            // The call counts once with each key it is made with; its HTTP requests count one by one.
            let classes = if charged == Some(key.fingerprint()) { &[Class::Api] } else { classes(entry) };
            self.limits.take(key.fingerprint(), classes)?;
            charged = Some(key.fingerprint());
            Ok(())
        };
        let outcome = self.campaign.send(request, repeatable, keys, take_seats).await;
        match &outcome {
            Ok(Answer { key, pause: Some(pause), .. }) => {
                self.limits.learn(key.fingerprint(), Class::Api, *pause);
            }
            Err(SendError::Api { error: Error::RateLimited { wait }, key }) => {
                let class =
                    if entry.tool.limit == Some(SpecialLimit::Export) { Class::Export } else { Class::Api };
                self.limits.learn(key.fingerprint(), class, *wait);
            }
            _ => {}
        }
        outcome
    }

    async fn answer_locally(
        &self,
        local: Local,
        entry: &Entry,
        keys: &KeyRing,
        arguments: &Map<String, Value>,
    ) -> Result<Success, CallError> {
        let data = match local {
            Local::Describe => {
                let name = arguments.get("name").and_then(Value::as_str).unwrap_or_default();
                local::description(&self.catalog, &self.policy, name).map_err(|nearest| {
                    let problem =
                        Problem { did_you_mean: nearest, ..Problem::at("name", "is not the name of a tool") };
                    Failure::arguments(entry, &problem.into())
                })?
            }
            Local::Usage => {
                let keys = keys.keys().await.map_err(|error| Failure::key(&error))?;
                let Some(key) = keys.first() else { return Err(Failure::key(&KeyError::Missing).into()) };
                local::usage(key.fingerprint(), &self.limits.usage(key.fingerprint()))
            }
        };
        Ok(Success { data, sentence: None, sandbox: false })
    }
}

/// The class of limit that a tool's calls are measured under.
fn measured_class(entry: &Entry) -> &'static str {
    match (&entry.tool.request, entry.tool.limit) {
        (None, _) => "local",
        (_, Some(SpecialLimit::Export)) => "export",
        (_, None) => "mcp",
    }
}

/// How a call ended, in few words: a code that Scope3 chose counts under the usual one of its status.
fn measured_outcome(outcome: &Result<Success, CallError>) -> Cow<'static, str> {
    match outcome {
        Ok(_) => "ok".into(),
        Err(CallError::UnknownTool { .. }) => "UNKNOWN_TOOL".into(),
        Err(CallError::Failed(failure)) => {
            failure.status.map_or_else(|| failure.code.clone().into(), |status| usual_code(status).into())
        }
    }
}

/// What the first request of a call counts as.
fn classes(entry: &Entry) -> &'static [Class] {
    match entry.tool.limit {
        Some(SpecialLimit::Export) => &[Class::Mcp, Class::Api, Class::Export],
        None => &[Class::Mcp, Class::Api],
    }
}

fn finish(entry: &Entry, keys: &KeyRing, answer: Answer) -> Success {
    let Answer { mut data, sandbox, .. } = answer;
    let mut sentence = None;
    if entry.tool.presents == Some(Sentence::Whoami) {
        let mut said = whoami::sentence(&data);
        if let Some(notice) =
            keys.age(Offset::UTC.to_datetime(Timestamp::now()).date()).and_then(KeyAge::notice)
        {
            said = format!("{said}\n{notice}");
        }
        data.insert("message".to_owned(), said.clone().into());
        sentence = Some(said);
    }
    Success { data, sentence, sandbox }
}

async fn sleep(started: Instant, wait: Duration, on_wait: &(dyn Fn(Waiting) + Send + Sync)) {
    const TICK: Duration = Duration::from_secs(1);
    let until = Instant::now() + wait;
    loop {
        let rest = until.saturating_duration_since(Instant::now());
        if rest.is_zero() {
            return;
        }
        on_wait(Waiting { waited: started.elapsed(), total: started.elapsed() + rest });
        tokio::time::sleep(rest.min(TICK)).await;
    }
}
