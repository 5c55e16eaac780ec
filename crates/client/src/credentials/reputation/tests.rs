use proptest::prelude::*;

use super::*;
use crate::credentials::{ApiKey, rejection};

fn key(name: &str) -> Fingerprint {
    ApiKey::parse(&format!("scope3_{}_{name}", "a".repeat(32)).into()).unwrap().fingerprint()
}

/// A clock that a test can advance.
#[derive(Clone)]
struct Clock(Arc<Mutex<Instant>>);

impl Clock {
    fn advance(&self, time: Duration) {
        *self.0.lock().unwrap() += time;
    }
}

fn reputations(unproven_per_minute: u32) -> (Arc<KeyReputations>, Clock) {
    let clock = Clock(Arc::new(Mutex::new(Instant::now())));
    let read = Arc::clone(&clock.0);
    let per_minute = NonZeroU32::new(unproven_per_minute).unwrap();
    (Arc::new(KeyReputations::with_clock(per_minute, move || *read.lock().unwrap())), clock)
}

fn seconds(error: NotAdmitted) -> u64 {
    error.retry_after().as_secs()
}

#[tokio::test]
async fn an_accepted_key_is_proven_and_no_longer_limited() {
    let (reputations, _) = reputations(1);
    assert!(!reputations.is_proven(key("a")));
    reputations.admit(key("a")).await.unwrap().accepted();
    assert!(reputations.is_proven(key("a")));
    let together: Vec<_> = [reputations.admit(key("a")).await, reputations.admit(key("a")).await].into();
    assert!(together.iter().all(Result::is_ok), "requests with a proven key are not limited");
    let error = reputations.admit(key("b")).await.unwrap_err();
    assert_eq!(error, NotAdmitted::TooManyUnproven { retry_after: UNPROVEN_WINDOW });
    assert!(!reputations.is_proven(key("b")));
}

#[tokio::test]
async fn a_rejection_counts_for_a_minute_and_doubles_up_to_fifteen_minutes() {
    let (reputations, clock) = reputations(60);
    for length in [60, 120, 240, 480, 900, 900] {
        reputations.admit(key("a")).await.unwrap().rejected();
        assert_eq!(seconds(reputations.admit(key("a")).await.unwrap_err()), length);
        clock.advance(Duration::from_secs(length - 1));
        let error = reputations.admit(key("a")).await.unwrap_err();
        assert_eq!(error, NotAdmitted::Rejected { retry_after: Duration::from_secs(1) });
        clock.advance(Duration::from_secs(1));
    }
    reputations.admit(key("a")).await.unwrap().accepted();
    reputations.admit(key("a")).await.unwrap().rejected();
    assert_eq!(
        seconds(reputations.admit(key("a")).await.unwrap_err()),
        60,
        "an acceptance resets the rejections"
    );
}

#[tokio::test]
async fn a_rejected_key_is_sent_once_however_many_calls_use_it() {
    let (reputations, _) = reputations(60);
    let calls = (0..40).map(|_| {
        let reputations = Arc::clone(&reputations);
        tokio::spawn(async move {
            let admission = reputations.admit(key("a")).await?;
            tokio::time::sleep(Duration::from_millis(20)).await;
            admission.rejected();
            Ok::<_, NotAdmitted>(())
        })
    });
    let calls: Vec<_> = calls.collect();
    let mut sent = 0;
    for call in calls {
        match call.await.unwrap() {
            Ok(()) => sent += 1,
            Err(error) => assert!(matches!(error, NotAdmitted::Rejected { .. }), "{error}"),
        }
    }
    assert_eq!(sent, 1);
}

