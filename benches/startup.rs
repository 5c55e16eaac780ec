//! Measures the time from starting the program to the response to its first `tools/list`, compared with a bare rmcp
//! server with one tool. Prints the ratio of the medians. The two alternate, so that changes in the machine's speed affect
//! both.
//!
//! `make bench` runs it on the program as it ships.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

use std::{
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use rmcp::{
    ErrorData, RoleServer, ServerHandler, ServiceExt,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ListToolsResult, PaginatedRequestParams,
        ServerCapabilities, ServerConfig, Tool,
    },
    service::RequestContext,
    transport::io::stdio_pipes,
};

const ROUNDS: usize = 200;

/// The smallest possible server.
struct Bare;

impl ServerHandler for Bare {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(vec![Tool::new("echo", "Repeats its input.", Arc::default())]))
    }

    async fn call_tool(
        &self,
        _: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        Ok(CallToolResult::success(Vec::new()).into())
    }
}

fn main() {
    if std::env::args().any(|argument| argument == "bare") {
        return serve();
    }
    let myself = std::env::current_exe().unwrap();
    let program = std::env::var_os("BENCH_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_scope3-mcp").into());
    let mut bare = Vec::new();
    let mut ours = Vec::new();
    for _ in 0..ROUNDS {
        bare.push(until_listed(Command::new(&myself).arg("bare")));
        ours.push(until_listed(Command::new(&program).arg("stdio").env("RUST_LOG", "off")));
    }
    let (bare, ours) = (median(bare), median(ours));
    let ratio = ours.as_secs_f64() / bare.as_secs_f64();
    println!("start to first tools/list, median of {ROUNDS} runs: bare rmcp {bare:?}, scope3-mcp {ours:?}");
    println!("ratio {ratio:.2}; target: at most 1.5");
}

#[tokio::main]
async fn serve() {
    Bare.serve(stdio_pipes()).await.unwrap().waiting().await.unwrap();
}

fn until_listed(command: &mut Command) -> Duration {
    let started = Instant::now();
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let initialize = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}"#;
    writeln!(input, "{initialize}").unwrap();
    lines.next().unwrap().unwrap();
    writeln!(input, r#"{{"jsonrpc":"2.0","method":"notifications/initialized"}}"#).unwrap();
    writeln!(input, r#"{{"jsonrpc":"2.0","id":2,"method":"tools/list","params":{{}}}}"#).unwrap();
    assert!(lines.next().unwrap().unwrap().contains("\"tools\""));
    let took = started.elapsed();
    drop(input);
    child.wait().unwrap();
    took
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
