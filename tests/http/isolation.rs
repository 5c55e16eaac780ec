//! A session, its streams and its responses belong only to the key that opened it.

use std::time::Duration;

use crate::support::{FIRST, Mcp, SECOND, Server, Sse, call, message, modern_call, text, upstream::Upstream};
use reqwest::{Method, header::ACCEPT};
use serde_json::json;

fn ping() -> serde_json::Value {
    json!({ "jsonrpc": "2.0", "id": 9, "method": "ping" })
}

#[tokio::test]
async fn a_session_of_another_key_does_not_exist() {
    let server = Server::sandbox(&["--auth", "key"]);
    let mine = server.with_key(FIRST).begin("2025-06-18").await;
    let thief = server.with_key(SECOND).with("mcp-session-id", mine.session());
    let guess = server.with_key(SECOND).with("mcp-session-id", "no-such-session");
    for stranger in [thief, guess] {
        assert_eq!(stranger.status(&ping()).await, 404);
        assert_eq!(stranger.status(&call(1, "check_auth_status")).await, 404);
        assert_eq!(
            stranger.status(&json!({"jsonrpc":"2.0","method":"notifications/initialized"})).await,
            404
        );
        assert_eq!(stranger.stream().await.status(), 404);
        assert_eq!(stranger.clone().with("last-event-id", "0/0").stream().await.status(), 404);
        assert_eq!(stranger.delete().await, 404);
    }
    assert!(mine.call("check_auth_status").await.contains("12345"));
    assert_eq!(mine.delete().await, 204);
    assert_eq!(mine.status(&ping()).await, 404);
    assert_eq!(mine.delete().await, 404);
}

#[tokio::test]
async fn an_sse_session_of_another_key_does_not_exist() {
    let server = Server::sandbox(&["--auth", "key"]);
    let mut mine = Sse::begin(&server.with_key(FIRST)).await;
    let other = server.with_key(SECOND);
    assert_eq!(mine.send_as(&other, &call(1, "check_auth_status")).await, 404);
    let session = mine.endpoint.split_once('=').unwrap().1.to_owned();
    let thief = other.with("mcp-session-id", &session);
    assert_eq!(thief.status(&ping()).await, 404);
    assert_eq!(thief.delete().await, 404);
    let unknown =
        thief.request(Method::POST, "/messages?sessionId=nothing").json(&ping()).send().await.unwrap();
    assert_eq!(unknown.status(), 404);
    assert!(mine.call("check_auth_status").await.contains("12345"));
}

#[tokio::test]
async fn a_session_cannot_be_used_over_the_other_transport() {
    let server = Server::sandbox(&["--auth", "key"]);
    let client = server.with_key(FIRST);
    let session = client.begin("2025-06-18").await;
    let path = format!("/messages?sessionId={}", session.session());
    let response = client.request(Method::POST, &path).json(&ping()).send().await.unwrap();
    assert_eq!(response.status(), 404);
    let mut sse = Sse::begin(&client).await;
    let crossed = client.with("mcp-session-id", sse.session());
    assert_eq!(crossed.status(&ping()).await, 404);
    assert_eq!(crossed.stream().await.status(), 404);
    assert!(sse.call("check_auth_status").await.contains("12345"), "its stream is unaffected");
}

#[tokio::test]
async fn a_second_stream_is_rejected_and_the_first_stays_open() {
    let server = Server::sandbox(&["--auth", "key"]);
    let session = server.with_key(FIRST).begin("2025-06-18").await;
    let mut first = session.stream().await;
    assert_eq!(first.status(), 200);
    for last in ["0", "1"] {
        assert_eq!(session.stream().await.status(), 409);
        assert_eq!(session.clone().with("last-event-id", last).stream().await.status(), 409);
    }
    let still_open = tokio::time::timeout(Duration::from_millis(300), first.chunk()).await;
    assert!(still_open.is_err(), "the first stream ended");
    drop(first);
    let again = async {
        while session.stream().await.status() != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), again)
        .await
        .expect("a stream that ended can be opened again");
}

#[tokio::test]
async fn a_client_that_reconnects_takes_over_its_stream() {
    let server = Server::sandbox(&["--auth", "key"]);
    let session = server.with_key(FIRST).begin("2025-06-18").await;
    // The connection stays open, but nothing is read from it: the server cannot know whether the client is there.
    let mut lost = session.stream().await;
    tokio::time::sleep(Duration::from_millis(3200)).await;
    let stranger = server.with_key(SECOND).with("mcp-session-id", session.session());
    assert_eq!(stranger.stream().await.status(), 404);
    let mut again = session.stream().await;
    assert_eq!(again.status(), 200);
    let end = async { while let Ok(Some(_)) = lost.chunk().await {} };
    tokio::time::timeout(Duration::from_secs(5), end).await.expect("the old stream stays open");
    assert_eq!(session.stream().await.status(), 409, "the new stream has just begun");
    let still_open = tokio::time::timeout(Duration::from_millis(300), again.chunk()).await;
    assert!(still_open.is_err(), "the new stream ended");
    assert!(session.call("check_auth_status").await.contains("12345"));
}

