//! The sessions of both transports: whose they are, how many there may be, and when they end.
//!
//! A session belongs to the caller that opened it. To everybody else it is not there, on every path.

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
use scope3_mcp_gateway::measure::bound_reached;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    IsProven,
    auth::Owner,
    ids,
    rejection::{INVALID_REQUEST, Rejection},
};
use crate::transport::pending::PendingResponses;

/// How many sessions there may be, and how long one may be still.
#[derive(Debug, Clone, Copy)]
pub struct SessionLimits {
    /// Sessions in all.
    pub sessions: usize,
    /// Sessions of each key, where callers bring keys.
    pub sessions_per_key: usize,
    /// How long a session without a call or an open stream is kept.
    pub idle: Duration,
}

/// When a client that found no place should try again.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// How long a session's common stream is open before a newcomer takes it over. A client that lost its connection
/// comes back after that; two that compete would otherwise take it from each other without end.
const MIN_TAKEOVER_AGE: Duration = Duration::from_secs(3);

/// How long the connection that a stream was taken from may take to let go of it.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(1);

/// How messages get into a session.
#[derive(Debug, Clone)]
pub(super) enum Channel {
    Streamable(LocalSessionHandle),
    Sse { to_server: mpsc::Sender<ClientJsonRpcMessage>, pending: PendingResponses },
}

/// A stream of a session: the common one, or that of a request by its number.
pub(super) type StreamId = Option<u64>;

/// WithGuard while a request of a session is worked on. It rides in the extensions of the request.
#[derive(Debug, Clone)]
pub(super) struct InFlight(#[expect(dead_code, reason = "its count is what counts")] Arc<()>);

/// WithGuard while a stream of a session is open.
#[derive(Debug)]
pub(super) struct StreamLease {
    /// Cancelled when another connection of the same client takes the stream over.
    superseded: CancellationToken,
    released: CancellationToken,
    /// Cancelled when the connection that had the stream before has let go of it.
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

    /// Cancelled when the stream must end, since another connection has taken it over.
    pub(super) fn superseded(&self) -> CancellationToken {
        self.superseded.clone()
    }

    /// Waits until the connection that had the stream before has let go of it.
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

/// What a session keeps of a [`StreamLease`].
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
            // The worker takes a handle that goes without a word for a fault.
            tokio::spawn(async move { handle.close().await });
        }
    }
}

fn is_held(held: &Weak<()>) -> bool {
    held.strong_count() > 0
}

/// All sessions.
pub(super) struct Sessions {
    limits: SessionLimits,
    is_proven: IsProven,
    open: Mutex<HashMap<SessionId, Session>>,
}

impl Sessions {
    pub(super) fn new(limits: SessionLimits, is_proven: IsProven) -> Self {
        Self { limits, is_proven, open: Mutex::default() }
    }

    /// Opens a session under an id that nobody can guess, and makes room for it where there is none.
    pub(super) fn open(
        &self,
        owner: Owner,
        channel: impl FnOnce(&SessionId) -> Channel,
    ) -> Result<(SessionId, CancellationToken), Rejection> {
        let stop = CancellationToken::new();
        let id = self.insert(owner, stop.clone(), channel, HashMap::new())?;
        Ok((id, stop))
    }

