//! Test support: the program as a process on a pipe, and the gateway in front of a mock API.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "tests"
)]

pub mod api;
pub mod campaign;
pub mod canary;
pub mod documents;
#[cfg(unix)]
pub mod pty;
pub mod redis;

use std::{num::NonZeroU32, path::Path, process::Stdio, sync::Arc, time::Duration};

use scope3_mcp_gateway::{
    Api, Backend, CallError, Caller, ClientConfig, Gateway, GatewayConfig, KeyOwner, OnLimit, Profile,
    ResponseMemory, Success,
    budget::Caps,
    catalog::{Catalog, Surface},
    consent::{Confirm, Person},
    credentials::{ApiKey, KeyRing, KeySource},
    limits::{Class, Quota},
    policy::{Policy, Selection},
    state::{State, StateLocation},
    uploads::Uploads,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

/// The maximum time of any step of a program under test.
const TIMEOUT: Duration = Duration::from_secs(30);

/// `scope3-mcp` with an empty environment, so that the tester's settings have no effect.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scope3-mcp"));
    command
        .args(arguments)
        .env_clear()
        .env("SCOPE3_STATE", "memory")
        // Tests of other promises make changes without a person.
        .env("SCOPE3_CONFIRM", "off")
        .env("SCOPE3_API", "campaign")
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .kill_on_drop(true);
    // Windows cannot open sockets without it.
    if let Some(system) = std::env::var_os("SystemRoot") {
        command.env("SystemRoot", system);
    }
    command
}

/// The exit code and the output of a program.
pub struct Outcome {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

pub async fn run(command: &mut Command) -> Outcome {
    let output = tokio::time::timeout(TIMEOUT, command.stdin(Stdio::null()).output()).await.unwrap().unwrap();
    Outcome {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// An MCP session over standard input and output, message by message.
pub struct Session {
    pub child: Child,
    pub stdin: Option<ChildStdin>,
    lines: Option<Lines<BufReader<ChildStdout>>>,
    next_id: u64,
}

impl Session {
    /// Starts the program and initializes a session with this protocol version.
    pub async fn start(command: &mut Command, version: &str) -> Self {
        Self::of_client(command, version, json!({})).await
    }

    /// Starts the program and initializes a session for a client with these capabilities.
    pub async fn of_client(command: &mut Command, version: &str, capabilities: Value) -> Self {
        let mut session = Self::spawn(command);
        let hello = json!({
            "protocolVersion": version, "capabilities": capabilities,
            "clientInfo": { "name": "test", "version": "1" },
        });
        let result = session.request("initialize", hello).await;
        assert!(result["result"].is_object(), "{result}");
        session.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
        session
    }

    /// Starts the program with the sandbox and initializes a session.
    pub async fn sandbox(arguments: &[&str]) -> Self {
        Self::start(command(arguments).env("SCOPE3_SANDBOX", "1"), "2025-11-25").await
    }

    /// Starts the program without initializing a session.
    pub fn spawn(command: &mut Command) -> Self {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { stdin: child.stdin.take(), lines: Some(lines), child, next_id: 0 }
    }

    pub async fn send(&mut self, message: &Value) {
        self.send_raw(format!("{message}\n").as_bytes()).await;
    }

    pub async fn send_raw(&mut self, bytes: &[u8]) {
        self.stdin.as_mut().unwrap().write_all(bytes).await.unwrap();
    }

    /// The next line of output.
    pub async fn line(&mut self) -> String {
        self.next_line().await.expect("the output has ended")
    }

    async fn next_line(&mut self) -> Option<String> {
        let lines = self.lines.as_mut().unwrap();
        tokio::time::timeout(TIMEOUT, lines.next_line()).await.expect("no output in time").unwrap()
    }

    /// Stops reading: later writes of the server fail.
    pub fn close_output(&mut self) {
        self.lines = None;
    }

    /// The next message of the server, or `None` at the end of its output.
    pub async fn receive(&mut self) -> Option<Value> {
        let line = self.next_line().await?;
        Some(serde_json::from_str(&line).unwrap_or_else(|error| panic!("not a message: {error}: {line}")))
    }

    /// Sends a request and returns its id.
    pub async fn ask(&mut self, method: &str, params: Value) -> u64 {
        self.next_id += 1;
        self.send(&json!({ "jsonrpc": "2.0", "id": self.next_id, "method": method, "params": params })).await;
        self.next_id
    }

    /// Sends a request and waits for its response, skipping other messages.
    pub async fn request(&mut self, method: &str, params: Value) -> Value {
        let id = self.ask(method, params).await;
        loop {
            let message = self.receive().await.expect("the server has ended");
            if message["id"] == id {
                return message;
            }
        }
    }

    /// Calls a tool and returns its result.
    pub async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let response = self.request("tools/call", json!({ "name": tool, "arguments": arguments })).await;
        assert!(response["result"].is_object(), "{response}");
        response["result"].clone()
    }

    /// Closes the input. Returns the remaining messages, the exit code and the log.
    pub async fn end(mut self) -> (Vec<Value>, Option<i32>, String) {
        drop(self.stdin.take());
        self.finish().await
    }

    /// Waits for the end of the program. Returns the remaining messages, the exit code and the log.
    pub async fn finish(mut self) -> (Vec<Value>, Option<i32>, String) {
        let mut rest = Vec::new();
        while let Some(message) = self.receive().await {
            rest.push(message);
        }
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).await.unwrap();
        let status = tokio::time::timeout(TIMEOUT, self.child.wait()).await.unwrap().unwrap();
        (rest, status.code(), log)
    }
}

/// A valid key that does not exist.
pub fn key(name: &str) -> ApiKey {
    ApiKey::parse(&key_text(name).into()).unwrap()
}

/// The text of [`key`].
pub fn key_text(name: &str) -> String {
    format!("scope3_{}_{name}", "a".repeat(32))
}

/// A gateway in front of a mock API, and a caller.
pub struct Rig {
    pub gateway: Arc<Gateway>,
    pub caller: Caller,
}

impl Rig {
    /// A gateway to the API at `url`, with one key and the default limits.
    pub fn new(url: &str) -> Self {
        Self::with(url, &["only"], OnLimit::Reject, ["500/h", "1000/h", "50/h"], ClientConfig::default())
    }

