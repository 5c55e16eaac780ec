//! `scope3-mcp demo`: a day of an agent's work, over a real MCP connection to this program and its embedded sandbox.

mod points;
mod user;

use std::{io::Write, time::Instant};

use anstyle::{AnsiColor, Style};
use anyhow::Context;
use clap::Args;
use jiff::{Span, Timestamp, civil::Date, tz::Offset};
use rmcp::{
    RoleClient, RoleServer, ServiceExt,
    model::{CallToolRequestParams, CallToolResult},
    service::RunningService,
};
use scope3_mcp_gateway::catalog::Surface;
use serde_json::{Map, Value, json};

use self::{
    points::{INDENT, brief, created, day, delivered, live, message, paragraph, short, table, text},
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
    let brand = day.look_around().await?;
    let campaign = day.launch(&brand).await?;
    day.report().await?;
    day.mistakes(&brand).await?;
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
        api: vec![Surface::Campaign],
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
        let server = tokio::spawn(app.server().serve(theirs));
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

    /// Checks the account and picks a brand. Returns the id of the brand.
    async fn look_around(&mut self) -> anyhow::Result<String> {
        self.step("Whose account is this?", "check_auth_status", json!({}), message).await?;
        let show = |answer: &Value| {
            table(answer, "/brandAgents", &[("ID", "/id"), ("NAME", "/name"), ("ABOUT", "/description")])
        };
        let brands = self.step("Which advertisers do we have?", "brand_agent_list", json!({}), show).await?;
        let sells_boots = |brand: &&Value| text(brand, "/name").contains("Outdoor");
        let brand = brands
            .pointer("/brandAgents")
            .and_then(Value::as_array)
            .and_then(|all| all.iter().find(sells_boots));
        Ok(brand.map(|brand| text(brand, "/id")).unwrap_or_default())
    }

    /// Improves a weak brief, then creates a campaign with a creative. Returns the id of the campaign.
    async fn launch(&mut self, brand: &str) -> anyhow::Result<String> {
        let weak_brief = json!({ "brief": "Sell more boots" });
        self.step("Sell more boots! Is that brief enough?", "campaign_validate_brief", weak_brief, brief)
            .await?;

        let (start, end) = (later(today(), 1)?, later(today(), 90)?);
        let full_brief = format!(
            "Goal: awareness of the new trail boots, and site conversion. KPI: reach and click through, measured \
             weekly. Audience: adult hikers, age 25 to 54. Geography: the US market, national. Flight: {start} to \
             {end}, a three month campaign. Creative: 15s video and 320x50 display banner. Budget: 50 thousand dollar \
             total with a daily cap."
        );
        let campaign = json!({
            "brandAgentId": brand, "budget": { "total": 5_000_000, "dailyCap": 100_000 }, "name": "Trail boots",
            "startDate": format!("{start}T00:00:00Z"), "endDate": format!("{end}T23:59:59Z"), "prompt": full_brief,
        });
        let heading = "Then a whole brief, and a campaign of 50,000 USD. Amounts are in hundredths.";
        let created = self.step(heading, "campaign_create", campaign.clone(), created).await?;
        let mut second = campaign;
        (second["name"], second["budget"]) = ("More boots".into(), json!({ "total": 2_000_000 }));
        let heading = format!("And one more. Here, --max-budget-per-day is {DAY_CAP}.");
        self.step(&heading, "campaign_create", second, message).await?;
        let campaign = text(&created, "/campaign/id");

        let shown = [
            ("ID", "/creativeId"),
            ("NAME", "/creativeName"),
            ("PUBLISHERS", "/publisherApprovals/0/approvalStatus"),
        ];
        let show = move |answer: &Value| table(answer, "/creatives", &shown);
        let heading = "Which creatives could it run?";
        let creatives = self.step(heading, "creative_list", json!({ "buyerAgentId": brand }), show).await?;
        let first = text(&creatives, "/creatives/0/creativeId");
        let assign = json!({ "buyerAgentId": brand, "campaignId": campaign, "creativeId": first });
        self.step("The first, please.", "creative_assign", assign, message).await?;
        Ok(campaign)
    }

    /// Shows the running campaigns, a summary and the delivery rows.
    async fn report(&mut self) -> anyhow::Result<()> {
        let active = json!({ "status": "active" });
        let campaigns = self.step("What is live now?", "campaign_list", active, live).await?;
        let running = text(&campaigns, "/campaigns/0/id");
        let heading = format!("How is {} doing?", text(&campaigns, "/campaigns/0/name"));
        let summary = json!({ "campaignId": running });
        self.step(&heading, "campaign_get_summary", summary, message).await?;
        let start: Date = day(&text(&campaigns, "/campaigns/0/startDate")).parse().unwrap_or(today());
        let export = json!({
            "dateRange": { "start": start.to_string(), "end": later(start, 4)? },
            "campaignIds": [running], "datasets": ["delivery"], "groupBy": ["date"],
        });
        self.step("Its first days, for a spreadsheet.", "reporting_export_data", export, delivered).await?;
        Ok(())
    }

    async fn mistakes(&mut self, brand: &str) -> anyhow::Result<()> {
        let wrong = json!({
            "brandAgentID": brand, "budget": { "total": "a lot" }, "name": "Boots", "prompt": "Boots",
        });
        let heading = "A mistake: nothing is sent, and everything wrong is named at once.";
        self.step(heading, "campaign_create", wrong, message).await?;
        Ok(())
    }

    /// Shows an agent whose server was started with `--read-only`.
    async fn read_only(&mut self, reader: &Agent, campaign: &str) -> anyhow::Result<()> {
        let tools = reader.tools().await?;
        let heading = format!("With --read-only an agent has {tools} tools. None of them deletes:");
        let delete = json!({ "campaignId": campaign });
        self.print_call(&heading, "campaign_delete", &delete)?;
        let result = reader.call("campaign_delete", &delete).await?;
        self.print_result(&result, &message)?;
        Ok(())
    }

    /// Makes calls until the hourly limit rejects one.
    async fn use_up(&mut self) -> anyhow::Result<()> {
        let show = |answer: &Value| {
            table(
                answer,
                "/limits",
                &[("CLASS", "/class"), ("LIMIT", "/limit"), ("USED", "/used"), ("LEFT", "/left")],
            )
        };
        let heading = "How much of the hour's limits is used? Asking is free.";
        let usage = self.step(heading, "get_usage", json!({}), show).await?;
        let left = usage.pointer("/limits/0/left").and_then(Value::as_u64).unwrap_or_default();
        let started = Instant::now();
        for _ in 0..left {
            self.agent.call("check_auth_status", &json!({})).await?;
        }
        let seconds = started.elapsed().as_secs_f64();
        let heading = format!("All {left} at once, which took {seconds:.1} s, and one more:");
        self.step(&heading, "check_auth_status", json!({}), message).await?;
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

/// The current date in UTC, which Scope3 uses.
fn today() -> Date {
    Offset::UTC.to_datetime(Timestamp::now()).date()
}

/// The date that is this many days later, as text.
fn later(date: Date, days: i64) -> anyhow::Result<String> {
    Ok(date.checked_add(Span::new().days(days))?.to_string())
}

/// Prints a line, with color if standard output is a terminal.
fn print(style: Style, line: &str) -> std::io::Result<()> {
    writeln!(anstream::stdout(), "{style}{line}{style:#}")
}
