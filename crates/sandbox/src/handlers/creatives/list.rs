//! Lists the creatives of a brand agent, in pages.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{ApiResponse, ApiResult, Call, count, media_products::required_assets, view};
use crate::{
    objects::{Creative, creative::CreativeStatus},
    store::Account,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct List {
    buyer_agent_id: String,
    #[serde(default)]
    filter: Filter,
    include_assets: Option<bool>,
    include_campaigns: Option<bool>,
    limit: Option<usize>,
    #[serde(default)]
    offset: usize,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Filter {
    status: Option<CreativeStatus>,
    campaign_id: Option<String>,
    has_asset_type: Option<String>,
    search_term: Option<String>,
    unassigned: Option<bool>,
}

impl Filter {
    fn matches(&self, account: &Account, creative: &Creative) -> bool {
        self.status.is_none_or(|status| status == creative.status)
            && self.campaign_id.as_ref().is_none_or(|campaign| {
                campaigns(account, creative).any(|assigned| assigned == campaign)
            })
            && self.has_asset_type.as_ref().is_none_or(|kind| asset_types(creative).contains(&kind.as_str()))
            && self.search_term.as_ref().is_none_or(|term| mentions(creative, term))
            // `false` has no effect: the filter means "only show creatives not assigned".
            && (self.unassigned != Some(true) || campaigns(account, creative).next().is_none())
    }
}

pub(super) fn list(call: &mut Call<'_>) -> ApiResult {
    let mut input: List = call.input()?;
    let account = &call.account;
    account.brand_agent(&input.buyer_agent_id)?;
    if account.as_published {
        if input.filter.status.is_some() {
            return Err(ApiResponse::bad_request("Failed to list creatives: Unrecognized name: status"));
        }
        input.filter = Filter::default();
    }
    let all: Vec<&Creative> =
        account.creatives.iter().filter(|creative| creative.buyer_agent_id == input.buyer_agent_id).collect();
    let found: Vec<&Creative> =
        all.iter().rev().copied().filter(|creative| input.filter.matches(account, creative)).collect();
    let limit = input.limit.unwrap_or(20);
    let page: Vec<&Creative> = found.iter().skip(input.offset).take(limit).copied().collect();
    let next = input.offset.saturating_add(limit);
    let mut pagination = json!({"limit": limit, "offset": input.offset});
    if page.is_empty() {
        pagination["total"] = json!(found.len());
    } else {
        pagination["hasMore"] = json!(next < found.len());
    }
    if next < found.len() && !account.as_published {
        pagination["nextOffset"] = json!(next);
    }
    let filters = call.arguments().get("filter").cloned().unwrap_or_else(|| json!({}));
    let mut data = json!({
        "buyerAgentId": input.buyer_agent_id,
        "creatives": page.iter().map(|creative| shown(account, creative, &input)).collect::<Vec<_>>(),
        "count": page.len(),
        "pagination": pagination,
        "filters": filters,
    });
    if !page.is_empty() {
        data["totalCount"] = json!(found.len());
        data["summary"] = summary(account, &all);
        for name in ["includeAssets", "includeCampaigns"] {
            if let Some(given) = call.arguments().get(name) {
                data[name] = given.clone();
            }
        }
    }
    let lines: Vec<String> =
        page.iter().map(|c| format!("- **{}** ({})", c.creative_name, c.creative_id)).collect();
    Ok(ApiResponse::success(
        format!("**{} of {}**\n{}", page.len(), count(found.len(), "creative"), lines.join("\n")),
        data,
    ))
}

fn shown(account: &Account, creative: &Creative, input: &List) -> Value {
    let mut view = view(account, creative);
    if let Value::Object(members) = &mut view {
        members.retain(|name, _| match name.as_str() {
            "assetIds" => input.include_assets.unwrap_or(true),
            "campaignAssignments" => input.include_campaigns.unwrap_or(true),
            _ => true,
        });
    }
    view
}

/// Counts of all creatives of the brand agent, regardless of the filters.
fn summary(account: &Account, all: &[&Creative]) -> Value {
    let with = |status| all.iter().filter(|creative| creative.status == status).count();
    let assigned = all.iter().filter(|creative| campaigns(account, creative).next().is_some()).count();
    json!({
        "totalCreatives": all.len(),
        "activeCreatives": with(CreativeStatus::Active),
        "draftCreatives": with(CreativeStatus::Draft),
        "assignedCreatives": assigned,
        "unassignedCreatives": all.len() - assigned,
    })
}

fn campaigns<'a>(account: &'a Account, creative: &'a Creative) -> impl Iterator<Item = &'a String> {
    let assignments = account.assignments.iter().filter(|a| a.creative_id == creative.creative_id);
    assignments.filter(|_| !account.as_published).map(|assignment| &assignment.campaign_id)
}

fn mentions(creative: &Creative, term: &str) -> bool {
    let term = term.to_lowercase();
    let description = creative.creative_description.as_deref().unwrap_or_default();
    creative.creative_name.to_lowercase().contains(&term) || description.to_lowercase().contains(&term)
}

/// The asset types of a creative. The sandbox knows only the ids of assets, so it assumes the types that the format
/// requires.
fn asset_types(creative: &Creative) -> Vec<&'static str> {
    let content = &creative.content;
    let mut types = Vec::new();
    let snippet = content.snippet_type.as_deref();
    if content.html_snippet.is_some()
        || content.javascript_tag.is_some()
        || matches!(snippet, Some("HTML" | "JavaScript" | "iFrame"))
    {
        types.push("html");
    }
    if content.vast_tag.is_some() || snippet == Some("VAST") {
        types.push("video");
    }
    if snippet == Some("DAAST") {
        types.push("audio");
    }
    if content.template_variables.is_some() {
        types.push("text");
    }
    if !creative.asset_ids.is_empty() || content.product_url.is_some() {
        types.extend(required_assets(&creative.format.format_id));
    }
    types
}