    pub fn with(url: &str, keys: &[&str], on_limit: OnLimit, rates: [&str; 3], config: ClientConfig) -> Self {
        // Tests of other promises repeat their changes.
        Self::sharing(StateLocation::Memory.state(), Duration::ZERO, url, keys, on_limit, rates, config)
    }

    /// A gateway that shares a state, and guards against repeated changes for some time.
    pub fn sharing(
        state: Arc<dyn State>,
        repeat_guard: Duration,
        url: &str,
        keys: &[&str],
        on_limit: OnLimit,
        rates: [&str; 3],
        config: ClientConfig,
    ) -> Self {
        Self::of(Self::parts(state, repeat_guard, url, on_limit, rates, config), keys)
    }

    /// A gateway with a policy file.
    pub fn under(url: &str, policy: &Path) -> Self {
        let rates = ["500/h", "1000/h", "50/h"];
        let state = StateLocation::Memory.state();
        let parts = Self::parts(state, Duration::ZERO, url, OnLimit::Reject, rates, ClientConfig::default());
        let policy = parts.policy.with_file(policy.to_owned(), &parts.catalog).unwrap();
        Self::of(GatewayConfig { policy, ..parts }, &["only"])
    }

    /// A gateway that asks for consent, or keeps to caps, and shares a state.
    pub fn careful(url: &str, state: Arc<dyn State>, confirm: Confirm, caps: Caps) -> Self {
        let rates = ["500/h", "1000/h", "50/h"];
        let parts = Self::parts(state, Duration::ZERO, url, OnLimit::Reject, rates, ClientConfig::default());
        Self::of(GatewayConfig { confirm, caps, ..parts }, &["only"])
    }

