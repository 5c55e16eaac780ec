//! A change that was sent is completed even if its client stops waiting, and its real outcome is logged.

use std::{process::Stdio, time::Duration};

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Mcp, Server, Sse, command, modern_call, upstream::Upstream};

/// How long Scope3 takes for the change.
const CHANGE_TIME: Duration = Duration::from_secs(2);

fn change(id: u64) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {
        "name": "brand_agent_update", "arguments": { "brandAgentId": "1", "name": "n" },
    } })
}

/// Waits for the log line of the change.
async fn logged(server: &Server) -> String {
    for _ in 0..400 {
        let log = server.log();
        if let Some(line) =
            log.lines().find(|line| line.contains("brand_agent_update") && line.contains("outcome="))
        {
            return line.to_owned();
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("the change is not in the log: {}", server.log());
}

async fn assert_made_once(server: &Server, upstream: &Upstream) {
    let line = logged(server).await;
    assert!(line.contains("outcome=ok") && line.contains("delivered=false"), "{line}");
    assert_eq!(upstream.seen().len(), 1);
    let counted = r#"scope3_mcp_calls_total{tool="brand_agent_update",class="mcp",outcome="ok"}"#;
    assert_eq!(server.metric(counted).await, Some(1.0));
}

async fn start() -> (Upstream, Server, Mcp) {
    let upstream = Upstream::start(CHANGE_TIME).await;
    let server = Server::before(&upstream.url, &["--toolsets", "all"]);
    let client = server.client();
    (upstream, server, client)
}

#[tokio::test]
async fn a_change_completes_when_a_client_without_a_session_disconnects() {
    let (upstream, server, client) = start().await;
    let mut message = modern_call("brand_agent_update");
    message["params"]["arguments"] = change(1)["params"]["arguments"].clone();
    let waiting = tokio::spawn(client.stateless_message(&message, "brand_agent_update").send());
    upstream.wait_for_requests(1).await;
    waiting.abort();
    assert_made_once(&server, &upstream).await;
}

#[tokio::test]
async fn a_change_completes_when_its_call_is_cancelled() {
    let (upstream, server, client) = start().await;
    let session = client.begin("2025-06-18").await;
    let _stream = session.post(&change(7)).await;
    upstream.wait_for_requests(1).await;
    let cancel =
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 7 } });
    assert_eq!(session.status(&cancel).await, 202);
    assert_made_once(&server, &upstream).await;
}

#[tokio::test]
async fn a_change_completes_when_its_session_is_deleted() {
    let (upstream, server, client) = start().await;
    let session = client.begin("2025-06-18").await;
    let _stream = session.post(&change(7)).await;
    upstream.wait_for_requests(1).await;
    assert_eq!(session.delete().await, 204);
    let line = logged(&server).await;
    assert!(line.contains("outcome=ok"), "{line}");
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn a_change_completes_when_the_stream_of_http_with_sse_closes() {
    let (upstream, server, client) = start().await;
    let sse = Sse::begin(&client).await;
    assert_eq!(sse.send(&change(7)).await, 202);
    upstream.wait_for_requests(1).await;
    drop(sse);
    let line = logged(&server).await;
    assert!(line.contains("outcome=ok"), "{line}");
    assert_eq!(upstream.seen().len(), 1);
}

#[cfg(unix)]
#[tokio::test]
async fn a_change_completes_before_the_server_shuts_down() {
    let (upstream, mut server, client) = start().await;
    let session = client.begin("2025-06-18").await;
    let _stream = session.post(&change(7)).await;
    upstream.wait_for_requests(1).await;
    let cancel =
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 7 } });
    assert_eq!(session.status(&cancel).await, 202);
    assert_eq!(client.request(Method::GET, "/healthz").send().await.unwrap().status(), 200);
    server.terminate();
    assert_eq!(server.ended(Duration::from_secs(20)).await, Some(0));
    let line = logged(&server).await;
    assert!(line.contains("outcome=ok") && line.contains("delivered=false"), "{line}");
}

