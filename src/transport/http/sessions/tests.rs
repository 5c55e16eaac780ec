use super::*;
use crate::transport::http::auth::tests::key;

fn sessions(sessions: usize, sessions_per_key: usize, idle: Duration) -> Sessions {
    Sessions::new(SessionLimits { sessions, sessions_per_key, idle }, Arc::new(|_| true))
}

/// Sessions where Scope3 has accepted only the key `proven`.
fn sessions_with_proven_key(sessions: usize) -> Sessions {
    let proven = key("proven");
    let limits = SessionLimits { sessions, sessions_per_key: 100, idle: LONG };
    Sessions::new(limits, Arc::new(move |owner| owner == proven))
}

fn sse() -> Channel {
    Channel::Sse { to_server: mpsc::channel(1).0, pending: PendingResponses::default() }
}

fn open(sessions: &Sessions, owner: Owner) -> Result<SessionId, Rejection> {
    sessions.open(owner, |_| sse()).map(|(id, _)| id)
}

const LONG: Duration = Duration::from_mins(10);

#[test]
fn a_session_does_not_exist_for_other_callers() {
    let sessions = sessions(10, 10, LONG);
    let id = open(&sessions, key("a")).unwrap();
    assert!(sessions.channel(&id, key("a")).is_some());
    assert!(sessions.channel(&id, key("b")).is_none() && sessions.channel(&id, Owner::All).is_none());
    assert!(sessions.lease_stream(&id, key("b"), None).is_err() && !sessions.close(&id, key("b")));
    assert!(sessions.close(&id, key("a")) && sessions.channel(&id, key("a")).is_none());
}

#[test]
fn at_its_limit_a_key_loses_only_its_own_longest_idle_session() {
    let sessions = sessions(10, 2, LONG);
    let other = open(&sessions, key("b")).unwrap();
    let first = open(&sessions, key("a")).unwrap();
    let second = open(&sessions, key("a")).unwrap();
    sessions.channel(&first, key("a"));
    let third = open(&sessions, key("a")).unwrap();
    let exists = |id: &SessionId, owner| sessions.channel(id, owner).is_some();
    assert!(!exists(&second, key("a")), "the other of the two was used later");
    assert!(exists(&first, key("a")) && exists(&third, key("a")) && exists(&other, key("b")));
}

#[test]
fn sessions_with_a_stream_are_closed_last_and_those_with_a_call_never() {
    let sessions = sessions(2, 2, LONG);
    let streaming = open(&sessions, key("a")).unwrap();
    let lease = sessions.lease_stream(&streaming, key("a"), None).unwrap();
    let calling = open(&sessions, key("b")).unwrap();
    let busy = sessions.start_request(&calling, key("b"), &1.into()).unwrap();
    assert!(
        sessions.start_request(&calling, key("b"), &1.into()).is_err(),
        "an id can be in flight only once"
    );
    assert!(sessions.start_request(&calling, key("b"), &"1".into()).is_ok(), "a string is another id");
    let third = open(&sessions, key("c")).unwrap();
    assert!(
        sessions.channel(&streaming, key("a")).is_none() && sessions.channel(&calling, key("b")).is_some()
    );
    let also_busy = sessions.start_request(&third, key("c"), &1.into());
    assert!(open(&sessions, key("d")).is_err(), "all have calls in flight");
    drop((busy, also_busy, lease));
    assert!(open(&sessions, key("d")).is_ok());
}

#[test]
fn the_limit_per_key_does_not_apply_to_shared_keys() {
    let sessions = sessions(3, 1, LONG);
    let ids: Vec<_> = (0..3).map(|_| open(&sessions, Owner::All).unwrap()).collect();
    assert!(ids.iter().all(|id| sessions.channel(id, Owner::All).is_some()));
}

#[test]
fn a_stream_has_one_lease_at_a_time() {
    let sessions = sessions(3, 1, LONG);
    let id = open(&sessions, Owner::All).unwrap();
    let lease = sessions.lease_stream(&id, Owner::All, None).unwrap();
    assert!(sessions.lease_stream(&id, Owner::All, None).is_err());
    assert!(sessions.lease_stream(&id, Owner::All, Some(1)).is_ok());
    drop(lease);
    assert!(sessions.lease_stream(&id, Owner::All, None).is_ok());
}

#[tokio::test]
async fn the_common_stream_can_be_taken_over_and_the_stream_of_a_call_cannot() {
    let sessions = sessions(3, 1, LONG);
    let id = open(&sessions, Owner::All).unwrap();
    let now = Duration::ZERO;
    let call_stream = sessions.lease_stream(&id, Owner::All, Some(1)).unwrap();
    assert!(sessions.lease_stream_after(&id, Owner::All, Some(1), now).is_err());
    assert!(!call_stream.superseded().is_cancelled());

    let old = sessions.lease_stream(&id, Owner::All, None).unwrap();
    let new = sessions.lease_stream_after(&id, Owner::All, None, now).unwrap();
    assert!(old.superseded().is_cancelled() && !new.superseded().is_cancelled());
    assert!(new.wait_for_predecessor().await.is_err(), "the old connection does not release it");
    drop(old);
    assert!(new.wait_for_predecessor().await.is_ok());
    assert!(sessions.lease_stream(&id, Owner::All, None).is_err(), "the new connection has the lease");
}

