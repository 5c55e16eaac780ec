//! Creates creatives.

use serde::Deserialize;
use serde_json::json;

use super::{ApiResponse, ApiResult, Call, assign, count, media_products::format_problem, view};
use crate::{
    objects::{
        Creative,
        creative::{AssemblyMethod, Content, FormatRef},
    },
    store::Account,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Create {
    buyer_agent_id: String,
    creatives: Vec<Item>,
    #[serde(default)]
    shared_defaults: Defaults,
    processing_mode: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    creative_name: String,
    creative_description: Option<String>,
    external_id: Option<String>,
    format: FormatRef,
    content: Content,
    #[serde(flatten)]
    own: Shareable,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Defaults {
    assign_to_campaign_ids: Vec<String>,
    #[serde(flatten)]
    shared: Shareable,
}

/// Members that an item can set itself or take from the defaults.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Shareable {
    assembly_method: Option<AssemblyMethod>,
    content_categories: Option<Vec<String>>,
    target_audience: Option<String>,
}

pub(super) fn create(call: &mut Call<'_>) -> ApiResult {
    let input: Create = call.input()?;
    call.account.brand_agent(&input.buyer_agent_id)?;
    let campaigns = &input.shared_defaults.assign_to_campaign_ids;
    for campaign in campaigns {
        assign::same_owner(call.account, &input.buyer_agent_id, campaign)?;
    }
    let requested = input.creatives.len();
    let fail_fast = input.processing_mode.as_deref() == Some("fail_fast");
    let mut created = Vec::new();
    let mut problems = Vec::new();
    for item in input.creatives {
        let content = item.content.problem().map(str::to_owned);
        let format = || format_problem(&item.format).filter(|_| !call.account.as_published);
        if let Some(problem) = content.or_else(format) {
            problems.push(format!("❌ {}: {problem}", item.creative_name));
            if fail_fast {
                break;
            }
            continue;
        }
        created.push(add(call.account, &input.buyer_agent_id, item, &input.shared_defaults.shared));
    }
    if created.is_empty() {
        return Err(ApiResponse::bad_request(format!(
            "Failed to process creative creation request: Failed to create any creatives. {}.\n{}",
            count(problems.len(), "error"),
            problems.join("\n")
        )));
    }
    for creative in &created {
        for campaign in campaigns {
            assign::add_to_campaign(call, creative, campaign)?;
        }
    }
    let account = &call.account;
    let mut shown = Vec::new();
    for creative in &created {
        shown.push(view(account, account.creative(creative)?));
    }
    // Only the message contains the problems of the others.
    let message = format!(
        "✅ **{} of {} created**\n{}",
        created.len(),
        count(requested, "creative"),
        problems.join("\n")
    );
    Ok(ApiResponse::success(
        message,
        json!({
            "creatives": shown,
            "count": created.len(),
            "totalRequested": requested,
            "results": {"successful": created.len(), "failed": problems.len()},
            "configuration": {
                "buyerAgentId": input.buyer_agent_id, "assignToCampaignIds": campaigns,
            },
        }),
    ))
}

fn add(account: &mut Account, owner: &str, item: Item, shared: &Shareable) -> String {
    let now = account.clock.tick();
    let id = account.ids.short("creative");
    let new = Creative::new(
        id.clone(),
        item.creative_name,
        owner.to_owned(),
        account.customer_id,
        item.format,
        item.content,
        now,
    );
    account.creatives.push(Creative {
        creative_description: item.creative_description,
        external_id: item.external_id,
        assembly_method: item.own.assembly_method.or(shared.assembly_method).unwrap_or_default(),
        content_categories: item
            .own
            .content_categories
            .or_else(|| shared.content_categories.clone())
            .unwrap_or_default(),
        target_audience: item.own.target_audience.or_else(|| shared.target_audience.clone()),
        ..new
    });
    id
}
