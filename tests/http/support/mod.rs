//! A running `scope3-mcp http`, and clients that use it over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![allow(dead_code, unreachable_pub, unused_imports, reason = "each test file uses a part")]

use std::{
    ffi::OsString,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use reqwest::{
    Client, Method, RequestBuilder, Response,
    header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

#[path = "../../support/campaign.rs"]
pub mod campaign;
#[path = "../../support/canary.rs"]
pub mod canary;
pub mod in_process;
#[path = "../../support/redis.rs"]
pub mod redis;
mod sse;
pub mod upstream;

pub use self::sse::Sse;

/// The keys of the sandbox's customers 12345 and 67890.
pub const FIRST: &str = "scope3_sandboxcustomer12345notarealkey0_sandboxsecret";
pub const SECOND: &str = "scope3_sandboxcustomer67890notarealkey0_sandboxsecret";

/// A server process. Dropping it ends the process.
pub struct Server {
    process: Child,
    pub url: String,
    // A file, because a pipe needs a reader, whose work would distort benchmarks.
    log: NamedTempFile,
}

/// The program under test: the one in `BENCH_BINARY`, or the one that Cargo built.
pub fn program() -> OsString {
    std::env::var_os("BENCH_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_scope3-mcp").into())
}

/// A command without the settings of the person who runs the tests.
pub fn command(arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(program());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SCOPE3_") || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    // The directory of the tester's own settings file.
    for variable in ["HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "APPDATA"] {
        command.env_remove(variable);
    }
    command
        .args(arguments)
        .env("SCOPE3_STATE", "memory")
        .env("SCOPE3_CONFIRM", "off")
        .env("SCOPE3_API", "campaign")
        .envs(environment.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

impl Server {
    /// A server with the sandbox, on a free local port.
    pub fn sandbox(arguments: &[&str]) -> Self {
        let mut all = vec!["http", "--sandbox", "--bind", "127.0.0.1:0"];
        all.extend(arguments);
        Self::start(&all, &[])
    }

    /// A server whose upstream is `url`, with the first key as its own.
    pub fn before(url: &str, arguments: &[&str]) -> Self {
        let mut all = vec!["http", "--bind", "127.0.0.1:0", "--api-url", url];
        all.extend(arguments);
        Self::start(&all, &[("SCOPE3_API_KEY", FIRST)])
    }

    pub fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let log = NamedTempFile::new().unwrap();
        let stderr = log.reopen().unwrap();
        let process = command(arguments, environment).stderr(stderr).spawn().unwrap();
        let mut server = Self { process, url: String::new(), log };
        server.url = server.wait_for_url();
        server
    }

    /// A server with this limit of open files.
    pub fn with_open_files(limit: u32, arguments: &[&str]) -> Self {
        let log = NamedTempFile::new().unwrap();
        let inner = command(arguments, &[]);
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("ulimit -n {limit}; exec \"$0\" \"$@\""));
        command.arg(inner.get_program()).args(inner.get_args()).env_clear();
        command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("SCOPE3_API_KEY", FIRST).env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log.reopen().unwrap());
        let mut server = Self { process: command.spawn().unwrap(), url: String::new(), log };
        server.url = server.wait_for_url();
        server
    }

    fn wait_for_url(&mut self) -> String {
        loop {
            // Checked first, so that everything written before the end is in the log.
            let ended = self.process.try_wait().unwrap();
            let log = self.log();
            if let Some((_, rest)) = log.split_once("listening on ")
                && let Some((url, _)) = rest.split_once(' ')
            {
                return url.trim_end_matches("/mcp").to_owned();
            }
            assert!(ended.is_none(), "the server did not start: {log}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub fn port(&self) -> u16 {
        self.url.rsplit(':').next().unwrap().parse().unwrap()
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// The log so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log.path()).unwrap()
    }

    /// Sends a termination signal, as a container engine does.
    pub fn terminate(&self) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    }

    /// Waits for the end of the process and returns its exit code.
    pub async fn ended(&mut self, within: Duration) -> Option<i32> {
        let started = Instant::now();
        while started.elapsed() < within {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status.code();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("it did not end within {within:?}: {}", self.log());
    }

    /// A client without credentials.
    pub fn client(&self) -> Mcp {
        Mcp { http: Client::new(), url: self.url.clone(), headers: HeaderMap::new() }
    }

    /// A client that sends a key.
    pub fn with_key(&self, key: &str) -> Mcp {
        self.client().with("x-scope3-api-key", key)
    }

    /// The value of a metric, if present.
    pub async fn metric(&self, name: &str) -> Option<f64> {
        let text = reqwest::get(format!("{}/metrics", self.url)).await.unwrap().text().await.unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map(|value| value.parse().unwrap())
    }

    /// How often a limit was reached.
    pub async fn bound_reached(&self, bound: &str) -> u64 {
        let value = self.metric(&format!("scope3_mcp_bounds_reached_total{{bound=\"{bound}\"}}")).await;
        value.map_or(0, |value| format!("{value}").parse().unwrap())
    }

    /// The resident memory, in bytes.
    pub fn resident(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// The peak resident memory, in bytes.
    pub fn peak(&self) -> u64 {
        self.status("VmHWM:")
    }

    fn status(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// How many sockets are open.
    pub fn sockets(&self) -> usize {
        let descriptors = std::fs::read_dir(format!("/proc/{}/fd", self.process.id())).unwrap();
        let targets = descriptors.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
        targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.process.kill();
        let _reaped = self.process.wait();
    }
}

/// A Streamable HTTP client that exposes statuses.
#[derive(Clone)]
pub struct Mcp {
    pub http: Client,
    pub url: String,
    pub headers: HeaderMap,
}

impl Mcp {
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        self
    }

    pub fn without(mut self, name: &'static str) -> Self {
        self.headers.remove(name);
        self
    }

    /// A request to any path.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url)).headers(self.headers.clone())
    }

    pub fn post_text(&self, text: impl Into<reqwest::Body>) -> RequestBuilder {
        self.request(Method::POST, "/mcp")
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json, text/event-stream")
            .body(text)
    }

    pub async fn post(&self, message: &Value) -> Response {
        self.post_text(message.to_string()).send().await.unwrap()
    }

    pub async fn status(&self, message: &Value) -> u16 {
        self.post(message).await.status().as_u16()
    }

    /// The common stream of the session.
    pub async fn stream(&self) -> Response {
        self.request(Method::GET, "/mcp").header(ACCEPT, "text/event-stream").send().await.unwrap()
    }

    pub async fn delete(&self) -> u16 {
        self.request(Method::DELETE, "/mcp").send().await.unwrap().status().as_u16()
    }

    /// The same client with a new session.
    pub async fn begin(&self, version: &str) -> Self {
        let response = self.post(&initialize(version)).await;
        assert_eq!(response.status(), 200);
        let session = response.headers()["mcp-session-id"].to_str().unwrap().to_owned();
        let response = message(response).await;
        assert_eq!(response["result"]["protocolVersion"], version, "{response}");
        let client = self.clone().with("mcp-session-id", &session);
        let begun = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        assert_eq!(client.status(&begun).await, 202);
        client
    }

    pub fn session(&self) -> &str {
        self.headers["mcp-session-id"].to_str().unwrap()
    }

    /// Calls a tool in the session, and returns the text of the result.
    pub async fn call(&self, tool: &str) -> String {
        text(&message(self.post(&call(1, tool)).await).await)
    }

    /// A request of 2026-07-28 that calls a tool.
    pub fn stateless(&self, tool: &str) -> RequestBuilder {
        self.stateless_message(&modern_call(tool), tool)
    }

    pub fn stateless_message(&self, message: &Value, name: &str) -> RequestBuilder {
        self.post_text(message.to_string())
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", message["method"].as_str().unwrap())
            .header("mcp-name", name)
    }
}

pub fn initialize(version: &str) -> Value {
    json!({
        "jsonrpc": "2.0", "id": 0, "method": "initialize",
        "params": {
            "protocolVersion": version, "capabilities": {}, "clientInfo": { "name": "test", "version": "1" },
        },
    })
}

pub fn call(id: u64, tool: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": tool, "arguments": {} } })
}

pub fn modern_call(tool: &str) -> Value {
    let mut message = call(1, tool);
    message["params"]["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
    });
    message
}

/// The text of a tool's result.
pub fn text(response: &Value) -> String {
    response["result"]["content"][0]["text"]
        .as_str()
        .unwrap_or_else(|| panic!("no text: {response}"))
        .to_owned()
}

/// The JSON-RPC response in an HTTP response, whether or not it is a stream.
pub async fn message(response: Response) -> Value {
    let is_stream = response.headers()[CONTENT_TYPE].as_bytes().starts_with(b"text/event-stream");
    let body = response.text().await.unwrap();
    if !is_stream {
        return serde_json::from_str(&body).unwrap_or_else(|_| panic!("no JSON: {body}"));
    }
    let messages =
        body.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| !data.is_empty());
    let messages = messages.map(|data| serde_json::from_str::<Value>(data).unwrap());
    messages.into_iter().find(|message| message.get("id").is_some()).unwrap()
}

/// Sends a raw HTTP request, and returns everything received until the server closes.
pub fn raw(port: u16, text: &str) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    let mut response = Vec::new();
    let _closed = stream.read_to_end(&mut response);
    String::from_utf8_lossy(&response).into_owned()
}
