//! Consent and the cap of a day, in every kind of state.

use std::{sync::Arc, time::Duration};

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use scope3_mcp_catalog::Commitment;

use super::{
    Machine, Place,
    confirmations::{code, send},
    key,
    schedule::intent,
};
use crate::{
    journal::{
        Asked, Begun, Confirmation, Consent, DayCap, Ending, EntryId, EntryState, Intent,
        InvalidConfirmation, Purpose, Settlement, Spender,
    },
    state::State,
};

fn ending(state: EntryState) -> Ending {
    Ending { state, code: None, ids: Vec::new(), outcome: None }
}

fn asking(asked: Asked, change: usize) -> Intent {
    Intent { consent: Consent::Needed(asked), ..intent(change, None) }
}

async fn question(state: &dyn State, intent: Intent) -> Confirmation {
    match state.begin(intent).await.unwrap() {
        Begun::Ask(Some(code)) => code,
        other => panic!("a person has to be asked, got {other:?}"),
    }
}

async fn invalid(state: &dyn State, intent: Intent) -> InvalidConfirmation {
    match state.begin(intent).await.unwrap() {
        Begun::Invalid(reason) => reason,
        other => panic!("the code is invalid, got {other:?}"),
    }
}

pub(in crate::state) async fn consent_counts_once_and_only_for_its_change(place: &impl Place) {
    let machine = Machine::new();
    let (state, other) = (place.process(&machine), place.process(&machine));
    let asked = question(&*state, asking(Asked::ByAgent, 0)).await;
    assert_eq!(asked.purpose, Purpose::Consent);
    let with =
        |change, code: &str| Intent { confirmation: Some(code.to_owned()), ..asking(Asked::ByAgent, change) };
    assert_eq!(invalid(&*other, with(1, &asked.code)).await, InvalidConfirmation::OtherArguments);
    let stranger = Intent { key: key("b"), ..with(0, &asked.code) };
    assert_eq!(invalid(&*other, stranger).await, InvalidConfirmation::OtherKey);
    for position in 0..asked.code.len() {
        let mut bytes = asked.code.clone().into_bytes();
        bytes[position] ^= 1;
        let flipped = with(0, std::str::from_utf8(&bytes).unwrap());
        assert_eq!(invalid(&*other, flipped).await, InvalidConfirmation::NotIssued);
    }
    let both = tokio::join!(state.begin(with(0, &asked.code)), other.begin(with(0, &asked.code)));
    let sent = [both.0.unwrap(), both.1.unwrap()];
    assert_eq!(sent.iter().filter(|begun| matches!(begun, Begun::Send(_))).count(), 1, "{sent:?}");
    assert!(sent.iter().any(|begun| matches!(begun, Begun::InProgress(_))), "{sent:?}");
}

pub(in crate::state) async fn a_code_of_a_question_is_no_confirmation(place: &impl Place) {
    let machine = Machine::new();
    let state = place.process(&machine);
    let asked = question(&*state, asking(Asked::BetweenCalls, 0)).await;
    assert_eq!(asked.purpose, Purpose::Reply);
    let by_agent = Intent { confirmation: Some(asked.code.clone()), ..asking(Asked::ByAgent, 0) };
    assert_eq!(invalid(&*state, by_agent).await, InvalidConfirmation::NotIssued);
    let shown = question(&*state, asking(Asked::ByAgent, 0)).await;
    let replied = |code: &str| Intent { consent: Consent::Replied(code.to_owned()), ..intent(0, None) };
    assert_eq!(invalid(&*state, replied(&shown.code)).await, InvalidConfirmation::NotIssued);
    assert_eq!(invalid(&*state, replied("")).await, InvalidConfirmation::NotIssued);

    // After a no, the code is worth nothing.
    state.revoke(asked.code.clone()).await.unwrap();
    assert_eq!(invalid(&*state, replied(&asked.code)).await, InvalidConfirmation::Used);
    state.revoke("unknown".to_owned()).await.unwrap();

    let asked = question(&*state, asking(Asked::BetweenCalls, 0)).await;
    machine.pass(Duration::from_mins(11));
    assert_eq!(invalid(&*state, replied(&asked.code)).await, InvalidConfirmation::Expired);
    let asked = question(&*state, asking(Asked::BetweenCalls, 0)).await;
    let id = send(&*state, replied(&asked.code)).await;
    state.end(id, ending(EntryState::Refused)).await.unwrap();
    assert_eq!(invalid(&*state, replied(&asked.code)).await, InvalidConfirmation::Used);
}

