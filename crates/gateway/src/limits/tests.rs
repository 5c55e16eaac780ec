use futures_util::FutureExt;
use governor::clock::FakeRelativeClock;
use proptest::prelude::*;
use scope3_mcp_catalog::SpecialLimit;
use scope3_mcp_client::credentials::ApiKey;

use super::*;

const HOUR: Duration = Duration::from_hours(1);

fn key(name: &str) -> Fingerprint {
    ApiKey::parse(&format!("scope3_{}_{name}", "a".repeat(32)).into()).unwrap().fingerprint()
}

fn limits(mcp: &str, api: &str, export: &str) -> (Limits<FakeRelativeClock>, FakeRelativeClock) {
    let clock = FakeRelativeClock::default();
    let rate = |text: &str| text.parse().unwrap();
    let quota = |class, counts, text| Quota { class, counts, rate: rate(text) };
    let quotas = [
        quota(Class::MCP, Counts::Calls, mcp),
        quota(Class::API, Counts::Requests, api),
        quota(Class::EXPORT, Counts::CallsWith(SpecialLimit::Export), export),
    ];
    (Limits::with_clock(quotas, clock.clone()), clock)
}

/// The log in memory never waits, so a single poll is enough.
fn acquire(
    limits: &Limits<FakeRelativeClock>,
    who: Fingerprint,
    classes: &[Class],
) -> Result<(), LimitExceeded> {
    match limits.acquire(who, classes, Needs::default()).now_or_never().unwrap() {
        Err(AcquireError::State(error)) => panic!("{error}"),
        Err(AcquireError::Limit(exceeded)) => Err(exceeded),
        Ok(()) => Ok(()),
    }
}

fn usage(limits: &Limits<FakeRelativeClock>, who: Fingerprint) -> Vec<Usage> {
    limits.usage(who).now_or_never().unwrap()
}

#[test]
fn all_500_are_usable_at_once_and_the_501st_is_refused() {
    let (limits, clock) = limits("500/h", "1000/h", "50/h");
    for _ in 0..500 {
        acquire(&limits, key("a"), &[Class::MCP, Class::API]).unwrap();
    }
    let full = acquire(&limits, key("a"), &[Class::MCP, Class::API]).unwrap_err();
    assert_eq!((full.class, full.wait), (Class::MCP, HOUR));

    clock.advance(HOUR.saturating_sub(Duration::from_millis(1)));
    assert_eq!(acquire(&limits, key("a"), &[Class::MCP]).unwrap_err().wait, Duration::from_millis(1));
    clock.advance(Duration::from_millis(1));
    for _ in 0..500 {
        acquire(&limits, key("a"), &[Class::MCP]).unwrap();
    }
    acquire(&limits, key("a"), &[Class::MCP]).unwrap_err();
}

#[test]
fn keys_and_classes_do_not_share_permits() {
    let (limits, _) = limits("2/h", "4/h", "1/h");
    acquire(&limits, key("a"), &[Class::MCP]).unwrap();
    acquire(&limits, key("a"), &[Class::MCP]).unwrap();
    acquire(&limits, key("a"), &[Class::MCP]).unwrap_err();
    acquire(&limits, key("a"), &[Class::API]).unwrap();
    acquire(&limits, key("b"), &[Class::MCP]).unwrap();
}

#[test]
fn a_refused_call_takes_no_permit_of_any_class() {
    let (limits, clock) = limits("10/h", "10/h", "1/h");
    let export = [Class::MCP, Class::API, Class::EXPORT];
    acquire(&limits, key("a"), &export).unwrap();
    clock.advance(Duration::from_secs(1));
    for _ in 0..100 {
        acquire(&limits, key("a"), &export).unwrap_err();
    }
    let used: Vec<u32> = usage(&limits, key("a")).iter().map(|usage| usage.used).collect();
    assert_eq!(used, [1, 1, 1]);
    for _ in 0..9 {
        acquire(&limits, key("a"), &[Class::MCP, Class::API]).unwrap();
    }
}

#[test]
fn usage_shows_what_is_left_and_when_the_next_permit_is_free() {
    let (limits, clock) = limits("3/h", "10/h", "1/h");
    assert_eq!(usage(&limits, key("a"))[0].left, 3);
    acquire(&limits, key("a"), &[Class::MCP]).unwrap();
    clock.advance(Duration::from_mins(10));
    acquire(&limits, key("a"), &[Class::MCP]).unwrap();
    let usage = &usage(&limits, key("a"))[0];
    assert_eq!((usage.used, usage.left, usage.next_in), (2, 1, Some(Duration::from_mins(50))));
}

