//! Lists campaigns, with all filters.

use std::cmp::{Ordering, Reverse};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    super::{percent, reporting::delivery_summary},
    money,
};
use crate::{
    call::Call,
    clock::Moment,
    objects::{Campaign, campaign::Status},
    response::{ApiResponse, ApiResult, count},
    store::Account,
};

/// The default number of listed campaigns.
const DEFAULT_LIMIT: usize = 50;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct List {
    brand_agent_id: Option<String>,
    status: Option<Status>,
    date_range: DateRange,
    budget_range: BudgetRange,
    sort_by: SortBy,
    sort_order: SortOrder,
    limit: Option<usize>,
}

#[derive(Default, Deserialize)]
struct DateRange {
    start: Option<String>,
    end: Option<String>,
}

#[derive(Default, Deserialize)]
struct BudgetRange {
    min: Option<u64>,
    max: Option<u64>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SortBy {
    Name,
    Budget,
    Created,
    #[default]
    Updated,
    Status,
    Performance,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SortOrder {
    Asc,
    #[default]
    Desc,
}

/// Lists campaigns as the tool description promises. The published code applies only the filter by brand agent, and
/// finds nothing without it.
pub(super) fn list(call: &mut Call<'_>) -> ApiResult {
    let mut input: List = call.input()?;
    let account = &*call.account;
    if account.as_published {
        input = List {
            limit: if input.brand_agent_id.is_some() { Some(usize::MAX) } else { Some(0) },
            brand_agent_id: input.brand_agent_id,
            ..List::default()
        };
    }
    if let Some(agent) = &input.brand_agent_id {
        account.brand_agent(agent)?;
    }
    let period = period(&input.date_range)?;
    let mut found: Vec<&Campaign> =
        account.campaigns.iter().rev().filter(|campaign| matches(campaign, &input, period)).collect();
    // The sort is stable, so equal campaigns stay newest first.
    found.sort_by(|a, b| {
        let order = compare(account, input.sort_by, a, b);
        if input.sort_order == SortOrder::Desc { order.reverse() } else { order }
    });
    found.truncate(input.limit.unwrap_or(DEFAULT_LIMIT));
    let lines: Vec<String> = found
        .iter()
        .map(|campaign| {
            format!(
                "- **{}** ({}): {}, {}",
                campaign.name,
                campaign.id,
                campaign.status.as_str(),
                money(campaign)
            )
        })
        .collect();
    let shown: Vec<Value> = found.iter().map(|campaign| listed(account, campaign)).collect();
    Ok(ApiResponse::success(
        format!("📊 **{}**\n{}", count(found.len(), "campaign"), lines.join("\n")),
        json!({
            "count": found.len(),
            "filters": filters(call.arguments(), found.is_empty()),
            "summary": summary(account, &found, &shown),
            "campaigns": shown,
        }),
    ))
}

fn period(range: &DateRange) -> ApiResult<(Option<Moment>, Option<Moment>)> {
    let read = |text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => Moment::parse(text)
            .map(Some)
            .ok_or_else(|| ApiResponse::bad_request(format!("Invalid date: {text}"))),
    };
    match (read(&range.start)?, read(&range.end)?) {
        (Some(start), Some(end)) if end < start => {
            Err(ApiResponse::bad_request("dateRange.end is before dateRange.start"))
        }
        period => Ok(period),
    }
}

/// Whether a campaign matches the filters. It matches a period if its flight overlaps the period. Without a start date,
/// the flight begins with the creation.
fn matches(campaign: &Campaign, input: &List, (from, to): (Option<Moment>, Option<Moment>)) -> bool {
    let starts = campaign.start_date.unwrap_or(campaign.created_at).date();
    let ends = campaign.end_date.map(Moment::date);
    input.brand_agent_id.as_ref().is_none_or(|agent| campaign.brand_agent_id == *agent)
        && input.status.is_none_or(|status| campaign.status == status)
        && input.budget_range.min.is_none_or(|min| campaign.budget.total >= min)
        && input.budget_range.max.is_none_or(|max| campaign.budget.total <= max)
        && from.is_none_or(|from| ends.is_none_or(|ends| ends >= from.date()))
        && to.is_none_or(|to| starts <= to.date())
}

fn compare(account: &Account, by: SortBy, a: &Campaign, b: &Campaign) -> Ordering {
    match by {
        SortBy::Name => a.name.to_lowercase().cmp(&b.name.to_lowercase()),
        SortBy::Budget => a.budget.total.cmp(&b.budget.total),
        SortBy::Created => a.created_at.cmp(&b.created_at),
        SortBy::Updated => a.updated_at.cmp(&b.updated_at),
        SortBy::Status => a.status.as_str().cmp(b.status.as_str()),
        // The spent share of the budget, compared by cross-multiplication to avoid rounding.
        SortBy::Performance => {
            let [spend_a, spend_b] = [a, b].map(|campaign| u128::from(account.spend_cents(&campaign.id)));
            (spend_a * u128::from(b.budget.total)).cmp(&(spend_b * u128::from(a.budget.total)))
        }
    }
}

/// A campaign with the members that only lists have.
fn listed(account: &Account, campaign: &Campaign) -> Value {
    let mut shown = campaign.to_json(&account.creative_ids(&campaign.id));
    if let Some(delivery) = delivery_summary(account, campaign) {
        shown["deliverySummary"] = delivery;
    }
    if let Some(health) = creative_health(account, campaign) {
        shown["creativeSyncHealth"] = health;
    }
    let types = notifications(account, campaign);
    if !types.is_empty() {
        shown["notifications"] = json!({"unread": types.len(), "types": types});
    }
    shown
}

/// Whether sellers have received and approved the first ten creatives, by Scope3's rules. `None` for a campaign without
/// creatives.
fn creative_health(account: &Account, campaign: &Campaign) -> Option<Value> {
    let ids = account.creative_ids(&campaign.id);
    let (mut synced, mut issues, mut unsynced) = (0, 0, 0);
    for id in ids.iter().take(10) {
        let syncs = account.creative(id).map(|creative| creative.sales_agent_sync_status.as_slice());
        let syncs = syncs.unwrap_or_default();
        let with = |status| syncs.iter().filter(|sync| sync.approval_status == Some(status)).count();
        match (syncs.len(), with("approved"), with("rejected")) {
            (0, ..) => unsynced += 1,
            (all, approved, _) if approved == all => synced += 1,
            (.., 1..) => issues += 1,
            _ => {}
        }
    }
    let all = ids.len();
    let status = match () {
        () if all == 0 => return None,
        () if issues * 2 > all => "critical",
        () if issues > 0 || unsynced * 2 > all => "warning",
        () => "healthy",
    };
    Some(json!({
        "status": status,
        "summary": {
            "creativesFullySynced": synced, "creativesNotSynced": unsynced,
            "creativesPartiallySynced": all - synced - unsynced - issues, "creativesWithIssues": issues,
        },
    }))
}

/// The notifications that follow from the current state of a campaign.
fn notifications(account: &Account, campaign: &Campaign) -> Vec<&'static str> {
    let creatives: Vec<_> =
        account.creative_ids(&campaign.id).into_iter().filter_map(|id| account.creative(id).ok()).collect();
    let has_approval = |status| {
        creatives
            .iter()
            .any(|creative| creative.publisher_approvals.iter().any(|given| given.approval_status == status))
    };
    let missing = creatives.is_empty() && account.tactics_of(&campaign.id).next().is_some();
    [
        ("creative.rejected", has_approval("rejected")),
        ("creative.changes_requested", has_approval("changes_requested")),
        ("tactic.missing_creatives", missing),
    ]
    .into_iter()
    .filter_map(|(kind, applies)| applies.then_some(kind))
    .collect()
}