pub(in crate::state) async fn consent_does_not_send_a_change_again(place: &impl Place) {
    let machine = Machine::new();
    let state = place.process(&machine);
    let shown = question(&*state, asking(Asked::ByAgent, 0)).await;
    let id = send(&*state, intent(0, None)).await;
    state.end(id, ending(EntryState::Unknown)).await.unwrap();
    // The person agreed before the outcome became unknown.
    let with = |code: &str| Intent { confirmation: Some(code.to_owned()), ..asking(Asked::ByAgent, 0) };
    let begun = state.begin(with(&shown.code)).await.unwrap();
    let Begun::Unknown(_, again) = begun else { panic!("the outcome is unknown, got {begun:?}") };
    // The agent asked the user for this confirmation. One that a client asks for is another matter.
    let person = Intent { confirmation: Some(again.code.clone()), ..asking(Asked::Now, 0) };
    assert!(matches!(state.begin(person).await.unwrap(), Begun::Ask(None)));
    send(&*state, with(&again.code)).await;
    assert_ne!(code_of_change_1(&*state).await, again.code);
}

async fn code_of_change_1(state: &dyn State) -> String {
    let id = send(state, intent(1, None)).await;
    state.end(id, ending(EntryState::Done)).await.unwrap();
    code(state, 1).await.code
}

/// What can happen to budgets.
#[derive(Debug, Clone)]
enum Step {
    Commit { process: usize, change: usize, hundredths: i64, currency: usize },
    End { state: EntryState },
    Settle { refused: bool },
    Restart { process: usize },
    NextDay,
}

const CURRENCIES: [&str; 2] = ["USD", "EUR"];
const CAP: i64 = 10_000;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let state = prop_oneof![Just(EntryState::Done), Just(EntryState::Refused), Just(EntryState::Unknown)];
    let amount = prop_oneof![8 => 0..CAP, 1 => Just(CAP), 1 => Just(i64::MAX)];
    let step = prop_oneof![
        6 => (0..2_usize, 0..1000_usize, amount, 0..2_usize).prop_map(
            |(process, change, hundredths, currency)| Step::Commit { process, change, hundredths, currency }
        ),
        4 => state.prop_map(|state| Step::End { state }),
        1 => any::<bool>().prop_map(|refused| Step::Settle { refused }),
        1 => (0..2_usize).prop_map(|process| Step::Restart { process }),
        1 => Just(Step::NextDay),
    ];
    prop::collection::vec(step, 1..30)
}

/// What was committed, as a model: day, currency, amount, and whether it may have been made.
struct Model<'a, P> {
    place: &'a P,
    machine: Machine,
    processes: [Arc<dyn State>; 2],
    day: u32,
    since: jiff::Timestamp,
    in_flight: Vec<(usize, EntryId, usize)>,
    unknown: Vec<(EntryId, usize)>,
    committed: Vec<(u32, usize, i64, bool)>,
}

