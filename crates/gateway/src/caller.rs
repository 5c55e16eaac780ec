//! The caller of a tool, and how a call waits.

use std::{
    any::Any,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use http::HeaderValue;
use scope3_mcp_client::{credentials::KeyRing, sanitize::Sanitizer};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::{attempts::SendError, consent::Person, policy::Narrowing};

/// What a call does when a rate limit is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnLimit {
    /// Refuse at once and say when to retry.
    Reject,
    /// Wait for a free permit, if there will be one within this time.
    Wait(Duration),
}

/// What a call waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitReason {
    /// A permit of a rate limit.
    Limit,
    /// The next look at work that is pending.
    Pending,
}

/// A call that is waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// What it waits for.
    pub reason: WaitReason,
    /// How long it has waited so far.
    pub waited: Duration,
    /// How long it will have waited in total.
    pub total: Duration,
}

/// Called about once a second while a call waits.
pub type OnWait = Arc<dyn Fn(Waiting) + Send + Sync>;

/// The caller of a tool.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The API keys to call Scope3 with.
    pub keys: Arc<KeyRing>,
    /// Whose keys they are.
    pub key_owner: KeyOwner,
    /// The W3C trace context of the call, passed on to Scope3.
    pub traceparent: Option<HeaderValue>,
    /// The client's name and version as it reports them, such as `claude-code 2.1.331`. For the log.
    pub client: Option<String>,
    /// The MCP session, for the journal.
    pub session: Option<String>,
    /// The caller's own name for a change, from `_meta.idempotencyKey`.
    pub idempotency_key: Option<String>,
    /// What the request leaves of the operator's selection of tools. `None` leaves all.
    pub narrowing: Option<Narrowing>,
    /// Who reads the result.
    pub reader: Reader,
    /// How the person behind the caller can be asked for consent.
    pub person: Person,
    /// The call's slot in its transport. It is dropped when the call ends, even if the call outlives its client.
    pub call_slot: Option<CallSlot>,
}

impl Caller {
    /// A caller of whom only the keys are known.
    #[must_use]
    pub fn new(keys: Arc<KeyRing>, key_owner: KeyOwner) -> Self {
        Self {
            keys,
            key_owner,
            traceparent: None,
            client: None,
            session: None,
            idempotency_key: None,
            narrowing: None,
            reader: Reader::Program,
            person: Person::BehindAgent,
            call_slot: None,
        }
    }

    /// Removes secrets from what the log and the journal keep of a caller.
    pub(super) fn sanitized(mut self) -> Self {
        let mut sanitizer = Sanitizer::new(self.keys.redactor());
        let texts = [&mut self.client, &mut self.session, &mut self.idempotency_key];
        for text in texts.into_iter().flatten() {
            sanitizer.text(text);
        }
        self
    }

    /// The arguments of a change without secrets, for the journal.
    pub(super) fn sanitized_arguments(&self, arguments: &Map<String, Value>) -> Map<String, Value> {
        let mut sanitized = arguments.clone();
        Sanitizer::new(self.keys.redactor()).members(&mut sanitized);
        sanitized
    }
}

/// The slot that a call occupies in a transport until it ends.
#[derive(Clone)]
pub struct CallSlot(#[expect(dead_code, reason = "its drop is what counts")] Arc<dyn Any + Send + Sync>);

impl CallSlot {
    /// A slot that is free again when `guard` is dropped.
    #[must_use]
    pub fn of(guard: Arc<dyn Any + Send + Sync>) -> Self {
        Self(guard)
    }
}

impl fmt::Debug for CallSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallSlot")
    }
}

/// Who reads the result of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reader {
    /// A model, for which long results are cut.
    Model,
    /// A person or a program, which gets everything.
    #[default]
    Program,
}

/// Who owns the keys of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyOwner {
    /// The operator of this server, who vouches for the keys.
    Server,
    /// The caller. Anyone can invent a key, so Scope3 must accept it before it counts as proven.
    Caller,
}

/// A call in progress.
pub(super) struct Call {
    pub(super) caller: Caller,
    pub(super) arguments: Map<String, Value>,
    /// How long the call may wait until the work that it reads about is done. `None` reads once.
    pub(super) waits_for: Option<Duration>,
    pub(super) on_wait: OnWait,
    pub(super) started: Instant,
    /// Cancelled when the caller no longer waits for the result of a change.
    pub(super) abandoned: CancellationToken,
    /// Cancelled when the program ends. A request that has not been sent by then is not sent.
    pub(super) ending: CancellationToken,
}

impl Call {
    /// Pauses between two attempts, while no request is in progress. The call ends here if its caller no longer waits for
    /// the change, or if the program ends.
    pub(super) async fn pause(&self, length: Duration) -> Result<(), SendError> {
        tokio::select! {
            () = tokio::time::sleep(length) => Ok(()),
            () = self.abandoned.cancelled() => Err(SendError::Abandoned),
            () = self.ending.cancelled() => Err(SendError::Abandoned),
        }
    }

    /// Waits, and reports progress about once a second.
    pub(super) async fn wait(&self, length: Duration, reason: WaitReason) -> Result<(), SendError> {
        const TICK: Duration = Duration::from_secs(1);
        let until = Instant::now() + length;
        loop {
            let rest = until.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return Ok(());
            }
            let waited = self.started.elapsed();
            (self.on_wait)(Waiting { reason, waited, total: waited + rest });
            self.pause(rest.min(TICK)).await?;
        }
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("caller", &self.caller).finish_non_exhaustive()
    }
}
