//! Creatives (`src/tools/creatives`, `src/services/creative-service.ts` and `creative-sync-service.ts` of
//! `scope3data/activation-api`). In that code, the promised filters, assignments and approvals do not work. Here they
//! work, unless `as_published`.

mod assign;
mod change;
mod create;
mod list;
mod revise;
mod sync;

pub(super) use self::sync::sync_campaign;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{ApiResponse, ApiResult, Call, Handler, count, external, media_products};
use crate::{
    clock::Moment,
    objects::{Creative, campaign::Status, signals::distinct},
    store::Account,
};

/// The handlers of these operations.
pub(super) fn handler(tool: &str) -> Option<Handler> {
    match tool {
        "creative_list" => Some(list::list),
        "creative_get" => Some(get),
        "creative_create" => Some(create::create),
        "creative_assign" => Some(assign::assign),
        "creative_unassign" => Some(assign::unassign),
        "creative_sync_sales_agents" => Some(sync::sync),
        "creative_update" => Some(change::update),
        "creative_revise" => Some(revise::revise),
        "creative_delete" => Some(change::delete),
        _ => None,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ById {
    creative_id: String,
}

fn get(call: &mut Call<'_>) -> ApiResult {
    let ById { creative_id } = call.input()?;
    let account = &call.account;
    let creative = account.creative(&creative_id)?;
    let assigned = assignments(account, creative);
    let active: Vec<&Assigned> = assigned.iter().filter(|assigned| assigned.is_active).collect();
    let synced_to = distinct(assigned.iter().flat_map(|a| a.publishers_synced.iter().map(String::as_str)));
    let summary = SyncSummary::of(creative);
    Ok(ApiResponse::success(
        format!(
            "**{}** ({})\nIn {}, with {}",
            creative.creative_name,
            creative.creative_id,
            count(assigned.len(), "campaign"),
            count(summary.synced, "seller")
        ),
        json!({
            "creative": view(account, creative),
            "content": {
                "assemblyMethod": creative.assembly_method, "assetIds": creative.asset_ids,
                "content": creative.content, "format": creative.format,
            },
            "assignments": {
                "campaigns": assigned, "activeCampaigns": active, "publishersSyncedTo": synced_to,
            },
            "syncStatus": {
                "salesAgentSyncStatus": creative.sales_agent_sync_status, "syncStatusSummary": summary,
            },
            "metadata": {
                "creativeId": creative.creative_id,
                "assetCount": creative.asset_ids.len(),
                "hasAssets": !creative.asset_ids.is_empty(),
                "campaignAssignmentCount": assigned.len(),
                "hasCampaignAssignments": !assigned.is_empty(),
                "activeCampaignAssignments": active.len(),
                // The sandbox has only the ids of assets, so it cannot validate them.
                "hasValidation": false,
                "allAssetsValid": false,
                "invalidAssetCount": 0,
                "salesAgentsSynced": summary.synced,
                "salesAgentsApproved": summary.approved,
                "salesAgentsPending": summary.pending,
                "salesAgentsRejected": summary.rejected,
                "hasSyncStatus": summary.total_relevant_agents > 0,
            },
        }),
    ))
}

/// The assignment of a creative to a campaign, as in responses.
#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "the names are Scope3's")]
#[serde(rename_all = "camelCase")]
struct Assigned {
    campaign_id: String,
    campaign_name: String,
    assigned_date: Moment,
    /// Whether the campaign is active.
    is_active: bool,
    /// The sellers of this campaign that have the creative.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    publishers_synced: Vec<String>,
}

/// The campaigns of a creative. The published code finds none.
fn assignments(account: &Account, creative: &Creative) -> Vec<Assigned> {
    if account.as_published {
        return Vec::new();
    }
    let assignments = account.assignments.iter().filter(|a| a.creative_id == creative.creative_id);
    assignments
        .filter_map(|assignment| {
            let campaign = account.campaign(&assignment.campaign_id).ok()?;
            let mut sellers = sync::sellers_of(account, &campaign.id);
            sellers.retain(|seller| {
                let mut synced = creative.sales_agent_sync_status.iter();
                synced.any(|status| status.sales_agent_id == *seller && status.status == "synced")
            });
            Some(Assigned {
                campaign_id: campaign.id.clone(),
                campaign_name: campaign.name.clone(),
                assigned_date: assignment.assigned_date,
                is_active: campaign.status == Status::Active,
                publishers_synced: sellers,
            })
        })
        .collect()
}

/// The number of sellers in each state of sending and approval.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SyncSummary {
    approved: usize,
    pending: usize,
    rejected: usize,
    synced: usize,
    total_relevant_agents: usize,
}

impl SyncSummary {
    fn of(creative: &Creative) -> Self {
        let all = &creative.sales_agent_sync_status;
        let with = |word| all.iter().filter(|status| status.approval_status == Some(word)).count();
        Self {
            approved: with("approved"),
            pending: all
                .iter()
                .filter(|status| matches!(status.approval_status, None | Some("pending")))
                .count(),
            rejected: with("rejected"),
            synced: all.iter().filter(|status| status.status == "synced").count(),
            total_relevant_agents: all.len(),
        }
    }
}

/// A creative as in responses.
fn view(account: &Account, creative: &Creative) -> Value {
    let mut view = json!(creative);
    view["campaignAssignments"] = json!(assignments(account, creative));
    if !creative.sales_agent_sync_status.is_empty() {
        view["syncStatusSummary"] = json!(SyncSummary::of(creative));
    }
    view
}
