//! Limits that hold during a flood of requests, measured on the program itself.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use crate::support::{FIRST, SECOND, Server, Sse, call, initialize, text, upstream::Upstream};
use futures_util::future::join_all;
use reqwest::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The maximum time that a client waits to be served.
const MAX_SERVE_TIME: Duration = Duration::from_secs(2);

const MIB: u64 = 1024 * 1024;

/// Raises the limit of open files of this process.
fn allow_sockets(count: u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < count) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(count), ..limit }).expect("ulimit -n is too low");
    }
}

fn silent(server: &Server, count: usize) -> Vec<TcpStream> {
    (0..count).map(|_| TcpStream::connect(("127.0.0.1", server.port())).unwrap()).collect()
}

async fn assert_served_quickly(server: &Server) {
    let started = Instant::now();
    let client = server.with_key(FIRST);
    let health = client.request(Method::GET, "/healthz").send().await.unwrap();
    assert_eq!(health.status(), 200);
    let session = client.begin("2025-06-18").await;
    assert!(session.call("check_auth_status").await.contains("12345"));
    assert!(started.elapsed() < MAX_SERVE_TIME, "{:?}", started.elapsed());
}

#[tokio::test]
async fn idle_connections_are_kept_up_to_the_limit_and_do_not_block_others() {
    allow_sockets(4000);
    let server = Server::sandbox(&["--auth", "key"]);
    let mut sse = Sse::begin(&server.with_key(FIRST)).await;
    let before = server.sockets();
    let _silent = silent(&server, 1500);
    assert_served_quickly(&server).await;
    let held = server.sockets() - before;
    // The count includes the server's connections to the sandbox in the same process.
    assert!(held <= 1024 + 8, "{held} connections are open");
    assert!(held > 1000, "the limit is not lower than configured: {held}");
    assert!(server.bound_reached("connections").await >= 400);
    assert!(sse.call("check_auth_status").await.contains("12345"), "a session with an open stream is kept");
}

