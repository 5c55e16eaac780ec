//! Sends creatives to sellers. At Scope3, one in ten fails at random; here, a creative fails only for a reason.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{ApiResponse, ApiResult, Call, count, external, media_products::sells};
use crate::{
    clock::Moment,
    objects::{
        Creative, Market,
        campaign::Status,
        creative::{PublisherApproval, SyncStatus},
        market::{Access, SalesAgent},
        signals::distinct,
        tactic::TacticStatus,
    },
    store::Account,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sync {
    creative_id: String,
    sales_agent_ids: Option<Vec<String>>,
    campaign_id: Option<String>,
    #[serde(default)]
    auto_detect: AutoDetect,
    #[serde(default)]
    pre_approval: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct AutoDetect {
    days_back: i64,
    include_active: bool,
}

impl Default for AutoDetect {
    fn default() -> Self {
        Self { days_back: 30, include_active: true }
    }
}

/// The results of sending.
#[derive(Default, Serialize)]
pub(super) struct Results {
    success: Vec<String>,
    failed: Vec<Failure>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    sales_agent_id: String,
    error: String,
}

pub(super) fn sync(call: &mut Call<'_>) -> ApiResult {
    let input: Sync = call.input()?;
    let (method, sellers) = targets(call, &input)?;
    if sellers.is_empty() {
        let creative = call.account.creative(&input.creative_id)?;
        return Ok(ApiResponse::success(
            "🔍 **No relevant sales agents found**: set salesAgentIds, or a larger daysBack",
            json!({
                "creative": named(creative),
                "salesAgents": [],
                "syncResults": Results::default(),
                "smartSync": {"method": method, "agentsFound": 0},
            }),
        ));
    }
    call.account.clock.tick();
    let results = send(call.account, call.market, &input.creative_id, &sellers)?;
    let creative = call.account.creative(&input.creative_id)?;
    let statuses = &creative.sales_agent_sync_status;
    let with = |matches: &dyn Fn(&SyncStatus) -> bool| statuses.iter().filter(|s| matches(s)).count();
    let note = if input.pre_approval { "\nPre-approval requested" } else { "" };
    Ok(ApiResponse::success(
        format!("🔄 **Sent to {} of {}**{note}", results.success.len(), count(sellers.len(), "seller")),
        json!({
            "creative": named(creative),
            "salesAgents": statuses.iter().map(seller_status).collect::<Vec<_>>(),
            "syncResults": results,
            "smartSync": {
                "method": method, "agentsFound": sellers.len(), "agentsTargeted": sellers,
            },
            "nextSteps": {
                "readyForDeployment": with(&|s| s.approval_status == Some("approved")),
                "awaitingApproval": with(&|s| s.approval_status == Some("pending") && s.status == "synced"),
                "needsAttention": with(&|s| s.status == "failed"),
            },
        }),
    ))
}

fn named(creative: &Creative) -> Value {
    json!({
        "id": creative.creative_id, "name": creative.creative_name, "format": creative.format.format_id,
    })
}

fn seller_status(status: &SyncStatus) -> Value {
    let mut shown = json!({
        "id": status.sales_agent_id, "name": status.sales_agent_name, "status": status.status,
    });
    if let Some(approval) = status.approval_status {
        shown["approvalStatus"] = json!(approval);
    }
    if let Some(attempt) = status.last_sync_attempt {
        shown["lastSyncAttempt"] = json!(attempt);
    }
    shown
}

/// The method by which the sellers were found, and the sellers.
fn targets(call: &Call<'_>, input: &Sync) -> ApiResult<(String, Vec<String>)> {
    let account = &call.account;
    let creative = account.creative(&input.creative_id)?;
    if let Some(ids) = &input.sales_agent_ids {
        let ids = distinct(ids.iter().map(String::as_str)).into_iter().map(str::to_owned).collect();
        return Ok(("manual_override".to_owned(), ids));
    }
    let (method, sellers) = if let Some(id) = &input.campaign_id {
        ("campaign_tactics".to_owned(), sellers_of(account, &account.campaign(id)?.id))
    } else {
        let found = recent(account, &creative.buyer_agent_id, &input.auto_detect);
        (format!("auto_detect_{}days", input.auto_detect.days_back), found)
    };
    Ok((method, suitable(call.market, creative, sellers)))
}

/// The sellers of a campaign's active tactics.
pub(super) fn sellers_of(account: &Account, campaign_id: &str) -> Vec<String> {
    let active = |status| matches!(status, TacticStatus::Active | TacticStatus::PendingApproval);
    let tactics = account.tactics.iter().filter(|t| t.campaign_id == campaign_id && active(t.status));
    owned(tactics.filter_map(|tactic| tactic.sales_agent_id.as_deref()))
}

/// The sellers from which a brand agent bought recently, or buys in active campaigns.
fn recent(account: &Account, brand_agent: &str, detect: &AutoDetect) -> Vec<String> {
    let now = account.clock.now();
    let tactics = account.tactics.iter().filter(|tactic| {
        account.campaign(&tactic.campaign_id).is_ok_and(|campaign| {
            let is_recent = tactic.created_at.plus_hours(24 * detect.days_back) >= now;
            let is_active = detect.include_active && campaign.status == Status::Active;
            campaign.brand_agent_id == brand_agent && (is_recent || is_active)
        })
    });
    let bought = tactics.filter(|tactic| tactic.status != TacticStatus::Inactive);
    owned(bought.filter_map(|tactic| tactic.sales_agent_id.as_deref()))
}

fn owned<'a>(ids: impl Iterator<Item = &'a str>) -> Vec<String> {
    distinct(ids).into_iter().map(str::to_owned).collect()
}

/// The sellers that accept a creative. As promised, video goes only to sellers of video.
pub(super) fn suitable(market: &Market, creative: &Creative, sellers: Vec<String>) -> Vec<String> {
    let medium = medium(creative);
    let accepts = |id: &String| find(market, id).is_some_and(|seller| sells(seller, medium));
    sellers.into_iter().filter(accepts).collect()
}

fn find<'a>(market: &'a Market, id: &str) -> Option<&'a SalesAgent> {
    market.sales_agents.iter().find(|seller| seller.id == id)
}

