//! What clients can make the server hold is bounded, and who is slow hurts nobody else.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use crate::support::{FIRST, Mcp, SECOND, Server, Sse, call, initialize, message, text, upstream::Upstream};
use clap::Parser;
use futures_util::future::join_all;
use reqwest::Method;
use scope3_mcp::{
    app::App,
    config::Settings,
    transport::http::{Auth, Caps, Deadlines, Hosts, Options, serve},
};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

fn ping() -> serde_json::Value {
    json!({ "jsonrpc": "2.0", "id": 9, "method": "ping" })
}

const OPEN: &str = "scope3_mcp_sessions_open{transport=\"streamable-http\"}";
const OPEN_SSE: &str = "scope3_mcp_sessions_open{transport=\"sse\"}";

#[tokio::test]
async fn a_full_key_loses_its_stillest_session_and_others_keep_theirs() {
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
async fn a_full_server_makes_room_of_both_transports() {
    let server = Server::sandbox(&["--max-sessions", "3"]);
    let mut sse = Sse::begin(&server.client()).await;
    let first = server.client().begin("2025-06-18").await;
    for _ in 0..10 {
        server.client().begin("2025-06-18").await;
    }
    assert_eq!(first.status(&ping()).await, 404);
    assert_eq!(server.metric(OPEN).await, Some(2.0));
    assert!(sse.call("check_auth_status").await.contains("12345"), "one with an open stream goes last");
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
    panic!("sessions stay although their streams are gone");
}

#[tokio::test]
async fn a_still_session_expires_and_one_with_a_stream_does_not() {
    let server = Server::sandbox(&["--session-idle", "400ms"]);
    let still = server.client().begin("2025-06-18").await;
    let streaming = server.client().begin("2025-06-18").await;
    let _stream = streaming.stream().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(server.metric(OPEN).await, Some(1.0));
    assert_eq!(still.status(&ping()).await, 404);
    assert_eq!(still.stream().await.status(), 404);
    assert_eq!(still.delete().await, 404);
    assert_eq!(streaming.status(&ping()).await, 200);
}

#[tokio::test]
async fn calls_beyond_the_cap_are_told_to_come_back() {
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
    upstream.asked(2).await;
    let refused = client.stateless("check_auth_status").send().await.unwrap();
    assert_eq!(refused.status(), 503);
    assert!(refused.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
    assert_eq!(sse.send(&call(1, "check_auth_status")).await, 503);
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
async fn a_call_counts_until_it_is_done_although_its_client_is_gone() {
    let upstream = Upstream::start(Duration::from_millis(1200)).await;
    let server = Server::before(&upstream.url, &["--max-calls", "1"]);
    let session = server.client().begin("2025-06-18").await;
    drop(session.post(&call(1, "check_auth_status")).await);
    upstream.asked(1).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(session.status(&call(2, "check_auth_status")).await, 503);
    tokio::time::sleep(Duration::from_millis(1400)).await;
    assert_eq!(session.status(&call(3, "check_auth_status")).await, 200);
}

#[tokio::test]
async fn a_call_without_a_session_ends_when_its_client_goes() {
    let upstream = Upstream::start(Duration::from_secs(20)).await;
    let server = Server::before(&upstream.url, &[]);
    let client = server.client();
    let waiting = tokio::spawn(client.stateless("check_auth_status").send());
    upstream.asked(1).await;
    waiting.abort();
    let cancelled = r#"scope3_mcp_calls_total{tool="check_auth_status",class="mcp",outcome="CANCELLED"}"#;
    for _ in 0..100 {
        if server.metric(cancelled).await == Some(1.0) {
            assert_eq!(server.metric("scope3_mcp_calls_in_flight").await, Some(0.0));
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the call went on");
}

#[tokio::test]
async fn junk_leaves_nothing_behind() {
    let server = Server::sandbox(&["--auth", "key"]);
    let client = server.with_key(FIRST);
    junk(&client, 500).await;
    let before = server.resident();
    junk(&client, 5000).await;
    let grown = server.resident().saturating_sub(before);
    assert!(grown < 8 * 1024 * 1024, "{grown} bytes more");
    assert_eq!(server.metric(OPEN).await, Some(0.0));
    assert_eq!(server.metric("scope3_mcp_calls_in_flight").await, Some(0.0));
}

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

/// A server in this process, whose deadlines are short.
async fn impatient() -> (SocketAddr, CancellationToken) {
    #[derive(Parser)]
    struct Arguments {
        #[command(flatten)]
        settings: Settings,
    }
    let Arguments { settings } = Arguments::parse_from(["scope3-mcp", "--sandbox"]);
    let app = App::start(&settings).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let short = Duration::from_millis(500);
    let options = Options {
        auth: Auth::None,
        metrics_token: None,
        hosts: Hosts::new(vec![], vec![], address),
        caps: Caps { sessions: 10, sessions_per_key: 10, idle: Duration::from_mins(1) },
        calls: 4,
        deadlines: Deadlines { head: short, body: short, idle: 4 * short, write: short, end: 4 * short },
    };
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    tokio::spawn(async move { serve(listener, &app, options, stopped).await });
    (address, stop)
}

/// Sends pieces with pauses until the server closes or answers; gives the answer and how long it took.
async fn trickle(address: SocketAddr, begin: &'static str, piece: &'static str) -> (String, Duration) {
    tokio::task::spawn_blocking(move || {
        let started = Instant::now();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        stream.write_all(begin.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let mut buffer = [0; 1024];
        while started.elapsed() < Duration::from_secs(8) {
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => answer.extend_from_slice(&buffer[..read]),
                Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock) => {
                    let _written = stream.write_all(piece.as_bytes());
                }
                Err(_) => break,
            }
        }
        (String::from_utf8_lossy(&answer).into_owned(), started.elapsed())
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn a_head_that_trickles_is_closed_at_the_deadline() {
    let (address, _stop) = impatient().await;
    let (answer, took) = trickle(address, "POST /mcp HTTP/1.1\r\n", "x-filler: 1\r\n").await;
    assert_eq!(answer, "");
    assert!(took > Duration::from_millis(400) && took < Duration::from_secs(4), "{took:?}");
    let (_, silent) = trickle(address, "", "").await;
    assert!(silent < Duration::from_secs(4), "who says nothing is closed, too: {silent:?}");
    // A second head on the same connection has the same time, from its first byte on.
    let one = "GET /healthz HTTP/1.1\r\nhost: localhost:0\r\n\r\n";
    let (answer, took) = trickle(address, one, "x").await;
    assert!(answer.contains("403 Forbidden"), "{answer}");
    assert!(took < Duration::from_secs(4), "{took:?}");
}

#[tokio::test]
async fn a_connection_may_be_idle_for_longer_than_a_head_takes() {
    let (address, _stop) = impatient().await;
    tokio::task::spawn_blocking(move || {
        let request = format!("GET /healthz HTTP/1.1\r\nhost: {address}\r\n\r\n");
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        for _ in 0..2 {
            stream.write_all(request.as_bytes()).unwrap();
            let mut answer = [0; 1024];
            let read = stream.read(&mut answer).unwrap();
            assert!(String::from_utf8_lossy(&answer[..read]).contains("200 OK"));
            std::thread::sleep(Duration::from_millis(900));
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_body_that_trickles_is_refused_at_the_deadline() {
    let (address, _stop) = impatient().await;
    let begin = format!(
        "POST /mcp HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\ncontent-length: 100000\r\n\r\n"
    );
    let (answer, took) = trickle(address, begin.leak(), " ").await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(took < Duration::from_secs(4), "{took:?}");
}

#[tokio::test]
async fn who_does_not_read_is_dropped_and_others_do_not_notice() {
    let (address, _stop) = impatient().await;
    let client = Mcp {
        http: reqwest::Client::new(),
        url: format!("http://{address}"),
        headers: reqwest::header::HeaderMap::new(),
    };
    let session = client.begin("2025-06-18").await;
    let id = session.session().to_owned();
    // A hundred answers of some 100 kB each fill every buffer on the way.
    let stalled = tokio::task::spawn_blocking(move || {
        let body = json!({"jsonrpc":"2.0","id":1,"method":"tools/list"}).to_string();
        let length = body.len();
        let one = format!(
            "POST /mcp HTTP/1.1\r\nhost: {address}\r\nmcp-session-id: {id}\r\ncontent-type: application/json\r\n\
             accept: application/json, text/event-stream\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
        let started = Instant::now();
        // The server reads no more requests while its answers find no room; its end is seen by writing.
        while started.elapsed() < Duration::from_secs(20) {
            if stream.write_all(one.as_bytes()).is_err() {
                return true;
            }
        }
        false
    });
    for _ in 0..20 {
        let started = Instant::now();
        assert_eq!(client.stateless("check_auth_status").send().await.unwrap().status(), 200);
        assert!(started.elapsed() < Duration::from_secs(2));
    }
    assert!(stalled.await.unwrap(), "it was not dropped");
    assert_eq!(session.status(&ping()).await, 200, "its session goes on");
}

#[tokio::test]
async fn an_initialize_without_an_end_takes_no_place_for_long() {
    let server = Server::sandbox(&["--max-sessions", "5"]);
    for _ in 0..20 {
        drop(server.client().post(&initialize("2025-06-18")).await);
    }
    assert_eq!(server.metric(OPEN).await, Some(5.0));
    let session = server.client().begin("2025-06-18").await;
    assert_eq!(session.status(&ping()).await, 200);
}
