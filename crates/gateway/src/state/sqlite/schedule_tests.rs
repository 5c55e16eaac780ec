//! The journal under random schedules of two processes that call, crash and confirm.

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use proptest::prelude::*;
use scope3_mcp_catalog::{Effect, Surface};
use scope3_mcp_client::{Class, credentials::ApiKey};
use serde_json::{Map, json};
use tempfile::{TempDir, tempdir, tempdir_in};
use tokio::sync::oneshot;

use super::{SqliteState, Work};
use crate::{
    journal::{Begun, Digest, Ending, EntryId, EntryState, Filter, Intent},
    state::{Request, State, StateLocation, Window},
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

fn intent(change: usize, confirmation: Option<String>) -> Intent {
    let Ok(key) = ApiKey::parse(&format!("scope3_{}_a", "a".repeat(32)).into()) else { panic!("not a key") };
    let arguments = Map::from_iter([("change".to_owned(), json!(change))]);
    Intent {
        key: key.fingerprint(),
        other_keys: Vec::new(),
        client: None,
        session: None,
        tool: "create".to_owned(),
        effect: Effect::Spend,
        digest: Digest::of(Surface::Campaign, "create", &arguments),
        target: None,
        amount: None,
        currency: None,
        arguments: None,
        caller_key: None,
        sends_key: true,
        idempotent: false,
        confirmation,
        joined: None,
        repeat_guard: Duration::from_mins(15),
    }
}

fn open(directory: &TempDir) -> SqliteState {
    SqliteState::at(StateLocation::File(directory.path().join("state.db")))
}

/// A directory in memory, if the machine has one. These processes die, but the power stays on.
fn in_memory() -> TempDir {
    tempdir_in("/dev/shm").or_else(|_| tempdir()).unwrap()
}

/// Two processes, the requests that they have in flight, and what the API has done.
struct World {
    directory: TempDir,
    processes: [SqliteState; 2],
    in_flight: Vec<(usize, usize, EntryId)>,
    made: [u32; CHANGES],
    confirmed: [u32; CHANGES],
    codes: [Option<String>; CHANGES],
}

impl World {
    fn new() -> Self {
        let directory = in_memory();
        let processes = [open(&directory), open(&directory)];
        let (made, confirmed) = ([0; CHANGES], [0; CHANGES]);
        Self { directory, processes, in_flight: Vec::new(), made, confirmed, codes: Default::default() }
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
                self.processes[process] = open(&self.directory);
                self.in_flight.retain(|(owner, ..)| *owner != process);
            }
        }
    }
}

#[tokio::test]
async fn a_change_whose_entry_is_gone_is_not_sent() {
    let world = World::new();
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

/// An operation that tells when it runs, and that ends when the test says so.
fn block(state: &Arc<SqliteState>) -> (oneshot::Receiver<()>, mpsc::Sender<()>) {
    let (running, runs) = oneshot::channel();
    let (resume, resumed) = mpsc::channel();
    let state = Arc::clone(state);
    tokio::spawn(async move {
        let operation = move |_: &Work<'_>| {
            running.send(()).unwrap();
            resumed.recv().unwrap();
            Ok(())
        };
        state.run(false, operation).await
    });
    (runs, resume)
}

#[tokio::test]
async fn a_change_whose_caller_gave_up_while_it_was_recorded_leaves_no_entry() {
    let directory = tempdir().unwrap();
    let state = Arc::new(open(&directory));
    let (runs, resume) = block(&state);
    runs.await.unwrap();
    // These two come while the state is busy, so one transaction commits both.
    let begin = Arc::clone(&state);
    let begin = tokio::spawn(async move { begin.begin(intent(0, None)).await });
    tokio::task::yield_now().await;
    let (runs, resume_second) = block(&state);
    tokio::task::yield_now().await;
    resume.send(()).unwrap();
    runs.await.unwrap();
    begin.abort();
    assert!(begin.await.unwrap_err().is_cancelled());
    resume_second.send(()).unwrap();

    let Begun::Send(again) = state.begin(intent(0, None)).await.unwrap() else {
        panic!("nothing is in progress")
    };
    let entries = open(&directory).entries(Filter::default()).await.unwrap();
    assert_eq!(entries.iter().map(|entry| entry.id).collect::<Vec<_>>(), [again.id]);
    assert_eq!(again.id, EntryId(2), "the first was recorded");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_change_is_made_twice_unless_a_caller_confirmed_it(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new();
            for step in steps {
                world.run(step).await;
                for (made, confirmed) in world.made.iter().zip(world.confirmed) {
                    prop_assert!(*made <= 1 + confirmed, "made {made} times, confirmed {confirmed} times");
                }
            }
            Ok(())
        })?;
    }
}
