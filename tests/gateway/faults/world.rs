//! The processes, the API and the promises of a schedule.

use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use scope3_mcp_gateway::{
    Caller, ClientConfig,
    catalog::Surface,
    credentials::KeyRing,
    journal::{Digest, EntryState},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    runtime::{Builder, Runtime},
    task::JoinHandle,
};

use super::{CREATE, answer, brand, confirmed, unreliable::Unreliable, with_config};
use crate::support::{
    Rig,
    api::{Behavior, FaultyApi, Then, json_response, made, not_made, response, success},
    key,
};

pub(super) const PROCESSES: usize = 3;
pub(super) const CHANGES: usize = 2;

/// The time limit of a request.
const TIMEOUT: Duration = Duration::from_millis(60);

/// How long a call may take. It may wait for another call, and for a state that fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// How many schedules share a state file.
const SCHEDULES_PER_FILE: usize = 50;

/// What the API does with a request.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fault {
    None,
    /// The change is made, but the response does not come.
    Timeout,
    /// The change is made, and the connection is reset.
    Reset,
    /// The connection is reset before the change is made.
    ResetUnmade,
    /// The change is made, and the response breaks off.
    BrokenOff,
    /// The change is made, but a gateway says that it got no response.
    BadGateway,
    /// The same, but the change is not made.
    BadGatewayUnmade,
    /// The change is refused.
    Declined,
    /// A rate limit refuses the change.
    RateLimited,
}

impl Fault {
    fn behavior(self) -> Behavior {
        match self {
            Self::None => made(Then::Send(success())),
            Self::Timeout => made(Then::Hang),
            Self::Reset => made(Then::Reset(Vec::new())),
            Self::ResetUnmade => not_made(Then::Reset(Vec::new())),
            Self::BrokenOff => made(Then::Send(success()[..60].to_vec())),
            Self::BadGateway => made(Then::Send(response(502, &[], "<html>"))),
            Self::BadGatewayUnmade => not_made(Then::Send(response(502, &[], "<html>"))),
            Self::Declined => {
                not_made(Then::Send(json_response(422, &[], &json!({ "error": "The name is taken." }))))
            }
            Self::RateLimited => not_made(Then::Send(response(429, &[("retry-after", "1")], ""))),
        }
    }
}

/// A gateway with a runtime of its own, so that a crash ends all of its tasks.
struct Process {
    rig: Rig,
    state: Arc<Unreliable>,
    runtime: Option<Runtime>,
    /// The calls without an answer, oldest first.
    calls: VecDeque<JoinHandle<()>>,
}

/// What callers know of one change.
#[derive(Debug, Default)]
struct Change {
    /// The newest confirmation in an answer.
    code: Mutex<Option<String>>,
    /// How many calls gave a confirmation.
    confirmed: AtomicU32,
    calls: AtomicU32,
    /// How many answers say that the call made the change.
    claimed: AtomicU32,
    /// How many answers say that the call did not make the change.
    denied: AtomicU32,
}

pub(super) struct World {
    directory: TempDir,
    processes: Vec<Process>,
    changes: Vec<Arc<Change>>,
    /// How many changes of all schedules were made more than once, as confirmed.
    pub(super) made_again: u32,
    schedule: usize,
    api: FaultyApi,
    // Dropped last.
    _api_runtime: Runtime,
}

impl World {
    pub(super) fn new() -> Self {
        let api_runtime = runtime();
        let api = api_runtime.block_on(FaultyApi::start([]));
        let directory = directory();
        let config = ClientConfig { total: TIMEOUT, ..ClientConfig::default() };
        let process = |_| {
            let state = Arc::new(Unreliable::at(file(&directory, 0)));
            let rig = with_config(&api.url, state.clone(), &["only"], config);
            Process { rig, state, runtime: Some(runtime()), calls: VecDeque::new() }
        };
        let processes = (0..PROCESSES).map(process).collect();
        Self {
            directory,
            processes,
            changes: Vec::new(),
            made_again: 0,
            schedule: 0,
            api,
            _api_runtime: api_runtime,
        }
    }

    /// Runs one schedule, and returns the promise that was broken.
    pub(super) fn run(&mut self, schedule: impl FnOnce(&mut Self)) -> Result<(), String> {
        if self.schedule > 0 && self.schedule.is_multiple_of(SCHEDULES_PER_FILE) {
            let path = self.file();
            self.processes.iter().for_each(|process| process.state.open_at(path.clone()));
        }
        self.schedule += 1;
        self.changes = (0..CHANGES).map(|_| Arc::default()).collect();
        for process in &mut self.processes {
            // The limits of a new key are unused.
            let keys = Arc::new(KeyRing::of(key(&format!("s{}", self.schedule))));
            process.rig.caller = Caller { keys, ..process.rig.caller.clone() };
        }
        schedule(self);
        self.finish();
        let made = (0..CHANGES).map(|change| self.api.made(&self.name(change)));
        self.made_again += made.map(|made| u32::from(made > 1)).sum::<u32>();
        self.check()
    }

