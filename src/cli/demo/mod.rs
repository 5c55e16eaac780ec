//! `scope3-mcp demo`: a buyer's day with the Interchange, over a real MCP connection to this program and its embedded
//! sandbox.

mod day;
mod points;
mod user;

use std::io::Write;

use anstyle::{AnsiColor, Style};
use anyhow::Context;
use clap::Args;
use rmcp::{
    RoleClient, RoleServer, ServiceExt,
    model::{CallToolRequestParams, CallToolResult},
    service::RunningService,
};
use scope3_mcp_gateway::catalog::Surface;
use serde_json::{Map, Value};

use self::{
    points::{INDENT, paragraph, short, text},
    user::User,
};
use super::CommandError;
use crate::{
    app::App,
    config::{ConfirmChoice, LimitChoice, Settings},
    mcp::Server,
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Print complete calls and results, as JSON
    #[arg(long)]
    full: bool,
}

const HEADING: Style = AnsiColor::Cyan.on_default().bold();
const CALL: Style = Style::new().dimmed();
const OUTPUT: Style = Style::new();
const FAILURE: Style = AnsiColor::Yellow.on_default();

/// The most that the agent may commit in a day.
const DAY_CAP: &str = "60000 USD";

/// Size of the in-memory pipe between the client and the server.
const PIPE_BYTES: usize = 64 * 1024;

pub(super) async fn run(settings: &Settings, arguments: Arguments) -> Result<(), CommandError> {
    let settings = demo_settings(settings)?;
    let user = User { full: arguments.full };
    let mut day = Day { agent: Agent::start(&settings, user).await?, step: 0, full: arguments.full };
    day.begin().await?;
    let advertiser = day.look_around().await?;
    let search = day.discover(&advertiser).await?;
    let campaign = day.launch(&advertiser, &search).await?;
    day.report(&campaign).await?;
    day.mistakes(&advertiser).await?;
    let reader = Agent::start(&Settings { read_only: true, ..settings }, user).await?;
    day.read_only(&reader, &campaign).await?;
    day.use_up().await?;
    end()?;
    Ok(())
}

/// The operator's settings, with those replaced that would change the demo.
fn demo_settings(settings: &Settings) -> anyhow::Result<Settings> {
    Ok(Settings {
        sandbox: true,
        api_url: Vec::new(),
        api: vec![Surface::Buyer],
        api_key_file: None,
        api_key_command: None,
        toolsets: None,
        tools: Vec::new(),
        exclude_tools: Vec::new(),
        read_only: false,
        policy: None,
        confirm: ConfirmChoice::Auto,
        max_budget: Vec::new(),
        max_budget_per_day: vec![DAY_CAP.parse()?],
        on_limit: LimitChoice::Reject,
        ..settings.clone()
    })
}

/// An agent, connected over MCP to its own server.
struct Agent {
    client: RunningService<RoleClient, User>,
    // The server and the app stop when these are dropped.
    _server: RunningService<RoleServer, Server>,
    _app: App,
}

impl Agent {
    async fn start(settings: &Settings, user: User) -> Result<Self, CommandError> {
        let app = App::start(settings).await?;
        let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
        let server = tokio::spawn(app.own_server().serve(theirs));
        let client = user.serve(ours).await.context("the MCP connection")?;
        let server = server.await.context("the MCP server")?.context("the MCP server")?;
        Ok(Self { client, _server: server, _app: app })
    }

    async fn call(&self, tool: &'static str, arguments: &Value) -> anyhow::Result<CallToolResult> {
        let arguments: Map<String, Value> = serde_json::from_value(arguments.clone())?;
        let request = CallToolRequestParams::new(tool).with_arguments(arguments);
        self.client.call_tool(request).await.with_context(|| format!("the call of {tool}"))
    }

    async fn tools(&self) -> anyhow::Result<usize> {
        Ok(self.client.list_all_tools().await.context("tools/list")?.len())
    }
}

/// Runs and prints the steps of the demo.
struct Day {
    agent: Agent,
    step: usize,
    full: bool,
}

impl Day {
    async fn begin(&self) -> anyhow::Result<()> {
        let server = self.agent.client.peer_info().and_then(|info| info.server_info.clone());
        let server = server.context("the server did not identify itself")?;
        let tools = self.agent.tools().await?;
        print(HEADING, &format!("{} {}: a day of an agent that buys media", server.name, server.version))?;
        print(OUTPUT, &format!("A real MCP connection, {tools} tools, and a sandbox in place of Scope3:"))?;
        print(OUTPUT, "nothing here costs money.")?;
        Ok(())
    }

    /// Prints a heading and the call, makes the call, and prints a summary of the result.
    async fn step(
        &mut self,
        heading: &str,
        tool: &'static str,
        arguments: Value,
        summarize: impl Fn(&Value) -> Vec<String>,
    ) -> anyhow::Result<Value> {
        self.print_call(heading, tool, &arguments)?;
        let result = self.agent.call(tool, &arguments).await?;
        self.print_result(&result, &summarize)
    }

    fn print_call(&mut self, heading: &str, tool: &str, arguments: &Value) -> std::io::Result<()> {
        self.step += 1;
        print(HEADING, &format!("\n{}. {heading}", self.step))?;
        let call = if self.full { format!("{tool} {arguments}") } else { short(tool, arguments) };
        print(CALL, &format!("{INDENT}> {call}"))
    }

    fn print_result(
        &self,
        result: &CallToolResult,
        summarize: &dyn Fn(&Value) -> Vec<String>,
    ) -> anyhow::Result<Value> {
        let data = result.structured_content.clone().unwrap_or_default();
        let failed = result.is_error == Some(true);
        let lines = match (self.full, failed) {
            (true, _) => serde_json::to_string_pretty(&data)?.lines().map(str::to_owned).collect(),
            (false, true) => paragraph(&format!("{}: {}", text(&data, "/code"), text(&data, "/message"))),
            (false, false) => summarize(&data),
        };
        for line in lines {
            print(if failed { FAILURE } else { OUTPUT }, format!("{INDENT}{line}").trim_end())?;
        }
        Ok(data)
    }
}

/// Prints the next steps. The last line is a command to copy.
fn end() -> std::io::Result<()> {
    print(HEADING, "\nYour turn")?;
    print(OUTPUT, "README.md has a section for each client, and says how to use your own key.")?;
    print(OUTPUT, "In Claude Code, this sandbox is one line away:")?;
    print(OUTPUT, "claude mcp add scope3-sandbox -- scope3-mcp stdio --sandbox")
}

/// Prints a line, with color if standard output is a terminal.
fn print(style: Style, line: &str) -> std::io::Result<()> {
    writeln!(anstream::stdout(), "{style}{line}{style:#}")
}
