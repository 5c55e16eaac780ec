//! What clients can make the server store is bounded, and slow clients do not affect others.

use std::time::Duration;

use crate::support::{
    FIRST, Mcp, SECOND, Server, Sse, call, in_process::InProcess, initialize, message, text,
    upstream::Upstream,
};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

fn ping() -> serde_json::Value {
    json!({ "jsonrpc": "2.0", "id": 9, "method": "ping" })
}

const OPEN: &str = "scope3_mcp_sessions_open{transport=\"streamable-http\"}";
const OPEN_SSE: &str = "scope3_mcp_sessions_open{transport=\"sse\"}";

#[tokio::test]
async fn at_its_limit_a_key_loses_its_longest_idle_session_and_others_keep_theirs() {
    let server = Server::sandbox(&["--auth", "key", "--max-sessions-per-key", "2"]);
    let other = server.with_key(SECOND).begin("2025-06-18").await;
    let first = server.with_key(FIRST).begin("2025-06-18").await;
    let second = server.with_key(FIRST).begin("2025-06-18").await;
    assert_eq!(first.status(&ping()).await, 200);
    let third = server.with_key(FIRST).begin("2025-06-18").await;
    assert_eq!(second.status(&ping()).await, 404);
    for kept in [first, third, other] {
        assert_eq!(kept.status(&ping()).await, 200);
    }
    assert_eq!(server.metric(OPEN).await, Some(3.0));
}

