//! Who is slow is cut off at a deadline, and hurts nobody else.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use crate::support::{
    FIRST, Sse,
    in_process::{InProcess, SHORT, impatient},
    modern_call,
    upstream::Upstream,
};
use serde_json::json;

/// Later than this, something else than a short deadline has closed a connection.
const LATE: Duration = Duration::from_secs(4);

fn ping() -> serde_json::Value {
    json!({ "jsonrpc": "2.0", "id": 9, "method": "ping" })
}

/// Sends pieces with pauses until the server closes or answers; gives the answer and how long it took.
async fn trickle(address: SocketAddr, begin: String, piece: &'static str) -> (String, Duration) {
    tokio::task::spawn_blocking(move || {
        let started = Instant::now();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        stream.write_all(begin.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let mut buffer = [0; 1024];
        while started.elapsed() < 3 * LATE {
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => answer.extend_from_slice(&buffer[..read]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock) => {
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

fn healthz(address: SocketAddr) -> String {
    format!("GET /healthz HTTP/1.1\r\nhost: {address}\r\n\r\n")
}

#[tokio::test]
async fn a_head_that_trickles_is_closed_at_the_deadline() {
    let InProcess { address, .. } = InProcess::sandbox(impatient).await;
    let begin = "POST /mcp HTTP/1.1\r\n".to_owned();
    let (answer, took) = trickle(address, begin, "x-filler: 1\r\n").await;
    assert_eq!(answer, "");
    assert!(took > SHORT.mul_f64(0.8) && took < LATE, "{took:?}");
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed_as_if_its_head_were_late() {
    let InProcess { address, .. } = InProcess::sandbox(impatient).await;
    let (_, took) = trickle(address, String::new(), "").await;
    assert!(took > SHORT.mul_f64(0.8) && took < LATE, "{took:?}");
}

#[tokio::test]
async fn a_later_head_has_the_same_time_from_its_first_byte_on() {
    let InProcess { address, .. } = InProcess::sandbox(impatient).await;
    let (answer, took) = trickle(address, healthz(address), "x").await;
    assert!(answer.contains("200 OK"), "{answer}");
    assert!(took > SHORT.mul_f64(0.8) && took < LATE, "{took:?}");
}

#[tokio::test]
async fn a_connection_may_be_idle_for_longer_than_a_head_takes() {
    let InProcess { address, .. } = InProcess::sandbox(impatient).await;
    tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        for _ in 0..3 {
            stream.write_all(healthz(address).as_bytes()).unwrap();
            let mut answer = [0; 1024];
            let read = stream.read(&mut answer).unwrap();
            assert!(String::from_utf8_lossy(&answer[..read]).contains("200 OK"));
            std::thread::sleep(2 * SHORT);
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_connection_that_stays_idle_is_closed() {
    let short_idle = |options: &mut _| {
        impatient(options);
        options.deadlines.idle = 2 * SHORT;
    };
    let InProcess { address, .. } = InProcess::sandbox(short_idle).await;
    let (answer, took) = trickle(address, healthz(address), "").await;
    assert!(answer.contains("200 OK"), "{answer}");
    assert!(took > SHORT && took < LATE, "{took:?}");
}

#[tokio::test]
async fn what_comes_ahead_of_an_answer_is_not_late() {
    let upstream = Upstream::start(3 * SHORT).await;
    let InProcess { address, .. } = InProcess::before(&upstream.url, impatient).await;
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
        let mut answer = String::new();
        let mut buffer = [0; 4096];
        let mut sent = false;
        while !answer.ends_with("ok\n") {
            let read = stream.read(&mut buffer).unwrap();
            assert!(read > 0, "it was closed: {answer}");
            answer += std::str::from_utf8(&buffer[..read]).unwrap();
            if answer.contains("12345") && !sent {
                stream.write_all(rest.as_bytes()).unwrap();
                sent = true;
            }
        }
        assert!(sent, "{answer}");
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_body_that_trickles_is_refused_at_the_deadline() {
    let server = InProcess::sandbox(impatient).await;
    let address = server.address;
    let sse = Sse::open(&server.client()).await;
    for path in ["/mcp", &sse.endpoint] {
        let begin = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
             accept: application/json, text/event-stream\r\ncontent-length: 100000\r\n\r\n"
        );
        let (answer, took) = trickle(address, begin, " ").await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(took > SHORT.mul_f64(0.8) && took < LATE, "{took:?}");
    }
}

/// Asks for answers without reading them until the server breaks the connection. Tells by what error it learns that,
/// and how long after the last request that still found room.
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
    // The server reads no more requests while its answers find no room; its end is seen by writing.
    while started.elapsed() < Duration::from_mins(1) {
        if let Err(error) = stream.write_all(one.as_bytes()) {
            return (error.kind(), written.elapsed());
        }
        written = Instant::now();
    }
    panic!("it was not dropped");
}

#[tokio::test]
async fn who_does_not_read_is_dropped_and_others_do_not_notice() {
    let server = InProcess::sandbox(impatient).await;
    let client = server.client();
    let session = client.begin("2025-06-18").await;
    let (address, id) = (server.address, session.session().to_owned());
    let stalled = tokio::task::spawn_blocking(move || stall(address, &id));
    for _ in 0..20 {
        let started = Instant::now();
        assert_eq!(client.stateless("check_auth_status").send().await.unwrap().status(), 200);
        assert!(started.elapsed() < Duration::from_secs(2));
    }
    let (kind, took) = stalled.await.unwrap();
    assert!(matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{kind:?}");
    assert!(took < LATE, "{took:?}");
    assert_eq!(session.status(&ping()).await, 200, "its session goes on");
}
