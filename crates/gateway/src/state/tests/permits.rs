//! Permits and waits that processes share.

use std::time::Duration;

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use scope3_mcp_client::Class;

use super::{HOUR, Machine, Place, key, request, take, windows};
use crate::state::{Taken, Window};

pub(in crate::state) async fn processes_share_one_window_and_a_restart_does_not_empty_it(place: &impl Place) {
    let machine = Machine::new();
    for taken in 0..5 {
        // Each time as a new process.
        assert_eq!(take(&*place.process(&machine), "5/h").await, Ok(()), "{taken}");
        machine.pass(Duration::from_mins(1));
    }
    let refused = take(&*place.process(&machine), "5/h").await.unwrap_err();
    assert_eq!((refused.next_in, refused.by_scope3), (Duration::from_mins(55), false));
    let other = place.process(&machine);
    assert_eq!(
        other.acquire(request("b", windows("5/h"))).await.unwrap(),
        Ok(()),
        "another key has its own window"
    );
    machine.pass(Duration::from_mins(55));
    assert_eq!(take(&*other, "5/h").await, Ok(()));
    assert!(take(&*other, "5/h").await.is_err(), "one permit was free again");
}

pub(in crate::state) async fn permits_of_several_classes_are_taken_together_or_not_at_all(
    place: &impl Place,
) {
    let machine = Machine::new();
    let state = place.process(&machine);
    let both = || {
        let window = |class, rate: &str| Window { class, limit: rate.parse().unwrap() };
        vec![window(Class::API, "9/h"), window(Class::MCP, "1/h")]
    };
    assert_eq!(state.acquire(request("a", both())).await.unwrap(), Ok(()));
    assert_eq!(state.acquire(request("a", both())).await.unwrap().unwrap_err().window.class, Class::MCP);
    let used = state.used(key("a"), both()).await.unwrap();
    assert_eq!(used.iter().map(|used| used.permits).collect::<Vec<_>>(), [1, 1]);
}

pub(in crate::state) async fn a_wait_that_scope3_asks_for_holds_in_every_process(place: &impl Place) {
    let machine = Machine::new();
    place.process(&machine).cool_down(key("a"), Class::MCP, Duration::from_secs(30)).await.unwrap();
    let other = place.process(&machine);
    machine.pass(Duration::from_secs(10));
    let refused = take(&*other, "5/h").await.unwrap_err();
    assert_eq!((refused.next_in, refused.by_scope3), (Duration::from_secs(20), true));
    machine.pass(Duration::from_secs(20));
    assert_eq!(take(&*other, "5/h").await, Ok(()));
}

pub(in crate::state) async fn permits_that_were_taken_without_the_state_count_from_their_time(
    place: &impl Place,
) {
    let machine = Machine::new();
    let state = place.process(&machine);
    let window = windows("3/h")[0];
    let ago = |minutes| Taken { key: key("a"), window, ago: Duration::from_mins(minutes) };
    let late = || super::Request { taken: vec![ago(70), ago(20)], ..request("a", windows("3/h")) };
    assert_eq!(state.acquire(late()).await.unwrap(), Ok(()), "one of the two no longer counts");
    let used = state.used(key("a"), windows("3/h")).await.unwrap()[0];
    assert_eq!((used.permits, used.next_in), (2, Some(Duration::from_mins(40))));
    let refused = state.acquire(late()).await.unwrap().unwrap_err();
    assert_eq!(refused.next_in, Duration::from_mins(40), "they are recorded, although the request is denied");
}

/// What can happen to two processes.
#[derive(Debug, Clone)]
enum Step {
    Take(usize),
    Pass(u32),
    Restart(usize),
    SetClock(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..2_usize).prop_map(Step::Take),
        4 => (0..2000_u32).prop_map(Step::Pass),
        1 => (0..2_usize).prop_map(Step::Restart),
        1 => (-100_000..100_000_i64).prop_map(Step::SetClock),
    ];
    prop::collection::vec(step, 1..60)
}

/// The processes restart, and the system's clock is set, between any two steps.
pub(in crate::state) fn any_schedule<P: Place>(place: impl Fn() -> Option<P>, cases: u32) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(cases) });
    let outcome = runner.run(&steps(), |steps| {
        let Some(place) = place() else { return Ok(()) };
        runtime.block_on(follow(&place, steps))
    });
    outcome.unwrap();
}

async fn follow(place: &impl Place, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let machine = Machine::new();
    let mut processes = [place.process(&machine), place.process(&machine)];
    let mut time = Duration::ZERO;
    let mut taken: Vec<Duration> = Vec::new();
    for step in steps {
        match step {
            Step::Take(process) => {
                let outcome = take(&*processes[process], "4/h").await;
                let within = taken.iter().filter(|at| **at + HOUR > time).count();
                prop_assert_eq!(outcome.is_ok(), within < 4, "{} taken: {:?}", within, outcome);
                if outcome.is_ok() {
                    taken.push(time);
                }
            }
            Step::Pass(seconds) => {
                let passed = Duration::from_secs(seconds.into());
                machine.pass(passed);
                time += passed;
            }
            Step::Restart(process) => {
                processes[process] = place.process(&machine);
                processes[process].open().await.unwrap();
            }
            Step::SetClock(seconds) => {
                // A running process used the state a moment ago, and notices the change before a new one comes.
                processes[0].open().await.unwrap();
                machine.set(|reading| {
                    let wall = i64::try_from(reading.wall.as_secs()).unwrap() + seconds;
                    reading.wall = Duration::from_secs(wall.unsigned_abs());
                });
                processes[0].open().await.unwrap();
            }
        }
    }
    Ok(())
}