#[tokio::test]
async fn all_waiting_requests_continue_when_their_key_is_proven() {
    let (reputations, _) = reputations(1);
    let first = reputations.admit(key("a")).await.unwrap();
    let waiting = tokio::spawn({
        let reputations = Arc::clone(&reputations);
        async move {
            let admissions =
                [reputations.admit(key("a")).await.unwrap(), reputations.admit(key("a")).await.unwrap()];
            admissions.len()
        }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(!waiting.is_finished(), "one request at a time until the key is proven");
    first.accepted();
    assert_eq!(waiting.await.unwrap(), 2);
}

#[tokio::test]
async fn after_a_request_without_an_outcome_the_next_request_may_try() {
    let (reputations, _) = reputations(2);
    drop(reputations.admit(key("a")).await.unwrap());
    assert!(!reputations.is_proven(key("a")));
    reputations.admit(key("a")).await.unwrap().rejected();
    assert!(matches!(reputations.admit(key("a")).await, Err(NotAdmitted::Rejected { .. })));
    let error = reputations.admit(key("b")).await.unwrap_err();
    assert!(
        matches!(error, NotAdmitted::TooManyUnproven { .. }),
        "both requests were sent, so both count: {error}"
    );
}

#[tokio::test]
async fn a_proven_key_survives_a_rejection_and_is_then_tested_one_request_at_a_time() {
    let (reputations, clock) = reputations(1);
    reputations.admit(key("a")).await.unwrap().accepted();
    let together = [reputations.admit(key("a")).await.unwrap(), reputations.admit(key("a")).await.unwrap()];
    together.into_iter().for_each(Admission::rejected);
    assert!(reputations.is_proven(key("a")), "one rejection does not make a proven key unproven");
    assert_eq!(
        seconds(reputations.admit(key("a")).await.unwrap_err()),
        60,
        "two rejections at once count as one"
    );

    clock.advance(Duration::from_mins(1));
    let probe = reputations.admit(key("a")).await.unwrap();
    let waits = tokio::time::timeout(Duration::from_millis(20), reputations.admit(key("a"))).await;
    assert!(waits.is_err(), "one request tests whether the key is valid again");
    probe.rejected();
    clock.advance(Duration::from_mins(2));
    reputations.admit(key("a")).await.unwrap().rejected();
    assert!(!reputations.is_proven(key("a")), "after three rejections in a row the key is unproven");
}

#[tokio::test]
async fn a_million_invented_keys_stay_within_the_limit_and_evict_no_proven_key() {
    let (reputations, clock) = reputations(60);
    reputations.admit(key("real")).await.unwrap().accepted();
    for n in 0..1_000_000u32 {
        let mut invented = [0; 16];
        invented[..4].copy_from_slice(&n.to_le_bytes());
        match reputations.admit(Fingerprint(invented)).await {
            Ok(admission) => admission.rejected(),
            Err(_) => clock.advance(Duration::from_millis(500)),
        }
    }
    let known = reputations.lock();
    assert_eq!((known.proven.len(), known.sent_unproven.len()), (1, 60));
    assert_eq!(known.unproven.len(), MAX_KEYS.get());
    drop(known);
    assert!(reputations.is_proven(key("real")));
}

proptest! {
    /// For any schedule and any outcomes: unproven keys never send more requests in a minute than the limit, and no
    /// request is rejected for this reason while there were fewer.
    #[test]
    fn unproven_keys_never_exceed_their_limit_per_minute_under_any_schedule(
        steps in prop::collection::vec((prop_oneof![Just(0), 0..500u64, 0..20_000u64], 0..30u8, 0..8u8), 1..400),
        most in prop_oneof![Just(60u32), 1..10u32],
    ) {
        let (reputations, clock) = reputations(most);
        let mut now = 0;
        let mut left: Vec<u64> = Vec::new();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for (pause, caller, outcome) in steps {
            clock.advance(Duration::from_millis(pause));
            now += pause;
            let within_the_minute = left.iter().filter(|at| **at + 60_000 > now).count();
            let caller = key(&caller.to_string());
            let was_proven = reputations.is_proven(caller);
            match runtime.block_on(reputations.admit(caller)) {
                Ok(admission) => {
                    if !was_proven {
                        prop_assert!(within_the_minute < most as usize);
                        left.push(now);
                    }
                    match outcome {
                        0 => admission.accepted(),
                        1..4 => admission.rejected(),
                        _ => drop(admission),
                    }
                }
                Err(NotAdmitted::TooManyUnproven { retry_after }) => {
                    prop_assert!(!was_proven);
                    prop_assert_eq!(within_the_minute, most as usize);
                    let oldest = left[left.len() - most as usize];
                    prop_assert_eq!(retry_after, Duration::from_millis(oldest + 60_000 - now));
                }
                Err(NotAdmitted::Rejected { retry_after }) => {
                    prop_assert!(retry_after > Duration::ZERO && retry_after <= rejection::MAX_DURATION);
                }
            }
        }
    }
}