    fn file(&self) -> PathBuf {
        file(&self.directory, self.schedule / SCHEDULES_PER_FILE)
    }

    fn name(&self, change: usize) -> String {
        format!("{}-{change}", self.schedule)
    }

    /// A process receives a call. With `again`, the caller confirms the change, after a first call if it has no code yet.
    pub(super) fn call(&mut self, process: usize, change: usize, fault: Fault, again: bool) {
        let name = self.name(change);
        self.api.plan(&name, fault.behavior());
        let change = Arc::clone(&self.changes[change]);
        let process = &mut self.processes[process];
        let (gateway, caller) = (Arc::clone(&process.rig.gateway), process.rig.caller.clone());
        let calls = async move {
            let call = async |arguments: Value| {
                let Value::Object(arguments) = arguments else { return };
                change.calls.fetch_add(1, SeqCst);
                let outcome = gateway.call(caller.clone(), CREATE, arguments, Arc::new(|_| {})).await;
                change.learn(&answer(outcome));
            };
            let code = || change.code.lock().unwrap().take_if(|_| again);
            let mut known = code();
            if known.is_none() {
                call(brand(&name)).await;
                known = code();
            }
            if let Some(code) = known {
                change.confirmed.fetch_add(1, SeqCst);
                call(confirmed(&name, &code.into())).await;
            }
        };
        process.calls.push_back(process.runtime.as_ref().unwrap().spawn(calls));
    }

    pub(super) fn cancel(&mut self, process: usize) {
        if let Some(call) = self.processes[process].calls.pop_front() {
            call.abort();
        }
    }

    pub(super) fn crash(&mut self, process: usize) {
        let path = file(&self.directory, (self.schedule - 1) / SCHEDULES_PER_FILE);
        let process = &mut self.processes[process];
        process.runtime.take().unwrap().shutdown_timeout(PATIENCE);
        process.runtime = Some(runtime());
        process.state.open_at(path);
        process.calls.clear();
    }

    pub(super) fn fail_state(&mut self, process: usize, operations: u32, late: bool) {
        self.processes[process].state.fail(operations, late);
    }

    /// Waits for the answers to all calls.
    pub(super) fn finish(&mut self) {
        self.processes.iter().for_each(|process| process.state.fail(0, false));
        for process in &mut self.processes {
            for call in process.calls.drain(..) {
                let answered = async { tokio::time::timeout(PATIENCE, call).await };
                let answered = process.runtime.as_ref().unwrap().block_on(answered);
                answered.expect("no answer in time").unwrap();
            }
        }
    }

    /// Checks the promises.
    fn check(&self) -> Result<(), String> {
        let process = &self.processes[0];
        let entries = process.state.entries_of_file();
        let entries = process.runtime.as_ref().unwrap().block_on(entries);
        for (at, change) in self.changes.iter().enumerate() {
            let name = self.name(at);
            let made = self.api.made(&name);
            let Value::Object(arguments) = brand(&name) else { return Err("not an object".to_owned()) };
            let digest = Digest::of(Surface::Campaign, CREATE, None, &arguments);
            let states = entries.iter().filter(|entry| entry.digest == digest).map(|entry| entry.state);
            // The end of a change is recorded again and again while the state is unavailable.
            let kept = states.filter(|state| *state != EntryState::Refused).count();
            let count = |count: &AtomicU32| count.load(SeqCst);
            let admitted = count(&change.calls) - count(&change.denied);
            let promises = [
                (made <= 1 + count(&change.confirmed), "it was made more often than confirmed"),
                (count(&change.claimed) <= made, "a call says that it made a change, but it was not made"),
                (made <= admitted, "a call says that nothing changed, but it did"),
                (kept >= made as usize, "the journal has lost an entry"),
            ];
            if let Some((_, broken)) = promises.iter().find(|(is_kept, _)| !is_kept) {
                return Err(format!("change {at}: {broken}: made {made} times, {kept} entries, {change:?}"));
            }
        }
        Ok(())
    }
}

impl Change {
    fn learn(&self, answer: &Value) {
        let notes = answer.get("scope3Mcp");
        let confirmation = answer.get("confirmation").or_else(|| notes?.get("confirmation"));
        if let Some(code) = confirmation.and_then(|confirmation| confirmation["code"].as_str()) {
            *self.code.lock().unwrap() = Some(code.to_owned());
        }
        let is_repeated = notes.is_some_and(|notes| notes["repeated"] == true);
        match answer["changed"].as_str() {
            None if !is_repeated => {
                self.claimed.fetch_add(1, SeqCst);
            }
            Some("yes" | "unknown") if answer["code"] != "OUTCOME_UNKNOWN" => {}
            // This call did not make it. Another one may have.
            _ => {
                self.denied.fetch_add(1, SeqCst);
            }
        }
    }
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// A directory in memory, if the machine has one: the tests are about processes that die, not about power failures.
fn directory() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn file(directory: &TempDir, number: usize) -> PathBuf {
    directory.path().join(format!("{number}/state.db"))
}