    /// Opens a session whose common stream is open from the start: between two steps another newcomer could take it
    /// for one without a stream and close it.
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
        let id: SessionId = ids::session_id().map_err(|error| self.no_randomness(&error))?.into();
        let mut sessions = self.lock();
        let of_owner = |session: &Session| matches!(owner, Owner::Key(_)) && session.owner == owner;
        if sessions.values().filter(|session| of_owner(session)).count() >= self.limits.sessions_per_key {
            bound_reached("sessions_per_key");
            let longest_idle = longest_idle(sessions.iter().filter(|(_, session)| of_owner(session)));
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

    /// The session that makes room for a newcomer, where all places are taken.
    ///
    /// An owner whose key Scope3 has not accepted yet never displaces one whose key it has. It displaces its own
    /// kind, and of those only the half that came last: so a client that came before a flood of invented keys stays,
    /// and one that comes during it has time to prove its key.
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

    fn no_randomness(&self, error: &io::Error) -> Rejection {
        tracing::error!(%error, limits = ?self.limits, "the system gives no random bytes");
        Rejection::new(http::StatusCode::INTERNAL_SERVER_ERROR, "no session can be opened")
    }

    /// The way into a session of this owner, which counts as used now.
    pub(super) fn channel(&self, id: &str, owner: Owner) -> Option<Channel> {
        self.with_session(id, owner, |session| session.channel.clone())
    }

    /// Marks that a request of a session is worked on. Its id must not be that of another: answers are told apart
    /// by it alone, and one of the two would never come.
    pub(super) fn start_request(
        &self,
        id: &str,
        owner: Owner,
        request: &Value,
    ) -> Result<InFlight, Rejection> {
        self.with_session(id, owner, |session| {
            session.requests.retain(|_, held| is_held(held));
            if session.requests.contains_key(request) {
                let message = "a request with this id is under way in the session";
                return Err(Rejection::malformed(INVALID_REQUEST, message).with_id(request.clone()));
            }
            let held = Arc::new(());
            session.requests.insert(request.clone(), Arc::downgrade(&held));
            Ok(InFlight(held))
        })
        .unwrap_or_else(|| Err(Rejection::no_session()))
    }

    /// Remembers the version that a session speaks.
    pub(super) fn set_version(&self, id: &str, owner: Owner, version: ProtocolVersion) {
        self.with_session(id, owner, |session| session.version = Some(version));
    }

    /// The version that a session speaks.
    pub(super) fn version(&self, id: &str, owner: Owner) -> Option<ProtocolVersion> {
        self.with_session(id, owner, |session| session.version.clone())?
    }

    /// Takes a stream of a session, unless somebody holds it. The common stream can be taken over: its holder may be
    /// a connection whose client is gone, which this server learns late.
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

    /// Ends a session of this owner. Says whether there was one.
    pub(super) fn close(&self, id: &str, owner: Owner) -> bool {
        let mut sessions = self.lock();
        if sessions.get(id).is_none_or(|session| session.owner != owner) {
            return false;
        }
        if let Some(session) = sessions.remove(id) {
            session.close();
        }
        true
    }

    /// Ends all sessions.
    pub(super) fn close_all(&self) {
        self.lock().drain().for_each(|(_, session)| session.close());
    }

    /// How many sessions each transport has: Streamable HTTP, and HTTP with SSE.
    pub(super) fn count(&self) -> (usize, usize) {
        let sessions = self.lock();
        let sse = sessions.values().filter(|session| matches!(session.channel, Channel::Sse { .. })).count();
        (sessions.len() - sse, sse)
    }

    /// Ends sessions that have been still for too long, as long as the future is polled.
    pub(super) async fn run_expiry(self: Arc<Self>) {
        let pace = (self.limits.idle / 8).clamp(Duration::from_millis(50), Duration::from_secs(30));
        loop {
            tokio::time::sleep(pace).await;
            let now = Instant::now();
            let is_over = |_: &SessionId, session: &mut Session| {
                if session.is_busy() || session.is_streaming() {
                    session.used = now;
                }
                now.duration_since(session.used) >= self.limits.idle
            };
            self.lock().extract_if(is_over).for_each(|(_, session)| session.close());
        }
    }

    fn with_session<T>(&self, id: &str, owner: Owner, act: impl FnOnce(&mut Session) -> T) -> Option<T> {
        let mut sessions = self.lock();
        let session = sessions.get_mut(id).filter(|session| session.owner == owner)?;
        // The expiry comes now and then; a session is over when its time is.
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

/// The session that has been still for longest; those with an open stream come last, and those with a call under way
/// are left alone.
fn longest_idle<'a>(among: impl Iterator<Item = (&'a SessionId, &'a Session)>) -> Option<SessionId> {
    among
        .filter(|(_, session)| !session.is_busy())
        .min_by_key(|(_, session)| (session.is_streaming(), session.used))
        .map(|(id, _)| Arc::clone(id))
}

fn close(sessions: &mut HashMap<SessionId, Session>, id: Option<SessionId>) -> Result<(), Rejection> {
    let session = id.and_then(|id| sessions.remove(&id));
    let session =
        session.ok_or_else(|| Rejection::busy("this server has reached its session limit", RETRY_AFTER))?;
    session.close();
    Ok(())
}

#[cfg(test)]
pub(super) mod tests;
