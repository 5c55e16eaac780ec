//! A month of calls, as many as the limit allows: 500 an hour, 12,000 a day, one in a hundred a change.

use std::{fs, path::Path, process::Command};

use futures_util::future::join_all;
use jiff::Timestamp;
use tempfile::tempdir;

use super::SqliteState;
use crate::{
    journal::{Begun, Ending, EntryState},
    state::{
        CallCount, State, StateLocation,
        tests::{HOUR, Machine, key, request, schedule::intent, windows},
    },
};

const CALLS_PER_HOUR: usize = 500;
const CALLS_AT_ONCE: usize = 50;

/// As much as the cache of SQLite may take. Eight bytes for each of the 336,000 calls after the second day would be more.
const MAX_GROWN_BYTES: u64 = 2 << 20;

/// Lets an hour pass, with its calls.
async fn hour(state: &SqliteState, machine: &Machine, number: usize) {
    for _ in 0..CALLS_PER_HOUR / CALLS_AT_ONCE {
        let calls = (0..CALLS_AT_ONCE).map(|_| state.acquire(request("a", windows("500/h"))));
        for taken in join_all(calls).await {
            assert_eq!(taken.unwrap(), Ok(()), "hour {number}");
        }
        machine.pass(HOUR / 10);
    }
    for change in 0..CALLS_PER_HOUR / 100 {
        let Begun::Send(started) = state.begin(intent(change, None)).await.unwrap() else {
            panic!("an hour ago is long enough")
        };
        let ending = Ending { state: EntryState::Done, code: None, ids: Vec::new(), outcome: None };
        state.end(started.id, ending).await.unwrap();
    }
    let hour = Timestamp::from_second(i64::try_from(number).unwrap() * 3600).unwrap();
    let count = CallCount { hour, tool: "t".to_owned(), outcome: "ok".to_owned(), calls: 500 };
    state.count(vec![(Some(key("a")), count)]).await.unwrap();
}

/// Permits go when they no longer count. The counts by hour stay, and the journal keeps its entries for 90 days.
#[tokio::test]
async fn a_month_of_calls_leaves_a_small_file_and_takes_no_more_memory() {
    if !is_alone("a_month_of_calls_leaves_a_small_file_and_takes_no_more_memory") {
        return;
    }
    let (machine, folder) = (Machine::new(), tempdir().unwrap());
    let file = folder.path().join("state/state.db");
    let state = SqliteState::with_clock(StateLocation::File(file.clone()), machine.clock());
    let (mut size, mut memory) = (0, 0);
    for number in 0..30 * 24 {
        hour(&state, &machine, number).await;
        if number == 48 {
            (size, memory) = (size_beside(&file), resident());
        }
    }
    let (size_then, memory_then) = (size_beside(&file), resident());
    println!("file: {size} to {size_then} bytes; memory: {memory} to {memory_then} bytes");
    assert!(size_then < size + MAX_GROWN_BYTES, "{size} bytes after two days, {size_then} after a month");
    assert!(
        memory_then < memory + MAX_GROWN_BYTES,
        "{memory} bytes after two days, {memory_then} after a month"
    );
}

/// The size of all files in a directory.
fn size_beside(file: &Path) -> u64 {
    let files = fs::read_dir(file.parent().unwrap()).unwrap().flatten();
    files.map(|file| file.metadata().unwrap().len()).sum()
}

/// The resident memory of this process, in bytes. Zero where the system does not show it in a file.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    line.map_or(0, |kilobytes| kilobytes.parse::<u64>().unwrap() * 1024)
}

/// Whether this process runs only this test. If not, runs the test in such a process.
fn is_alone(test: &str) -> bool {
    const ALONE: &str = "SCOPE3_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let (_, module) = module_path!().split_once("::").unwrap();
    let mut alone = Command::new(std::env::current_exe().unwrap());
    let outcome =
        alone.args(["--exact", &format!("{module}::{test}"), "--nocapture"]).env(ALONE, "1").output();
    let outcome = outcome.unwrap();
    let output =
        String::from_utf8_lossy(&outcome.stdout).into_owned() + &String::from_utf8_lossy(&outcome.stderr);
    println!("{output}");
    assert!(outcome.status.success() && output.contains("1 passed"), "{output}");
    false
}
