//! Changes and deletes creatives.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{ApiResponse, ApiResult, Assigned, Call, assignments, count, sync, view};
use crate::objects::creative::{Content, CreativeStatus};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Update {
    creative_id: String,
    updates: Updates,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Updates {
    name: Option<String>,
    status: Option<CreativeStatus>,
    content: Option<Content>,
    advertiser_domains: Option<Vec<String>>,
}

pub(super) fn update(call: &mut Call<'_>) -> ApiResult {
    let Update { creative_id, updates } = call.input()?;
    let mut summary = json!({
        "nameChanged": updates.name.is_some(),
        "statusChanged": updates.status.is_some(),
        "contentChanged": updates.content.is_some(),
        "domainsChanged": updates.advertiser_domains.is_some(),
    });
    summary["versionBumped"] = json!(true);
    call.account.creative(&creative_id)?;
    let now = call.account.clock.tick();
    let creative = call.account.creative_mut(&creative_id)?;
    let resend = if updates.content.is_some() { sync::synced_to(creative) } else { Vec::new() };
    if let Some(name) = updates.name {
        creative.creative_name = name;
    }
    if let Some(status) = updates.status {
        creative.status = status;
    }
    if let Some(content) = updates.content {
        creative.replace_content(content);
    }
    if let Some(domains) = updates.advertiser_domains {
        creative.advertiser_domains = domains;
    }
    creative.changed(now);
    sync::send(call.account, call.market, &creative_id, &resend)?;
    let creative = view(call.account, call.account.creative(&creative_id)?);
    Ok(ApiResponse::success(
        format!("🎨 **Creative updated**: {creative_id} has a new version"),
        json!({
            "currentState": current_state(&creative),
            "updatedCreative": creative,
            "updateSummary": summary,
            "configuration": {
                "creativeId": creative_id, "updates": call.arguments()["updates"], "updateDate": now,
            },
            "metadata": {
                "action": "update", "creativeType": "creative", "lastModifiedBy": "system",
                "orchestrationComplete": true, "preservesCampaignAssignments": true,
                "safeForActiveCampaigns": true,
            },
        }),
    ))
}

fn current_state(creative: &Value) -> Value {
    let members = [
        "assemblyMethod",
        "assetIds",
        "buyerAgentId",
        "campaignAssignments",
        "creativeId",
        "creativeName",
        "format",
        "status",
        "version",
    ];
    members.into_iter().map(|name| (name.to_owned(), creative[name].clone())).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delete {
    creative_id: String,
    force: Option<bool>,
}

pub(super) fn delete(call: &mut Call<'_>) -> ApiResult {
    let Delete { creative_id, force } = call.input()?;
    let configuration = call.arguments().clone();
    let account = &mut *call.account;
    let creative = account.creative(&creative_id)?.clone();
    let all = assignments(account, &creative);
    let active: Vec<&Assigned> = all.iter().filter(|assigned| assigned.is_active).collect();
    if !active.is_empty() && force != Some(true) {
        return Ok(assigned_failure(&creative_id, &active));
    }
    account.clock.tick();
    account.assignments.retain(|assignment| assignment.creative_id != creative_id);
    account.creatives.retain(|creative| creative.creative_id != creative_id);
    Ok(ApiResponse::success(
        format!("✅ **Creative deleted** permanently: {} ({creative_id})", creative.creative_name),
        json!({
            "deletedCreative": {
                "id": creative_id, "name": creative.creative_name, "buyerAgentId": creative.buyer_agent_id,
                "status": creative.status, "assetCount": creative.asset_ids.len(),
                "campaignAssignments": all,
            },
            "affectedCampaigns": {"active": active, "all": all},
            "impact": {
                "activeCampaignsAffected": active.len(), "totalCampaignsAffected": all.len(),
                "assetsRemoved": creative.asset_ids.len(), "forceDeleted": !active.is_empty(),
            },
            "configuration": configuration,
        }),
    ))
}

fn assigned_failure(creative_id: &str, active: &[&Assigned]) -> ApiResponse {
    let campaigns: Vec<Value> = active
        .iter()
        .map(|a| json!({"campaignId": a.campaign_id, "campaignName": a.campaign_name}))
        .collect();
    ApiResponse::failure(
        "CREATIVE_ASSIGNED",
        &format!("⚠️ **Cannot delete creative**: it is used in {}", count(active.len(), "active campaign")),
        json!({
            "creativeId": creative_id,
            "activeCampaignCount": active.len(),
            "activeCampaigns": campaigns,
            "suggestedActions": [
                "Unassign it from the campaigns first, with creative_unassign",
                "Set force to true to delete it anyway (not recommended)",
                "Wait for the campaigns to complete",
            ],
        }),
    )
}
