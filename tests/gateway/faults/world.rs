//! The processes, the API and the promises of a schedule.

use std::{collections::VecDeque, path::PathBuf, sync::Arc, time::Duration};

use scope3_mcp_gateway::{
    CallError, Caller, ClientConfig, Success,
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
    calls: VecDeque<Running>,
}

struct Running {
    change: usize,
    outcome: JoinHandle<Result<Success, CallError>>,
}

/// What is known of one change.
#[derive(Debug, Clone, Default)]
struct Change {
    /// The newest confirmation in an answer.
    code: Option<String>,
    /// The confirmations that callers gave.
    confirmed: u32,
    /// How many calls say that they made the change.
    claimed: u32,
    /// How many calls may have made the change: it was not denied.
    admitted: u32,
}

pub(super) struct World {
    directory: TempDir,
    processes: Vec<Process>,
    changes: Vec<Change>,
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
        self.changes = vec![Change::default(); CHANGES];
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

    pub(super) fn call(&mut self, process: usize, change: usize, fault: Fault, is_confirmed: bool) {
        let name = self.name(change);
        let code = self.changes[change].code.take_if(|_| is_confirmed);
        self.api.plan(&name, fault.behavior());
        self.changes[change].confirmed += u32::from(code.is_some());
        let arguments = code.map_or_else(|| brand(&name), |code| confirmed(&name, &code.into()));
        let Value::Object(arguments) = arguments else { return };
        let process = &mut self.processes[process];
        let (gateway, caller) = (Arc::clone(&process.rig.gateway), process.rig.caller.clone());
        let call = async move { gateway.call(caller, CREATE, arguments, Arc::new(|_| {})).await };
        let outcome = process.runtime.as_ref().unwrap().spawn(call);
        process.calls.push_back(Running { change, outcome });
    }

    pub(super) fn cancel(&mut self, process: usize) {
        if let Some(Running { change, outcome }) = self.processes[process].calls.pop_front() {
            outcome.abort();
            self.changes[change].admitted += 1;
        }
    }

    pub(super) fn crash(&mut self, process: usize) {
        let path = file(&self.directory, (self.schedule - 1) / SCHEDULES_PER_FILE);
        let process = &mut self.processes[process];
        process.runtime.take().unwrap().shutdown_timeout(PATIENCE);
        process.runtime = Some(runtime());
        process.state.open_at(path);
        for Running { change, .. } in process.calls.drain(..) {
            self.changes[change].admitted += 1;
        }
    }

    pub(super) fn fail_state(&mut self, process: usize, operations: u32, late: bool) {
        self.processes[process].state.fail(operations, late);
    }

    /// Waits for the answers to all calls.
    pub(super) fn finish(&mut self) {
        self.processes.iter().for_each(|process| process.state.fail(0, false));
        for process in &mut self.processes {
            for Running { change, outcome } in process.calls.drain(..) {
                let outcome = async { tokio::time::timeout(PATIENCE, outcome).await };
                let outcome = process.runtime.as_ref().unwrap().block_on(outcome);
                self.changes[change].learn(&answer(outcome.expect("no answer in time").unwrap()));
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
            let digest = Digest::of(Surface::Campaign, CREATE, &arguments);
            let states = entries.iter().filter(|entry| entry.digest == digest).map(|entry| entry.state);
            // The end of a change is recorded again and again while the state is unavailable.
            let kept = states.filter(|state| *state != EntryState::Refused).count();
            let promises = [
                (made <= 1 + change.confirmed, "it was made more often than confirmed"),
                (change.claimed <= made, "a call says that it made a change, but it was not made"),
                (made <= change.admitted, "a call says that nothing changed, but it did"),
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
    fn learn(&mut self, answer: &Value) {
        let notes = answer.get("scope3Mcp");
        let confirmation = answer.get("confirmation").or_else(|| notes?.get("confirmation"));
        let code = confirmation.and_then(|confirmation| confirmation["code"].as_str());
        self.code = code.map(str::to_owned).or(self.code.take());
        match answer["changed"].as_str() {
            None if notes.is_some_and(|notes| notes["repeated"] == true) => {}
            None => {
                self.claimed += 1;
                self.admitted += 1;
            }
            Some("no") => {}
            Some(_) if answer["code"] == "OUTCOME_UNKNOWN" => {}
            Some(_) => self.admitted += 1,
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
