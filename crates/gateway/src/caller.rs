//! On whose behalf a call is made, and how it waits.

use std::{
    any::Any,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use http::HeaderValue;
use scope3_mcp_client::credentials::KeyRing;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::attempts::SendError;

/// What a call does when no permit is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnLimit {
    /// Answer at once when one is free.
    Reject,
    /// Wait for one, if it is free within this time.
    Wait(Duration),
}

/// A call that is waiting for a permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// How long it has waited so far.
    pub waited: Duration,
    /// How long it will have waited when it goes on.
    pub total: Duration,
}

/// Called about once a second while a call waits for a permit.
pub type OnWait = Arc<dyn Fn(Waiting) + Send + Sync>;

/// On whose behalf a call is made.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The keys it is made with.
    pub keys: Arc<KeyRing>,
    /// Whose keys they are.
    pub key_owner: KeyOwner,
    /// The W3C trace context that it belongs to, passed on to Scope3.
    pub traceparent: Option<HeaderValue>,
    /// What the client says that it is, such as `claude-code 2.1.331`. For the log.
    pub client: Option<String>,
    /// What its transport counts it by. It is dropped when the call has ended, also one that outlives its client.
    pub call_slot: Option<CallSlot>,
}

/// The place that a call takes up in a transport until it has ended.
#[derive(Clone)]
pub struct CallSlot(#[expect(dead_code, reason = "its drop is what counts")] Arc<dyn Any + Send + Sync>);

impl CallSlot {
    /// A place that is free again when `guard` is dropped.
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

/// Whose keys a call is made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyOwner {
    /// The operator's, who vouches for them.
    Server,
    /// The caller's own. Anybody can invent one, so it has to prove itself.
    Caller,
}

/// A call under way.
pub(super) struct Call {
    pub(super) caller: Caller,
    pub(super) arguments: Map<String, Value>,
    pub(super) on_wait: OnWait,
    pub(super) started: Instant,
    /// Cancelled when nobody waits for the result of a change any more.
    pub(super) abandoned: CancellationToken,
    /// Cancelled when the program ends: what has not left by then does not leave.
    pub(super) ending: CancellationToken,
}

impl Call {
    /// Waits between two attempts, when nothing is under way. A change that nobody waits for any more ends here, and so
    /// does every call at the end of the program.
    pub(super) async fn pause(&self, length: Duration) -> Result<(), SendError> {
        tokio::select! {
            () = tokio::time::sleep(length) => Ok(()),
            () = self.abandoned.cancelled() => Err(SendError::Abandoned),
            () = self.ending.cancelled() => Err(SendError::Abandoned),
        }
    }

    /// Waits for a permit, and tells about once a second how long that will still take.
    pub(super) async fn wait(&self, length: Duration) -> Result<(), SendError> {
        const TICK: Duration = Duration::from_secs(1);
        let until = Instant::now() + length;
        loop {
            let rest = until.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return Ok(());
            }
            let waited = self.started.elapsed();
            (self.on_wait)(Waiting { waited, total: waited + rest });
            self.pause(rest.min(TICK)).await?;
        }
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("caller", &self.caller).finish_non_exhaustive()
    }
}
