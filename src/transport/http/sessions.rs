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
    admission::Owner,
    random,
    refusal::{INVALID_REQUEST, Refusal},
};
use crate::transport::owed::OwedAnswers;

/// How many sessions there may be, and how long one may be still.
#[derive(Debug, Clone, Copy)]
pub struct Caps {
    /// Sessions in all.
    pub sessions: usize,
    /// Sessions of each key, where callers bring keys.
    pub sessions_per_key: usize,
    /// How long a session without a call or an open stream is kept.
    pub idle: Duration,
}

/// When a client that found no place should try again.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// How long a session's common stream is open before a newcomer takes it over. A client that lost its connection
/// comes back after that; two that compete would otherwise take it from each other without end.
const TAKEOVER_AFTER: Duration = Duration::from_secs(3);

/// How long the connection that a stream was taken from may take to let go of it.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(1);

/// How messages get into a session.
#[derive(Debug, Clone)]
pub(super) enum Link {
    Streamable(LocalSessionHandle),
    Legacy { to_server: mpsc::Sender<ClientJsonRpcMessage>, owed: OwedAnswers },
}

/// A stream of a session: the common one, or that of a request by its number.
pub(super) type Stream = Option<u64>;

/// Held while a request of a session is worked on. It rides in the extensions of the request.
#[derive(Debug, Clone)]
pub(super) struct Busy(#[expect(dead_code, reason = "its count is what counts")] Arc<()>);

/// Held while a stream of a session is open.
#[derive(Debug)]
pub(super) struct Claim {
    /// Cancelled when another connection of the same client takes the stream over.
    superseded: CancellationToken,
    released: CancellationToken,
    /// Cancelled when the connection that had the stream before has let go of it.
    predecessor: Option<CancellationToken>,
}

impl Claim {
    fn new(predecessor: Option<CancellationToken>) -> Self {
        Self { superseded: CancellationToken::new(), released: CancellationToken::new(), predecessor }
    }

    fn lease(&self) -> Lease {
        Lease { superseded: self.superseded.clone(), released: self.released.clone(), since: Instant::now() }
    }

    /// Cancelled when the stream must end, since another connection has taken it over.
    pub(super) fn superseded(&self) -> CancellationToken {
        self.superseded.clone()
    }

    /// Waits until the connection that had the stream before has let go of it.
    pub(super) async fn wait_for_predecessor(&self) -> Result<(), Refusal> {
        let Some(predecessor) = &self.predecessor else { return Ok(()) };
        let released = tokio::time::timeout(RELEASE_TIMEOUT, predecessor.cancelled()).await;
        released.map_err(|_| stream_is_taken())
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.released.cancel();
    }
}

/// What a session keeps of a [`Claim`].
#[derive(Debug)]
struct Lease {
    superseded: CancellationToken,
    released: CancellationToken,
    since: Instant,
}

impl Lease {
    fn is_held(&self) -> bool {
        !self.released.is_cancelled()
    }
}

fn stream_is_taken() -> Refusal {
    Refusal::new(http::StatusCode::CONFLICT, "this stream of the session is already open")
}

#[derive(Debug)]
struct Session {
    owner: Owner,
    link: Link,
    version: Option<ProtocolVersion>,
    stop: CancellationToken,
    opened: Instant,
    used: Instant,
    requests: HashMap<Value, Weak<()>>,
    streams: HashMap<Stream, Lease>,
}

impl Session {
    fn is_busy(&self) -> bool {
        self.requests.values().any(is_held)
    }

    fn is_streaming(&self) -> bool {
        self.streams.values().any(Lease::is_held)
    }

    fn end(self) {
        self.stop.cancel();
        if let Link::Streamable(handle) = self.link {
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
    caps: Caps,
    is_proven: IsProven,
    open: Mutex<HashMap<SessionId, Session>>,
}

impl Sessions {
    pub(super) fn new(caps: Caps, is_proven: IsProven) -> Self {
        Self { caps, is_proven, open: Mutex::default() }
    }

    /// Opens a session under an id that nobody can guess, and makes room for it where there is none.
    pub(super) fn open(
        &self,
        owner: Owner,
        link: impl FnOnce(&SessionId) -> Link,
    ) -> Result<(SessionId, CancellationToken), Refusal> {
        let stop = CancellationToken::new();
        let id = self.insert(owner, stop.clone(), link, HashMap::new())?;
        Ok((id, stop))
    }

    /// Opens a session whose common stream is open from the start: between two steps another newcomer could take it
    /// for one without a stream and close it.
    pub(super) fn open_streaming(&self, owner: Owner, link: Link) -> Result<(SessionId, Claim), Refusal> {
        let claim = Claim::new(None);
        let streams = HashMap::from([(None, claim.lease())]);
        let id = self.insert(owner, CancellationToken::new(), |_| link, streams)?;
        Ok((id, claim))
    }

    fn insert(
        &self,
        owner: Owner,
        stop: CancellationToken,
        link: impl FnOnce(&SessionId) -> Link,
        streams: HashMap<Stream, Lease>,
    ) -> Result<SessionId, Refusal> {
        let id: SessionId = random::id().map_err(|error| self.no_randomness(&error))?.into();
        let mut sessions = self.lock();
        let of_owner = |session: &Session| matches!(owner, Owner::Key(_)) && session.owner == owner;
        if sessions.values().filter(|session| of_owner(session)).count() >= self.caps.sessions_per_key {
            bound_reached("sessions_per_key");
            let stillest = stillest(sessions.iter().filter(|(_, session)| of_owner(session)));
            close(&mut sessions, stillest)?;
        }
        if sessions.len() >= self.caps.sessions {
            bound_reached("sessions");
            let closing = self.makes_room(&sessions, owner);
            close(&mut sessions, closing)?;
        }
        let now = Instant::now();
        let session = Session {
            owner,
            link: link(&id),
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
    fn makes_room(&self, sessions: &HashMap<SessionId, Session>, newcomer: Owner) -> Option<SessionId> {
        let (proven, mut unproven): (Vec<_>, Vec<_>) =
            sessions.iter().partition(|(_, session)| (self.is_proven)(session.owner));
        if !(self.is_proven)(newcomer) {
            unproven.sort_by_key(|(_, session)| Reverse(session.opened));
            unproven.truncate(unproven.len().div_ceil(2));
            return stillest(unproven.into_iter());
        }
        stillest(unproven.into_iter()).or_else(|| stillest(proven.into_iter()))
    }

    fn no_randomness(&self, error: &io::Error) -> Refusal {
        tracing::error!(%error, caps = ?self.caps, "the system gives no random bytes");
        Refusal::new(http::StatusCode::INTERNAL_SERVER_ERROR, "no session can be opened")
    }

    /// The way into a session of this owner, which counts as used now.
    pub(super) fn link(&self, id: &str, owner: Owner) -> Option<Link> {
        self.with(id, owner, |session| session.link.clone())
    }

    /// Marks that a request of a session is worked on. Its id must not be that of another: answers are told apart
    /// by it alone, and one of the two would never come.
    pub(super) fn begin(&self, id: &str, owner: Owner, request: &Value) -> Result<Busy, Refusal> {
        self.with(id, owner, |session| {
            session.requests.retain(|_, held| is_held(held));
            if session.requests.contains_key(request) {
                let message = "a request with this id is under way in the session";
                return Err(Refusal::malformed(INVALID_REQUEST, message).with_id(request.clone()));
            }
            let held = Arc::new(());
            session.requests.insert(request.clone(), Arc::downgrade(&held));
            Ok(Busy(held))
        })
        .unwrap_or_else(|| Err(Refusal::no_session()))
    }

    /// Remembers the version that a session speaks.
    pub(super) fn speaks(&self, id: &str, owner: Owner, version: ProtocolVersion) {
        self.with(id, owner, |session| session.version = Some(version));
    }

    /// The version that a session speaks.
    pub(super) fn version(&self, id: &str, owner: Owner) -> Option<ProtocolVersion> {
        self.with(id, owner, |session| session.version.clone())?
    }

    /// Takes a stream of a session, unless somebody holds it. The common stream can be taken over: its holder may be
    /// a connection whose client is gone, which this server learns late.
    pub(super) fn claim(&self, id: &str, owner: Owner, stream: Stream) -> Result<Claim, Refusal> {
        self.claim_after(id, owner, stream, TAKEOVER_AFTER)
    }

    fn claim_after(
        &self,
        id: &str,
        owner: Owner,
        stream: Stream,
        takeover_after: Duration,
    ) -> Result<Claim, Refusal> {
        self.with(id, owner, |session| {
            session.streams.retain(|_, lease| lease.is_held());
            let predecessor = match session.streams.get(&stream) {
                None => None,
                Some(lease) if stream.is_none() && lease.since.elapsed() >= takeover_after => {
                    lease.superseded.cancel();
                    Some(lease.released.clone())
                }
                Some(_) => return Err(stream_is_taken()),
            };
            let claim = Claim::new(predecessor);
            session.streams.insert(stream, claim.lease());
            Ok(claim)
        })
        .unwrap_or_else(|| Err(Refusal::no_session()))
    }

    /// Ends a session of this owner. Says whether there was one.
    pub(super) fn close(&self, id: &str, owner: Owner) -> bool {
        let mut sessions = self.lock();
        if sessions.get(id).is_none_or(|session| session.owner != owner) {
            return false;
        }
        if let Some(session) = sessions.remove(id) {
            session.end();
        }
        true
    }

    /// Ends all sessions.
    pub(super) fn close_all(&self) {
        self.lock().drain().for_each(|(_, session)| session.end());
    }

    /// How many sessions each transport has: Streamable HTTP, and HTTP with SSE.
    pub(super) fn count(&self) -> (usize, usize) {
        let sessions = self.lock();
        let legacy = sessions.values().filter(|session| matches!(session.link, Link::Legacy { .. })).count();
        (sessions.len() - legacy, legacy)
    }

    /// Ends sessions that have been still for too long, as long as the future is polled.
    pub(super) async fn expire(self: Arc<Self>) {
        let pace = (self.caps.idle / 8).clamp(Duration::from_millis(50), Duration::from_secs(30));
        loop {
            tokio::time::sleep(pace).await;
            let now = Instant::now();
            let is_over = |_: &SessionId, session: &mut Session| {
                if session.is_busy() || session.is_streaming() {
                    session.used = now;
                }
                now.duration_since(session.used) >= self.caps.idle
            };
            self.lock().extract_if(is_over).for_each(|(_, session)| session.end());
        }
    }

    fn with<T>(&self, id: &str, owner: Owner, act: impl FnOnce(&mut Session) -> T) -> Option<T> {
        let mut sessions = self.lock();
        let session = sessions.get_mut(id).filter(|session| session.owner == owner)?;
        // The expiry comes now and then; a session is over when its time is.
        if !session.is_busy() && !session.is_streaming() && session.used.elapsed() >= self.caps.idle {
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
fn stillest<'a>(among: impl Iterator<Item = (&'a SessionId, &'a Session)>) -> Option<SessionId> {
    among
        .filter(|(_, session)| !session.is_busy())
        .min_by_key(|(_, session)| (session.is_streaming(), session.used))
        .map(|(id, _)| Arc::clone(id))
}

fn close(sessions: &mut HashMap<SessionId, Session>, id: Option<SessionId>) -> Result<(), Refusal> {
    let session = id.and_then(|id| sessions.remove(&id));
    let session =
        session.ok_or_else(|| Refusal::busy("this server has reached its session limit", TRY_AGAIN))?;
    session.end();
    Ok(())
}

#[cfg(test)]
pub(super) mod tests;
