//! Measures the HTTP transport against its targets, as ratios, in about three minutes.
//!
//! `make bench` runs it on the program as it ships. Names (`memory`, `throughput`, `state`, `consent`, `stalled`, `junk`) select
//! measurements; `cargo bench --profile dist --bench http -- memory` runs one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark"
)]

#[path = "../tests/http/support/mod.rs"]
mod support;

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ServerCapabilities,
        ServerConfig, Tool,
    },
    service::RequestContext,
    transport::{
        StreamableHttpServerConfig, StreamableHttpService,
        streamable_http_server::session::never::NeverSessionManager,
    },
};
use support::{FIRST, Mcp, Server};

const MIB: f64 = 1024.0 * 1024.0;
const CALLERS: usize = 16;

/// Rate limits that no measurement reaches.
const UNLIMITED: [&str; 4] = ["--mcp-limit", "1000000/s", "--api-limit", "1000000/s"];

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--echo") {
        return echo().await;
    }
    let is_selected = |name: &str| {
        let mut names = arguments.iter().filter(|argument| !argument.starts_with('-')).peekable();
        names.peek().is_none() || names.any(|selected| selected == name)
    };
    if is_selected("memory") {
        memory().await;
    }
    if is_selected("throughput") {
        throughput().await;
    }
    if is_selected("state") {
        state().await;
    }
    if is_selected("consent") {
        consent().await;
    }
    if is_selected("stalled") {
        stalled().await;
    }
    if is_selected("junk") {
        junk().await;
    }
}

/// Resident memory with 1,000 open sessions, each with a stream.
async fn memory() {
    let server = Server::sandbox(&[]);
    let before = server.resident();
    let mut open = Vec::new();
    for _ in 0..1000 {
        // Separate connection pools, as separate clients have.
        let client = Mcp { http: reqwest::Client::new(), ..server.client() };
        let session = client.begin("2025-11-25").await;
        let stream = session.stream().await;
        assert_eq!(stream.status(), 200);
        open.push((session, stream));
    }
    for (session, _) in open.iter().step_by(10) {
        session.call("check_auth_status").await;
    }
    let resident = server.resident();
    report(
        "resident memory with 1,000 open sessions",
        mib(resident) / 200.0,
        "of 200 MiB; target: at most 1",
        &format!("{:.0} MiB, {:.0} KiB per session", mib(resident), mib(resident - before) * 1024.0 / 1000.0),
    );
}

/// Calls per second, compared with a bare echo server on rmcp. Each of our calls sends a request to the sandbox.
async fn throughput() {
    let ours = Server::sandbox(&UNLIMITED);
    let mut echo = Echo::start();
    let others = Mcp { http: reqwest::Client::new(), url: echo.url.clone(), ..ours.client() };
    let (mut fast, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        bare.push(rate(&others, "echo").await);
        fast.push(rate(&ours.client(), "check_auth_status").await);
    }
    echo.end();
    let (fast, bare) = (median(&mut fast), median(&mut bare));
    report(
        "calls by 16 callers over stateless HTTP",
        fast / bare,
        "of those of a bare rmcp echo server; target: at least 0.4",
        &format!("{fast:.0} and {bare:.0} per second"),
    );
}

/// Calls per second with a state file, compared with a state in memory.
async fn state() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("state.db");
    let with_file = Server::sandbox(&[&UNLIMITED, ["--state", file.to_str().unwrap()].as_slice()].concat());
    let in_memory = Server::sandbox(&UNLIMITED);
    let (mut filed, mut remembered) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        filed.push(rate(&with_file.client(), "check_auth_status").await);
        remembered.push(rate(&in_memory.client(), "check_auth_status").await);
    }
    let (filed, remembered) = (median(&mut filed), median(&mut remembered));
    report(
        "calls by 16 callers with a state file",
        filed / remembered,
        "of those with a state in memory; target: at least 0.8",
        &format!("{filed:.0} and {remembered:.0} per second"),
    );
}

/// Calls per second of a read while changes need consent and have caps, compared with neither.
async fn consent() {
    let caps = ["--confirm", "auto", "--max-budget", "5000 USD", "--max-budget-per-day", "9000 USD"];
    let careful = Server::sandbox(&[&UNLIMITED, caps.as_slice()].concat());
    let free = Server::sandbox(&[&UNLIMITED, ["--confirm", "off"].as_slice()].concat());
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        with.push(rate(&careful.client(), "check_auth_status").await);
        without.push(rate(&free.client(), "check_auth_status").await);
    }
    let (with, without) = (median(&mut with), median(&mut without));
    let rates = format!("{with:.0} and {without:.0} per second");
    let target = "of those without; target: at least 0.97";
    report("calls of a read with consent and caps for changes", with / without, target, &rates);
}

async fn rate(client: &Mcp, tool: &'static str) -> f64 {
    let span = Duration::from_secs(3);
    let started = Instant::now();
    let callers = (0..CALLERS).map(|_| {
        let client = client.clone();
        tokio::spawn(async move {
            let mut calls = 0_u32;
            while started.elapsed() < span {
                succeed(&client, tool).await;
                calls += 1;
            }
            calls
        })
    });
    let mut calls = 0;
    for caller in callers.collect::<Vec<_>>() {
        calls += caller.await.unwrap();
    }
    f64::from(calls) / started.elapsed().as_secs_f64()
}

async fn succeed(client: &Mcp, tool: &str) {
    let response = client.stateless(tool).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let body = response.bytes().await.unwrap();
    assert!(!body.windows(14).any(|part| part == b"\"isError\":true"), "{}", String::from_utf8_lossy(&body));
}

