//! Assigns creatives to campaigns and unassigns them.

use serde::Deserialize;
use serde_json::json;

use super::{ApiResponse, ApiResult, Call, sync};
use crate::{objects::creative::Assignment, store::Account};

#[derive(Deserialize)]
#[expect(clippy::struct_field_names, reason = "the names are Scope3's")]
#[serde(rename_all = "camelCase")]
struct Assign {
    buyer_agent_id: String,
    campaign_id: String,
    creative_id: String,
}

pub(super) fn assign(call: &mut Call<'_>) -> ApiResult {
    let Assign { buyer_agent_id, campaign_id, creative_id } = call.input()?;
    call.account.brand_agent(&buyer_agent_id)?;
    let creative = call.account.creative(&creative_id)?;
    if creative.buyer_agent_id != buyer_agent_id {
        return Err(not_owned("Creative", &creative_id, &buyer_agent_id));
    }
    same_owner(call.account, &buyer_agent_id, &campaign_id)?;
    let now = call.account.clock.tick();
    let message = if add_to_campaign(call, &creative_id, &campaign_id)? {
        "Creative assigned to campaign"
    } else {
        "Creative was already assigned to this campaign"
    };
    Ok(ApiResponse::success(
        format!("✅ **{message}**: {creative_id} in {campaign_id}"),
        json!({
            "assignment": {
                "campaignId": campaign_id, "creativeId": creative_id, "message": message, "success": true,
            },
            "status": {"isActive": true, "message": message, "success": true},
            "configuration": {
                "buyerAgentId": buyer_agent_id, "campaignId": campaign_id, "creativeId": creative_id,
                "assignmentDate": now,
            },
            "metadata": {
                "action": "assign", "assignmentType": "creative-campaign", "ownershipValidated": true,
                "performanceTrackingEnabled": true,
            },
        }),
    ))
}

/// Checks that a campaign belongs to a brand agent, as promised for assignments. Scope3's code does not check it.
pub(super) fn same_owner(account: &Account, brand_agent: &str, campaign: &str) -> ApiResult<()> {
    if account.campaign(campaign)?.brand_agent_id == brand_agent {
        return Ok(());
    }
    Err(not_owned("Campaign", campaign, brand_agent))
}

fn not_owned(what: &str, id: &str, brand_agent: &str) -> ApiResponse {
    ApiResponse::bad_request(format!(
        "Failed to assign creative to campaign: {what} {id} does not belong to buyer agent {brand_agent}"
    ))
}

/// Assigns a creative to a campaign, and sends it to the sellers of the campaign's active tactics. Returns whether the
/// assignment is new.
pub(super) fn add_to_campaign(call: &mut Call<'_>, creative_id: &str, campaign_id: &str) -> ApiResult<bool> {
    let account = &mut *call.account;
    let assigned_date = account.clock.now();
    let mut assignments = account.assignments.iter();
    if assignments.any(|a| a.creative_id == creative_id && a.campaign_id == campaign_id) {
        return Ok(false);
    }
    account.assignments.push(Assignment {
        creative_id: creative_id.to_owned(),
        campaign_id: campaign_id.to_owned(),
        assigned_date,
    });
    let sellers = sync::sellers_of(account, campaign_id);
    let creative = call.account.creative(creative_id)?;
    let mut sellers = sync::suitable(call.market, creative, sellers);
    // Sellers that have the creative do not have to approve it again.
    let synced = sync::synced_to(creative);
    sellers.retain(|seller| !synced.contains(seller));
    sync::send(call.account, call.market, creative_id, &sellers)?;
    Ok(true)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Unassign {
    campaign_id: String,
    creative_id: String,
}

pub(super) fn unassign(call: &mut Call<'_>) -> ApiResult {
    let Unassign { campaign_id, creative_id } = call.input()?;
    let account = &mut *call.account;
    account.creative(&creative_id)?;
    account.campaign(&campaign_id)?;
    let now = account.clock.tick();
    // Unassigning a creative that is not assigned is a success too.
    account.assignments.retain(|a| a.creative_id != creative_id || a.campaign_id != campaign_id);
    let message = "Creative unassigned from campaign";
    Ok(ApiResponse::success(
        format!("🔄 **{message}**: {creative_id} out of {campaign_id}"),
        json!({
            "unassignment": {
                "campaignId": campaign_id, "creativeId": creative_id, "message": message, "success": true,
            },
            "status": {"isActive": false, "message": message, "success": true},
            "configuration": {
                "campaignId": campaign_id, "creativeId": creative_id, "unassignmentDate": now,
            },
            "metadata": {
                "action": "unassign", "assignmentType": "creative-campaign",
                "availableForReassignment": true, "performanceTrackingStopped": true,
            },
        }),
    ))
}
