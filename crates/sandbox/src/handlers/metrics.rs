//! The platform metrics, which are texts (`src/tools/metrics` of `scope3data/activation-api`). The sandbox counts the
//! data that the calling customer can see, and invents the rest.

use serde::Deserialize;

use super::{ApiResponse, ApiResult, Call, Handler};
use crate::objects::{campaign::Status, creative::Creative, tactic::TacticStatus};

/// The handlers of these operations.
pub(super) fn handler(tool: &str) -> Option<Handler> {
    match tool {
        "show_agentic_metrics" => Some(show),
        "refresh_platform_metrics" => Some(refresh),
        _ => None,
    }
}

#[derive(Deserialize)]
struct Sources {
    include_github: Option<bool>,
    include_slack: Option<bool>,
}

impl Sources {
    fn names(&self) -> Vec<&'static str> {
        [("platform", None), ("github", self.include_github), ("slack", self.include_slack)]
            .into_iter()
            .filter_map(|(name, included)| included.unwrap_or(true).then_some(name))
            .collect()
    }
}

/// The metrics of the platform itself.
fn platform(call: &Call<'_>) -> Vec<(&'static str, usize)> {
    let account = &call.account;
    let campaigns = |status| account.campaigns.iter().filter(|campaign| campaign.status == status).count();
    let is_video = |creative: &&Creative| creative.format.format_id.contains("video");
    let videos = account.creatives.iter().filter(is_video).count();
    let active = |status| matches!(status, TacticStatus::Active | TacticStatus::PendingApproval);
    vec![
        ("brand_agents", account.brand_agents.len()),
        ("active_campaigns", campaigns(Status::Active)),
        ("draft_campaigns", campaigns(Status::Draft)),
        ("total_creatives", account.creatives.len()),
        ("video_creatives", videos),
        ("display_creatives", account.creatives.len() - videos),
        ("deployed_tactics", account.tactics.iter().filter(|tactic| active(tactic.status)).count()),
        ("active_sales_agents", call.market.sales_agents.len()),
        ("customers", 2),
    ]
}

fn show(call: &mut Call<'_>) -> ApiResult {
    let sources: Sources = call.input()?;
    let lines: Vec<String> =
        platform(call).iter().map(|(name, count)| format!("• {name}: {count}")).collect();
    let mut text = format!("📊 **AGENTIC PLATFORM METRICS** (sandbox)\n\n{}\n", lines.join("\n"));
    text.push_str(
        "\n🔌 **API usage**\n• total_api_calls: 1000\n• unique_customers: 2\n• most_used_tool: campaign_list\n\
         • success_rate: 0.99\n• avg_response_time_ms: 120\n",
    );
    for name in &sources.names()[1..] {
        text.push_str(if *name == "github" {
            "\n🐙 **GitHub**\n• open_issues: 12\n• contributors: 8\n"
        } else {
            "\n💬 **Slack**\n• members: 240\n• active_channels: 9\n"
        });
    }
    Ok(ApiResponse::text(text))
}

fn refresh(call: &mut Call<'_>) -> ApiResult {
    let sources: Sources = call.input()?;
    let names = sources.names();
    // Five metrics of API usage, and two of each other source.
    let collected = platform(call).len() + 5 + 2 * (names.len() - 1);
    call.account.clock.tick();
    let job = call.account.ids.short("metrics");
    Ok(ApiResponse::text(format!(
        "🔄 **METRICS REFRESH COMPLETED** (sandbox)\n\n**Job ID:** `{job}`\n**Duration:** 0.1s\n\
         **Metrics Collected:** {collected}\n\n✅ **Successful ({}):** {}\n",
        names.len(),
        names.join(", ")
    )))
}
