//! `scope3-mcp demo`: a day of an agent's work, over a real MCP connection to this program itself, with the embedded
//! API behind it.

use std::io::Write;

use anstyle::{AnsiColor, Style};
use anyhow::{Context, anyhow};
use clap::Args;
use rmcp::{
    RoleClient, ServiceExt,
    model::{CallToolRequestParams, CallToolResult},
    service::RunningService,
};
use serde_json::{Map, Value, json};

use super::CommandError;
use crate::{app::App, config::Settings};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// How many lines of each answer to print; 0 prints all
    #[arg(long, value_name = "LINES", default_value_t = 12)]
    lines: usize,
}

const HEADING: Style = AnsiColor::Cyan.on_default().bold();
const CALL: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Yellow.on_default();
const FAINT: Style = Style::new().dimmed();

/// The in-memory pipe between the client and the server holds this much.
const PIPE: usize = 64 * 1024;

const BRIEF: &str = "Goal: increase awareness of the new trail boots and drive site conversion. KPI: reach and click \
                     through, measured weekly. Audience: adult hikers, age 25 to 54. Geography: the US market, national. \
                     Flight: July to September, a three month campaign. Creative: 15s video and 300x250 display banner. \
                     Budget: 50 thousand dollar total with a daily cap.";

pub(super) async fn run(settings: &Settings, arguments: Arguments) -> Result<(), CommandError> {
    let settings = Settings { sandbox: true, api_url: None, ..settings.clone() };
    let app = App::start(&settings).await?;
    let (ours, theirs) = tokio::io::duplex(PIPE);
    let server = tokio::spawn(app.server().serve(theirs));
    let client = ().serve(ours).await.context("the MCP connection")?;
    let _serving = server.await.context("the MCP server")?.context("the MCP server")?;
    let mut day = Day { client, step: 0, lines: arguments.lines };
    day.play().await?;
    Ok(())
}

/// The agent's side of the connection.
struct Day {
    client: RunningService<RoleClient, ()>,
    step: usize,
    lines: usize,
}

impl Day {
    async fn play(&mut self) -> anyhow::Result<()> {
        let about = self.client.peer_info().and_then(|about| about.server_info.clone());
        let about = about.context("the server has said nothing of itself")?;
        let tools = self.client.list_all_tools().await.context("tools/list")?.len();
        print(
            HEADING,
            &format!("{} {}: {tools} tools, and a sandbox in place of Scope3", about.name, about.version),
        )?;

        self.step("Whose account is this?", "check_auth_status", json!({})).await?;
        let agents = self
            .step(
                "Which advertiser sells boots?",
                "brand_agent_list",
                json!({ "where": { "name": "outdoor" } }),
            )
            .await?;
        let agent = text(&agents, "/brandAgents/0/id");

        self.step(
            "A brief of three words will not do.",
            "campaign_validate_brief",
            json!({ "brief": "Sell more boots" }),
        )
        .await?;
        let creatives = self
            .step("Which creatives are there?", "creative_list", json!({ "buyerAgentId": agent, "limit": 2 }))
            .await?;
        let campaign = self
            .step(
                "A campaign of 50,000.00 USD, from a whole brief. Its budget is in hundredths of the unit.",
                "campaign_create",
                json!({
                    "brandAgentId": agent, "name": "Trail boots, summer", "prompt": BRIEF,
                    "budget": { "total": 5_000_000, "currency": "USD", "dailyCap": 100_000 },
                }),
            )
            .await?;
        let new = text(&campaign, "/campaign/id");
        if let Some(creative) = creatives.pointer("/creatives/0/creativeId").and_then(Value::as_str) {
            let assign = json!({ "buyerAgentId": agent, "campaignId": new, "creativeId": creative });
            self.step("It gets a creative.", "creative_assign", assign).await?;
        }

        let running =
            self.step("What runs now?", "campaign_list", json!({ "status": "active", "limit": 1 })).await?;
        let running = text(&running, "/campaigns/0/id");
        self.step("How is it doing?", "campaign_get_summary", json!({ "campaignId": running })).await?;
        let export = json!({
            "campaignIds": [running], "datasets": ["delivery"], "groupBy": ["date"],
            "dateRange": { "start": "2026-06-01", "end": "2026-06-04" },
        });
        self.step("The rows behind it, for a spreadsheet.", "reporting_export_data", export).await?;

        self.step(
            "A mistake: nothing is sent, and every problem is named.",
            "campaign_create",
            json!({ "brandAgentID": agent, "name": "", "budget": { "total": "a lot" } }),
        )
        .await?;
        self.use_up().await
    }

    /// Calls until the hourly limit is reached, and once more.
    async fn use_up(&mut self) -> anyhow::Result<()> {
        let left = self.left().await?;
        let started = std::time::Instant::now();
        for _ in 0..left {
            self.call("check_auth_status", json!({})).await?;
        }
        let seconds = started.elapsed().as_secs_f64();
        print(
            FAINT,
            &format!(
                "\n… {left} more calls in {seconds:.1} s: every request of the hour can be used at once."
            ),
        )?;
        self.step("One more than the hour allows.", "check_auth_status", json!({})).await?;
        Ok(())
    }

    /// Makes a call and prints it, its answer and what is left.
    async fn step(&mut self, why: &str, tool: &'static str, arguments: Value) -> anyhow::Result<Value> {
        self.step += 1;
        print(HEADING, &format!("\n{}. {why}", self.step))?;
        print(CALL, &format!("   {tool} {arguments}"))?;
        let result = self.call(tool, arguments).await?;
        let data = result.structured_content.clone().unwrap_or_default();
        let failed = result.is_error == Some(true);
        let said = result.content.first().and_then(|block| block.as_text()).map(|text| text.text.as_str());
        // What is written for people is shown as it is; what is JSON is laid out for reading.
        let shown = match (data.pointer("/summary/textSummary").and_then(Value::as_str), said) {
            (Some(text), _) => text.to_owned(),
            (None, Some(text)) if !text.starts_with('{') => text.to_owned(),
            _ => serde_json::to_string_pretty(&data)?,
        };
        self.print_answer(if failed { BAD } else { GOOD }, &shown)?;
        let left = self.left().await?;
        print(FAINT, &format!("   {left} MCP requests left this hour"))?;
        Ok(data)
    }

    async fn call(&self, tool: &'static str, arguments: Value) -> anyhow::Result<CallToolResult> {
        let arguments: Map<String, Value> = serde_json::from_value(arguments)?;
        let request = CallToolRequestParams::new(tool).with_arguments(arguments);
        self.client.call_tool(request).await.with_context(|| format!("the call of {tool}"))
    }

    /// How many MCP requests are left, by the tool that costs none.
    async fn left(&self) -> anyhow::Result<u64> {
        let usage = self.call("get_usage", json!({})).await?.structured_content.unwrap_or_default();
        let left = usage.pointer("/limits/0/left").and_then(Value::as_u64);
        left.ok_or_else(|| anyhow!("get_usage says nothing of the limit"))
    }

    fn print_answer(&self, style: Style, text: &str) -> std::io::Result<()> {
        let total = text.lines().count();
        let shown = if self.lines == 0 { total } else { self.lines.min(total) };
        for line in text.lines().take(shown) {
            print(style, &format!("   {line}"))?;
        }
        if shown < total {
            print(FAINT, &format!("   … {} more lines", total - shown))?;
        }
        Ok(())
    }
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Prints a line, in colour where standard output is a terminal.
fn print(style: Style, line: &str) -> std::io::Result<()> {
    writeln!(anstream::stdout(), "{style}{line}{style:#}")
}