#[tokio::test]
async fn the_longest_idle_connection_is_closed_to_make_room() {
    let server = Server::sandbox(&["--max-connections", "4"]);
    let mut connections = silent(&server, 3);
    let health =
        format!("GET /healthz HTTP/1.1\r\nhost: {}\r\n\r\n", server.url.trim_start_matches("http://"));
    let ask = |connection: &mut TcpStream| {
        connection.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let _written = connection.write_all(health.as_bytes());
        let mut response = [0; 1024];
        connection.read(&mut response).is_ok_and(|read| response[..read].starts_with(b"HTTP/1.1 200"))
    };
    for connection in &mut connections {
        assert!(ask(connection));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(ask(&mut connections[0]));
    let mut more = silent(&server, 2);
    assert!(more.iter_mut().all(&ask));
    assert!(!ask(&mut connections[1]), "it was idle for longest");
    assert!(ask(&mut connections[0]) && ask(&mut connections[2]));
    assert_eq!(
        server.bound_reached("connections").await,
        2,
        "the connection for this request makes room, too"
    );
}

#[tokio::test]
async fn active_connections_are_kept_and_a_newcomer_is_rejected_with_a_retry_after() {
    let upstream = Upstream::start(Duration::from_millis(1500)).await;
    let server = Server::before(&upstream.url, &["--max-connections", "2"]);
    let sse_client = server.client();
    let stream = sse_client.begin("2025-06-18").await;
    let _stream = stream.stream().await;
    let call = tokio::spawn(server.client().stateless("check_auth_status").send());
    upstream.wait_for_requests(1).await;
    let mut newcomer = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    newcomer.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut response = String::new();
    newcomer.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 503 ") && response.contains("retry-after: "), "{response}");
    assert_eq!(call.await.unwrap().unwrap().status(), 200, "a call is not interrupted");
    assert_eq!(server.client().request(Method::GET, "/healthz").send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn few_file_descriptors_do_not_block_new_connections() {
    let upstream = Upstream::start(Duration::ZERO).await;
    // In the second case, file descriptors run out before the limit of connections is reached.
    for limit in [128, 30] {
        let arguments = ["http", "--auth", "key", "--bind", "127.0.0.1:0", "--api-url", &upstream.url];
        let server = Server::with_open_files(limit, &arguments);
        let _silent = silent(&server, 300);
        assert_served_quickly(&server).await;
        assert!(server.sockets() < limit as usize);
        let bound = if limit == 30 { "file_descriptors" } else { "connections" };
        assert!(server.bound_reached(bound).await > 0, "{bound}");
    }
}

/// Sends a body except its last byte, and waits. Returns the status line if the server responds anyway.
async fn hold_body(port: u16, bytes: usize, hold: Duration) -> Option<String> {
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nx-scope3-api-key: {SECOND}\r\n\
         content-type: application/json\r\naccept: application/json, text/event-stream\r\n\
         content-length: {bytes}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let _sent = stream.write_all(&vec![b' '; bytes - 1]).await;
    let mut response = [0; 1024];
    let read = tokio::time::timeout(hold, stream.read(&mut response)).await.ok()?.ok()?;
    let response = String::from_utf8_lossy(&response[..read]).into_owned();
    assert!(!response.contains(" 503 ") || response.contains("retry-after: "), "{response}");
    response.split(' ').nth(1).map(str::to_owned)
}

#[tokio::test]
async fn unfinished_bodies_take_bounded_memory() {
    let server = Server::sandbox(&["--auth", "key"]);
    assert_served_quickly(&server).await;
    let idle = server.resident();
    let port = server.port();
    let held: Vec<_> =
        (0..150).map(|_| tokio::spawn(hold_body(port, 4_000_000, Duration::from_secs(12)))).collect();
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_served_quickly(&server).await;
    let statuses: Vec<_> = join_all(held).await.into_iter().map(Result::unwrap).collect();
    let rejected = statuses.iter().filter(|status| status.as_deref() == Some("503")).count();
    assert!(rejected > 100, "{statuses:?}");
    assert!(server.bound_reached("request_bodies").await > 100);
    let grown = server.peak().saturating_sub(idle);
    println!("150 bodies of 4 MB took {} MiB at the most", grown / MIB);
    assert!(grown <= 150 * MIB, "{} MiB", grown / MIB);
}

#[tokio::test]
async fn the_memory_for_requests_is_configurable() {
    let server = Server::sandbox(&["--auth", "key", "--request-memory", "4"]);
    let port = server.port();
    let answers = |wanted: u16| {
        let client = server.with_key(FIRST);
        async move {
            while client.status(&initialize("2025-06-18")).await != wanted {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    };
    // A request that is being read when the large body wants the whole budget makes the large body the rejected one.
    // Then the large body is sent again.
    let send_slowly = || tokio::spawn(hold_body(port, 4_000_000, Duration::from_secs(30)));
    let mut held = send_slowly();
    let taken = async {
        loop {
            tokio::select! {
                () = answers(503) => return,
                _early = &mut held => held = send_slowly(),
            }
        }
    };
    let within = Duration::from_secs(15);
    tokio::time::timeout(within, taken).await.expect("the unfinished body takes the whole budget");
    tokio::time::timeout(within, answers(200)).await.expect("a slow body is displaced");
    assert_eq!(held.await.unwrap().as_deref(), Some("503"));
}

fn invented(number: usize) -> String {
    format!("scope3_{}_invented{number}", "0".repeat(32))
}

#[tokio::test]
async fn invented_keys_do_not_close_sessions_of_real_keys() {
    let server = Server::sandbox(&["--auth", "key", "--max-sessions", "10"]);
    let session = server.with_key(FIRST).begin("2025-06-18").await;
    assert!(session.call("check_auth_status").await.contains("12345"));
    let mut sse = Sse::begin(&server.with_key(SECOND)).await;
    assert!(sse.call("check_auth_status").await.contains("67890"));
    for number in 0..30 {
        let stranger = server.with_key(&invented(number));
        let opened = stranger.status(&initialize("2025-06-18")).await;
        assert!(matches!(opened, 200 | 503), "{opened}");
    }
    assert!(session.call("check_auth_status").await.contains("12345"));
    assert!(sse.call("check_auth_status").await.contains("67890"));
    server.with_key(FIRST).begin("2025-06-18").await;
    assert_eq!(server.metric("scope3_mcp_sessions_open{transport=\"sse\"}").await, Some(1.0));
}

#[tokio::test]
async fn invented_keys_do_not_hide_the_remaining_limits_of_real_keys() {
    let server = Server::sandbox(&["--auth", "key", "--mcp-limit", "10/h"]);
    let client = server.client();
    for numbers in (0..1100).collect::<Vec<usize>>().chunks(50) {
        join_all(numbers.iter().map(|number| {
            let stranger = client.clone().with("x-scope3-api-key", &invented(*number));
            async move { stranger.status(&call(1, "check_auth_status")).await }
        }))
        .await;
    }
    let mut sse = Sse::begin(&server.with_key(FIRST)).await;
    assert_eq!(sse.send(&call(1, "check_auth_status")).await, 202);
    assert!(text(&sse.next_response().await).contains("12345"));
    assert_eq!(sse.send(&call(2, "check_auth_status")).await, 202);
    assert!(text(&sse.next_response().await).contains("12345"));
    assert_eq!(server.metric("scope3_mcp_permits_left{class=\"mcp\"}").await, Some(8.0));
}
