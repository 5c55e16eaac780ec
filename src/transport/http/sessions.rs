//! The sessions of both transports: whose they are, how many there may be, and when they end.
//!
//! A session belongs to the caller that opened it. To everybody else it is not there, on every path.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use rmcp::{
    model::{ClientJsonRpcMessage, ProtocolVersion},
    transport::streamable_http_server::session::{SessionId, local::LocalSessionHandle},
};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    admission::Owner,
    random,
    refusal::{INVALID_REQUEST, Refusal},
};

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

/// How messages get into a session.
#[derive(Debug, Clone)]
pub(super) enum Link {
    Streamable(LocalSessionHandle),
    Legacy(mpsc::Sender<ClientJsonRpcMessage>),
}

/// A stream of a session: the common one, or that of a request by its number.
pub(super) type Stream = Option<u64>;

/// Held while a request of a session is worked on. It rides in the extensions of the request.
#[derive(Debug, Clone)]
pub(super) struct Busy(#[expect(dead_code, reason = "its count is what counts")] Arc<()>);

/// Held while a stream of a session is open.
#[derive(Debug)]
pub(super) struct Claim(#[expect(dead_code, reason = "its count is what counts")] Arc<()>);

#[derive(Debug)]
struct Session {
    owner: Owner,
    link: Link,
    version: Option<ProtocolVersion>,
    stop: CancellationToken,
    used: Instant,
    requests: HashMap<Value, Weak<()>>,
    streams: HashMap<Stream, Weak<()>>,
}

impl Session {
    fn is_busy(&self) -> bool {
        self.requests.values().any(is_held)
    }

    fn is_streaming(&self) -> bool {
        self.streams.values().any(is_held)
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
#[derive(Debug)]
pub(super) struct Sessions {
    caps: Caps,
    sessions: Mutex<HashMap<SessionId, Session>>,
}

impl Sessions {
    pub(super) fn new(caps: Caps) -> Self {
        Self { caps, sessions: Mutex::default() }
    }

    /// Opens a session under an id that nobody can guess. Where there is no room, the one that has been still for
    /// longest goes; those with an open stream go last, and those with a call under way stay.
    pub(super) fn open(
        &self,
        owner: Owner,
        link: impl FnOnce(&SessionId) -> Link,
    ) -> Result<(SessionId, CancellationToken), Refusal> {
        let id: SessionId = random::id().map_err(|error| self.no_randomness(&error))?.into();
        let mut sessions = self.lock();
        let of_owner = |session: &Session| matches!(owner, Owner::Key(_)) && session.owner == owner;
        if sessions.values().filter(|session| of_owner(session)).count() >= self.caps.sessions_per_key {
            make_room(&mut sessions, of_owner)?;
        }
        if sessions.len() >= self.caps.sessions {
            make_room(&mut sessions, |_| true)?;
        }
        let stop = CancellationToken::new();
        let session = Session {
            owner,
            link: link(&id),
            version: None,
            stop: stop.clone(),
            used: Instant::now(),
            requests: HashMap::new(),
            streams: HashMap::new(),
        };
        sessions.insert(Arc::clone(&id), session);
        Ok((id, stop))
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

    /// Takes a stream of a session, unless somebody holds it.
    pub(super) fn claim(&self, id: &str, owner: Owner, stream: Stream) -> Result<Claim, Refusal> {
        self.with(id, owner, |session| {
            session.streams.retain(|_, held| is_held(held));
            if session.streams.contains_key(&stream) {
                let message = "this stream of the session is open already";
                return Err(Refusal::new(http::StatusCode::CONFLICT, message));
            }
            let held = Arc::new(());
            session.streams.insert(stream, Arc::downgrade(&held));
            Ok(Claim(held))
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
        let legacy = sessions.values().filter(|session| matches!(session.link, Link::Legacy(_))).count();
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
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make_room(
    sessions: &mut HashMap<SessionId, Session>,
    among: impl Fn(&Session) -> bool,
) -> Result<(), Refusal> {
    let stillest = sessions
        .iter()
        .filter(|(_, session)| among(session) && !session.is_busy())
        .min_by_key(|(_, session)| (session.is_streaming(), session.used))
        .map(|(id, _)| Arc::clone(id));
    let session = stillest.and_then(|id| sessions.remove(&id));
    let session =
        session.ok_or_else(|| Refusal::busy("this server has all the sessions it may have", TRY_AGAIN))?;
    session.end();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions(sessions: usize, sessions_per_key: usize, idle: Duration) -> Sessions {
        Sessions::new(Caps { sessions, sessions_per_key, idle })
    }

    fn key(secret: &str) -> Owner {
        let key = crate::credentials::ApiKey::parse(&format!("scope3_{}_{secret}", "a".repeat(32)).into());
        Owner::Key(key.unwrap().fingerprint())
    }

    fn open(sessions: &Sessions, owner: Owner) -> Result<SessionId, Refusal> {
        sessions.open(owner, |_| Link::Legacy(mpsc::channel(1).0)).map(|(id, _)| id)
    }

    const LONG: Duration = Duration::from_mins(10);

    #[test]
    fn to_others_a_session_is_not_there() {
        let sessions = sessions(10, 10, LONG);
        let id = open(&sessions, key("a")).unwrap();
        assert!(sessions.link(&id, key("a")).is_some());
        assert!(sessions.link(&id, key("b")).is_none() && sessions.link(&id, Owner::All).is_none());
        assert!(sessions.claim(&id, key("b"), None).is_err() && !sessions.close(&id, key("b")));
        assert!(sessions.close(&id, key("a")) && sessions.link(&id, key("a")).is_none());
    }

    #[test]
    fn a_full_key_loses_its_own_stillest_session_and_nobody_elses() {
        let sessions = sessions(10, 2, LONG);
        let other = open(&sessions, key("b")).unwrap();
        let first = open(&sessions, key("a")).unwrap();
        let second = open(&sessions, key("a")).unwrap();
        sessions.link(&first, key("a"));
        let third = open(&sessions, key("a")).unwrap();
        let there = |id: &SessionId, owner| sessions.link(id, owner).is_some();
        assert!(!there(&second, key("a")), "the other of the two was used later");
        assert!(there(&first, key("a")) && there(&third, key("a")) && there(&other, key("b")));
    }

    #[test]
    fn sessions_with_a_stream_go_last_and_those_with_a_call_never() {
        let sessions = sessions(2, 2, LONG);
        let streaming = open(&sessions, key("a")).unwrap();
        let claim = sessions.claim(&streaming, key("a"), None).unwrap();
        let calling = open(&sessions, key("b")).unwrap();
        let busy = sessions.begin(&calling, key("b"), &1.into()).unwrap();
        assert!(sessions.begin(&calling, key("b"), &1.into()).is_err(), "an id is used once at a time");
        assert!(sessions.begin(&calling, key("b"), &"1".into()).is_ok(), "a text is another id");
        let third = open(&sessions, key("c")).unwrap();
        assert!(sessions.link(&streaming, key("a")).is_none() && sessions.link(&calling, key("b")).is_some());
        let also_busy = sessions.begin(&third, key("c"), &1.into());
        assert!(open(&sessions, key("d")).is_err(), "everybody works");
        drop((busy, also_busy, claim));
        assert!(open(&sessions, key("d")).is_ok());
    }

    #[test]
    fn everybody_together_is_no_key() {
        let sessions = sessions(3, 1, LONG);
        let ids: Vec<_> = (0..3).map(|_| open(&sessions, Owner::All).unwrap()).collect();
        assert!(ids.iter().all(|id| sessions.link(id, Owner::All).is_some()));
    }

    #[test]
    fn a_stream_is_held_once_and_can_be_taken_again() {
        let sessions = sessions(3, 1, LONG);
        let id = open(&sessions, Owner::All).unwrap();
        let claim = sessions.claim(&id, Owner::All, None).unwrap();
        assert!(sessions.claim(&id, Owner::All, None).is_err());
        assert!(sessions.claim(&id, Owner::All, Some(1)).is_ok());
        drop(claim);
        assert!(sessions.claim(&id, Owner::All, None).is_ok());
    }

    #[tokio::test]
    async fn a_still_session_ends_and_one_with_a_stream_does_not() {
        let sessions = Arc::new(sessions(3, 3, Duration::from_millis(100)));
        let still = open(&sessions, Owner::All).unwrap();
        let streaming = open(&sessions, Owner::All).unwrap();
        let _claim = sessions.claim(&streaming, Owner::All, None).unwrap();
        let expiry = tokio::spawn(Arc::clone(&sessions).expire());
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert!(
            sessions.link(&still, Owner::All).is_none() && sessions.link(&streaming, Owner::All).is_some()
        );
        assert_eq!(sessions.count(), (0, 1));
        expiry.abort();
    }
}