#[test]
fn a_cooldown_from_scope3_lasts_as_long_as_asked_but_no_longer_than_the_span() {
    let (limits, clock) = limits("500/h", "1000/h", "50/h");
    limits.cool_down(key("a"), Class::API, Duration::from_secs(30)).now_or_never().unwrap();
    let full = acquire(&limits, key("a"), &[Class::MCP, Class::API]).unwrap_err();
    assert!(full.by_scope3);
    assert_eq!(full.wait, Duration::from_secs(30));
    assert_eq!(usage(&limits, key("a"))[0].used, 0, "no MCP permit was taken");
    acquire(&limits, key("b"), &[Class::MCP, Class::API]).unwrap();
    clock.advance(Duration::from_secs(30));
    acquire(&limits, key("a"), &[Class::MCP, Class::API]).unwrap();

    limits.cool_down(key("a"), Class::API, Duration::from_secs(10_000_000)).now_or_never().unwrap();
    assert_eq!(acquire(&limits, key("a"), &[Class::API]).unwrap_err().wait, HOUR);
}

#[test]
fn keys_without_a_request_for_a_span_are_dropped() {
    let (limits, clock) = limits("5/h", "5/h", "5/h");
    for n in 0..5_000 {
        acquire(&limits, key(&n.to_string()), &[Class::MCP]).unwrap();
        clock.advance(HOUR / 100);
    }
    assert!(limits.log.len() < 3_000, "{}", limits.log.len());
}

proptest! {
    /// Whatever the schedule, no hour has more requests than the limit, and no request is refused while fewer than the
    /// limit were sent within the last hour.
    #[test]
    fn no_hour_of_any_schedule_sees_more_than_the_limit(
        pauses in prop::collection::vec(prop_oneof![Just(0u64), 0..50u64, 0..4_000u64, 3_590..3_610u64], 1..400),
        count in 1u32..40,
    ) {
        let (limits, clock) = limits(&format!("{count}/h"), "1000/h", "50/h");
        let mut now = 0u64;
        let mut left: Vec<u64> = Vec::new();
        for pause in pauses {
            clock.advance(Duration::from_secs(pause));
            now += pause;
            let within_the_hour = left.iter().filter(|at| **at + 3600 > now).count();
            match acquire(&limits, key("a"), &[Class::MCP]) {
                Ok(()) => {
                    prop_assert!(within_the_hour < count as usize);
                    left.push(now);
                }
                Err(full) => {
                    prop_assert_eq!(within_the_hour, count as usize);
                    let oldest = left[left.len() - count as usize];
                    prop_assert_eq!(full.wait, Duration::from_secs(oldest + 3600 - now));
                }
            }
        }
    }

    /// The gate is never stricter than the window, even after it admitted requests that another class refused.
    #[test]
    fn the_gate_admits_whatever_the_window_admits(
        steps in prop::collection::vec((any::<bool>(), prop_oneof![Just(0u64), 0..30u64, 0..900u64]), 1..400),
        count in 2u32..20,
    ) {
        let (limits, clock) = limits(&format!("{count}/h"), "1000/h", "1/h");
        let mut now = 0u64;
        let mut left: Vec<u64> = Vec::new();
        for (export, pause) in steps {
            clock.advance(Duration::from_secs(pause));
            now += pause;
            let room = left.iter().filter(|at| **at + 3600 > now).count() < count as usize;
            let classes: &[Class] =
                if export { &[Class::MCP, Class::API, Class::EXPORT] } else { &[Class::MCP, Class::API] };
            match acquire(&limits, key("a"), classes) {
                Ok(()) => left.push(now),
                Err(exceeded) if exceeded.class == Class::EXPORT => prop_assert!(export),
                Err(_) => prop_assert!(!room),
            }
        }
    }
}

#[test]
fn threads_together_get_every_permit_and_not_one_more() {
    let (limits, _) = limits("500/h", "1000/h", "50/h");
    let taken: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..64)
            .map(|_| {
                scope.spawn(|| {
                    (0..20).filter(|_| acquire(&limits, key("a"), &[Class::MCP, Class::API]).is_ok()).count()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(taken, 500);
}

#[test]
fn a_cooldown_of_one_key_does_not_end_another_keys() {
    let (limits, clock) = limits("500/h", "1000/h", "50/h");
    limits.cool_down(key("a"), Class::API, Duration::from_mins(1)).now_or_never().unwrap();
    limits.cool_down(key("b"), Class::API, Duration::from_secs(5)).now_or_never().unwrap();
    acquire(&limits, key("a"), &[Class::API]).unwrap_err();
    clock.advance(Duration::from_secs(30));
    limits.cool_down(key("c"), Class::API, Duration::from_secs(5)).now_or_never().unwrap();
    acquire(&limits, key("a"), &[Class::API]).unwrap_err();
    acquire(&limits, key("b"), &[Class::API]).unwrap();
}

#[test]
fn seconds_are_rounded_up_so_that_no_caller_is_early() {
    let seconds = [(0, 0), (1, 1), (999, 1), (1000, 1), (1500, 2), (2001, 3)];
    for (millis, expected) in seconds {
        assert_eq!(whole_seconds(Duration::from_millis(millis)), expected, "{millis} ms");
    }
    assert_eq!(whole_seconds(Duration::MAX), u64::MAX);
}
