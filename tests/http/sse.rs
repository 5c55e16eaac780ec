//! The limits and checks of HTTP+SSE, tested without calls over Streamable HTTP.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use crate::support::{
    FIRST, SECOND, Server, Sse, call,
    in_process::{InProcess, SHORT, shorten_deadlines},
    text,
    upstream::Upstream,
};
use reqwest::{Method, header::ACCEPT};
use serde_json::{Value, json};

#[tokio::test]
async fn calls_count_while_they_run() {
    let upstream = Upstream::start(Duration::from_millis(1500)).await;
    let server = Server::before(&upstream.url, &["--max-calls", "2"]);
    let mut sse = Sse::begin(&server.client()).await;
    let other = Sse::begin(&server.client()).await;
    for id in [1, 2] {
        assert_eq!(sse.send(&call(id, "check_auth_status")).await, 202);
    }
    upstream.wait_for_requests(2).await;
    assert_eq!(server.metric("scope3_mcp_calls_in_flight").await, Some(2.0));
    assert_eq!(other.send(&call(1, "check_auth_status")).await, 503);
    for _ in 0..2 {
        assert!(text(&sse.next_response().await).contains("12345"));
    }
    assert_eq!(server.metric("scope3_mcp_calls_in_flight").await, Some(0.0));
    assert_eq!(other.send(&call(1, "check_auth_status")).await, 202, "there is room again");
}

#[tokio::test]
async fn a_call_counts_until_it_is_done_even_if_its_client_disconnects() {
    let upstream = Upstream::start(Duration::from_millis(1500)).await;
    let server = Server::before(&upstream.url, &["--max-calls", "1"]);
    let sse = Sse::begin(&server.client()).await;
    assert_eq!(sse.send(&call(1, "check_auth_status")).await, 202);
    upstream.wait_for_requests(1).await;
    drop(sse);
    let next = Sse::open(&server.client()).await;
    assert_eq!(next.send(&crate::support::initialize("2024-11-05")).await, 503);
    tokio::time::sleep(Duration::from_millis(1800)).await;
    assert_eq!(next.send(&crate::support::initialize("2024-11-05")).await, 202);
}

#[tokio::test]
async fn an_id_can_be_in_flight_only_once() {
    let upstream = Upstream::start(Duration::from_millis(800)).await;
    let server = Server::before(&upstream.url, &[]);
    let mut sse = Sse::begin(&server.client()).await;
    assert_eq!(sse.send(&call(1, "check_auth_status")).await, 202);
    assert_eq!(sse.send(&call(1, "check_auth_status")).await, 400);
    assert!(text(&sse.next_response().await).contains("12345"));
    assert!(sse.call("check_auth_status").await.contains("12345"), "the id is free again");
}

#[tokio::test]
async fn a_session_with_a_call_is_not_evicted() {
    let upstream = Upstream::start(Duration::from_millis(1200)).await;
    let server = Server::before(&upstream.url, &["--max-sessions", "1"]);
    let mut sse = Sse::begin(&server.client()).await;
    assert_eq!(sse.send(&call(1, "check_auth_status")).await, 202);
    upstream.wait_for_requests(1).await;
    let client = server.client();
    let newcomer = client.request(Method::GET, "/sse").header(ACCEPT, "text/event-stream").send().await;
    assert_eq!(newcomer.unwrap().status(), 503);
    assert_eq!(client.status(&crate::support::initialize("2025-06-18")).await, 503);
    assert_eq!(server.bound_reached("sessions").await, 2);
    assert!(text(&sse.next_response().await).contains("12345"));
    assert_eq!(client.status(&crate::support::initialize("2025-06-18")).await, 200);
    assert_eq!(sse.next().await, None, "now the session was evicted");
}

#[tokio::test]
async fn messages_of_another_key_are_rejected_whatever_their_kind() {
    let upstream = Upstream::start(Duration::from_millis(800)).await;
    let server = Server::before(&upstream.url, &["--auth", "key"]);
    let mut mine = Sse::begin(&server.with_key(FIRST)).await;
    assert_eq!(mine.send(&call(1, "check_auth_status")).await, 202);
    upstream.wait_for_requests(1).await;
    let other = server.with_key(SECOND);
    let messages = [
        json!({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}),
        json!({"jsonrpc":"2.0","id":7,"result":{}}),
        json!({"jsonrpc":"2.0","id":7,"method":"ping"}),
        json!([{"jsonrpc":"2.0","id":7,"method":"ping"}]),
        json!("no message"),
    ];
    for message in messages {
        assert_eq!(mine.send_as(&other, &message).await, 404, "{message}");
    }
    assert!(text(&mine.next_response().await).contains("12345"), "the call was not cancelled");
}

#[tokio::test]
async fn a_client_can_accept_several_media_types() {
    let server = Server::sandbox(&[]);
    let client = server.client();
    let status = |accept: &'static str| {
        let request = client.request(Method::GET, "/sse").header(ACCEPT, accept).send();
        async move { request.await.unwrap().status().as_u16() }
    };
    let good = [
        "application/json, text/event-stream",
        "text/event-stream;q=0.5",
        "text/*",
        "*/*",
        "text/html, */*;q=0.1",
    ];
    for accept in good {
        assert_eq!(status(accept).await, 200, "{accept}");
    }
    for accept in ["application/json", "text/html, application/*"] {
        assert_eq!(status(accept).await, 406, "{accept}");
    }
}

