use governor::clock::FakeRelativeClock;
use proptest::prelude::*;

use super::*;
use crate::credentials::ApiKey;

const HOUR: Duration = Duration::from_hours(1);

fn key(name: &str) -> Fingerprint {
    ApiKey::parse(&format!("scope3_{}_{name}", "a".repeat(32)).into()).unwrap().fingerprint()
}

fn limits(mcp: &str, api: &str, export: &str) -> (Limits<FakeRelativeClock>, FakeRelativeClock) {
    let clock = FakeRelativeClock::default();
    let rate = |text: &str| text.parse().unwrap();
    let rates = Rates { mcp: rate(mcp), api: rate(api), export: rate(export) };
    (Limits::with_clock(rates, clock.clone()), clock)
}

#[test]
fn all_500_are_usable_at_once_and_the_501st_is_refused() {
    let (limits, clock) = limits("500/h", "1000/h", "50/h");
    for _ in 0..500 {
        limits.take(key("a"), &[Class::Mcp, Class::Api]).unwrap();
    }
    let full = limits.take(key("a"), &[Class::Mcp, Class::Api]).unwrap_err();
    assert_eq!((full.class, full.wait), (Class::Mcp, HOUR));

    clock.advance(HOUR.saturating_sub(Duration::from_millis(1)));
    assert_eq!(limits.take(key("a"), &[Class::Mcp]).unwrap_err().wait, Duration::from_millis(1));
    clock.advance(Duration::from_millis(1));
    for _ in 0..500 {
        limits.take(key("a"), &[Class::Mcp]).unwrap();
    }
    limits.take(key("a"), &[Class::Mcp]).unwrap_err();
}

#[test]
fn keys_and_classes_do_not_share_seats() {
    let (limits, _) = limits("2/h", "4/h", "1/h");
    limits.take(key("a"), &[Class::Mcp]).unwrap();
    limits.take(key("a"), &[Class::Mcp]).unwrap();
    limits.take(key("a"), &[Class::Mcp]).unwrap_err();
    limits.take(key("a"), &[Class::Api]).unwrap();
    limits.take(key("b"), &[Class::Mcp]).unwrap();
}

#[test]
fn a_refused_call_takes_no_seat_of_any_class() {
    let (limits, clock) = limits("10/h", "10/h", "1/h");
    let export = [Class::Mcp, Class::Api, Class::Export];
    limits.take(key("a"), &export).unwrap();
    clock.advance(Duration::from_secs(1));
    for _ in 0..100 {
        limits.take(key("a"), &export).unwrap_err();
    }
    let used: Vec<u32> = limits.usage(key("a")).iter().map(|usage| usage.used).collect();
    assert_eq!(used, [1, 1, 1]);
    for _ in 0..9 {
        limits.take(key("a"), &[Class::Mcp, Class::Api]).unwrap();
    }
}

#[test]
fn usage_tells_what_is_left_and_when_more_comes() {
    let (limits, clock) = limits("3/h", "10/h", "1/h");
    assert_eq!(limits.usage(key("a"))[0].left, 3);
    limits.take(key("a"), &[Class::Mcp]).unwrap();
    clock.advance(Duration::from_mins(10));
    limits.take(key("a"), &[Class::Mcp]).unwrap();
    let usage = &limits.usage(key("a"))[0];
    assert_eq!((usage.used, usage.left, usage.more_in), (2, 1, Some(Duration::from_mins(50))));
}

#[test]
fn what_scope3_says_closes_the_key_for_that_time_and_no_longer_than_the_span() {
    let (limits, clock) = limits("500/h", "1000/h", "50/h");
    limits.learn(key("a"), Class::Api, Duration::from_secs(30));
    let full = limits.take(key("a"), &[Class::Mcp, Class::Api]).unwrap_err();
    assert!(full.told_by_scope3);
    assert_eq!(full.wait, Duration::from_secs(30));
    assert_eq!(limits.usage(key("a"))[0].used, 0, "no MCP seat was taken");
    limits.take(key("b"), &[Class::Mcp, Class::Api]).unwrap();
    clock.advance(Duration::from_secs(30));
    limits.take(key("a"), &[Class::Mcp, Class::Api]).unwrap();

    limits.learn(key("a"), Class::Api, Duration::from_secs(10_000_000));
    assert_eq!(limits.take(key("a"), &[Class::Api]).unwrap_err().wait, HOUR);
}

#[test]
fn keys_that_are_still_for_a_span_are_forgotten() {
    let (limits, clock) = limits("5/h", "5/h", "5/h");
    for n in 0..5_000 {
        limits.take(key(&n.to_string()), &[Class::Mcp]).unwrap();
        clock.advance(HOUR / 100);
    }
    assert!(limits.seats.len() < 3_000, "{}", limits.seats.len());
}

proptest! {
    /// Whatever the schedule, no span of an hour sees more than the limit, and nothing is refused while fewer
    /// than the limit left within the last hour.
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
            match limits.take(key("a"), &[Class::Mcp]) {
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
}
