//! A process that is killed in each state of a change. What the next process does depends on what the journal says, and the
//! journal says what is true.

use std::{path::PathBuf, time::Duration};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::TcpListener, process::Command};

use super::{CREATE, LIST, brand, confirmed};
use crate::support::{
    Session,
    api::{FaultyApi, Then, made},
    command, key_text,
};

/// Processes that share a state file.
struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("state.db")
    }

    async fn start(&self, url: &str, arguments: &[&str]) -> Session {
        let mut program: Command = command(&[&["stdio", "--toolsets", "all"], arguments].concat());
        program.env("SCOPE3_API_KEY", key_text("only")).env("SCOPE3_API_URL", url);
        Session::start(program.env("SCOPE3_STATE", self.file()), "2025-11-25").await
    }

    /// The states of all changes, oldest first, as they are in the file.
    fn journal(&self) -> Vec<String> {
        let connection = rusqlite::Connection::open(self.file()).unwrap();
        let mut select = connection.prepare("SELECT state FROM journal ORDER BY id").unwrap();
        select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    async fn wait_for(&self, states: &[&str]) {
        let waiting = async {
            while self.journal() != states {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), waiting).await;
        assert!(waited.is_ok(), "{:?}", self.journal());
    }
}

async fn ask(session: &mut Session) {
    session.ask("tools/call", json!({ "name": CREATE, "arguments": brand("Acme") })).await;
}

async fn kill(mut session: Session) {
    session.child.kill().await.unwrap();
}

/// The next process holds the change back, and sends it with the confirmation.
async fn assert_unknown(place: &Place, api: &FaultyApi, made: u32) {
    let mut next = place.start(&api.url, &[]).await;
    for _ in 0..2 {
        let result = next.call(CREATE, brand("Acme")).await;
        let failure = &result["structuredContent"];
        assert_eq!((&failure["code"], &failure["changed"]), (&json!("OUTCOME_UNKNOWN"), &json!("unknown")));
        assert_eq!(api.made("Acme"), made, "{failure}");
    }
    assert_eq!(place.journal(), ["unknown"]);
    let result = next.call(CREATE, brand("Acme")).await;
    let code: &Value = &result["structuredContent"]["confirmation"]["code"];
    let result = next.call(CREATE, confirmed("Acme", code)).await;
    assert_eq!((&result["isError"], api.made("Acme")), (&json!(false), made + 1), "{result}");
    assert_eq!(place.journal(), ["unknown", "done"]);
}

#[tokio::test]
async fn what_a_killed_process_only_intended_is_made_once_by_the_next() {
    let (place, api) = (Place::new(), FaultyApi::start([]).await);
    let waits = ["--mcp-limit", "1/m", "--on-limit", "wait", "--max-wait", "2m"];
    let mut session = place.start(&api.url, &waits).await;
    session.call(LIST, json!({})).await;
    ask(&mut session).await;
    place.wait_for(&["intended"]).await;
    kill(session).await;
    assert_eq!(place.journal(), ["intended"]);

    let mut next = place.start(&api.url, &[]).await;
    let result = next.call(CREATE, brand("Acme")).await;
    assert_eq!((&result["isError"], api.made("Acme")), (&json!(false), 1), "{result}");
    assert_eq!(place.journal(), ["refused", "done"]);
}

#[tokio::test]
async fn what_a_killed_process_sent_to_an_api_that_did_not_accept_it_is_unknown() {
    let (place, api) = (Place::new(), FaultyApi::start([]).await);
    // The system takes the request, but nobody reads it.
    let deaf = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut session = place.start(&format!("http://{}", deaf.local_addr().unwrap()), &[]).await;
    ask(&mut session).await;
    place.wait_for(&["sent"]).await;
    kill(session).await;
    assert_unknown(&place, &api, 0).await;
}

#[tokio::test]
async fn what_a_killed_process_had_made_without_a_response_is_unknown() {
    let (place, api) = (Place::new(), FaultyApi::start([made(Then::Hold)]).await);
    let mut session = place.start(&api.url, &[]).await;
    ask(&mut session).await;
    api.wait_for(1).await;
    assert_eq!(place.journal(), ["sent"]);
    kill(session).await;
    assert_unknown(&place, &api, 1).await;
}

#[tokio::test]
async fn what_a_killed_process_had_made_but_not_recorded_is_unknown() {
    let (place, api) = (Place::new(), FaultyApi::start([made(Then::Hold)]).await);
    let mut session = place.start(&api.url, &[]).await;
    ask(&mut session).await;
    api.wait_for(1).await;
    let lock = rusqlite::Connection::open(place.file()).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    api.release();
    // The response arrives, and its record waits for the lock.
    tokio::time::sleep(Duration::from_millis(500)).await;
    kill(session).await;
    lock.execute_batch("ROLLBACK").unwrap();
    assert_unknown(&place, &api, 1).await;
}

#[tokio::test]
async fn what_a_killed_process_had_made_and_recorded_is_returned_by_the_next() {
    let (place, api) = (Place::new(), FaultyApi::start([]).await);
    let mut session = place.start(&api.url, &[]).await;
    ask(&mut session).await;
    place.wait_for(&["done"]).await;
    kill(session).await;
    let mut next = place.start(&api.url, &[]).await;
    let result = next.call(CREATE, brand("Acme")).await;
    let content = &result["structuredContent"];
    assert_eq!(
        (&content["scope3Mcp"]["repeated"], &content["id"]),
        (&json!(true), &json!("made")),
        "{result}"
    );
    assert_eq!((api.made("Acme"), place.journal()), (1, vec!["done".to_owned()]));
}

#[tokio::test]
async fn a_change_is_made_once_however_often_its_processes_are_killed() {
    let (place, api) = (Place::new(), FaultyApi::start([made(Then::Hold)]).await);
    for round in 0..4 {
        let mut session = place.start(&api.url, &[]).await;
        ask(&mut session).await;
        match round {
            0 => api.wait_for(1).await,
            // The next ones are killed at any moment of their call.
            _ => tokio::time::sleep(Duration::from_millis(round * 3)).await,
        }
        kill(session).await;
    }
    assert_unknown(&place, &api, 1).await;
}
