//! The journal under random schedules of two processes that call, crash and confirm.

use std::{sync::Arc, time::Duration};

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use scope3_mcp_catalog::{Effect, Surface};
use scope3_mcp_client::{Class, credentials::ApiKey};
use serde_json::{Map, json};

use super::{Machine, Place};
use crate::{
    journal::{Begun, Consent, Digest, Ending, EntryId, EntryState, Intent, Spender},
    state::{Request, State, Window},
};

const CHANGES: usize = 2;

/// What can happen. Changes and processes are numbered.
#[derive(Debug, Clone)]
enum Step {
    Call {
        process: usize,
        change: usize,
    },
    /// Repeats a call with the confirmation of the last answer, if it had one.
    Confirm {
        process: usize,
        change: usize,
    },
    /// The response to the oldest request of a process arrives.
    End {
        process: usize,
        state: EntryState,
    },
    Kill {
        process: usize,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let state = prop_oneof![Just(EntryState::Done), Just(EntryState::Refused), Just(EntryState::Unknown)];
    let step = prop_oneof![
        6 => (0..2_usize, 0..CHANGES).prop_map(|(process, change)| Step::Call { process, change }),
        2 => (0..2_usize, 0..CHANGES).prop_map(|(process, change)| Step::Confirm { process, change }),
        4 => (0..2_usize, state).prop_map(|(process, state)| Step::End { process, state }),
        1 => (0..2_usize).prop_map(|process| Step::Kill { process }),
    ];
    prop::collection::vec(step, 1..40)
}

pub(in crate::state) fn intent(change: usize, confirmation: Option<String>) -> Intent {
    let Ok(key) = ApiKey::parse(&format!("scope3_{}_a", "a".repeat(32)).into()) else { panic!("not a key") };
    let arguments = Map::from_iter([("change".to_owned(), json!(change))]);
    Intent {
        key: key.fingerprint(),
        other_keys: Vec::new(),
        client: None,
        session: None,
        tool: "create".to_owned(),
        effect: Effect::Spend,
        digest: Digest::of(Surface::Campaign, "create", None, &arguments),
        target: None,
        amount: None,
        currency: None,
        arguments: None,
        caller_key: None,
        sends_key: true,
        idempotent: false,
        confirmation,
        is_reworded: false,
        consent: Consent::NotNeeded,
        spender: Spender::Operator,
        commitment: None,
        day_cap: None,
        joined: None,
        repeat_guard: Duration::from_mins(15),
    }
}

/// Two processes, the requests that they have in flight, and what the API has done.
struct World<'a, P> {
    place: &'a P,
    machine: Machine,
    processes: [Arc<dyn State>; 2],
    in_flight: Vec<(usize, usize, EntryId)>,
    made: [u32; CHANGES],
    confirmed: [u32; CHANGES],
    codes: [Option<String>; CHANGES],
}

impl<'a, P: Place> World<'a, P> {
    fn new(place: &'a P) -> Self {
        let machine = Machine::new();
        let processes = [place.process(&machine), place.process(&machine)];
        let (made, confirmed) = ([0; CHANGES], [0; CHANGES]);
        Self { place, machine, processes, in_flight: Vec::new(), made, confirmed, codes: Default::default() }
    }

    async fn call(&mut self, process: usize, change: usize, code: Option<String>) {
        let state = &self.processes[process];
        let intent = intent(change, code.clone());
        let key = intent.key;
        match state.begin(intent).await.unwrap() {
            Begun::Send(started) => {
                assert!(started.key.is_some(), "the API takes a key");
                let request =
                    Request { key, windows: Vec::new(), taken: Vec::new(), sends: Some(started.id) };
                state.acquire(request).await.unwrap().unwrap();
                // The API makes the change as soon as the request arrives.
                self.made[change] += 1;
                self.confirmed[change] += u32::from(code.is_some());
                self.in_flight.push((process, change, started.id));
            }
            Begun::Repeated(_, confirmation) | Begun::Unknown(_, confirmation) => {
                self.codes[change] = Some(confirmation.code);
            }
            Begun::InProgress(_) | Begun::Invalid(_) | Begun::KeyReused(_) => {}
            other @ (Begun::Ask(_) | Begun::OverCap(_) | Begun::Reworded(_)) => panic!("nobody is asked, got {other:?}"),
        }
    }

    async fn run(&mut self, step: Step) {
        match step {
            Step::Call { process, change } => self.call(process, change, None).await,
            Step::Confirm { process, change } => {
                let code = self.codes[change].take();
                self.call(process, change, code).await;
            }
            Step::End { process, state } => {
                let Some(at) = self.in_flight.iter().position(|(owner, ..)| *owner == process) else {
                    return;
                };
                let (_, change, id) = self.in_flight.remove(at);
                // A refusal says that the change was not made.
                self.made[change] -= u32::from(state == EntryState::Refused);
                let ending = Ending { state, code: None, ids: Vec::new(), outcome: None };
                self.processes[process].end(id, ending).await.unwrap();
            }
            Step::Kill { process } => {
                self.processes[process] = self.place.process(&self.machine);
                self.machine.pass(self.place.wake());
                // The other process shows that it is alive.
                self.processes[1 - process].open().await.unwrap();
                self.in_flight.retain(|(owner, ..)| *owner != process);
            }
        }
    }
}

pub(in crate::state) async fn a_change_whose_entry_is_gone_is_not_sent(place: &impl Place) {
    let world = World::new(place);
    let [one, other] = &world.processes;
    let intent = intent(0, None);
    let key = intent.key;
    let Begun::Send(started) = one.begin(intent).await.unwrap() else { panic!("it may be sent") };
    let ending = Ending { state: EntryState::Refused, code: None, ids: Vec::new(), outcome: None };
    one.end(started.id, ending).await.unwrap();
    let windows = vec![Window { class: Class::MCP, limit: "5/h".parse().unwrap() }];
    let request = Request { key, windows: windows.clone(), taken: Vec::new(), sends: Some(started.id) };
    one.acquire(request).await.unwrap_err();
    assert_eq!(other.used(key, windows).await.unwrap()[0].permits, 0, "no permit is taken either");
}

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
    let mut world = World::new(place);
    for step in steps {
        world.run(step).await;
        for (made, confirmed) in world.made.iter().zip(world.confirmed) {
            prop_assert!(*made <= 1 + confirmed, "made {made} times, confirmed {confirmed} times");
        }
    }
    Ok(())
}