impl<P: Place> Model<'_, P> {
    fn total(&self, currency: usize) -> i64 {
        let counts = |entry: &&(u32, usize, i64, bool)| entry.0 == self.day && entry.1 == currency && entry.3;
        self.committed.iter().filter(counts).map(|entry| entry.2).fold(0, i64::saturating_add)
    }

    async fn run(&mut self, step: Step) {
        match step {
            Step::Commit { process, change, hundredths, currency } => {
                let commitment =
                    Commitment { hundredths, currency: CURRENCIES[currency].to_owned(), before: None };
                let intent = Intent {
                    currency: Some(commitment.currency.clone()),
                    commitment: Some(commitment),
                    day_cap: Some(DayCap { hundredths: CAP, since: self.since }),
                    repeat_guard: Duration::ZERO,
                    ..intent(change, None)
                };
                let expected = self.total(currency);
                match self.processes[process].begin(intent).await.unwrap() {
                    Begun::Send(started) => {
                        assert!(
                            hundredths == 0 || expected.saturating_add(hundredths) <= CAP,
                            "{expected} + {hundredths}"
                        );
                        self.in_flight.push((process, started.id, self.committed.len()));
                        self.committed.push((self.day, currency, hundredths, true));
                    }
                    Begun::OverCap(committed) => {
                        assert_eq!(committed, expected);
                        assert!(expected.saturating_add(hundredths) > CAP, "{expected} + {hundredths}");
                    }
                    Begun::InProgress(_) | Begun::Unknown(..) => {}
                    other => panic!("got {other:?}"),
                }
            }
            Step::End { state } => {
                let Some((process, id, at)) = self.in_flight.pop() else { return };
                // It was sent.
                let request = crate::state::Request {
                    key: key("a"),
                    windows: Vec::new(),
                    taken: Vec::new(),
                    sends: Some(id),
                };
                self.processes[process].acquire(request).await.unwrap().unwrap();
                self.processes[process].end(id, ending(state)).await.unwrap();
                self.committed[at].3 = state != EntryState::Refused;
                if state == EntryState::Unknown {
                    self.unknown.push((id, at));
                }
            }
            Step::Settle { refused } => {
                let Some((id, at)) = self.unknown.pop() else { return };
                let settlement = if refused { Settlement::Refused } else { Settlement::Done };
                self.processes[0].settle(id, settlement).await.unwrap();
                self.committed[at].3 = !refused;
            }
            Step::Restart { process } => {
                self.processes[process] = self.place.process(&self.machine);
                self.machine.pass(self.place.wake());
                self.processes[1 - process].open().await.unwrap();
                // What the dead process had not sent was not made.
                let dead: Vec<_> =
                    self.in_flight.iter().filter(|(owner, ..)| *owner == process).copied().collect();
                for (_, id, at) in dead {
                    self.committed[at].3 = false;
                    // A process that ends takes a moment.
                    let other = &self.processes[1 - process];
                    while other.entry(id).await.unwrap().is_some_and(|entry| entry.state.is_open()) {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                }
                self.in_flight.retain(|(owner, ..)| *owner != process);
            }
            Step::NextDay => {
                self.machine.pass(Duration::from_hours(24));
                for state in &self.processes {
                    state.open().await.unwrap();
                }
                self.day += 1;
                self.since += jiff::SignedDuration::from_hours(24);
            }
        }
    }
}

pub(in crate::state) fn any_budgets<P: Place>(place: impl Fn() -> Option<P>, cases: u32) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(cases) });
    let outcome = runner.run(&steps(), |steps| {
        let Some(place) = place() else { return Ok(()) };
        runtime.block_on(async {
            let machine = Machine::new();
            let processes = [place.process(&machine), place.process(&machine)];
            for state in &processes {
                state.open().await.unwrap();
            }
            let since = jiff::Timestamp::from_second(1000 * 24 * 3600).unwrap();
            let mut model = Model {
                place: &place,
                machine,
                processes,
                day: 0,
                since,
                in_flight: Vec::new(),
                unknown: Vec::new(),
                committed: Vec::new(),
            };
            for step in steps {
                model.run(step).await;
                for (position, currency) in CURRENCIES.iter().enumerate() {
                    let committed = model.processes[1]
                        .committed(Spender::Operator, model.since, (*currency).to_owned())
                        .await
                        .unwrap();
                    assert_eq!(committed, model.total(position));
                }
            }
        });
        Ok(())
    });
    outcome.unwrap();
}
