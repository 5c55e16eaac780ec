use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use proptest::prelude::*;
use scope3_mcp_client::{
    Class,
    credentials::{ApiKey, Fingerprint},
};
use tempfile::{TempDir, tempdir};

use super::SqliteState;
use crate::state::{
    CallCount, Exhausted, Request, State, StateError, StateLocation, Window,
    clock::{Clock, Reading},
};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// A machine whose clocks a test moves.
#[derive(Clone)]
struct Machine(Arc<Mutex<Reading>>);

impl Machine {
    fn new() -> Self {
        let boot = Some("first".to_owned());
        Self(Arc::new(Mutex::new(Reading { boot, uptime: HOUR, wall: 1000 * DAY })))
    }

    fn set(&self, change: impl FnOnce(&mut Reading)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn pass(&self, time: Duration) {
        self.set(|reading| {
            reading.uptime += time;
            reading.wall += time;
        });
    }

    fn clock(&self) -> Clock {
        let reading = Arc::clone(&self.0);
        Clock::new(move || reading.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// The state as another process opens it.
    fn process(&self, folder: &TempDir) -> SqliteState {
        SqliteState::with_clock(StateLocation::File(path(folder)), self.clock())
    }
}

fn key(secret: &str) -> Fingerprint {
    ApiKey::parse(&format!("scope3_{}_{secret}", "a".repeat(32)).into()).unwrap().fingerprint()
}

fn path(folder: &TempDir) -> PathBuf {
    folder.path().join("state/state.db")
}

fn at(path: &Path) -> SqliteState {
    SqliteState::at(StateLocation::File(path.to_owned()))
}

fn windows(rate: &str) -> Vec<Window> {
    vec![Window { class: Class::MCP, limit: rate.parse().unwrap() }]
}

fn request(who: &str, windows: Vec<Window>) -> Request {
    Request { key: key(who), windows, taken: Vec::new(), sends: None }
}

async fn take(state: &SqliteState, rate: &str) -> Result<(), Exhausted> {
    state.acquire(request("a", windows(rate))).await.unwrap()
}

#[tokio::test]
async fn processes_share_one_window_and_a_restart_does_not_empty_it() {
    let (machine, folder) = (Machine::new(), tempdir().unwrap());
    for taken in 0..5 {
        // Each time as a new process.
        assert_eq!(take(&machine.process(&folder), "5/h").await, Ok(()), "{taken}");
        machine.pass(Duration::from_mins(1));
    }
    let refused = take(&machine.process(&folder), "5/h").await.unwrap_err();
    assert_eq!((refused.next_in, refused.by_scope3), (Duration::from_mins(55), false));
    let other = machine.process(&folder);
    assert_eq!(
        other.acquire(request("b", windows("5/h"))).await.unwrap(),
        Ok(()),
        "another key has its own window"
    );
    machine.pass(Duration::from_mins(55));
    assert_eq!(take(&other, "5/h").await, Ok(()));
    assert!(take(&other, "5/h").await.is_err(), "one permit was free again");
}

#[tokio::test]
async fn permits_of_several_classes_are_taken_together_or_not_at_all() {
    let (machine, folder) = (Machine::new(), tempdir().unwrap());
    let state = machine.process(&folder);
    let both = || {
        let window = |class, rate: &str| Window { class, limit: rate.parse().unwrap() };
        vec![window(Class::API, "9/h"), window(Class::MCP, "1/h")]
    };
    assert_eq!(state.acquire(request("a", both())).await.unwrap(), Ok(()));
    assert_eq!(state.acquire(request("a", both())).await.unwrap().unwrap_err().window.class, Class::MCP);
    let used = state.used(key("a"), both()).await.unwrap();
    assert_eq!(used.iter().map(|used| used.permits).collect::<Vec<_>>(), [1, 1]);
}

#[tokio::test]
async fn a_wait_that_scope3_asks_for_holds_in_every_process() {
    let (machine, folder) = (Machine::new(), tempdir().unwrap());
    machine.process(&folder).cool_down(key("a"), Class::MCP, Duration::from_secs(30)).await.unwrap();
    let other = machine.process(&folder);
    machine.pass(Duration::from_secs(10));
    let refused = take(&other, "5/h").await.unwrap_err();
    assert_eq!((refused.next_in, refused.by_scope3), (Duration::from_secs(20), true));
    machine.pass(Duration::from_secs(20));
    assert_eq!(take(&other, "5/h").await, Ok(()));
}

#[tokio::test]
async fn a_system_clock_that_jumps_neither_frees_nor_blocks_permits() {
    for jump in [|wall: Duration| wall + DAY, |wall: Duration| wall.saturating_sub(DAY)] {
        let (machine, folder) = (Machine::new(), tempdir().unwrap());
        take(&machine.process(&folder), "1/h").await.unwrap();
        machine.set(|reading| reading.wall = jump(reading.wall));
        let refused = take(&machine.process(&folder), "1/h").await.unwrap_err();
        assert_eq!(refused.next_in, HOUR);
        machine.pass(HOUR);
        assert_eq!(take(&machine.process(&folder), "1/h").await, Ok(()));
    }
}

#[tokio::test]
async fn a_clock_that_is_a_day_late_after_a_reboot_blocks_permits_only_for_their_span() {
    let (machine, folder) = (Machine::new(), tempdir().unwrap());
    take(&machine.process(&folder), "1/h").await.unwrap();
    machine.set(|reading| {
        let wall = reading.wall.saturating_sub(DAY);
        *reading = Reading { boot: Some("second".to_owned()), uptime: Duration::ZERO, wall };
    });
    assert!(take(&machine.process(&folder), "1/h").await.is_err());
    machine.pass(HOUR);
    assert_eq!(take(&machine.process(&folder), "1/h").await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_processes_can_create_the_file_at_once() {
    for _ in 0..100 {
        let folder = tempdir().unwrap();
        let open = (0..12).map(|_| {
            let state = at(&path(&folder));
            tokio::spawn(async move { state.open().await })
        });
        for opened in futures_util::future::join_all(open).await {
            opened.unwrap().unwrap();
        }
    }
}

#[tokio::test]
async fn a_file_of_another_program_is_left_as_it_is() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    let other = folder.path().join("other.db");
    fs::write(&path, "Some notes, long enough to be taken for a database. ".repeat(20)).unwrap();
    rusqlite::Connection::open(&other).unwrap().execute_batch("CREATE TABLE mine (x)").unwrap();
    for path in [path, other] {
        let before = fs::read(&path).unwrap();
        let error = at(&path).open().await.unwrap_err();
        assert!(matches!(error, StateError::Foreign(_)), "{error}");
        assert_eq!(fs::read(&path).unwrap(), before);
    }
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_left_as_it_is() {
    let (machine, folder) = (Machine::new(), tempdir().unwrap());
    let state = machine.process(&folder);
    state.open().await.unwrap();
    drop(state);
    rusqlite::Connection::open(path(&folder)).unwrap().pragma_update(None, "user_version", 7).unwrap();
    let state = machine.process(&folder);
    let error = state.open().await.unwrap_err().to_string();
    assert!(error.contains("format 7; this version knows up to 1"), "{error}");
    assert!(state.acquire(request("a", windows("1/h"))).await.is_err());
}

#[tokio::test]
async fn a_process_stops_using_a_file_that_a_newer_version_upgrades() {
    let (machine, folder) = (Machine::new(), tempdir().unwrap());
    let state = machine.process(&folder);
    take(&state, "5/h").await.unwrap();
    let newer = rusqlite::Connection::open(path(&folder)).unwrap();
    newer.pragma_update(None, "user_version", 7).unwrap();
    for _ in 0..2 {
        let error = state.acquire(request("a", windows("5/h"))).await.unwrap_err();
        assert!(matches!(error, StateError::Newer { found: 7, .. }), "{error}");
    }
    let permits: u32 = newer.query_row("SELECT count(*) FROM permits", [], |row| row.get(0)).unwrap();
    assert_eq!(permits, 1, "it writes nothing more");
}

#[cfg(unix)]
#[tokio::test]
async fn a_process_follows_the_others_to_the_file_that_replaces_its_own() {
    let (machine, folder) = (Machine::new(), tempdir().unwrap());
    let (state, other) = (machine.process(&folder), machine.process(&folder));
    take(&state, "5/h").await.unwrap();
    fs::rename(path(&folder), folder.path().join("aside")).unwrap();
    fs::remove_file(folder.path().join("state/state.db-wal")).unwrap();
    fs::remove_file(folder.path().join("state/state.db-shm")).unwrap();
    take(&other, "2/h").await.unwrap();
    take(&state, "2/h").await.unwrap();
    for state in [state, other] {
        take(&state, "2/h").await.unwrap_err();
    }
}

#[tokio::test]
async fn a_state_that_could_not_be_opened_is_opened_when_it_can() {
    let folder = tempdir().unwrap();
    let blocked = folder.path().join("state");
    fs::write(&blocked, "a file where the folder should be").unwrap();
    let state = at(&blocked.join("state.db"));
    let error = state.acquire(request("a", windows("1/h"))).await.unwrap_err();
    assert!(matches!(error, StateError::Io { .. }), "{error}");
    fs::remove_file(&blocked).unwrap();
    assert_eq!(take(&state, "1/h").await, Ok(()));
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_belongs_to_its_user_alone_and_has_no_key_or_fingerprint() {
    use std::os::unix::fs::PermissionsExt;

    let (machine, folder) = (Machine::new(), tempdir().unwrap());
    let state = machine.process(&folder);
    take(&state, "1/h").await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path(&folder)), mode(path(&folder).parent().unwrap())), (0o600, 0o700));
    for file in fs::read_dir(path(&folder).parent().unwrap()).unwrap() {
        let path = file.unwrap().path();
        if path.is_dir() {
            assert_eq!(mode(&path), 0o700, "{}", path.display());
            continue;
        }
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        let bytes = fs::read(&path).unwrap();
        let has = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
        assert!(!has(key("a").as_bytes()) && !has(b"scope3_"), "{}", path.display());
    }
}

/// 12,000 calls a day, as many as the limit allows. Permits go when they no longer count; the counts by hour stay.
#[tokio::test]
async fn a_month_of_calls_leaves_a_small_file() {
    const CALLS_PER_HOUR: usize = 500;
    let (machine, folder) = (Machine::new(), tempdir().unwrap());
    let state = machine.process(&folder);
    let size = || {
        let files = fs::read_dir(path(&folder).parent().unwrap()).unwrap().flatten();
        files.map(|file| file.metadata().unwrap().len()).sum::<u64>()
    };
    let mut after_two_days = 0;
    for hour in 0..30 * 24 {
        for _ in 0..CALLS_PER_HOUR / 50 {
            let calls = (0..50).map(|_| state.acquire(request("a", windows("500/h"))));
            for taken in futures_util::future::join_all(calls).await {
                assert_eq!(taken.unwrap(), Ok(()), "hour {hour}");
            }
            machine.pass(HOUR / 10);
        }
        let hour_start = Timestamp::from_second(i64::from(hour) * 3600).unwrap();
        let count =
            CallCount { hour: hour_start, tool: "t".to_owned(), outcome: "ok".to_owned(), calls: 500 };
        state.count(vec![(Some(key("a")), count)]).await.unwrap();
        if hour == 48 {
            after_two_days = size();
        }
    }
    let (month, start) = (size(), after_two_days);
    assert!(month < start + 128 * 1024, "{start} bytes after two days, {month} after a month");
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The processes restart, and the system's clock is set, between any two steps.
    #[test]
    fn no_hour_of_any_schedule_of_two_processes_has_more_permits_than_the_limit(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (machine, folder) = (Machine::new(), tempdir().unwrap());
            let mut processes = [machine.process(&folder), machine.process(&folder)];
            let mut time = Duration::ZERO;
            let mut taken: Vec<Duration> = Vec::new();
            for step in steps {
                match step {
                    Step::Take(process) => {
                        let outcome = take(&processes[process], "4/h").await;
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
                    Step::Restart(process) => processes[process] = machine.process(&folder),
                    Step::SetClock(seconds) => {
                        machine.set(|reading| {
                            let wall = i64::try_from(reading.wall.as_secs()).unwrap() + seconds;
                            reading.wall = Duration::from_secs(wall.unsigned_abs());
                        });
                    }
                }
            }
            Ok(())
        })?;
    }
}