    /// The same gateway for a caller whose person can be asked in this way.
    pub fn with_person(&self, person: Person) -> Self {
        let caller = Caller { person, ..self.caller.clone() };
        Self { gateway: Arc::clone(&self.gateway), caller }
    }

    /// A gateway with the default parts, changed.
    pub fn changed(url: &str, change: impl FnOnce(GatewayConfig) -> GatewayConfig) -> Self {
        let rates = ["500/h", "1000/h", "50/h"];
        let state = StateLocation::Memory.state();
        let parts = Self::parts(state, Duration::ZERO, url, OnLimit::Reject, rates, ClientConfig::default());
        Self::of(change(parts), &["only"])
    }

    fn parts(
        state: Arc<dyn State>,
        repeat_guard: Duration,
        url: &str,
        on_limit: OnLimit,
        rates: [&str; 3],
        config: ClientConfig,
    ) -> GatewayConfig {
        let catalog = Catalog::of_surfaces(&[Surface::Campaign]);
        let all = Selection {
            toolsets: Some(vec!["all".to_owned()]),
            surfaces: vec![Surface::Campaign],
            ..Selection::default()
        };
        let policy = Policy::new(&catalog, all).unwrap();
        let [mcp, api, export] = rates.map(|rate| rate.parse().unwrap());
        let rates = [(Class::MCP, mcp), (Class::API, api), (Class::EXPORT, export)];
        let profile = Profile::of(Surface::Campaign).unwrap();
        let quotas = profile.quotas.iter().map(|quota| {
            let (_, rate) = rates.iter().find(|(class, _)| *class == quota.class).unwrap();
            Quota { rate: *rate, ..*quota }
        });
        let memory = ResponseMemory::new(256 << 20);
        let api = Api::new(profile, url.parse().unwrap(), config, memory, quotas.collect());
        GatewayConfig {
            catalog,
            policy,
            surfaces: [api].into_iter().collect(),
            on_limit,
            unproven_per_minute: NonZeroU32::new(60).unwrap(),
            state,
            repeat_guard,
            journal_arguments: false,
            confirm: Confirm::Off,
            caps: Caps::default(),
            max_result: 6_000,
            uploads: Uploads::default(),
            target: Backend::Production,
        }
    }

    fn of(parts: GatewayConfig, keys: &[&str]) -> Self {
        let mut keys = keys.iter().map(|name| key(name));
        let primary = KeySource::Given(Ok(keys.next().unwrap()));
        let ring = KeyRing::new(primary, keys.collect(), None);
        Self { gateway: Arc::new(Gateway::new(parts)), caller: Caller::new(Arc::new(ring), KeyOwner::Server) }
    }

    pub async fn call(&self, tool: &str, arguments: Value) -> Result<Success, CallError> {
        let Value::Object(arguments) = arguments else { panic!("expected an object") };
        self.gateway.call(self.caller.clone(), tool, arguments, Arc::new(|_| {})).await
    }

    /// Calls a tool with the caller's own name for the change.
    pub async fn call_as(&self, name: &str, tool: &str, arguments: Value) -> Result<Success, CallError> {
        let caller = Caller { idempotency_key: Some(name.to_owned()), ..self.caller.clone() };
        let Value::Object(arguments) = arguments else { panic!("an object is wanted") };
        self.gateway.call(caller, tool, arguments, Arc::new(|_| {})).await
    }

    /// The failure of a call that must fail.
    pub async fn failure(&self, tool: &str, arguments: Value) -> Value {
        body(self.call(tool, arguments).await)
    }

    /// How many requests of a class are used: 0 is MCP, 1 API, 2 export.
    pub async fn used(&self, name: &str, class: usize) -> u32 {
        self.gateway.usage(key(name).fingerprint()).await[class].used
    }
}

/// The body of a failed call.
pub fn body(outcome: Result<Success, CallError>) -> Value {
    match outcome {
        Err(CallError::Failed(failure)) => serde_json::to_value(failure).unwrap(),
        other => panic!("{other:?}"),
    }
}
