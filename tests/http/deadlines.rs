//! Slow clients are disconnected at a deadline and do not affect others.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use crate::support::{
    FIRST, Sse,
    in_process::{InProcess, SHORT, shorten_deadlines},
    modern_call,
    upstream::Upstream,
};
use serde_json::json;

/// A connection that closes later than this was not closed by a short deadline.
const LATE: Duration = Duration::from_secs(4);

fn ping() -> serde_json::Value {
    json!({ "jsonrpc": "2.0", "id": 9, "method": "ping" })
}

/// Sends pieces with pauses until the server responds or closes. Returns the response and the elapsed time.
async fn trickle(address: SocketAddr, begin: String, piece: &'static str) -> (String, Duration) {
    tokio::task::spawn_blocking(move || {
        let started = Instant::now();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        stream.write_all(begin.as_bytes()).unwrap();
        let mut response = Vec::new();
        let mut buffer = [0; 1024];
        while started.elapsed() < 3 * LATE {
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => response.extend_from_slice(&buffer[..read]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock) => {
                    let _written = stream.write_all(piece.as_bytes());
                }
                Err(_) => break,
            }
        }
        (String::from_utf8_lossy(&response).into_owned(), started.elapsed())
    })
    .await
    .unwrap()
}

fn healthz(address: SocketAddr) -> String {
    format!("GET /healthz HTTP/1.1\r\nhost: {address}\r\n\r\n")
}

#[tokio::test]
async fn a_connection_with_a_slow_head_is_closed_at_the_deadline() {
    let InProcess { address, .. } = InProcess::sandbox(shorten_deadlines).await;
    let begin = "POST /mcp HTTP/1.1\r\n".to_owned();
    let (response, elapsed) = trickle(address, begin, "x-filler: 1\r\n").await;
    assert_eq!(response, "");
    assert!(elapsed > SHORT.mul_f64(0.8) && elapsed < LATE, "{elapsed:?}");
}

#[tokio::test]
async fn a_new_connection_that_sends_nothing_is_closed_at_the_deadline_for_heads() {
    let InProcess { address, .. } = InProcess::sandbox(shorten_deadlines).await;
    let (_, elapsed) = trickle(address, String::new(), "").await;
    assert!(elapsed > SHORT.mul_f64(0.8) && elapsed < LATE, "{elapsed:?}");
}

#[tokio::test]
async fn a_later_head_has_the_same_deadline_from_its_first_byte() {
    let InProcess { address, .. } = InProcess::sandbox(shorten_deadlines).await;
    let (response, elapsed) = trickle(address, healthz(address), "x").await;
    assert!(response.contains("200 OK"), "{response}");
    assert!(elapsed > SHORT.mul_f64(0.8) && elapsed < LATE, "{elapsed:?}");
}

#[tokio::test]
async fn a_connection_can_be_idle_for_longer_than_the_deadline_for_heads() {
    let InProcess { address, .. } = InProcess::sandbox(shorten_deadlines).await;
    tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        for _ in 0..3 {
            stream.write_all(healthz(address).as_bytes()).unwrap();
            let mut response = [0; 1024];
            let read = stream.read(&mut response).unwrap();
            assert!(String::from_utf8_lossy(&response[..read]).contains("200 OK"));
            std::thread::sleep(2 * SHORT);
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let short_idle = |options: &mut _| {
        shorten_deadlines(options);
        options.deadlines.idle = 2 * SHORT;
    };
    let InProcess { address, .. } = InProcess::sandbox(short_idle).await;
    let (response, elapsed) = trickle(address, healthz(address), "").await;
    assert!(response.contains("200 OK"), "{response}");
    assert!(elapsed > SHORT && elapsed < LATE, "{elapsed:?}");
}

#[tokio::test]
async fn a_pipelined_request_does_not_start_the_deadline_early() {
    let upstream = Upstream::start(3 * SHORT).await;
    let InProcess { address, .. } = InProcess::before(&upstream.url, shorten_deadlines).await;
    tokio::task::spawn_blocking(move || {
        let body = modern_call("check_auth_status").to_string();
        let call = format!(
            "POST /mcp HTTP/1.1\r\nhost: {address}\r\nx-scope3-api-key: {FIRST}\r\n\
             content-type: application/json\r\naccept: application/json, text/event-stream\r\n\
             mcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\nmcp-name: check_auth_status\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        let next = healthz(address);
        let (beginning, rest) = next.split_at(10);
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(call.as_bytes()).unwrap();
        std::thread::sleep(Duration::from_millis(100));
        stream.write_all(beginning.as_bytes()).unwrap();
        let mut response = String::new();
        let mut buffer = [0; 4096];
        let mut sent = false;
        while !response.ends_with("ok\n") {
            let read = stream.read(&mut buffer).unwrap();
            assert!(read > 0, "the connection was closed: {response}");
            response += std::str::from_utf8(&buffer[..read]).unwrap();
            if response.contains("12345") && !sent {
                stream.write_all(rest.as_bytes()).unwrap();
                sent = true;
            }
        }
        assert!(sent, "{response}");
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_slow_body_is_rejected_at_the_deadline() {
    let server = InProcess::sandbox(shorten_deadlines).await;
    let address = server.address;
    let sse = Sse::open(&server.client()).await;
    for path in ["/mcp", &sse.endpoint] {
        let begin = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
             accept: application/json, text/event-stream\r\ncontent-length: 100000\r\n\r\n"
        );
        let (response, elapsed) = trickle(address, begin, " ").await;
        assert!(response.starts_with("HTTP/1.1 408 "), "{response}");
        assert!(elapsed > SHORT.mul_f64(0.8) && elapsed < LATE, "{elapsed:?}");
    }
}

/// Sends requests without reading responses until the server closes the connection. Returns the resulting error, and
/// the time since the last request that could be sent.
fn stall(address: SocketAddr, session: &str) -> (ErrorKind, Duration) {
    let body = json!({"jsonrpc":"2.0","id":1,"method":"tools/list"}).to_string();
    let length = body.len();
    let one = format!(
        "POST /mcp HTTP/1.1\r\nhost: {address}\r\nmcp-session-id: {session}\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(15))).unwrap();
    let (started, mut written) = (Instant::now(), Instant::now());
    // The server stops reading requests when it cannot send responses, so only writing detects that it closed.
    while started.elapsed() < Duration::from_mins(1) {
        if let Err(error) = stream.write_all(one.as_bytes()) {
            return (error.kind(), written.elapsed());
        }
        written = Instant::now();
    }
    panic!("the connection was not closed");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_disconnected_without_affecting_others() {
    let server = InProcess::sandbox(shorten_deadlines).await;
    let client = server.client();
    let session = client.begin("2025-06-18").await;
    let (address, id) = (server.address, session.session().to_owned());
    let stalled = tokio::task::spawn_blocking(move || stall(address, &id));
    for _ in 0..20 {
        let started = Instant::now();
        assert_eq!(client.stateless("check_auth_status").send().await.unwrap().status(), 200);
        assert!(started.elapsed() < Duration::from_secs(2));
    }
    let (kind, elapsed) = stalled.await.unwrap();
    assert!(matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{kind:?}");
    assert!(elapsed < LATE, "{elapsed:?}");
    assert_eq!(session.status(&ping()).await, 200, "its session stays open");
}
