//! Calls that are cancelled, clients that go, and a program that ends while a change is in flight.

use std::{path::Path, time::Duration};

use scope3_mcp_gateway::{ClientConfig, journal::EntryState, state::StateLocation};
use serde_json::{Value, json};

use super::{CREATE, answer, brand, journal, with_config};
use crate::support::{
    Session,
    api::{FaultyApi, Then, made},
    command, key_text,
};

async fn start(api: &FaultyApi, state: &Path) -> Session {
    let mut program = command(&["stdio", "--toolsets", "all"]);
    program.env("SCOPE3_API_KEY", key_text("only")).env("SCOPE3_API_URL", &api.url);
    Session::start(program.env("SCOPE3_STATE", state), "2025-11-25").await
}

async fn ask(session: &mut Session) -> u64 {
    session.ask("tools/call", json!({ "name": CREATE, "arguments": brand("Acme") })).await
}

async fn cancel(session: &mut Session, id: u64) {
    let cancelled = json!({ "requestId": id, "reason": "changed my mind" });
    session
        .send(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancelled }))
        .await;
}

#[cfg(unix)]
fn signal(session: &Session, name: &str) {
    let pid = session.child.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args([name, &pid]).status().unwrap().success());
}

/// The change was made once and is in the journal: the next process returns its result.
async fn assert_made_once(api: &FaultyApi, state: &Path) {
    let result = start(api, state).await.call(CREATE, brand("Acme")).await;
    assert_eq!(result["structuredContent"]["scope3Mcp"]["repeated"], true, "{result}");
    assert_eq!((api.made("Acme"), api.received().len()), (1, 1));
}

#[tokio::test]
async fn a_change_that_is_cancelled_while_it_is_sent_is_made_once_and_recorded() {
    let api = FaultyApi::start([made(Then::Hold)]).await;
    let rig = with_config(&api.url, StateLocation::Memory.state(), &["only"], ClientConfig::default());
    tokio::select! {
        outcome = rig.call(CREATE, brand("Acme")) => panic!("the API holds its response: {outcome:?}"),
        () = api.wait_for(1) => {}
    }
    assert_eq!(journal(&rig).await, [EntryState::Sent]);
    api.release();
    let again = answer(rig.call(CREATE, brand("Acme")).await);
    assert_eq!(again["scope3Mcp"]["repeated"], true, "{again}");
    assert_eq!((api.made("Acme"), journal(&rig).await), (1, vec![EntryState::Done]));
}

#[tokio::test]
async fn a_cancelled_change_gets_no_answer_and_one_that_was_answered_gets_no_second() {
    let (api, directory) = (FaultyApi::start([made(Then::Hold)]).await, tempfile::tempdir().unwrap());
    let state = directory.path().join("state.db");
    let mut session = start(&api, &state).await;
    let id = ask(&mut session).await;
    api.wait_for(1).await;
    cancel(&mut session, id).await;
    api.release();
    // The same change joins the first one.
    let id = ask(&mut session).await;
    let answer: Value = session.receive().await.unwrap();
    assert_eq!(
        (&answer["id"], &answer["result"]["structuredContent"]["scope3Mcp"]["repeated"]),
        (&json!(id), &json!(true))
    );
    cancel(&mut session, id).await;
    let (rest, code, log) = session.end().await;
    assert_eq!((rest.len(), code), (0, Some(0)), "{rest:?} {log}");
    assert_made_once(&api, &state).await;
}

#[tokio::test]
async fn a_change_in_flight_is_recorded_when_the_client_goes() {
    let (api, directory) = (FaultyApi::start([made(Then::Hold)]).await, tempfile::tempdir().unwrap());
    let state = directory.path().join("state.db");
    let mut session = start(&api, &state).await;
    ask(&mut session).await;
    api.wait_for(1).await;
    drop(session.stdin.take());
    session.close_output();
    api.release();
    let status = tokio::time::timeout(Duration::from_secs(20), session.child.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(0));
    assert_made_once(&api, &state).await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_change_in_flight_is_answered_and_recorded_after_a_signal() {
    let (api, directory) = (FaultyApi::start([made(Then::Hold)]).await, tempfile::tempdir().unwrap());
    let state = directory.path().join("state.db");
    let mut session = start(&api, &state).await;
    let id = ask(&mut session).await;
    api.wait_for(1).await;
    signal(&session, "-TERM");
    tokio::time::sleep(Duration::from_millis(200)).await;
    api.release();
    let (rest, code, log) = session.finish().await;
    assert_eq!((rest.len(), code), (1, Some(0)), "{log}");
    assert_eq!((&rest[0]["id"], &rest[0]["result"]["isError"]), (&json!(id), &json!(false)), "{log}");
    assert_made_once(&api, &state).await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_change_is_recorded_although_nobody_reads_the_output() {
    let (api, directory) = (FaultyApi::start([]).await, tempfile::tempdir().unwrap());
    let state = directory.path().join("state.db");
    let mut session = start(&api, &state).await;
    // Much more than a pipe holds.
    for _ in 0..20 {
        session.ask("tools/list", json!({})).await;
    }
    ask(&mut session).await;
    api.wait_for(1).await;
    signal(&session, "-TERM");
    let ended = tokio::time::timeout(Duration::from_secs(20), session.child.wait()).await;
    let status = ended.expect("a blocked output does not keep the program").unwrap();
    assert!(status.code().is_some(), "{status}");
    assert_made_once(&api, &state).await;
}
