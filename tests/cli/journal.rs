//! The state that processes share, as an operator and an agent see it: one limit, one journal.

use std::{path::Path, time::Duration};

use serde_json::{Value, json};
use tokio::process::Command;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

use crate::support::{Outcome, Session, command, key_text, run};

const CREATE: [&str; 7] = [
    "tools",
    "call",
    "brand_agent_create",
    "name=Acme",
    "advertiserDomains[]=example.com",
    "--toolsets",
    "all",
];

/// The program in front of this API, with a state file in this directory.
fn program(arguments: &[&str], server: &MockServer, directory: &Path) -> Command {
    let mut program = command(arguments);
    program
        .env("SCOPE3_API_KEY", key_text("only"))
        .env("SCOPE3_API_URL", server.uri())
        .env("SCOPE3_STATE", directory.join("state.db"));
    program
}

async fn api(response: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(response).mount(&server).await;
    server
}

fn ok() -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({ "success": true, "data": { "id": "b1" } }))
}

async fn sent(server: &MockServer) -> usize {
    server.received_requests().await.unwrap().len()
}

#[tokio::test]
async fn processes_share_one_journal_and_one_limit() {
    let (server, directory) = (api(ok()).await, tempfile::tempdir().unwrap());
    let start = |arguments: &[&str]| program(arguments, &server, directory.path());
    for repeated in [false, true] {
        let outcome = run(&mut start(&CREATE)).await;
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        let result: Value = serde_json::from_str(&outcome.stdout).unwrap();
        assert_eq!(result["scope3Mcp"]["repeated"] == true, repeated, "{result}");
    }
    assert_eq!(sent(&server).await, 1);

    let Outcome { stdout, .. } = run(&mut start(&["journal", "--since", "1d"])).await;
    assert!(stdout.contains("brand_agent_create") && stdout.contains("done"), "{stdout}");
    let Outcome { stdout, .. } = run(&mut start(&["journal", "--json"])).await;
    let entries: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&entries[0]["ids"][0], &entries[0]["arguments"]), (&json!("id=b1"), &Value::Null));
    let Outcome { stdout, .. } = run(&mut start(&["usage", "--json"])).await;
    let usage: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&usage["limits"][0]["used"], &usage["calls"][0]["calls"]), (&json!(1), &json!(2)), "{usage}");

    let outcome = run(&mut start(&["journal", "settle", "1", "refused"])).await;
    assert_eq!(outcome.code, Some(1), "only an unknown outcome can be settled");
    assert!(outcome.stdout.contains("brand_agent_create"), "{}", outcome.stdout);
    assert!(outcome.stderr.contains("got `done`"), "{}", outcome.stderr);
    assert_eq!(run(&mut start(&["journal", "settle", "99", "done"])).await.code, Some(1));

    let mut limited = start(&["tools", "call", "brand_agent_list", "--mcp-limit", "1/h"]);
    let outcome = run(&mut limited).await;
    assert!(outcome.stderr.contains("all 1 MCP requests"), "{}", outcome.stderr);
}

/// The most severe fault: the process dies between sending a change and its response.
#[tokio::test]
async fn a_change_of_a_killed_process_has_an_unknown_outcome_until_it_is_settled() {
    let server = api(ok().set_delay(Duration::from_mins(1))).await;
    let directory = tempfile::tempdir().unwrap();
    let start = |arguments: &[&str]| program(arguments, &server, directory.path());
    let mut session = Session::start(&mut start(&["stdio", "--toolsets", "all"]), "2025-11-25").await;
    let arguments = json!({ "name": "Acme", "advertiserDomains": ["example.com"] });
    session.ask("tools/call", json!({ "name": "brand_agent_create", "arguments": arguments })).await;
    while sent(&server).await == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let Outcome { stdout, .. } = run(&mut start(&["journal"])).await;
    assert!(stdout.contains("sent"), "a live process keeps its change: {stdout}");
    session.child.kill().await.unwrap();

    let Outcome { stdout, .. } = run(&mut start(&["journal", "--unknown"])).await;
    assert!(stdout.contains("unknown") && stdout.contains("brand_agent_create"), "{stdout}");
    let outcome = run(start(&CREATE).arg("--json")).await;
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stdout.contains("OUTCOME_UNKNOWN"), "{} {}", outcome.stdout, outcome.stderr);
    assert_eq!(sent(&server).await, 1);

    let outcome = run(&mut start(&["journal", "settle", "1", "done"])).await;
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let outcome = run(start(&CREATE).arg("--json")).await;
    assert!(outcome.stdout.contains("\"repeated\":true"), "{} {}", outcome.stdout, outcome.stderr);
    assert_eq!(sent(&server).await, 1);
}

