//! The summary of a campaign, as text and numbers. Amounts are in currency units, not in cents.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    super::cpm,
    moment,
    pacing::{Flight, Pacing, alerts},
};
use crate::{
    call::Call,
    objects::{Campaign, Delivery, Tactic, delivery::currency_units},
    response::{ApiResponse, ApiResult, count},
    store::Account,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    campaign_id: String,
    #[serde(default)]
    date_range: DateRange,
    verbosity: Option<String>,
}

#[derive(Default, Deserialize)]
struct DateRange {
    start: Option<String>,
    end: Option<String>,
}

/// The CPM with which Scope3's insights compare.
const TARGET_CPM: f64 = 5.0;

/// The delivery in the requested period.
struct Delivered<'a> {
    rows: Vec<&'a Delivery>,
    spend_cents: u64,
    impressions: u64,
}

impl<'a> Delivered<'a> {
    fn new(rows: Vec<&'a Delivery>) -> Self {
        let spend_cents = rows.iter().map(|row| row.spend_cents).sum();
        let impressions = rows.iter().map(|row| row.impressions).sum();
        Self { rows, spend_cents, impressions }
    }

    fn of(&self, tactic: &Tactic) -> Delivered<'a> {
        Self::new(self.rows.iter().copied().filter(|row| row.tactic_id == tactic.id).collect())
    }
}

pub(super) fn summary(call: &mut Call<'_>) -> ApiResult {
    let input: Summary = call.input()?;
    let account = &*call.account;
    let campaign = account.campaign(&input.campaign_id)?;
    let agent = account.brand_agent(&campaign.brand_agent_id)?;
    let delivered = delivered(account, campaign, &input.date_range)?;
    let flight = Flight::of(campaign, account.clock.now());
    let tactics: Vec<&Tactic> =
        account.tactics.iter().filter(|tactic| tactic.campaign_id == campaign.id).collect();
    let pacing = Pacing::of(account, campaign, &flight);
    let insights = insights(&delivered, &pacing, &tactics);
    let text = text(campaign, &delivered, &flight, &pacing, &insights);
    let alerts = alerts(account, campaign, &pacing);
    Ok(ApiResponse::success(
        text.clone(),
        json!({
            "summary": {
                "campaignId": campaign.id, "campaignName": campaign.name,
                "currency": campaign.budget.currency, "textSummary": text, "alerts": alerts,
                "summary": {
                    "spend": currency_units(delivered.spend_cents),
                    "impressions": delivered.impressions,
                    "averageCpm": cpm(delivered.spend_cents, delivered.impressions),
                    "flightProgress": {
                        "daysElapsed": flight.elapsed, "daysRemaining": flight.remaining,
                        "percentComplete": flight.percent(),
                    },
                },
                "pacing": pacing.to_json(),
                "insights": insights,
            },
            "campaign": campaign.to_json(&account.creative_ids(&campaign.id)),
            "brandAgent": agent,
            "campaignId": campaign.id,
            "deliveryData": {"dailyDeliveries": daily(campaign, &delivered, &tactics)},
            "tacticBreakdown": breakdown(&delivered, &tactics),
            "verbosity": input.verbosity.as_deref().unwrap_or("detailed"),
            // Scope3 returns this regardless of the input.
            "includeCharts": true,
        }),
    ))
}

fn delivered<'a>(account: &'a Account, campaign: &Campaign, range: &DateRange) -> ApiResult<Delivered<'a>> {
    let end = |text: &Option<String>| text.as_deref().map(moment).transpose();
    let from = end(&range.start)?.unwrap_or(campaign.created_at).date();
    let to = end(&range.end)?.unwrap_or(account.clock.now()).date();
    if range.start.is_some() && range.end.is_some() && to < from {
        return Err(ApiResponse::bad_request("dateRange.end is before dateRange.start"));
    }
    let rows = account.delivery.iter();
    Ok(Delivered::new(
        rows.filter(|row| row.campaign_id == campaign.id && from <= row.date && row.date <= to).collect(),
    ))
}