/// The filters, in the form in which Scope3 repeats them.
fn filters(arguments: &Value, empty: bool) -> Value {
    let mut filters = Map::new();
    for name in ["brandAgentId", "status", "dateRange", "budgetRange", "limit"] {
        if let Some(value) = arguments.get(name)
            && !(empty && name == "limit")
        {
            filters.insert(name.to_owned(), value.clone());
        }
    }
    let or = |name: &str, default: &str| arguments.get(name).cloned().unwrap_or_else(|| default.into());
    filters.insert("sortBy".to_owned(), or("sortBy", "updated"));
    filters.insert("sortOrder".to_owned(), or("sortOrder", "desc"));
    filters.into()
}

/// Sums over the listed campaigns. Money is in cents, regardless of the currency.
fn summary(account: &Account, found: &[&Campaign], shown: &[Value]) -> Value {
    let budget: u64 = found.iter().map(|campaign| campaign.budget.total).sum();
    let spend: u64 = found.iter().map(|campaign| account.spend_cents(&campaign.id)).sum();
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for campaign in found {
        let status = campaign.status.as_str();
        match counts.iter_mut().find(|(counted, _)| *counted == status) {
            Some((_, count)) => *count += 1,
            None => counts.push((status, 1)),
        }
    }
    counts.sort_by_key(|(status, count)| (Reverse(*count), *status));
    let counts: Map<String, Value> =
        counts.into_iter().map(|(status, count)| (status.to_owned(), count.into())).collect();
    let mut summary = json!({
        "totalBudget": budget,
        "totalSpend": spend,
        "utilization": percent(spend, budget),
        "statusCounts": counts,
    });
    if !found.is_empty() {
        let healthy = |status| {
            shown
                .iter()
                .filter(|campaign| campaign["creativeSyncHealth"]["status"].as_str() == status)
                .count()
        };
        summary["healthSummary"] = json!({
            "healthy": healthy(Some("healthy")), "warning": healthy(Some("warning")),
            "critical": healthy(Some("critical")), "unknown": healthy(None),
        });
        let unread = |campaign: &Value| campaign["notifications"]["unread"].as_u64().unwrap_or_default();
        summary["notificationSummary"] = json!({
            "totalUnread": shown.iter().map(unread).sum::<u64>(),
            "campaignsWithNotifications": shown.iter().filter(|campaign| unread(campaign) > 0).count(),
        });
    }
    summary
}