#[tokio::test]
async fn a_failed_call_is_logged_once_with_everything_an_operator_needs() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/rest/v1", unused.local_addr().unwrap());
    drop(unused);
    let server = Server::before(&url, &[]);
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let client = server.client().with("traceparent", &format!("00-{trace}-00f067aa0ba902b7-01"));
    let response = client.stateless("check_auth_status").send().await.unwrap().text().await.unwrap();
    assert!(response.contains("CONNECTION_FAILED"), "{response}");
    let log = server.log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("outcome=")).collect();
    assert_eq!(lines.len(), 1, "{log}");
    for part in [
        "WARN",
        "tool=\"check_auth_status\"",
        "outcome=CONNECTION_FAILED",
        "attempts=3",
        "status=0",
        &format!("trace_id=\"{trace}\""),
        "client=\"test 1\"",
        "key=\"",
        "refused",
    ] {
        assert!(lines[0].contains(part), "{part} is missing: {}", lines[0]);
    }
    assert!(!lines[0].contains("key=\"-\"") && !log.contains("notarealkey"), "{log}");
}

#[tokio::test]
async fn a_change_counts_as_a_call_until_it_is_done() {
    let upstream = Upstream::start(CHANGE_TIME).await;
    let server = Server::before(&upstream.url, &["--toolsets", "all", "--max-calls", "1"]);
    let client = server.client();
    let mut message = modern_call("brand_agent_update");
    message["params"]["arguments"] = change(1)["params"]["arguments"].clone();
    let waiting = tokio::spawn(client.stateless_message(&message, "brand_agent_update").send());
    upstream.wait_for_requests(1).await;
    waiting.abort();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let rejected = client.stateless("check_auth_status").send().await.unwrap();
    assert_eq!(rejected.status(), 503, "disconnecting does not allow more requests to Scope3");
    logged(&server).await;
    assert_eq!(client.stateless("check_auth_status").send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_trace_context_in_a_message_is_checked_like_the_header() {
    let upstream = Upstream::start(Duration::ZERO).await;
    let server = Server::before(&upstream.url, &[]);
    let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let long = "x".repeat(100_000);
    for (sent, is_forwarded) in [(good, true), (&*long, false), ("00-short-1-01", false), ("", false)] {
        let before = upstream.seen().len();
        let mut message = modern_call("check_auth_status");
        message["params"]["_meta"]["traceparent"] = sent.into();
        server.client().stateless_message(&message, "check_auth_status").send().await.unwrap();
        let headers = &upstream.seen()[before];
        assert_eq!(headers.get("traceparent").is_some(), is_forwarded, "{} bytes", sent.len());
    }
}

/// The journal names sessions by a digest, because whoever knows a session's id can use it.
#[tokio::test]
async fn the_journal_names_the_session_of_a_change() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state.db");
    let state = state.to_str().unwrap();
    let upstream = Upstream::start(Duration::ZERO).await;
    let server =
        Server::before(&upstream.url, &["--toolsets", "all", "--repeat-guard", "0s", "--state", state]);
    let client = server.client();
    client.begin("2025-06-18").await.post(&change(7)).await.text().await.unwrap();
    let mut sse = Sse::begin(&client).await;
    sse.send(&change(8)).await;
    sse.next_response().await;
    let mut journal = command(&["journal", "--json"], &[("SCOPE3_STATE", state)]);
    let listed = journal.stdout(Stdio::piped()).output().unwrap();
    let entries: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let sessions: Vec<&str> = [0, 1].map(|at| entries[at]["session"].as_str().unwrap()).into();
    assert_ne!(sessions[0], sessions[1], "{entries}");
    assert!(sessions.iter().all(|name| name.len() == 8 && !sse.session().contains(*name)), "{entries}");
}
