//! Random schedules of several processes that share one state file: they call, confirm, cancel and crash, and the API and
//! the state fail.
//!
//! A schedule that fails is made smaller, and printed as a test that can be pasted at the end of this file.

use std::fmt;

use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner},
};

use super::world::{CHANGES, Fault, PROCESSES, World};

/// How many schedules each of the tests below runs, unless `SCHEDULES` says otherwise.
const SCHEDULES: u32 = 2_500;

/// On how many threads. Most of the time, a schedule waits.
const THREADS: u32 = 4;

/// What happens next.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// A process receives a call. If its request arrives, the API does this.
    Call { process: usize, change: usize, fault: Fault },
    /// The same, and the caller confirms the change if it needs a confirmation.
    Confirm { process: usize, change: usize, fault: Fault },
    /// The client of the oldest call of a process goes.
    Cancel { process: usize },
    /// A process dies, and starts again.
    Crash { process: usize },
    /// The next operations of a process on the state fail. With `late`, they take effect all the same.
    FailState { process: usize, operations: u32, late: bool },
    /// All calls are answered.
    Finish,
}

/// As Rust code.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call { process, change, fault } => {
                write!(f, "Step::Call {{ process: {process}, change: {change}, fault: Fault::{fault:?} }}")
            }
            Self::Confirm { process, change, fault } => {
                write!(f, "Step::Confirm {{ process: {process}, change: {change}, fault: Fault::{fault:?} }}")
            }
            _ => write!(f, "Step::{self:?}"),
        }
    }
}

/// A test that plays a schedule, as Rust code.
fn test_of(steps: &[Step]) -> String {
    let mut test = "#[test]\nfn a_schedule_that_once_failed() {\n    play(&[\n".to_owned();
    for step in steps {
        test.extend(["        ", &step.to_string(), ",\n"]);
    }
    test + "    ]);\n}\n"
}

/// Plays one schedule.
fn play(steps: &[Step]) {
    World::new().run(|world| run(world, steps)).unwrap();
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let process = || 0..PROCESSES;
    let change = || 0..CHANGES;
    let step = prop_oneof![
        8 => (process(), change(), faults()).prop_map(|(process, change, fault)| Step::Call { process, change, fault }),
        3 => (process(), change(), faults()).prop_map(|(process, change, fault)| Step::Confirm { process, change, fault }),
        1 => process().prop_map(|process| Step::Cancel { process }),
        1 => process().prop_map(|process| Step::Crash { process }),
        1 => (process(), 1..4_u32, any::<bool>())
            .prop_map(|(process, operations, late)| Step::FailState { process, operations, late }),
        3 => Just(Step::Finish),
    ];
    prop::collection::vec(step, 2..10)
}

fn faults() -> impl Strategy<Value = Fault> {
    prop_oneof![
        10 => Just(Fault::None),
        1 => Just(Fault::Timeout),
        2 => Just(Fault::Reset),
        1 => Just(Fault::ResetUnmade),
        1 => Just(Fault::BrokenOff),
        1 => Just(Fault::BadGateway),
        1 => Just(Fault::BadGatewayUnmade),
        2 => Just(Fault::Declined),
        1 => Just(Fault::RateLimited),
    ]
}

fn run(world: &mut World, steps: &[Step]) {
    for step in steps {
        match *step {
            Step::Call { process, change, fault } => world.call(process, change, fault, false),
            Step::Confirm { process, change, fault } => world.call(process, change, fault, true),
            Step::Cancel { process } => world.cancel(process),
            Step::Crash { process } => world.crash(process),
            Step::FailState { process, operations, late } => world.fail_state(process, operations, late),
            Step::Finish => world.finish(),
        }
    }
}

/// Runs random schedules. Each of the seeds gives others.
fn check(seed: u8) {
    let chosen = std::env::var("SCHEDULES").ok().and_then(|cases| cases.parse().ok());
    let cases = chosen.unwrap_or(SCHEDULES).div_ceil(THREADS);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || {
                let mut bytes = [seed; 32];
                bytes[0] = u8::try_from(thread).unwrap();
                let config =
                    Config { cases, failure_persistence: None, max_shrink_iters: 300, ..Config::default() };
                let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
                let mut runner = TestRunner::new_with_rng(config, rng);
                let world = std::cell::RefCell::new(World::new());
                let outcome = runner.run(&steps(), |steps| {
                    let broken = world.borrow_mut().run(|world| run(world, &steps));
                    broken.map_err(TestCaseError::fail)
                });
                if let Err(TestError::Fail(reason, steps)) = outcome {
                    panic!("{reason}\n\n{}", test_of(&steps));
                }
                let made_again = world.borrow().made_again;
                assert!(made_again > cases / 100, "the schedules confirm {made_again} changes");
            });
        }
    });
}

#[test]
fn no_change_is_made_twice_in_any_of_the_first_schedules() {
    check(1);
}

#[test]
fn no_change_is_made_twice_in_any_of_the_second_schedules() {
    check(2);
}

#[test]
fn no_change_is_made_twice_in_any_of_the_third_schedules() {
    check(3);
}

#[test]
fn no_change_is_made_twice_in_any_of_the_fourth_schedules() {
    check(4);
}

#[test]
fn a_schedule_is_printed_as_a_test() {
    let steps = [
        Step::Call { process: 0, change: 0, fault: Fault::Reset },
        Step::FailState { process: 1, operations: 2, late: true },
        Step::Finish,
    ];
    let printed = test_of(&steps);
    let pasted = "#[test]\nfn a_schedule_that_once_failed() {\n    play(&[\n        \
                  Step::Call { process: 0, change: 0, fault: Fault::Reset },\n        \
                  Step::FailState { process: 1, operations: 2, late: true },\n        Step::Finish,\n    ]);\n}\n";
    assert_eq!(printed, pasted);
}

#[test]
fn a_printed_schedule_can_be_pasted() {
    play(&[
        Step::Call { process: 0, change: 0, fault: Fault::Reset },
        Step::Call { process: 1, change: 0, fault: Fault::None },
        Step::FailState { process: 1, operations: 2, late: true },
        Step::Finish,
        Step::Confirm { process: 2, change: 0, fault: Fault::None },
        Step::Crash { process: 0 },
        Step::Cancel { process: 1 },
        Step::Finish,
    ]);
}