#[tokio::test]
async fn the_stream_of_a_call_cannot_be_taken_over_while_it_is_read() {
    let upstream = Upstream::start(Duration::from_millis(600)).await;
    let server = Server::before(&upstream.url, &["--auth", "key"]);
    let session = server.with_key(FIRST).begin("2025-06-18").await;
    let response = session.post(&call(5, "check_auth_status")).await;
    let taker = session.clone().with("last-event-id", "0/0");
    assert_eq!(taker.stream().await.status(), 409);
    let response = message(response).await;
    assert_eq!(response["id"], 5);
    assert!(text(&response).contains("12345"));
}

#[tokio::test]
async fn a_call_whose_stream_broke_cannot_be_resumed_by_others() {
    let upstream = Upstream::start(Duration::from_millis(700)).await;
    let server = Server::before(&upstream.url, &["--auth", "key"]);
    let session = server.with_key(FIRST).begin("2025-06-18").await;
    drop(session.post(&call(5, "check_auth_status")).await);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let thief =
        server.with_key(SECOND).with("mcp-session-id", session.session()).with("last-event-id", "0/0");
    assert_eq!(thief.stream().await.status(), 404);
    assert!(session.call("check_auth_status").await.contains("12345"), "the session stays open");
}

#[tokio::test]
async fn the_stream_of_a_call_contains_only_messages() {
    // Clients of older versions take an event without data for an error, and reconnect after an event with an id.
    let server = Server::sandbox(&[]);
    for version in ["2025-03-26", "2025-06-18", "2025-11-25"] {
        let session = server.client().begin(version).await;
        let stream = session.post(&call(5, "check_auth_status")).await.text().await.unwrap();
        assert!(stream.starts_with("data: {") || stream.starts_with("event: message\ndata: {"), "{stream}");
        assert!(!stream.contains("\nid:") && !stream.contains("retry:"), "{stream}");
    }
}

#[tokio::test]
async fn responses_of_concurrent_callers_are_never_swapped() {
    let server = Server::sandbox(&["--auth", "key"]);
    let mut tasks = Vec::new();
    for (key, customer) in [(FIRST, "12345"), (SECOND, "67890")] {
        for worker in 0..4 {
            tasks.push(tokio::spawn(work(server.with_key(key), customer, worker)));
        }
    }
    for task in tasks {
        task.await.unwrap();
    }
}

/// Makes calls over all transports at once, with the same request ids as all other callers.
async fn work(client: Mcp, customer: &'static str, worker: u64) {
    let session = client.begin("2025-11-25").await;
    let mut sse = Sse::begin(&client).await;
    for id in 0..10 {
        let message = call(id, "check_auth_status");
        let responses = [0, 1, 2].map(|_| session.post(&message));
        for response in futures_util::future::join_all(responses).await {
            // Using an id twice at once is an error of the client, but the response must still be its own.
            let status = response.status();
            let body = response.text().await.unwrap();
            assert!(
                status == 400 && body.contains("already in flight") || body.contains(customer),
                "{worker}: {body}"
            );
        }
        assert!(session.call("check_auth_status").await.contains(customer));
        assert!(sse.call("check_auth_status").await.contains(customer));
        let response = client.stateless("check_auth_status").send().await.unwrap();
        assert!(response.text().await.unwrap().contains(customer));
    }
}

#[tokio::test]
async fn each_key_has_its_own_limits() {
    let server = Server::sandbox(&["--auth", "key", "--mcp-limit", "2/h"]);
    let (first, second) = (server.with_key(FIRST), server.with_key(SECOND));
    for _ in 0..2 {
        assert!(
            first
                .stateless("check_auth_status")
                .send()
                .await
                .unwrap()
                .text()
                .await
                .unwrap()
                .contains("12345")
        );
    }
    let rejected = first.stateless("check_auth_status").send().await.unwrap().text().await.unwrap();
    assert!(rejected.contains("RATE_LIMIT_EXCEEDED"), "{rejected}");
    assert!(
        second.stateless("check_auth_status").send().await.unwrap().text().await.unwrap().contains("67890")
    );
    let usage = second.stateless_message(&modern_call("get_usage"), "get_usage").send().await.unwrap();
    let usage = text(&message(usage).await);
    assert!(usage.contains(r#""used":1"#), "{usage}");
}

#[tokio::test]
async fn each_request_in_a_session_is_authenticated() {
    let server = Server::sandbox(&["--auth", "key"]);
    let session = server.with_key(FIRST).begin("2025-06-18").await;
    let request = session.request(Method::POST, "/mcp").header(ACCEPT, "application/json, text/event-stream");
    let both =
        request.header("authorization", format!("Bearer {SECOND}")).json(&ping()).send().await.unwrap();
    assert_eq!(both.status(), 400, "two keys at once");
}
