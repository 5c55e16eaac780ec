//! The sessions of both transports: their owners, their limits and their expiry.
//!
//! A session belongs to the caller that opened it. For all other callers, it does not exist on any route.

use std::{
    cmp::Reverse,
    collections::HashMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use rmcp::{
    model::{ClientJsonRpcMessage, ProtocolVersion},
    transport::streamable_http_server::session::{SessionId, local::LocalSessionHandle},
};
use scope3_mcp_gateway::instruments::bound_reached;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    audit,
    auth::{IsProven, Owner},
    ids,
    rejection::{INVALID_REQUEST, Rejection},
};
use crate::transport::pending::PendingResponses;

/// How many sessions may be open, and how long an idle one is kept.
#[derive(Debug, Clone, Copy)]
pub struct SessionLimits {
    /// Sessions of all callers together.
    pub sessions: usize,
    /// Sessions of each key, if callers send their own keys.
    pub sessions_per_key: usize,
    /// How long a session without a call or an open stream is kept.
    pub idle: Duration,
}

/// When a client should retry after reaching the session limit.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// How long a session's common stream must be open before another connection can take it over. A client that lost its
/// connection reconnects later than that. Without a minimum, two competing connections would take it over endlessly.
const MIN_TAKEOVER_AGE: Duration = Duration::from_secs(3);

/// How long a connection may take to release a stream that another one takes over.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(1);

/// The channel that messages to a session are sent through.
#[derive(Debug, Clone)]
pub(super) enum Channel {
    Streamable(LocalSessionHandle),
    Sse { to_server: mpsc::Sender<ClientJsonRpcMessage>, pending: PendingResponses },
}

/// A stream of a session: the common one, or the stream of a request by its number.
pub(super) type StreamId = Option<u64>;

