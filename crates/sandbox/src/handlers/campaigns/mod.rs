//! Campaigns (`src/tools/campaigns`, `src/services/campaign-bigquery-service.ts` of `scope3data/activation-api`).
//! Their budgets are in cents.

mod create;
mod legacy;
mod list;
mod update;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{ApiResponse, ApiResult, Call, Handler, count};
use crate::{
    brief,
    objects::{Campaign, campaign::Status, delivery::currency_units},
};

/// The handlers of these operations.
pub(super) fn handler(tool: &str) -> Option<Handler> {
    match tool {
        "campaign_list" => Some(list::list),
        "campaign_validate_brief" => Some(validate_brief),
        "campaign_create" => Some(create::create),
        "campaign_create_legacy" => Some(legacy::create),
        "campaign_update" => Some(update::update),
        "campaign_delete" => Some(delete),
        _ => None,
    }
}

#[derive(Deserialize)]
struct Brief {
    brief: String,
    threshold: Option<f64>,
}

/// Scores a brief. A score below the threshold is a success too; the response says that it is below.
fn validate_brief(call: &mut Call<'_>) -> ApiResult {
    let Brief { brief, threshold } = call.input()?;
    let validation =
        brief::validate(&brief, threshold.unwrap_or(brief::DEFAULT_THRESHOLD), call.account.as_published);
    let (mark, verdict) =
        if validation.meets_threshold { ("✅", "passes") } else { ("⚠️", "does not pass") };
    Ok(ApiResponse::success(
        format!(
            "{mark} **Brief {verdict}**: {}/100, {} required ({})",
            validation.score, validation.threshold, validation.quality_level
        ),
        json!({
            "validation": validation,
            "briefAnalysis": {
                "wordCount": brief::word_count(&brief), "characterCount": brief.chars().count(),
            },
        }),
    ))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delete {
    campaign_id: String,
    #[serde(default)]
    force: bool,
}

/// Deletes a campaign with its tactics and history, as promised. In the published code, tactics stay. Creatives stay,
/// regardless of `preserveCreatives`.
fn delete(call: &mut Call<'_>) -> ApiResult {
    let Delete { campaign_id, force } = call.input()?;
    let account = &mut *call.account;
    let campaign = account.campaign(&campaign_id)?.clone();
    if campaign.status == Status::Active && !force {
        return Ok(ApiResponse::failure(
            "CAMPAIGN_ACTIVE",
            &format!("❌ {} is active and was not deleted. Set force to delete it anyway.", campaign.name),
            json!({
                "campaignId": campaign_id, "force": force, "reason": "Campaign is active",
                "status": campaign.status,
            }),
        ));
    }
    account.clock.tick();
    let creatives: Vec<Value> = account
        .creative_ids(&campaign_id)
        .into_iter()
        .filter(|_| !account.as_published)
        .filter_map(|id| account.creative(id).ok())
        .map(|creative| json!({"creativeId": creative.creative_id, "creativeName": creative.creative_name}))
        .collect();
    let tactics: Vec<Value> =
        account.tactics_of(&campaign_id).map(|tactic| tactic.row(account.customer_id)).collect();
    account.remove_campaign(&campaign_id);
    Ok(ApiResponse::success(
        format!(
            "🗑️ **Campaign deleted**: {} ({campaign_id}), with {}",
            campaign.name,
            count(tactics.len(), "tactic")
        ),
        json!({
            "deletedCampaign": {
                "id": campaign_id, "name": campaign.name, "brandAgentId": campaign.brand_agent_id,
                "status": campaign.status,
            },
            "removed": {"creatives": creatives.len(), "tactics": tactics.len()},
            "configuration": call.arguments(),
            "creativesData": creatives,
            "tacticsData": tactics,
        }),
    ))
}

/// A campaign's budget as text: `50000.00 USD`.
fn money(campaign: &Campaign) -> String {
    format!("{:.2} {}", currency_units(campaign.budget.total), campaign.budget.currency)
}
