//! Revises a creative for a publisher that rejected it or requested changes. In Scope3's code, no creative has an
//! approval to respond to. Here, each publisher that received the creative has one.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{ApiResponse, ApiResult, Call, count, sync, view};
use crate::objects::{
    Creative,
    creative::{CreativeStatus, PublisherApproval},
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Revise {
    creative_id: String,
    publisher_id: String,
    revisions: Revisions,
    auto_resync: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Revisions {
    html_snippet: Option<String>,
    javascript_tag: Option<String>,
    vast_tag: Option<String>,
    asset_ids: Option<Vec<String>>,
    content_categories: Option<Vec<String>>,
    target_audience: Option<String>,
}

impl Revisions {
    fn changes(&self) -> Vec<String> {
        let text = |given: bool, change: &str| given.then(|| change.to_owned());
        [
            text(self.html_snippet.is_some(), "HTML snippet updated"),
            text(self.javascript_tag.is_some(), "JavaScript tag updated"),
            text(self.vast_tag.is_some(), "VAST tag updated"),
            self.asset_ids.as_ref().map(|ids| format!("Assets updated ({})", count(ids.len(), "asset"))),
            text(self.content_categories.is_some(), "Content categories updated"),
            text(self.target_audience.is_some(), "Target audience updated"),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Applies the revision. Unlike an update, it keeps the content that it does not name.
    fn apply(self, creative: &mut Creative) {
        let mut content = creative.content.clone();
        content.html_snippet = self.html_snippet.or(content.html_snippet);
        content.javascript_tag = self.javascript_tag.or(content.javascript_tag);
        content.vast_tag = self.vast_tag.or(content.vast_tag);
        content.asset_ids = self.asset_ids.or(content.asset_ids);
        creative.replace_content(content);
        if let Some(categories) = self.content_categories {
            creative.content_categories = categories;
        }
        if let Some(audience) = self.target_audience {
            creative.target_audience = Some(audience);
        }
    }
}

pub(super) fn revise(call: &mut Call<'_>) -> ApiResult {
    let Revise { creative_id, publisher_id, revisions, auto_resync } = call.input()?;
    let before = approval(call.account.creative(&creative_id)?, &publisher_id)?.clone();
    if matches!(before.approval_status, "approved" | "auto_approved") {
        return Ok(ApiResponse::text(format!(
            "ℹ️ Creative already approved by {}. No revision needed.",
            before.publisher_name
        )));
    }
    let now = call.account.clock.tick();
    let changes = revisions.changes();
    let creative = call.account.creative_mut(&creative_id)?;
    revisions.apply(creative);
    creative.status = CreativeStatus::PendingReview;
    creative.changed(now);
    let auto_resync = auto_resync.unwrap_or(true);
    // A publisher is identified by its organization, and reached through the seller of that organization.
    let sellers = call.market.sales_agents.iter().filter(|seller| seller.organization == publisher_id);
    let sellers: Vec<String> = sellers.map(|seller| seller.id.clone()).collect();
    if auto_resync {
        sync::send(call.account, call.market, &creative_id, &sellers)?;
    }
    let creative = call.account.creative(&creative_id)?;
    let after = approval(creative, &publisher_id)?;
    let mut configuration = call.arguments().clone();
    configuration["autoResync"] = json!(auto_resync);
    configuration["revisionDate"] = json!(now);
    Ok(ApiResponse::success(
        format!(
            "✏️ **Creative revised** for {}: {}{}",
            before.publisher_name,
            changes.join(", "),
            if auto_resync { "" } else { "\nTo send it, call creative_sync_sales_agents" },
        ),
        json!({
            "creative": view(call.account, creative),
            "publisherApproval": after,
            "resyncResults": if auto_resync { resync(creative, after, &sellers) } else {
                json!({"attempted": false, "manualSyncRequired": true})
            },
            "revisionSummary": summary(&changes, &before),
            "configuration": configuration,
            "metadata": {
                "action": "revise", "creativeType": "creative", "publisherName": before.publisher_name,
                "requiresFollowUp": true, "wasAlreadyApproved": false,
            },
        }),
    ))
}

fn approval<'a>(creative: &'a Creative, publisher_id: &str) -> ApiResult<&'a PublisherApproval> {
    let found = creative.publisher_approvals.iter().find(|approval| approval.publisher_id == publisher_id);
    found.ok_or_else(|| {
        ApiResponse::bad_request(format!(
            "Failed to revise creative: Creative not synced to this publisher: Creative {} has not been synced to \
             publisher {publisher_id}",
            creative.creative_id
        ))
    })
}

fn summary(changes: &[String], before: &PublisherApproval) -> Value {
    let mut summary = json!({
        "changes": changes,
        "previousStatus": before.approval_status,
        "requestedChanges": before.requested_changes,
    });
    if let Some(reason) = &before.rejection_reason {
        summary["rejectionReason"] = json!(reason);
    }
    summary
}

/// The result of sending the creative again.
fn resync(creative: &Creative, after: &PublisherApproval, sellers: &[String]) -> Value {
    let mut statuses = creative.sales_agent_sync_status.iter();
    let status = statuses.find(|status| sellers.contains(&status.sales_agent_id));
    let successful = status.is_some_and(|status| status.status == "synced");
    let mut result = json!({
        "publisherId": after.publisher_id,
        "publisherName": after.publisher_name,
        "creativeId": creative.creative_id,
        "syncStatus": if successful { "success" } else { "failed" },
        "approvalStatus": after.approval_status,
        "estimatedReviewTime": "24 hours",
    });
    if let Some(attempt) = status.and_then(|status| status.last_sync_attempt) {
        result["syncedAt"] = json!(attempt);
    }
    if let Some(error) = status.and_then(|status| status.rejection_reason.as_ref()) {
        result["error"] = json!(error);
    }
    json!({
        "attempted": true, "successful": successful, "newApprovalStatus": after.approval_status,
        "results": [result],
    })
}
