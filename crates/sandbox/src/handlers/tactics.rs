//! Tactics (`src/tools/tactics`, `src/services/tactic-bigquery-service.ts` of `scope3data/activation-api`). Their
//! amounts are in currency units.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{ApiResponse, ApiResult, Call, Handler, count, creatives};
use crate::objects::{
    Tactic,
    campaign::Status,
    delivery::currency_units,
    market::SalesAgent,
    product::Product,
    tactic::{Allocation, SIGNAL_COST, TacticPacing, TacticStatus},
};

/// The handlers of these operations.
pub(super) fn handler(tool: &str) -> Option<Handler> {
    match tool {
        "tactic_list" => Some(list),
        "tactic_get" => Some(get),
        "get_prebid_segments" => Some(prebid_segments),
        "create_tactic" => Some(create),
        "tactic_update" => Some(update),
        "tactic_delete" => Some(delete),
        _ => None,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct List {
    campaign_id: String,
}

/// Lists tactics without the deleted ones. For a campaign of another customer, the list is empty.
fn list(call: &mut Call<'_>) -> ApiResult {
    let List { campaign_id } = call.input()?;
    let account = &*call.account;
    let mut tactics: Vec<&Tactic> = account.tactics_of(&campaign_id).rev().collect();
    // Scope3 sorts by amount for its bar chart, and returns the sorted list.
    tactics.sort_by(|a, b| b.allocation.amount.total_cmp(&a.allocation.amount));
    let with = |status| -> Vec<Value> {
        tactics.iter().filter(|tactic| tactic.status == status).map(|tactic| tactic.to_json()).collect()
    };
    let [active, completed, draft, paused] =
        [TacticStatus::Active, TacticStatus::Completed, TacticStatus::Draft, TacticStatus::Paused].map(with);
    let (spend, impressions) = account
        .delivery
        .iter()
        .filter(|row| tactics.iter().any(|tactic| tactic.id == row.tactic_id))
        .fold((0, 0), |(spend, impressions), row| (spend + row.spend_cents, impressions + row.impressions));
    let budget: f64 = tactics.iter().map(|tactic| tactic.allocation.amount).sum();
    let mut summary = json!({
        "totalTactics": tactics.len(), "activeTactics": active.len(), "completedTactics": completed.len(),
        "draftTactics": draft.len(), "pausedTactics": paused.len(), "totalBudget": budget,
        "totalSpend": currency_units(spend), "totalImpressions": impressions,
    });
    let mut data = json!({
        "campaignId": campaign_id,
        "count": tactics.len(),
        "tactics": tactics.iter().map(|tactic| tactic.to_json()).collect::<Vec<Value>>(),
    });
    if !tactics.is_empty() {
        summary["averageCpm"] = json!(super::cpm(spend, impressions));
        summary["budgetUtilization"] =
            json!(if budget > 0.0 { currency_units(spend) / budget * 100.0 } else { 0.0 });
        data["recommendations"] = json!({
            "draftTacticsToActivate": draft.len(),
            "highCpmTactics": tactics.iter().filter(|tactic| tactic.total_cpm() > 50.0).count(),
            "performingTactics": 0,
        });
        data["groupedTactics"] =
            json!({"active": active, "completed": completed, "draft": draft, "paused": paused});
    }
    data["summary"] = summary;
    let lines: Vec<String> = tactics
        .iter()
        .map(|tactic| {
            let Allocation { amount, currency, .. } = &tactic.allocation;
            format!(
                "- **{}** ({}): {amount:.2} {currency}, {}",
                tactic.name,
                tactic.id,
                tactic.status.as_str()
            )
        })
        .collect();
    Ok(ApiResponse::success(format!("**{}**\n{}", count(tactics.len(), "tactic"), lines.join("\n")), data))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ById {
    tactic_id: String,
}

/// Returns a tactic, even if it is deleted. At Scope3, a missing tactic is not an HTTP error.
fn get(call: &mut Call<'_>) -> ApiResult {
    let ById { tactic_id } = call.input()?;
    let account = &*call.account;
    let Some(tactic) = account.tactics.iter().find(|tactic| tactic.id == tactic_id) else {
        let message = format!("Tactic {tactic_id} not found");
        return Ok(ApiResponse::failure_without_code(
            &message,
            json!({"found": false, "tacticId": tactic_id}),
        ));
    };
    Ok(ApiResponse::success(
        format!("**{}** ({}): {}", tactic.name, tactic.id, tactic.status.as_str()),
        json!({
            "tactic": tactic.detail(account.customer_id),
            "projectedImpressions": tactic.projected_impressions(),
        }),
    ))
}

#[derive(Deserialize)]
struct Organization {
    id: String,
}

/// The bids of this customer's running tactics on a publisher's inventory, highest first.
fn prebid_segments(call: &mut Call<'_>) -> ApiResult {
    let Organization { id } = call.input()?;
    let account = &*call.account;
    let now = account.clock.now();
    let is_running = |tactic: &Tactic| {
        account.campaigns.iter().any(|campaign| {
            campaign.id == tactic.campaign_id
                && campaign.status == Status::Active
                && campaign.start_date.is_none_or(|start| start <= now)
                && campaign.end_date.is_none_or(|end| now <= end)
        })
    };
    let is_sold_by = |tactic: &Tactic| {
        let sellers = call.market.sales_agents.iter();
        sellers
            .filter(|seller| seller.organization == id)
            .any(|seller| tactic.sales_agent_id.as_ref() == Some(&seller.id))
    };
    let mut tactics: Vec<&Tactic> = account
        .tactics
        .iter()
        .filter(|tactic| tactic.status == TacticStatus::Active && is_running(tactic) && is_sold_by(tactic))
        .collect();
    tactics.sort_by(|a, b| b.total_cpm().total_cmp(&a.total_cpm()));
    let segments: Vec<Value> = tactics
        .iter()
        .map(|tactic| json!({"segment": tactic.axe_include_segment, "maxCpm": tactic.total_cpm()}))
        .collect();
    Ok(ApiResponse::success(
        format!("**{}** for {id}", count(segments.len(), "segment")),
        json!({"orgId": id, "totalSegments": segments.len(), "segments": segments}),
    ))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Create {
    name: String,
    campaign_id: String,
    media_product_id: String,
    brand_story_id: String,
    cpm: f64,
    budget_allocation: Allocation,
    description: Option<String>,
    signal_id: Option<String>,
}

/// Creates a tactic, and buys immediately from the first seller with an account. As at Scope3, a failed buy is a
/// success too.
///
/// Scope3 does not check whether the campaign and the story exist. The sandbox does, so that a customer cannot buy in
/// the campaign of another customer.
fn create(call: &mut Call<'_>) -> ApiResult {
    let input: Create = call.input()?;
    call.account.campaign(&input.campaign_id)?;
    let stories = &mut call.account.stories;
    super::guides::find(stories, "Brand story", &input.brand_story_id)?;
    let now = call.account.clock.tick();
    let product = Product::from_id(&input.media_product_id, now);
    let customer_id = call.account.customer_id;
    let seller = call.market.sellers(customer_id).into_iter().next().cloned();
    let (status, error_message) = buy(seller.as_ref(), &product);
    let tactic = Tactic {
        id: call.account.ids.dated("tactic", now),
        campaign_id: input.campaign_id,
        name: input.name,
        description: input.description,
        status,
        brand_story_id: input.brand_story_id,
        signal_cost: if input.signal_id.is_some() { SIGNAL_COST } else { 0.0 },
        signal_id: input.signal_id,
        product,
        sales_agent_id: seller.as_ref().map(|seller| seller.id.clone()),
        allocation: input.budget_allocation,
        cpm: input.cpm,
        axe_include_segment: call.account.ids.segment(now),
        error_message,
        created_at: now,
        updated_at: now,
    };
    if let Some(seller) = &seller
        && tactic.status != TacticStatus::Failed
    {
        creatives::sync_campaign(call, &tactic.campaign_id, &seller.id)?;
    }
    let Allocation { amount, currency, .. } = &tactic.allocation;
    let mut message = format!(
        "✅ **Tactic created**: {} ({})\n\nBuy of {amount:.2} {currency}: {}",
        tactic.name,
        tactic.id,
        tactic.status.as_str()
    );
    if let Some(error) = &tactic.error_message {
        message.push_str(". ");
        message.push_str(error);
    }
    let answer = ApiResponse::success(
        message,
        json!({
            "tactic": tactic.to_json(),
            "mediaProduct": tactic.product,
            "effectivePricing": tactic.pricing(),
            "projectedMetrics": {
                "impressions": tactic.projected_impressions(),
                "effectiveCpm": tactic.total_cpm(),
                "totalBudget": amount,
            },
            "configuration": call.arguments(),
        }),
    );
    call.account.tactics.push(tactic);
    Ok(answer)
}

/// The result of a buy. Sellers must approve guaranteed products. A product whose id contains `unavailable` fails, so
/// that a failed buy can be tested.
fn buy(seller: Option<&SalesAgent>, product: &Product) -> (TacticStatus, Option<String>) {
    match seller {
        None => (TacticStatus::Failed, Some("No seller with an account".to_owned())),
        Some(seller) if product.id.to_lowercase().contains("unavailable") => {
            (TacticStatus::Failed, Some(format!("{} does not sell {}", seller.name, product.id)))
        }
        Some(_) if product.delivery_type == "guaranteed" => (TacticStatus::PendingApproval, None),
        Some(_) => (TacticStatus::Active, None),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Update {
    tactic_id: String,
    name: Option<String>,
    description: Option<String>,
    status: Option<TacticStatus>,
    cpm: Option<f64>,
    signal_cost: Option<f64>,
    #[serde(default)]
    budget_allocation: AllocationChange,
}

/// The changes of an allocation.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AllocationChange {
    amount: Option<f64>,
    currency: Option<String>,
    daily_cap: Option<f64>,
    pacing: Option<TacticPacing>,
    percentage: Option<f64>,
}

impl AllocationChange {
    /// Applies the changes, and returns the names of the changed fields.
    pub(super) fn apply(self, allocation: &mut Allocation) -> Vec<&'static str> {
        let mut fields = Vec::new();
        set(&mut allocation.amount, self.amount, "amount", &mut fields);
        set(&mut allocation.currency, self.currency, "currency", &mut fields);
        set(&mut allocation.daily_cap, self.daily_cap.map(Some), "dailyCap", &mut fields);
        set(&mut allocation.pacing, self.pacing, "pacing", &mut fields);
        set(&mut allocation.percentage, self.percentage.map(Some), "percentage", &mut fields);
        fields
    }
}

fn set<T>(target: &mut T, value: Option<T>, name: &'static str, fields: &mut Vec<&'static str>) {
    if let Some(value) = value {
        *target = value;
        fields.push(name);
    }
}

fn update(call: &mut Call<'_>) -> ApiResult {
    let input: Update = call.input()?;
    let account = &mut *call.account;
    let mut tactic = account.live_tactic(&input.tactic_id)?.clone();
    let mut fields = Vec::new();
    set(&mut tactic.name, input.name, "name", &mut fields);
    set(&mut tactic.description, input.description.map(Some), "description", &mut fields);
    set(&mut tactic.status, input.status, "status", &mut fields);
    set(&mut tactic.cpm, input.cpm, "cpm", &mut fields);
    set(&mut tactic.signal_cost, input.signal_cost, "signalCost", &mut fields);
    fields.extend(input.budget_allocation.apply(&mut tactic.allocation));
    if !fields.is_empty() {
        tactic.updated_at = account.clock.tick();
    }
    let answer = ApiResponse::success(
        format!("✅ **Tactic updated**: {} ({}), {}", tactic.name, tactic.id, count(fields.len(), "field")),
        json!({
            "tacticId": tactic.id,
            "currentState": {
                "name": tactic.name, "status": tactic.status, "budgetAmount": tactic.allocation.amount,
                "effectiveCpm": tactic.total_cpm(), "projectedImpressions": tactic.projected_impressions(),
            },
            "updates": {"applied": fields.len(), "fields": fields},
        }),
    );
    *account.live_tactic(&input.tactic_id)? = tactic;
    Ok(answer)
}

fn delete(call: &mut Call<'_>) -> ApiResult {
    let ById { tactic_id } = call.input()?;
    call.account.live_tactic(&tactic_id)?;
    if call.arguments()["confirm"] != true {
        let data = json!({"requiresConfirmation": true, "tacticId": tactic_id});
        return Ok(ApiResponse::failure_without_code("Not deleted: confirm must be true", data));
    }
    let account = &mut *call.account;
    let now = account.clock.tick();
    let tactic = account.live_tactic(&tactic_id)?;
    let before = tactic.clone();
    tactic.status = TacticStatus::Inactive;
    tactic.updated_at = now;
    Ok(ApiResponse::success(
        format!("🗑️ **Tactic deleted**: {} ({tactic_id})", before.name),
        json!({
            "tacticId": tactic_id,
            "deletedTactic": {
                "id": before.id, "name": before.name, "campaignId": before.campaign_id,
                "status": before.status, "budgetAmount": before.allocation.amount,
                "budgetCurrency": before.allocation.currency, "cpm": before.total_cpm(),
            },
            "impact": {
                "budgetFreed": before.allocation.amount, "currency": before.allocation.currency,
                "projectedImpressionsLost": before.projected_impressions(),
                "wasActive": before.status == TacticStatus::Active,
            },
            "timestamp": now,
        }),
    ))
}