/// Scope3's insights that follow from numbers, without its fixed examples.
fn insights(delivered: &Delivered<'_>, pacing: &Pacing, tactics: &[&Tactic]) -> Vec<Value> {
    let mut insights = Vec::new();
    let price = cpm(delivered.spend_cents, delivered.impressions);
    let off = (price / TARGET_CPM - 1.0).abs() * 100.0;
    if price > 0.0 && price < TARGET_CPM * 0.9 {
        insights.push(json!({
            "type": "optimization", "priority": "medium",
            "message": format!("The CPM is {off:.0}% below the target"),
        }));
    } else if price > TARGET_CPM * 1.2 {
        insights.push(json!({
            "type": "optimization", "priority": "high", "action": "optimize_targeting",
            "message": format!("The CPM is {off:.0}% above the target"),
        }));
    }
    match pacing.status {
        "over" => insights.push(json!({
            "type": "alert", "priority": "high", "action": "reduce_daily_budget",
            "message": "The campaign is over-pacing",
        })),
        "under" => insights.push(json!({
            "type": "optimization", "priority": "high", "action": "increase_daily_budget",
            "message": "The campaign is under-pacing",
        })),
        _ => {}
    }
    let mut top: Vec<(&Tactic, Delivered<'_>)> =
        tactics.iter().map(|tactic| (*tactic, delivered.of(tactic))).collect();
    top.retain(|(_, part)| part.spend_cents > 0);
    top.sort_by_key(|(_, part)| std::cmp::Reverse(part.spend_cents));
    top.truncate(5);
    if !top.is_empty() {
        let tactics: Vec<Value> = top
            .iter()
            .map(|(tactic, part)| {
                json!({
                    "tacticId": tactic.id, "description": tactic.name,
                    "cpm": cpm(part.spend_cents, part.impressions), "spend": currency_units(part.spend_cents),
                })
            })
            .collect();
        insights.push(json!({
            "type": "top_tactics", "priority": "medium", "message": format!("Top {}", count(tactics.len(), "tactic")),
            "tactics": tactics,
        }));
    }
    insights
}

fn daily(campaign: &Campaign, delivered: &Delivered<'_>, tactics: &[&Tactic]) -> Vec<Value> {
    delivered
        .rows
        .iter()
        .map(|row| {
            let tactic = tactics.iter().find(|tactic| tactic.id == row.tactic_id);
            json!({
                "date": row.date.to_string(), "tacticId": row.tactic_id, "spend": currency_units(row.spend_cents),
                "currency": campaign.budget.currency, "currentPrice": tactic.map(|tactic| tactic.total_cpm()),
                "unitsDelivered": row.impressions, "deliveryUnit": "impressions",
            })
        })
        .collect()
}

fn breakdown(delivered: &Delivered<'_>, tactics: &[&Tactic]) -> Vec<Value> {
    tactics
        .iter()
        .map(|tactic| {
            let part = delivered.of(tactic);
            let price = tactic.total_cpm();
            json!({
                "tacticId": tactic.id, "tacticName": tactic.name, "status": tactic.status,
                "budgetAllocated": tactic.allocation.amount, "budgetSpent": currency_units(part.spend_cents),
                "impressions": part.impressions, "cpm": price,
                "efficiency": if price > 0.0 { (1000.0 / price * 100.0).round() / 100.0 } else { 0.0 },
            })
        })
        .collect()
}

fn text(
    campaign: &Campaign,
    delivered: &Delivered<'_>,
    flight: &Flight,
    pacing: &Pacing,
    insights: &[Value],
) -> String {
    let currency = &campaign.budget.currency;
    let mut text = format!(
        "🎯 **{} campaign summary**\n\n• Spend: {:.2} {currency}\n• Impressions: {}\n• CPM: {:.2} {currency}\n\
         • Flight: {}% complete\n• Pacing: {}, {}% of the budget used\n• Daily spend: {:.2} {currency}, target \
         {:.2} {currency}\n",
        campaign.name,
        currency_units(delivered.spend_cents),
        delivered.impressions,
        cpm(delivered.spend_cents, delivered.impressions),
        flight.percent(),
        pacing.status.replace('_', " "),
        pacing.utilized,
        pacing.daily,
        pacing.target,
    );
    for insight in insights.iter().filter_map(|insight| insight["message"].as_str()).take(3) {
        text.push_str("• ");
        text.push_str(insight);
        text.push('\n');
    }
    text
}