/// Marks the id of a request as in use while the request is in flight. Stored in the request's extensions.
#[derive(Debug, Clone)]
pub(super) struct InFlight(#[expect(dead_code, reason = "only its reference count is read")] Arc<()>);

/// The exclusive right to a stream of a session. Dropping it releases the stream.
#[derive(Debug)]
pub(super) struct StreamLease {
    /// Cancelled when another connection of the same caller takes the stream over.
    superseded: CancellationToken,
    released: CancellationToken,
    /// Cancelled when the previous connection has released the stream.
    predecessor: Option<CancellationToken>,
}

impl StreamLease {
    fn new(predecessor: Option<CancellationToken>) -> Self {
        Self { superseded: CancellationToken::new(), released: CancellationToken::new(), predecessor }
    }

    fn state(&self) -> LeaseState {
        LeaseState {
            superseded: self.superseded.clone(),
            released: self.released.clone(),
            since: Instant::now(),
        }
    }

    /// Cancelled when the stream must end because another connection takes it over.
    pub(super) fn superseded(&self) -> CancellationToken {
        self.superseded.clone()
    }

    /// Waits until the previous connection has released the stream.
    pub(super) async fn wait_for_predecessor(&self) -> Result<(), Rejection> {
        let Some(predecessor) = &self.predecessor else { return Ok(()) };
        let released = tokio::time::timeout(RELEASE_TIMEOUT, predecessor.cancelled()).await;
        released.map_err(|_| stream_is_taken())
    }
}

impl Drop for StreamLease {
    fn drop(&mut self) {
        self.released.cancel();
    }
}

/// A session's record of a [`StreamLease`].
#[derive(Debug)]
struct LeaseState {
    superseded: CancellationToken,
    released: CancellationToken,
    since: Instant,
}

impl LeaseState {
    fn is_held(&self) -> bool {
        !self.released.is_cancelled()
    }
}

fn stream_is_taken() -> Rejection {
    Rejection::new(http::StatusCode::CONFLICT, "this stream of the session is already open")
}

#[derive(Debug)]
struct Session {
    owner: Owner,
    channel: Channel,
    version: Option<ProtocolVersion>,
    stop: CancellationToken,
    opened: Instant,
    used: Instant,
    requests: HashMap<Value, Weak<()>>,
    streams: HashMap<StreamId, LeaseState>,
}

impl Session {
    fn is_busy(&self) -> bool {
        self.requests.values().any(is_held)
    }

    fn is_streaming(&self) -> bool {
        self.streams.values().any(LeaseState::is_held)
    }

    fn close(self) {
        self.stop.cancel();
        if let Channel::Streamable(handle) = self.channel {
            // The worker would report an error if its handle were only dropped.
            tokio::spawn(async move { handle.close().await });
        }
    }
}

fn is_held(held: &Weak<()>) -> bool {
    held.strong_count() > 0
}

/// The open sessions.
pub(super) struct Sessions {
    limits: SessionLimits,
    is_proven: IsProven,
    open: Mutex<HashMap<SessionId, Session>>,
}

impl Sessions {
    pub(super) fn new(limits: SessionLimits, is_proven: IsProven) -> Self {
        Self { limits, is_proven, open: Mutex::default() }
    }

    /// Opens a session under an unguessable id, and closes another to make room for it if needed.
    pub(super) fn open(
        &self,
        owner: Owner,
        channel: impl FnOnce(&SessionId) -> Channel,
    ) -> Result<(SessionId, CancellationToken), Rejection> {
        let stop = CancellationToken::new();
        let id = self.insert(owner, stop.clone(), channel, HashMap::new())?;
        Ok((id, stop))
    }

    /// Opens a session with its common stream in one step. Between two steps, another caller could evict the session
    /// because it has no stream.
    pub(super) fn open_streaming(
        &self,
        owner: Owner,
        channel: Channel,
    ) -> Result<(SessionId, StreamLease), Rejection> {
        let lease = StreamLease::new(None);
        let streams = HashMap::from([(None, lease.state())]);
        let id = self.insert(owner, CancellationToken::new(), |_| channel, streams)?;
        Ok((id, lease))
    }

    fn insert(
        &self,
        owner: Owner,
        stop: CancellationToken,
        channel: impl FnOnce(&SessionId) -> Channel,
        streams: HashMap<StreamId, LeaseState>,
    ) -> Result<SessionId, Rejection> {
        let id: SessionId = ids::session_id().map_err(|error| self.no_random_bytes(&error))?.into();
        let mut sessions = self.lock();
        let counts = |session: &Session| matches!(owner, Owner::Key(_)) && session.owner == owner;
        if sessions.values().filter(|session| counts(session)).count() >= self.limits.sessions_per_key {
            bound_reached("sessions_per_key");
            let longest_idle = longest_idle(sessions.iter().filter(|(_, session)| counts(session)));
            close(&mut sessions, longest_idle)?;
        }
        if sessions.len() >= self.limits.sessions {
            bound_reached("sessions");
            let closing = self.session_to_evict(&sessions, owner);
            close(&mut sessions, closing)?;
        }
        let now = Instant::now();
        let session = Session {
            owner,
            channel: channel(&id),
            version: None,
            stop,
            opened: now,
            used: now,
            requests: HashMap::new(),
            streams,
        };
        sessions.insert(Arc::clone(&id), session);
        Ok(id)
    }

    /// The session to close for a newcomer when the limit is reached.
    ///
    /// An owner with an unproven key never evicts one with a proven key. It evicts others with unproven keys, and only
    /// among the newer half of their sessions: a client from before a flood of invented keys stays, and one that
    /// connects during the flood has time to prove its key.
    fn session_to_evict(&self, sessions: &HashMap<SessionId, Session>, newcomer: Owner) -> Option<SessionId> {
        let (proven, mut unproven): (Vec<_>, Vec<_>) =
            sessions.iter().partition(|(_, session)| (self.is_proven)(session.owner));
        if !(self.is_proven)(newcomer) {
            unproven.sort_by_key(|(_, session)| Reverse(session.opened));
            unproven.truncate(unproven.len().div_ceil(2));
            return longest_idle(unproven.into_iter());
        }
        longest_idle(unproven.into_iter()).or_else(|| longest_idle(proven.into_iter()))
    }

    fn no_random_bytes(&self, error: &io::Error) -> Rejection {
        tracing::error!(%error, limits = ?self.limits, "cannot get random bytes for a session id");
        Rejection::new(http::StatusCode::INTERNAL_SERVER_ERROR, "cannot open a session")
    }

    /// The channel to a session of this owner. Counts as use of the session.
    pub(super) fn channel(&self, id: &str, owner: Owner) -> Option<Channel> {
        self.with_session(id, owner, |session| session.channel.clone())
    }

    /// Marks the id of a request as in use until the request is done. Rejects an id already in use: responses are
    /// matched to requests by id alone, so one of the two would never get its response.
    pub(super) fn start_request(
        &self,
        id: &str,
        owner: Owner,
        request: &Value,
    ) -> Result<InFlight, Rejection> {
        self.with_session(id, owner, |session| {
            session.requests.retain(|_, held| is_held(held));
            if session.requests.contains_key(request) {
                let message = "a request with this id is already in flight in this session";
                return Err(Rejection::malformed(INVALID_REQUEST, message).with_id(request.clone()));
            }
            let held = Arc::new(());
            session.requests.insert(request.clone(), Arc::downgrade(&held));
            Ok(InFlight(held))
        })
        .unwrap_or_else(|| Err(Rejection::no_session()))
    }

    /// Stores the protocol version of a session.
    pub(super) fn set_version(&self, id: &str, owner: Owner, version: ProtocolVersion) {
        self.with_session(id, owner, |session| session.version = Some(version));
    }

    /// The protocol version of a session.
    pub(super) fn version(&self, id: &str, owner: Owner) -> Option<ProtocolVersion> {
        self.with_session(id, owner, |session| session.version.clone())?
    }

    /// Leases a stream of a session, unless it is already leased. The common stream can be taken over: the client of
    /// its connection may be gone without this server having noticed yet.
    pub(super) fn lease_stream(
        &self,
        id: &str,
        owner: Owner,
        stream: StreamId,
    ) -> Result<StreamLease, Rejection> {
        self.lease_stream_after(id, owner, stream, MIN_TAKEOVER_AGE)
    }

    fn lease_stream_after(
        &self,
        id: &str,
        owner: Owner,
        stream: StreamId,
        takeover_after: Duration,
    ) -> Result<StreamLease, Rejection> {
        self.with_session(id, owner, |session| {
            session.streams.retain(|_, lease| lease.is_held());
            let predecessor = match session.streams.get(&stream) {
                None => None,
                Some(lease) if stream.is_none() && lease.since.elapsed() >= takeover_after => {
                    lease.superseded.cancel();
                    Some(lease.released.clone())
                }
                Some(_) => return Err(stream_is_taken()),
            };
            let lease = StreamLease::new(predecessor);
            session.streams.insert(stream, lease.state());
            Ok(lease)
        })
        .unwrap_or_else(|| Err(Rejection::no_session()))
    }

    /// Closes a session of this owner. Returns whether there was one.
    pub(super) fn close(&self, id: &str, owner: Owner) -> bool {
        let mut sessions = self.lock();
        let Some(session) = sessions.get(id) else { return false };
        if session.owner != owner {
            return audit::session_foreign(id, owner).unwrap_or(false);
        }
        if let Some(session) = sessions.remove(id) {
            session.close();
        }
        true
    }

    /// Closes all sessions.
    pub(super) fn close_all(&self) {
        self.lock().drain().for_each(|(_, session)| session.close());
    }

    /// The number of sessions of each transport: Streamable HTTP, then HTTP+SSE.
    pub(super) fn count(&self) -> (usize, usize) {
        let sessions = self.lock();
        let sse = sessions.values().filter(|session| matches!(session.channel, Channel::Sse { .. })).count();
        (sessions.len() - sse, sse)
    }

    /// Closes sessions that have been idle for too long, as long as the future is polled.
    pub(super) async fn run_expiry(self: Arc<Self>) {
        let interval = (self.limits.idle / 8).clamp(Duration::from_millis(50), Duration::from_secs(30));
        loop {
            tokio::time::sleep(interval).await;
            let now = Instant::now();
            let is_expired = |_: &SessionId, session: &mut Session| {
                if session.is_busy() || session.is_streaming() {
                    session.used = now;
                }
                now.duration_since(session.used) >= self.limits.idle
            };
            self.lock().extract_if(is_expired).for_each(|(_, session)| session.close());
        }
    }

    fn with_session<T>(&self, id: &str, owner: Owner, act: impl FnOnce(&mut Session) -> T) -> Option<T> {
        let mut sessions = self.lock();
        let session = sessions.get_mut(id)?;
        if session.owner != owner {
            return audit::session_foreign(id, owner);
        }
        // The expiry task runs at intervals, but a session expires exactly on time.
        if !session.is_busy() && !session.is_streaming() && session.used.elapsed() >= self.limits.idle {
            return None;
        }
        session.used = Instant::now();
        Some(act(session))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Session>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The session that has been idle for longest. Sessions with an open stream come last, and those with a request in
/// flight are excluded.
fn longest_idle<'a>(among: impl Iterator<Item = (&'a SessionId, &'a Session)>) -> Option<SessionId> {
    among
        .filter(|(_, session)| !session.is_busy())
        .min_by_key(|(_, session)| (session.is_streaming(), session.used))
        .map(|(id, _)| Arc::clone(id))
}

fn close(sessions: &mut HashMap<SessionId, Session>, id: Option<SessionId>) -> Result<(), Rejection> {
    let session = id.and_then(|id| sessions.remove(&id));
    let session = session.ok_or_else(|| Rejection::busy("session limit reached", RETRY_AFTER))?;
    session.close();
    Ok(())
}

#[cfg(test)]
pub(super) mod tests;
