//! The caller of a tool, and how a call waits.

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
    /// Refuse at once, and say when one is free.
    Reject,
    /// Wait, if one is free within this time.
    Wait(Duration),
}

/// The progress of a call that waits for a permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// The time waited so far.
    pub waited: Duration,
    /// The total time that it will have waited.
    pub total: Duration,
}

/// Called about once a second while a call waits for a permit.
pub type OnWait = Arc<dyn Fn(Waiting) + Send + Sync>;

/// Who makes a call, and with which keys.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The keys to use.
    pub keys: Arc<KeyRing>,
    /// Whose keys they are.
    pub key_owner: KeyOwner,
    /// The W3C trace context of the call, which is passed on to Scope3.
    pub traceparent: Option<HeaderValue>,
    /// The name and version that the client reports, such as `claude-code 2.1.331`. For the log.
    pub client: Option<String>,
    /// The call's slot in its transport. It is released when the call ends, even if the client is gone before.
    pub call_slot: Option<CallSlot>,
}

/// The slot that a call occupies in a transport until it ends.
#[derive(Clone)]
pub struct CallSlot(#[expect(dead_code, reason = "its drop is what counts")] Arc<dyn Any + Send + Sync>);

impl CallSlot {
    /// A slot that is released when `guard` is dropped.
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
    /// The operator's keys, which are trusted.
    Server,
    /// The caller's keys. Anyone can make one up, so Scope3 has to accept it first.
    Caller,
}

/// A running call.
pub(super) struct Call {
    pub(super) caller: Caller,
    pub(super) arguments: Map<String, Value>,
    pub(super) on_wait: OnWait,
    pub(super) started: Instant,
    /// Cancelled when the caller of a change is gone.
    pub(super) abandoned: CancellationToken,
    /// Cancelled when the program ends: a request that was not sent by then is not sent.
    pub(super) ending: CancellationToken,
}

impl Call {
    /// Waits between two attempts. A change whose caller is gone ends here, and so does every call when the program ends.
    pub(super) async fn pause(&self, length: Duration) -> Result<(), SendError> {
        tokio::select! {
            () = tokio::time::sleep(length) => Ok(()),
            () = self.abandoned.cancelled() => Err(SendError::Abandoned),
            () = self.ending.cancelled() => Err(SendError::Abandoned),
        }
    }

    /// Waits for a permit, and reports about once a second how long that will take.
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