#[test]
fn a_session_opened_with_a_stream_has_it_from_the_start() {
    let sessions = sessions(2, 2, LONG);
    let idle = open(&sessions, key("a")).unwrap();
    let (streaming, lease) = sessions.open_streaming(key("b"), sse()).unwrap();
    sessions.channel(&idle, key("a"));
    open(&sessions, key("c")).unwrap();
    assert!(sessions.channel(&idle, key("a")).is_none(), "the one without a stream is closed");
    assert!(sessions.channel(&streaming, key("b")).is_some());
    assert!(sessions.lease_stream(&streaming, key("b"), None).is_err());
    drop(lease);
    open(&sessions, key("d")).unwrap();
    open(&sessions, key("d")).unwrap();
    assert!(
        sessions.channel(&streaming, key("b")).is_none(),
        "without its stream, it is like any other session"
    );
}

#[test]
fn unproven_keys_are_evicted_first_and_never_evict_proven_ones() {
    let sessions = sessions_with_proven_key(3);
    let exists = |id: &SessionId, owner| sessions.channel(id, owner).is_some();
    let proven = key("proven");
    let invented = open(&sessions, key("invented")).unwrap();
    let streaming = sessions.open_streaming(key("streaming"), sse()).unwrap();
    let idle = open(&sessions, proven).unwrap();
    let second = open(&sessions, proven).unwrap();
    assert!(!exists(&invented, key("invented")) && exists(&idle, proven));
    let third = open(&sessions, proven).unwrap();
    assert!(!exists(&streaming.0, key("streaming")), "a stream does not protect an unproven key");
    assert!(exists(&idle, proven) && exists(&second, proven) && exists(&third, proven));
    assert!(open(&sessions, key("invented")).is_err(), "only sessions with proven keys are left");
    let fourth = open(&sessions, proven).unwrap();
    assert!(
        !exists(&idle, proven) && exists(&fourth, proven),
        "among proven keys, the longest-idle session is closed"
    );
}

#[test]
fn a_flood_of_invented_keys_evicts_only_invented_keys() {
    let sessions = sessions_with_proven_key(10);
    let accepted = open(&sessions, key("proven")).unwrap();
    let early = open(&sessions, key("early")).unwrap();
    for number in 0..30 {
        open(&sessions, key(&format!("invented{number}"))).unwrap();
    }
    assert!(sessions.channel(&accepted, key("proven")).is_some());
    assert!(sessions.channel(&early, key("early")).is_some(), "it came before the flood");
    let during = open(&sessions, key("during")).unwrap();
    for number in 0..2 {
        open(&sessions, key(&format!("more{number}"))).unwrap();
    }
    assert!(sessions.channel(&during, key("during")).is_some(), "it has time to prove its key");
    assert_eq!(sessions.count(), (0, 10));
}

#[test]
fn concurrent_newcomers_never_lose_the_session_they_just_opened() {
    let sessions = Arc::new(sessions(4, 100, LONG));
    let threads = [(); 4].map(|()| {
        let sessions = Arc::clone(&sessions);
        std::thread::spawn(move || {
            for _ in 0..500 {
                let channel = sse();
                let (id, _lease) = sessions.open_streaming(Owner::All, channel).unwrap();
                assert!(
                    sessions.channel(&id, Owner::All).is_some(),
                    "the session was closed for another newcomer"
                );
            }
        })
    });
    for thread in threads {
        thread.join().unwrap();
    }
}

#[tokio::test]
async fn an_idle_session_expires_and_one_with_a_stream_does_not() {
    let sessions = Arc::new(sessions(3, 3, Duration::from_millis(100)));
    let idle = open(&sessions, Owner::All).unwrap();
    let streaming = open(&sessions, Owner::All).unwrap();
    let _lease = sessions.lease_stream(&streaming, Owner::All, None).unwrap();
    let busy = open(&sessions, Owner::All).unwrap();
    let call = sessions.start_request(&busy, Owner::All, &1.into()).unwrap();
    let expiry = tokio::spawn(Arc::clone(&sessions).run_expiry());
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert!(sessions.channel(&busy, Owner::All).is_some(), "a call is in flight in it");
    drop(call);
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert!(sessions.channel(&busy, Owner::All).is_none());
    assert!(
        sessions.channel(&idle, Owner::All).is_none() && sessions.channel(&streaming, Owner::All).is_some()
    );
    assert_eq!(sessions.count(), (0, 1));
    expiry.abort();
}
