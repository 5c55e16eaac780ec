//! A state that cannot be written: reads continue, no change is made, and nothing is forgotten.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::process::Command;

use super::{CREATE, LIST, brand};
use crate::support::{
    Session,
    api::{FaultyApi, Then, made},
    command, key_text, run,
};

pub(super) const VERSION: &str = "2025-11-25";

/// The program in front of this API.
pub(super) fn program(arguments: &[&str], api: &FaultyApi) -> Command {
    let mut program = command(arguments);
    program.env("SCOPE3_API_KEY", key_text("only")).env("SCOPE3_API_URL", &api.url);
    program
}

/// A program over standard input and output, with a state in this file.
pub(super) fn stdio(api: &FaultyApi, file: &Path) -> Command {
    let mut program = program(&["stdio", "--toolsets", "all"], api);
    program.env("SCOPE3_STATE", file);
    program
}

/// The body of a failed result.
fn failure(result: &Value) -> Value {
    assert_eq!(result["isError"], true, "{result}");
    result["structuredContent"].clone()
}

pub(super) async fn assert_refused(session: &mut Session, api: &FaultyApi, name: &str) -> Value {
    let before = api.received().len();
    let failure = failure(&session.call(CREATE, brand(name)).await);
    assert_eq!((&failure["code"], &failure["changed"]), (&json!("STATE_UNAVAILABLE"), &json!("no")));
    assert_eq!((api.made(name), api.received().len()), (0, before), "{failure}");
    let read = session.call(LIST, json!({})).await;
    assert_eq!(read["isError"], false, "reads continue: {read}");
    failure
}

#[cfg(unix)]
#[tokio::test]
async fn an_agent_does_not_read_where_the_state_is_and_the_operator_does() {
    let (api, directory) = (FaultyApi::start([]).await, tempfile::tempdir().unwrap());
    let parent = directory.path().join("secret-place");
    let mut session = Session::start(&mut stdio(&api, &parent.join("state.db")), VERSION).await;
    session.call(CREATE, brand("Before")).await;
    std::fs::remove_dir_all(&parent).unwrap();
    std::fs::write(&parent, "a file in the place of the directory").unwrap();
    let failure = assert_refused(&mut session, &api, "Acme").await;
    let usage = session.call("get_usage", json!({})).await;
    for text in [failure.to_string(), usage.to_string()] {
        assert!(text.contains("its file cannot be created") && !text.contains("secret-place"), "{text}");
    }
    let (_, _, log) = session.end().await;
    let call = log.lines().find(|line| line.contains("STATE_UNAVAILABLE")).unwrap();
    assert!(call.contains("secret-place/state.db"), "{log}");
}

#[tokio::test]
async fn a_running_process_changes_nothing_more_when_a_newer_version_has_upgraded_the_file() {
    let (api, directory) = (FaultyApi::start([]).await, tempfile::tempdir().unwrap());
    let file = directory.path().join("state.db");
    let mut session = Session::start(&mut stdio(&api, &file), VERSION).await;
    session.call(CREATE, brand("Before")).await;
    let newer = rusqlite::Connection::open(&file).unwrap();
    newer.pragma_update(None, "user_version", 7).unwrap();
    let failure = assert_refused(&mut session, &api, "Acme").await;
    assert!(failure["message"].as_str().unwrap().contains("a newer version"), "{failure}");
    // The older program does not start either, and leaves the file as it is.
    let outcome = run(stdio(&api, &file).args(["--log-format", "text"])).await;
    assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
    let rows: u32 = newer.query_row("SELECT count(*) FROM journal", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 1);
}

#[tokio::test]
async fn a_process_that_cannot_record_an_outcome_ends_soon_after_its_client() {
    let (api, directory) = (FaultyApi::start([made(Then::Hold)]).await, tempfile::tempdir().unwrap());
    let file = directory.path().join("state.db");
    let mut session = Session::start(&mut stdio(&api, &file), VERSION).await;
    session.ask("tools/call", json!({ "name": CREATE, "arguments": brand("Acme") })).await;
    api.wait_for(1).await;
    let newer = rusqlite::Connection::open(&file).unwrap();
    let version: u32 = newer.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    newer.pragma_update(None, "user_version", version + 7).unwrap();
    api.release();
    let response = session.receive().await.unwrap();
    assert_eq!(response["result"]["isError"], false, "{response}");
    let started = Instant::now();
    let (rest, code, log) = session.end().await;
    assert_eq!((rest.len(), code), (0, Some(0)), "{log}");
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    assert!(log.contains("the outcome of a change is not recorded"), "{log}");

    // The version that can read the file finds that the outcome is unknown.
    newer.pragma_update(None, "user_version", version).unwrap();
    let result = Session::start(&mut stdio(&api, &file), VERSION).await.call(CREATE, brand("Acme")).await;
    assert_eq!((&failure(&result)["code"], api.made("Acme")), (&json!("OUTCOME_UNKNOWN"), 1), "{result}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_running_process_sees_that_another_one_moved_the_damaged_file_aside() {
    let (api, directory) = (FaultyApi::start([]).await, tempfile::tempdir().unwrap());
    let file = directory.path().join("state.db");
    let mut session = Session::start(&mut stdio(&api, &file), VERSION).await;
    session.call(CREATE, brand("Acme")).await;
    rusqlite::Connection::open(&file)
        .unwrap()
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[4096..].fill(0xa5);
    std::fs::write(&file, bytes).unwrap();
    // The other process finds the damage.
    let mut other = Session::start(&mut stdio(&api, &file), VERSION).await;
    for session in [&mut other, &mut session] {
        let failure = assert_refused(session, &api, "Another").await;
        assert!(failure["message"].as_str().unwrap().contains("journal accept-loss"), "{failure}");
    }
    let mut accept = program(&["journal", "accept-loss"], &api);
    assert_eq!(run(accept.env("SCOPE3_STATE", &file)).await.code, Some(0));
    session.call(CREATE, brand("Another")).await;
    other.call(CREATE, brand("Another")).await;
    assert_eq!((api.made("Acme"), api.made("Another")), (1, 1));
}