/// The medium of a creative, from the id of its format.
fn medium(creative: &Creative) -> &'static str {
    let format = creative.format.format_id.to_lowercase();
    if ["video", "vast", "ctv"].iter().any(|word| format.contains(word)) {
        "video"
    } else if format.contains("audio") {
        "audio"
    } else {
        "display"
    }
}

/// The sellers that have a creative.
pub(super) fn synced_to(creative: &Creative) -> Vec<String> {
    let synced = creative.sales_agent_sync_status.iter().filter(|status| status.status == "synced");
    synced.map(|status| status.sales_agent_id.clone()).collect()
}

/// Sends a seller the campaign's creatives that it does not have yet, as a new buy does.
pub(in crate::handlers) fn sync_campaign(call: &mut Call<'_>, campaign: &str, seller: &str) -> ApiResult<()> {
    let ids: Vec<String> = call.account.creative_ids(campaign).into_iter().map(str::to_owned).collect();
    for id in ids {
        let creative = call.account.creative(&id)?;
        let is_synced = synced_to(creative).iter().any(|synced| synced == seller);
        let sellers = suitable(call.market, creative, vec![seller.to_owned()]);
        if !is_synced {
            send(call.account, call.market, &id, &sellers)?;
        }
    }
    Ok(())
}

/// Sends a creative to sellers, and records the result in the creative. Each seller then has to approve it.
pub(super) fn send(
    account: &mut Account,
    market: &Market,
    creative_id: &str,
    sellers: &[String],
) -> ApiResult<Results> {
    let now = account.clock.now();
    let (customer, as_published) = (account.customer_id, account.as_published);
    let creative = account.creative_mut(creative_id)?;
    let mut results = Results::default();
    for id in sellers {
        let seller = find(market, id);
        let obstacle = obstacle(seller, customer, medium(creative));
        if let Some(seller) = seller {
            record(creative, seller, obstacle.clone(), now, as_published);
        }
        match obstacle {
            None => results.success.push(id.clone()),
            Some(error) => results.failed.push(Failure { sales_agent_id: id.clone(), error }),
        }
    }
    Ok(results)
}

fn obstacle(seller: Option<&SalesAgent>, customer: u32, medium: &str) -> Option<String> {
    let Some(seller) = seller else { return Some("Sales agent not found".to_owned()) };
    if seller.access(customer) == Access::Unavailable {
        Some(format!("No account with {}", seller.name))
    } else if !external::is_reachable(&seller.endpoint_url) {
        Some(external::UNREACHABLE.to_owned())
    } else if !sells(seller, medium) {
        Some(format!("{} does not accept {medium} creatives", seller.name))
    } else {
        None
    }
}

fn record(
    creative: &mut Creative,
    seller: &SalesAgent,
    obstacle: Option<String>,
    now: Moment,
    as_published: bool,
) {
    let is_synced = obstacle.is_none();
    creative.sales_agent_sync_status.retain(|status| status.sales_agent_id != seller.id);
    creative.sales_agent_sync_status.push(SyncStatus {
        sales_agent_id: seller.id.clone(),
        sales_agent_name: seller.name.clone(),
        status: if is_synced { "synced" } else { "failed" },
        approval_status: is_synced.then_some("pending"),
        last_sync_attempt: Some(now),
        rejection_reason: obstacle,
        requested_changes: Vec::new(),
    });
    // The published code does not store approvals of publishers.
    if is_synced && !as_published {
        creative.publisher_approvals.retain(|approval| approval.publisher_id != seller.organization);
        creative.publisher_approvals.push(PublisherApproval {
            publisher_id: seller.organization.clone(),
            publisher_name: seller.name.clone(),
            approval_status: "pending",
            status: "synced",
            rejection_reason: None,
            requested_changes: Vec::new(),
            approved_at: None,
        });
    }
}