#[tokio::test]
async fn a_state_that_cannot_be_used_stops_the_program_and_stays_untouched() {
    let (server, directory) = (api(ok()).await, tempfile::tempdir().unwrap());
    let file = directory.path().join("state.db");
    let text = "Notes of somebody else. ".repeat(100);
    std::fs::write(&file, &text).unwrap();
    for arguments in [["stdio"].as_slice(), &["http", "--bind", "127.0.0.1:0"], &["journal"], &["usage"]] {
        let outcome = run(&mut program(arguments, &server, directory.path())).await;
        assert_eq!(outcome.code, Some(2), "{arguments:?}: {}", outcome.stderr);
        assert!(outcome.stderr.starts_with("error: SCOPE3_STATE: "), "{}", outcome.stderr);
        assert!(outcome.stderr.contains("got another kind of file"), "{}", outcome.stderr);
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
}

#[tokio::test]
async fn a_damaged_state_is_moved_aside_and_changes_wait_for_the_operator() {
    let (server, directory) = (api(ok()).await, tempfile::tempdir().unwrap());
    let start = |arguments: &[&str]| program(arguments, &server, directory.path());
    run(&mut start(&CREATE)).await;
    let file = directory.path().join("state.db");
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(connection);
    let mut bytes = std::fs::read(&file).unwrap();
    // The first page, which says whose file it is, stays as it is.
    bytes[4096..].fill(0xa5);
    std::fs::write(&file, bytes).unwrap();

    let outcome = run(start(&CREATE).arg("--json")).await;
    assert!(outcome.stdout.contains("STATE_UNAVAILABLE"), "{} {}", outcome.stdout, outcome.stderr);
    assert!(outcome.stdout.contains("accept-loss"), "{}", outcome.stdout);
    let outcome = run(&mut start(&["tools", "call", "brand_agent_list"])).await;
    assert_eq!(outcome.code, Some(0), "reads continue: {}", outcome.stderr);
    let reasons = std::fs::read_dir(directory.path()).unwrap();
    assert!(reasons.flatten().any(|file| file.file_name().to_string_lossy().ends_with(".reason")));

    let outcome = run(&mut start(&["journal", "accept-loss"])).await;
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert_eq!(run(&mut start(&CREATE)).await.code, Some(0));
}

#[tokio::test]
async fn processes_that_hammer_one_key_send_exactly_the_limit() {
    const CALLS: usize = 512;
    for processes in [2, 8] {
        let (server, directory) = (api(ok()).await, tempfile::tempdir().unwrap());
        let hammer = || async {
            let mut session =
                Session::start(&mut program(&["stdio"], &server, directory.path()), "2025-11-25").await;
            let mut answered = 0;
            for _ in 0..CALLS / processes {
                let result = session.call("brand_agent_list", json!({})).await;
                answered += u32::from(result["isError"] != true);
            }
            answered
        };
        let answered = futures_util::future::join_all((0..processes).map(|_| hammer())).await;
        assert_eq!((answered.iter().sum::<u32>(), sent(&server).await), (500, 500), "{answered:?}");
    }
}
