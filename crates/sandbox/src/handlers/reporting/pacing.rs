//! The progress of a campaign, in time and in spend.

use serde_json::{Value, json};

use super::super::cpm;
use crate::{
    clock::Moment,
    objects::{Campaign, campaign::Status, delivery::currency_units},
    store::Account,
};

/// The progress of a flight, in whole days.
pub(super) struct Flight {
    pub(super) elapsed: f64,
    pub(super) remaining: f64,
}

impl Flight {
    /// The progress of a campaign's flight. Without a start, it begins with the creation. Without an end, it has 30
    /// days left, as at Scope3.
    pub(super) fn of(campaign: &Campaign, now: Moment) -> Self {
        let start = campaign.start_date.unwrap_or(campaign.created_at);
        let days = |from: Moment, to: Moment| {
            let passed = to.as_millisecond().saturating_sub(from.as_millisecond());
            f64::from(i32::try_from(passed.max(0) / 86_400_000).unwrap_or(i32::MAX))
                + if passed.max(0) % 86_400_000 > 0 { 1.0 } else { 0.0 }
        };
        match campaign.end_date {
            Some(end) => {
                let elapsed = days(start, now.min(end));
                Self { elapsed, remaining: (days(start, end) - elapsed).max(0.0) }
            }
            None => Self { elapsed: days(start, now), remaining: 30.0 },
        }
    }

    fn whole(&self) -> f64 {
        (self.elapsed + self.remaining).max(1.0)
    }

    pub(super) fn percent(&self) -> f64 {
        (self.elapsed / self.whole() * 100.0).round()
    }
}

/// The spend of a campaign compared to its plan, for the whole flight regardless of the requested period.
pub(super) struct Pacing {
    /// `on_track`, `over` or `under`.
    pub(super) status: &'static str,
    /// The spent share of the budget, in percent.
    pub(super) utilized: f64,
    pub(super) daily: f64,
    pub(super) target: f64,
    projected: f64,
}

impl Pacing {
    pub(super) fn of(account: &Account, campaign: &Campaign, flight: &Flight) -> Self {
        let (spend, total) =
            (currency_units(account.spend_cents(&campaign.id)), currency_units(campaign.budget.total));
        let cents = |units: f64| (units * 100.0).round() / 100.0;
        let daily = if flight.elapsed > 0.0 { spend / flight.elapsed } else { 0.0 };
        let target = total / flight.whole();
        let status = match daily / target.max(f64::EPSILON) {
            _ if spend <= 0.0 => "on_track",
            share if share > 1.15 => "over",
            share if share < 0.85 => "under",
            _ => "on_track",
        };
        Self {
            status,
            utilized: (spend / total.max(f64::EPSILON) * 100.0).round(),
            daily: cents(daily),
            target: cents(target),
            projected: cents(daily * flight.whole()),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "status": self.status, "budgetUtilized": self.utilized, "actualDailySpend": self.daily,
            "dailySpendTarget": self.target, "projectedFinalSpend": self.projected,
        })
    }
}

/// The alerts of a campaign.
pub(super) fn alerts(account: &Account, campaign: &Campaign, pacing: &Pacing) -> Vec<Value> {
    if pacing.status == "on_track" || campaign.status != Status::Active {
        return Vec::new();
    }
    vec![json!({
        "id": format!("alert_pacing_{}", campaign.id), "type": "pacing", "severity": "warning",
        "message": format!("The campaign is {}-pacing", pacing.status), "actionRequired": true,
        "timestamp": account.clock.now(),
    })]
}

/// The delivery of a campaign as in lists. `None` if it has not delivered yet. Scope3's types declare it.
pub(in crate::handlers) fn delivery_summary(account: &Account, campaign: &Campaign) -> Option<Value> {
    let now = account.clock.now();
    let whole = account.spend_cents(&campaign.id);
    if whole == 0 {
        return None;
    }
    let flight = Flight::of(campaign, now);
    let pacing = Pacing::of(account, campaign, &flight);
    let today =
        account.delivery.iter().filter(|row| row.campaign_id == campaign.id && row.date == now.date());
    let (spend, impressions) = today
        .fold((0, 0), |(spend, impressions), row| (spend + row.spend_cents, impressions + row.impressions));
    let status = match campaign.status {
        Status::Active => "delivering",
        Status::Completed => "completed",
        Status::Paused => "paused",
        Status::Scheduled | Status::Draft => "scheduled",
    };
    let mut shown = json!({
        "status": status,
        "healthScore": if pacing.status == "on_track" { "healthy" } else { "warning" },
        "lastUpdated": now,
        "alerts": alerts(account, campaign, &pacing),
        "today": {
            "impressions": impressions, "spend": currency_units(spend), "averagePrice": cpm(spend, impressions),
        },
        "pacing": {
            "status": pacing.status,
            "budgetUtilized": currency_units(whole) / currency_units(campaign.budget.total).max(f64::EPSILON),
            "daysRemaining": flight.remaining,
        },
    });
    if let Some(end) = campaign.end_date {
        shown["pacing"]["projectedCompletion"] = json!(end);
    }
    Some(shown)
}