/// The 99th percentile of the latency while other clients do not read their responses.
async fn stalled() {
    let server = Server::sandbox(&UNLIMITED);
    latencies(&server, Duration::from_secs(2)).await;
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..4 {
        without.push(p99(latencies(&server, Duration::from_secs(5)).await));
        let stalled: Vec<Stalled> = (0..50).map(|_| Stalled::begin(server.port())).collect();
        let begun = Instant::now();
        while !stalled.iter().all(Stalled::is_stalled) {
            assert!(begun.elapsed() < Duration::from_secs(20), "some of the 50 readers did not stall");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        with.push(p99(latencies(&server, Duration::from_secs(5)).await));
        drop(stalled);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let (without, with) = (median(&mut without), median(&mut with));
    report(
        "p99 latency while 50 readers stall",
        with / without,
        "of the p99 without them; target: at most 1.2",
        &format!("{:.2} and {:.2} ms", with * 1000.0, without * 1000.0),
    );
}

/// The latencies of calls in seconds, at a load below the machine's capacity.
async fn latencies(server: &Server, span: Duration) -> Vec<f64> {
    let started = Instant::now();
    let callers = (0..4).map(|_| {
        let client = server.client();
        tokio::spawn(async move {
            let mut times = Vec::new();
            while started.elapsed() < span {
                let sent = Instant::now();
                succeed(&client, "check_auth_status").await;
                times.push(sent.elapsed().as_secs_f64());
                tokio::time::sleep(Duration::from_millis(4)).await;
            }
            times
        })
    });
    let mut times = Vec::new();
    for caller in callers.collect::<Vec<_>>() {
        times.extend(caller.await.unwrap());
    }
    times
}

/// A client that sends requests and does not read the responses.
struct Stalled {
    stuck: Arc<AtomicBool>,
    stream: TcpStream,
}

impl Stalled {
    fn begin(port: u16) -> Self {
        let mut message = support::modern_call("");
        message["method"] = "tools/list".into();
        let body = message.to_string();
        let length = body.len();
        let one = format!(
            "POST /mcp HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\n\
             accept: application/json, text/event-stream\r\nmcp-protocol-version: 2026-07-28\r\n\
             mcp-method: tools/list\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
        let stuck = Arc::new(AtomicBool::new(false));
        let (mut writer, flag) = (stream.try_clone().unwrap(), Arc::clone(&stuck));
        std::thread::spawn(move || {
            // The server stops reading requests when a response cannot be written.
            while writer.write_all(one.as_bytes()).is_ok() {}
            flag.store(true, Ordering::Relaxed);
        });
        Self { stuck, stream }
    }

    fn is_stalled(&self) -> bool {
        self.stuck.load(Ordering::Relaxed)
    }
}

impl Drop for Stalled {
    fn drop(&mut self) {
        let _closed = self.stream.shutdown(std::net::Shutdown::Both);
    }
}

/// Resident memory after 100,000 invalid POST requests.
async fn junk() {
    let server = Server::sandbox(&["--auth", "key"]);
    let client = server.with_key(FIRST);
    send_junk(&client, 10_000).await;
    let before = server.resident();
    let started = Instant::now();
    send_junk(&client, 100_000).await;
    let took = started.elapsed().as_secs_f64();
    let after = server.resident();
    let sessions = server.metric("scope3_mcp_sessions_open{transport=\"streamable-http\"}").await;
    assert_eq!(sessions, Some(0.0));
    report(
        "resident memory after 100,000 invalid POST requests",
        mib(after) / mib(before),
        "of the memory before; target: about 1",
        &format!(
            "{:.1} and {:.1} MiB, no session, {:.0} requests per second",
            mib(after),
            mib(before),
            100_000.0 / took
        ),
    );
}

async fn send_junk(client: &Mcp, count: usize) {
    let bodies: [&'static str; 5] = [
        "junk",
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":5}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#,
        r#"{"jsonrpc":"2.0","id":1,"id":2}"#,
    ];
    let workers = (0..CALLERS).map(|worker| {
        let client = client.clone();
        tokio::spawn(async move {
            for number in 0..count / CALLERS {
                let body = bodies[(number + worker) % bodies.len()];
                let mut request = client.post_text(body);
                if number % 2 == 0 {
                    request = request.header("mcp-session-id", number.to_string());
                }
                let response = request.send().await.unwrap();
                assert!(response.status().is_client_error());
                response.bytes().await.unwrap();
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
}

/// A bare rmcp server in a separate process.
struct Echo {
    process: Child,
    url: String,
}

impl Echo {
    fn start() -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut process = command.arg("--echo").stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { process, url: line.trim().to_owned() }
    }

    fn end(&mut self) {
        let _ended = self.process.kill();
        let _reaped = self.process.wait();
    }
}

#[derive(Clone)]
struct EchoServer;

impl ServerHandler for EchoServer {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        (name == "echo").then(|| Tool::new("echo", "Echo", serde_json::Map::new()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        Ok(CallToolResult::success(vec![ContentBlock::text(request.name.to_string())]).into())
    }
}

async fn echo() {
    use axum::serve::ListenerExt;
    let config =
        StreamableHttpServerConfig::default().with_legacy_session_mode(false).with_json_response(true);
    let service =
        StreamableHttpService::new(|| Ok(EchoServer), Arc::new(NeverSessionManager::default()), config);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("http://{}", listener.local_addr().unwrap());
    let listener = listener.tap_io(|stream| stream.set_nodelay(true).unwrap());
    axum::serve(listener, axum::Router::new().route_service("/mcp", service)).await.unwrap();
}

fn report(what: &str, ratio: f64, of: &str, numbers: &str) {
    println!("{what}: {ratio:.2} {of} ({numbers})");
}

fn mib(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes / 1024).unwrap()) * 1024.0 / MIB
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn p99(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() * 99 / 100]
}