#[tokio::test]
async fn a_message_must_name_one_session() {
    let server = Server::sandbox(&[]);
    let client = server.client();
    let sse = Sse::begin(&client).await;
    let id = sse.session();
    let wrong = [
        format!("/messages?sessionId={id}&sessionId={id}"),
        format!("/messages?sessionId={id}&sessionId=other"),
        "/messages".to_owned(),
        "/messages?session=1".to_owned(),
    ];
    for path in wrong {
        let ping = json!({"jsonrpc":"2.0","id":1,"method":"ping"});
        let rejected = client.request(Method::POST, &path).json(&ping).send().await.unwrap();
        assert_eq!(rejected.status(), 400, "{path}");
    }
    let other_parameters = format!("/messages?a=1&sessionId={id}&b=2");
    let ping = json!({"jsonrpc":"2.0","id":1,"method":"ping"});
    let taken = client.request(Method::POST, &other_parameters).json(&ping).send().await.unwrap();
    assert_eq!(taken.status(), 202);
}

#[tokio::test]
async fn a_stream_sends_keep_alives() {
    let server = InProcess::sandbox(shorten_deadlines).await;
    let session = server.client().begin("2025-06-18").await;
    let modern = format!("GET /mcp HTTP/1.1\r\nmcp-session-id: {}\r\n", session.session());
    for begin in ["GET /sse HTTP/1.1\r\n", &modern] {
        let request = format!("{begin}host: {}\r\naccept: text/event-stream\r\n\r\n", server.address);
        let mut stream = TcpStream::connect(server.address).unwrap();
        let seen = tokio::task::spawn_blocking(move || {
            stream.write_all(request.as_bytes()).unwrap();
            stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
            let started = Instant::now();
            let mut seen = String::new();
            let mut buffer = [0; 4096];
            while seen.matches("\n:").count() < 3 && started.elapsed() < 20 * SHORT {
                if let Ok(read) = stream.read(&mut buffer) {
                    assert!(read > 0, "the stream was closed: {seen}");
                    seen += &String::from_utf8_lossy(&buffer[..read]);
                }
            }
            seen
        });
        let seen = seen.await.unwrap();
        assert!(seen.matches("\n:").count() >= 3, "{seen}");
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_rejected() {
    let server = Server::sandbox(&[]);
    let client = server.client();
    let mut sse = Sse::begin(&client).await;
    let session = client.begin("2025-06-18").await;
    let over = |bytes: usize| {
        let mut message = call(1, "check_auth_status");
        message["params"]["arguments"]["filler"] = "x".repeat(bytes).into();
        message.to_string()
    };
    // The server discards the rest of a long body for a while, so that its sender can read the response.
    for bytes in [4 * 1024 * 1024, 20 * 1024 * 1024] {
        let request = client.request(Method::POST, &sse.endpoint).header("content-type", "application/json");
        assert_eq!(request.body(over(bytes)).send().await.unwrap().status(), 413);
        assert_eq!(session.post_text(over(bytes)).send().await.unwrap().status(), 413);
    }
    assert!(sse.call("check_auth_status").await.contains("12345"), "the session stays open");
}

#[tokio::test]
async fn an_endless_body_is_not_read_until_its_deadline() {
    const ONE_MIB: usize = 1024 * 1024;
    let server = Server::sandbox(&[]);
    let sse = Sse::begin(&server.client()).await;
    for path in ["/mcp".to_owned(), sse.endpoint.clone()] {
        let port = server.port();
        let sent = tokio::task::spawn_blocking(move || {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            stream.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
            let head = format!(
                "POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\n\
                 accept: application/json, text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).unwrap();
            let chunk = format!("{ONE_MIB:x}\r\n{}\r\n", " ".repeat(ONE_MIB));
            (0..200).take_while(|_| stream.write_all(chunk.as_bytes()).is_ok()).count()
        });
        let sent = sent.await.unwrap();
        assert!((5..100).contains(&sent), "{sent} MiB were read");
    }
}

#[tokio::test]
async fn unknown_members_are_ignored_and_texts_are_not_repeated() {
    let server = Server::sandbox(&[]);
    let session = server.client().begin("2025-06-18").await;
    let extra = json!({"jsonrpc":"2.0","id":1,"method":"ping","extra":1,"more":{"a":[]}});
    assert_eq!(session.status(&extra).await, 200);
    let secret = "scope3_abc_verysecret";
    let bodies = [
        json!({"jsonrpc":"2.0","id":1,"method":"ping","params":secret}),
        json!({"jsonrpc":secret,"id":1,"method":"ping"}),
        json!({"jsonrpc":"2.0","id":[secret],"method":"ping"}),
        json!({"jsonrpc":"2.0","id":1,"method":{"a":secret}}),
        json!(secret),
        json!([secret]),
    ];
    for body in bodies {
        let rejected = session.post(&body).await;
        assert_eq!(rejected.status(), 400, "{body}");
        let response: Value = rejected.json().await.unwrap();
        assert!(!response.to_string().contains("secret"), "{response}");
    }
}