#[tokio::test]
async fn a_full_server_closes_sessions_of_both_transports() {
    let server = Server::sandbox(&["--max-sessions", "3"]);
    let mut sse = Sse::begin(&server.client()).await;
    let first = server.client().begin("2025-06-18").await;
    for _ in 0..10 {
        server.client().begin("2025-06-18").await;
    }
    assert_eq!(first.status(&ping()).await, 404);
    assert_eq!(server.metric(OPEN).await, Some(2.0));
    assert!(
        sse.call("check_auth_status").await.contains("12345"),
        "a session with an open stream is closed last"
    );
    let others = join_all((0..3).map(|_| async { Sse::begin(&server.client()).await })).await;
    assert_eq!(server.metric(OPEN_SSE).await, Some(3.0));
    assert_eq!(sse.next().await, None, "its stream ends");
    drop(others);
    for _ in 0..100 {
        if server.metric(OPEN_SSE).await == Some(0.0) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("sessions stay open although their streams ended");
}

#[tokio::test]
async fn an_idle_session_expires_and_one_with_a_stream_does_not() {
    let server = Server::sandbox(&["--session-idle", "400ms"]);
    let idle = server.client().begin("2025-06-18").await;
    let streaming = server.client().begin("2025-06-18").await;
    let _stream = streaming.stream().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(server.metric(OPEN).await, Some(1.0));
    assert_eq!(idle.status(&ping()).await, 404);
    assert_eq!(idle.stream().await.status(), 404);
    assert_eq!(idle.delete().await, 404);
    assert_eq!(streaming.status(&ping()).await, 200);
}

#[tokio::test]
async fn calls_beyond_the_limit_are_rejected_with_a_retry_after() {
    let upstream = Upstream::start(Duration::from_millis(1500)).await;
    let server = Server::before(&upstream.url, &["--max-calls", "2"]);
    let client = server.client();
    let session = client.begin("2025-06-18").await;
    let stream = session.stream().await;
    let mut sse = Sse::begin(&client).await;
    let running = [1, 2].map(|id| {
        let session = session.clone();
        tokio::spawn(async move { text(&message(session.post(&call(id, "check_auth_status")).await).await) })
    });
    upstream.wait_for_requests(2).await;
    let rejected = client.stateless("check_auth_status").send().await.unwrap();
    assert_eq!(rejected.status(), 503);
    assert!(rejected.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
    assert_eq!(sse.send(&call(1, "check_auth_status")).await, 503);
    assert_eq!(server.bound_reached("calls").await, 2);
    assert_eq!(session.status(&ping()).await, 200, "a ping does not count as a call");
    assert_eq!(sse.send(&ping()).await, 202);
    assert!(sse.next_response().await["result"].is_object());
    assert_eq!(session.status(&json!({"jsonrpc":"2.0","method":"notifications/initialized"})).await, 202);
    assert_eq!(server.client().request(Method::GET, "/healthz").send().await.unwrap().status(), 200);
    for call in running {
        assert!(call.await.unwrap().contains("12345"));
    }
    assert!(sse.call("check_auth_status").await.contains("12345"), "there is room again");
    assert_eq!(server.metric("scope3_mcp_calls_in_flight").await, Some(0.0));
    drop(stream);
}

#[tokio::test]
async fn a_call_counts_until_it_is_done_even_if_its_client_disconnects() {
    let upstream = Upstream::start(Duration::from_millis(1200)).await;
    let server = Server::before(&upstream.url, &["--max-calls", "1"]);
    let session = server.client().begin("2025-06-18").await;
    drop(session.post(&call(1, "check_auth_status")).await);
    upstream.wait_for_requests(1).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(session.status(&call(2, "check_auth_status")).await, 503);
    tokio::time::sleep(Duration::from_millis(1400)).await;
    assert_eq!(session.status(&call(3, "check_auth_status")).await, 200);
}

#[tokio::test]
async fn a_call_without_a_session_ends_when_its_client_disconnects() {
    let upstream = Upstream::start(Duration::from_secs(20)).await;
    let server = Server::before(&upstream.url, &[]);
    let client = server.client();
    let waiting = tokio::spawn(client.stateless("check_auth_status").send());
    upstream.wait_for_requests(1).await;
    waiting.abort();
    let cancelled = r#"scope3_mcp_calls_total{tool="check_auth_status",class="mcp",outcome="CANCELLED"}"#;
    for _ in 0..100 {
        if server.metric(cancelled).await == Some(1.0) {
            assert_eq!(server.metric("scope3_mcp_calls_in_flight").await, Some(0.0));
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the call was not cancelled");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn junk_leaves_nothing_behind() {
    let server = Server::sandbox(&["--auth", "key"]);
    let client = server.with_key(FIRST);
    junk(&client, 500).await;
    let before = server.resident();
    junk(&client, 5000).await;
    let grown = server.resident().saturating_sub(before);
    assert!(grown < 8 * 1024 * 1024, "memory grew by {grown} bytes");
    assert_eq!(server.metric(OPEN).await, Some(0.0));
    assert_eq!(server.metric("scope3_mcp_calls_in_flight").await, Some(0.0));
}

#[cfg(target_os = "linux")]
async fn junk(client: &Mcp, count: usize) {
    let bodies = [
        "junk".to_owned(),
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize"}"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":5}}"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#.to_owned(),
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":1,"method":"server/discover"}"#.to_owned(),
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{}"}}"#, "x".repeat(1000)),
    ];
    let requests = (0..count).map(|number| {
        let mut client = client.clone();
        if number % 2 == 0 {
            client = client.with("mcp-session-id", &number.to_string());
        }
        let body = bodies[number % bodies.len()].clone();
        async move { client.post_text(body).send().await.unwrap().status().as_u16() }
    });
    let mut requests = requests.collect::<Vec<_>>();
    while !requests.is_empty() {
        let some = requests.split_off(requests.len().saturating_sub(32));
        for status in join_all(some).await {
            assert!((400..500).contains(&status), "{status}");
        }
    }
}

#[tokio::test]
async fn an_unfinished_initialize_does_not_block_for_long() {
    let server = Server::sandbox(&["--max-sessions", "5"]);
    for _ in 0..20 {
        drop(server.client().post(&initialize("2025-06-18")).await);
    }
    assert_eq!(server.metric(OPEN).await, Some(5.0));
    let session = server.client().begin("2025-06-18").await;
    assert_eq!(session.status(&ping()).await, 200);
}

#[tokio::test]
async fn one_key_cannot_use_all_calls() {
    let upstream = Upstream::start(Duration::from_millis(1500)).await;
    let limits = ["--auth", "key", "--max-calls", "4", "--max-calls-per-key", "2"];
    let server = Server::before(&upstream.url, &limits);
    let (first, second) = (server.with_key(FIRST), server.with_key(SECOND));
    // A key that Scope3 has not accepted yet is used for one request at a time.
    assert_eq!(first.stateless("check_auth_status").send().await.unwrap().status(), 200);
    let running = [1, 2].map(|_| tokio::spawn(first.stateless("check_auth_status").send()));
    upstream.wait_for_requests(3).await;
    let rejected = first.stateless("check_auth_status").send().await.unwrap();
    assert_eq!(rejected.status(), 503);
    assert!(rejected.headers().contains_key("retry-after"));
    let error: Value = rejected.json().await.unwrap();
    assert!(error["error"]["message"].as_str().unwrap().contains("this key"), "{error}");
    assert_eq!(server.bound_reached("calls_per_key").await, 1);
    let mut sse = Sse::begin(&second).await;
    assert!(sse.call("check_auth_status").await.contains("12345"), "another key has calls left");
    for call in running {
        assert_eq!(call.await.unwrap().unwrap().status(), 200);
    }
    assert_eq!(first.stateless("check_auth_status").send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn callers_that_share_the_servers_key_share_all_calls() {
    let upstream = Upstream::start(Duration::from_millis(800)).await;
    let server = Server::before(&upstream.url, &["--max-calls-per-key", "1"]);
    let client = server.client();
    let calls = join_all((0..3).map(|_| client.stateless("check_auth_status").send())).await;
    assert!(calls.into_iter().all(|call| call.unwrap().status() == 200));
}

#[tokio::test]
async fn a_batch_that_could_never_run_is_rejected_for_good() {
    let batch = |count: usize| -> Value {
        (0..count).map(|id| json!({ "jsonrpc": "2.0", "id": id, "method": "tools/list" })).collect()
    };
    let servers = [
        (Server::sandbox(&["--max-calls", "3"]), 3),
        (Server::sandbox(&["--auth", "key", "--max-calls", "5", "--max-calls-per-key", "2"]), 2),
        (Server::sandbox(&["--max-calls", "200"]), 100),
    ];
    for (server, max) in servers {
        let session = server.with_key(FIRST).begin("2025-03-26").await;
        let fits = session.post(&batch(max)).await;
        assert_eq!(fits.status(), 200, "{max}");
        assert_eq!(fits.text().await.unwrap().matches("\"tools\":[").count(), max);
        let rejected = session.post(&batch(max + 1)).await;
        assert_eq!(rejected.status(), 400, "{max}");
        let error: Value = rejected.json().await.unwrap();
        assert_eq!(error["error"]["code"], -32600);
        assert!(error["error"]["message"].as_str().unwrap().contains(&format!("1 to {max}")), "{error}");
        assert_eq!(server.bound_reached("batch").await, 1);
    }
}

#[tokio::test]
async fn a_call_longer_than_the_idle_limit_keeps_its_session() {
    let upstream = Upstream::start(Duration::from_millis(1500)).await;
    let server = Server::before(&upstream.url, &["--session-idle", "400ms"]);
    let session = server.client().begin("2025-06-18").await;
    // Its stream would also keep the session, so it is closed.
    drop(session.post(&call(5, "check_auth_status")).await);
    upstream.wait_for_requests(1).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(server.metric(OPEN).await, Some(1.0));
    assert!(session.call("check_auth_status").await.contains("12345"));
}

#[tokio::test]
async fn closing_a_session_ends_its_stream() {
    let server = Server::sandbox(&["--max-sessions", "1"]);
    let deleted = server.client().begin("2025-06-18").await;
    let mut stream = deleted.stream().await;
    assert_eq!(deleted.delete().await, 204);
    let ended = async { while let Ok(Some(_)) = stream.chunk().await {} };
    tokio::time::timeout(Duration::from_secs(5), ended).await.expect("its stream stays open");

    let displaced = server.client().begin("2025-06-18").await;
    let mut stream = displaced.stream().await;
    server.client().begin("2025-06-18").await;
    let ended = async { while let Ok(Some(_)) = stream.chunk().await {} };
    tokio::time::timeout(Duration::from_secs(5), ended).await.expect("its stream stays open");
}

#[tokio::test]
async fn closed_sessions_leave_no_tasks_behind() {
    let server = InProcess::sandbox(|_| {}).await;
    let client = server.client();
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    open_and_leave(&client, 20).await;
    let before = tasks();
    open_and_leave(&client, 1000).await;
    for _ in 0..250 {
        if tasks() < before + 20 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{before} tasks have become {}", tasks());
}

/// Opens sessions and deletes a third of them. The others are evicted later.
async fn open_and_leave(client: &Mcp, count: usize) {
    for number in 0..count {
        if number % 20 == 0 {
            drop(Sse::open(client).await);
        }
        let response = client.post(&initialize("2025-06-18")).await;
        let id = response.headers()["mcp-session-id"].to_str().unwrap().to_owned();
        if number % 3 == 0 {
            assert_eq!(client.clone().with("mcp-session-id", &id).delete().await, 204);
        }
    }
}
