use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    time::Duration,
};

use tempfile::{TempDir, tempdir, tempdir_in};
use tokio::sync::oneshot;

use super::{SqliteState, Work};
use crate::journal::{Begun, EntryId, Filter};
use crate::state::{
    State, StateError, StateLocation,
    clock::Reading,
    tests::{DAY, HOUR, Machine, Place, key, promises, request, schedule::intent, take, windows},
};

impl Place for TempDir {
    fn process(&self, machine: &Machine) -> Arc<dyn State> {
        Arc::new(process(self, machine))
    }

    fn wake(&self) -> Duration {
        Duration::ZERO
    }
}

/// A directory in memory, if the machine has one. These processes die, but the power stays on.
fn in_memory() -> TempDir {
    tempdir_in("/dev/shm").or_else(|_| tempdir()).unwrap()
}

promises!(Some(in_memory()), 1000);

fn process(folder: &TempDir, machine: &Machine) -> SqliteState {
    SqliteState::with_clock(StateLocation::File(path(folder)), machine.clock())
}

fn path(folder: &TempDir) -> PathBuf {
    folder.path().join("state/state.db")
}

fn at(path: &Path) -> SqliteState {
    SqliteState::at(StateLocation::File(path.to_owned()))
}

#[tokio::test]
async fn a_system_clock_that_jumps_neither_frees_nor_blocks_permits() {
    for jump in [|wall: Duration| wall + DAY, |wall: Duration| wall.saturating_sub(DAY)] {
        let (machine, folder) = (Machine::new(), tempdir().unwrap());
        take(&process(&folder, &machine), "1/h").await.unwrap();
        machine.set(|reading| reading.wall = jump(reading.wall));
        let refused = take(&process(&folder, &machine), "1/h").await.unwrap_err();
        assert_eq!(refused.next_in, HOUR);
        machine.pass(HOUR);
        assert_eq!(take(&process(&folder, &machine), "1/h").await, Ok(()));
    }
}

#[tokio::test]
async fn a_clock_that_is_a_day_late_after_a_reboot_blocks_permits_only_for_their_span() {
    let (machine, folder) = (Machine::new(), tempdir().unwrap());
    take(&process(&folder, &machine), "1/h").await.unwrap();
    machine.set(|reading| {
        let wall = reading.wall.saturating_sub(DAY);
        *reading = Reading { boot: Some("second".to_owned()), uptime: Duration::ZERO, wall };
    });
    assert!(take(&process(&folder, &machine), "1/h").await.is_err());
    machine.pass(HOUR);
    assert_eq!(take(&process(&folder, &machine), "1/h").await, Ok(()));
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
    let state = process(&folder, &machine);
    state.open().await.unwrap();
    drop(state);
    rusqlite::Connection::open(path(&folder)).unwrap().pragma_update(None, "user_version", 7).unwrap();
    let state = process(&folder, &machine);
    let error = state.open().await.unwrap_err().to_string();
    assert!(error.contains("format 7; this version knows up to 2"), "{error}");
    assert!(state.acquire(request("a", windows("1/h"))).await.is_err());
}

#[tokio::test]
async fn a_process_stops_using_a_file_that_a_newer_version_upgrades() {
    let (machine, folder) = (Machine::new(), tempdir().unwrap());
    let state = process(&folder, &machine);
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
    let (state, other) = (process(&folder, &machine), process(&folder, &machine));
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
    let state = process(&folder, &machine);
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
    let state = Arc::new(at(&path(&directory)));
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
    let entries = at(&path(&directory)).entries(Filter::default()).await.unwrap();
    assert_eq!(entries.iter().map(|entry| entry.id).collect::<Vec<_>>(), [again.id]);
    assert_eq!(again.id, EntryId(2), "the first was recorded");
}
