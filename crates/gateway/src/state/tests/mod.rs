//! What every kind of state promises.

pub(super) mod confirmations;
pub(super) mod money;
pub(super) mod permits;
pub(super) mod schedule;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use scope3_mcp_client::{
    Class,
    credentials::{ApiKey, Fingerprint},
};

use super::{
    Exhausted, Request, State, Window,
    clock::{Clock, Reading},
};

pub(super) const HOUR: Duration = Duration::from_hours(1);
pub(super) const DAY: Duration = Duration::from_hours(24);

/// A place where processes keep their state.
pub(super) trait Place {
    /// The state as another process opens it.
    fn process(&self, machine: &Machine) -> Arc<dyn State>;

    /// How long after its end a process counts as dead.
    fn wake(&self) -> Duration;
}

/// A machine whose clocks a test moves.
#[derive(Clone)]
pub(super) struct Machine(Arc<Mutex<Reading>>);

impl Machine {
    pub(super) fn new() -> Self {
        let boot = Some("first".to_owned());
        Self(Arc::new(Mutex::new(Reading { boot, uptime: HOUR, wall: 1000 * DAY })))
    }

    pub(super) fn set(&self, change: impl FnOnce(&mut Reading)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn pass(&self, time: Duration) {
        self.set(|reading| {
            reading.uptime += time;
            reading.wall += time;
        });
    }

    pub(super) fn clock(&self) -> Clock {
        let reading = Arc::clone(&self.0);
        Clock::new(move || reading.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

pub(super) fn key(secret: &str) -> Fingerprint {
    ApiKey::parse(&format!("scope3_{}_{secret}", "a".repeat(32)).into()).unwrap().fingerprint()
}

pub(super) fn windows(rate: &str) -> Vec<Window> {
    vec![Window { class: Class::MCP, limit: rate.parse().unwrap() }]
}

pub(super) fn request(who: &str, windows: Vec<Window>) -> Request {
    Request { key: key(who), windows, taken: Vec::new(), sends: None }
}

pub(super) async fn take(state: &dyn State, rate: &str) -> Result<(), Exhausted> {
    state.acquire(request("a", windows(rate))).await.unwrap()
}

/// Tests each promise at a place, if there is one.
macro_rules! promises {
    ($place:expr, $cases:expr) => {
        $crate::state::tests::promises! { @ $place;
            permits {
            processes_share_one_window_and_a_restart_does_not_empty_it
            permits_of_several_classes_are_taken_together_or_not_at_all
            a_wait_that_scope3_asks_for_holds_in_every_process
            permits_that_were_taken_without_the_state_count_from_their_time
            }
            confirmations {
            a_confirmation_counts_once_and_only_for_its_change
            a_change_is_joined_repeated_and_settled
            a_changed_description_is_confirmed_besides_a_repetition
            a_caller_that_names_its_changes_says_which_are_the_same
            calls_are_counted_by_hour_tool_and_outcome
            }
            money {
            consent_counts_once_and_only_for_its_change
            a_code_of_a_question_is_no_confirmation
            consent_does_not_send_a_change_again
            }
            schedule { a_change_whose_entry_is_gone_is_not_sent }
        }

        #[test]
        fn no_hour_of_any_schedule_of_two_processes_has_more_permits_than_the_limit() {
            $crate::state::tests::permits::any_schedule(|| $place, $cases);
        }

        #[test]
        fn no_sequence_of_budgets_exceeds_the_cap_of_a_day() {
            $crate::state::tests::money::any_budgets(|| $place, $cases);
        }

        #[test]
        fn no_change_is_made_twice_unless_a_caller_confirmed_it() {
            $crate::state::tests::schedule::any_schedule(|| $place, $cases);
        }
    };
    (@ $place:expr; $($module:ident { $($name:ident)+ })+) => {
        $($(
            #[tokio::test]
            async fn $name() {
                if let Some(place) = $place {
                    $crate::state::tests::$module::$name(&place).await;
                }
            }
        )+)+
    };
}
pub(super) use promises;
