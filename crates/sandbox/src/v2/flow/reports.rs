//! Reports. All figures come from the ledgers of the packages, so they agree with the packages and with each other.

use jiff::{ToSpan, civil::Date};
use serde_json::{Value, json};

use crate::clock::Moment;

use super::{
    super::objects::{
        campaign::Campaign,
        media_buy::{Figures, MediaBuy, Package},
        units,
    },
    Answer, Call, Handler, Refusal, Reply,
};

pub(super) fn handler(operation: &str) -> Option<Handler> {
    (operation == "getReportingMetrics").then_some(report)
}

/// The days of a report.
#[derive(Debug, Clone, Copy)]
pub(in crate::v2) struct Period {
    pub(in crate::v2) first: Date,
    pub(in crate::v2) last: Date,
    pub(in crate::v2) now: Moment,
}

/// The days of a report that names none.
const DEFAULT_DAYS: usize = 7;

impl Period {
    /// The days that the arguments name.
    pub(in crate::v2) fn of(call: &Call<'_>) -> Answer<Self> {
        let now = call.account.now();
        let date = |name: &str| call.arguments.text(name).and_then(|text| text.parse::<Date>().ok());
        let last = date("endDate").unwrap_or(now.date());
        let days = i64::try_from(call.arguments.count("days").unwrap_or(DEFAULT_DAYS)).unwrap_or(1);
        let first = date("startDate").or_else(|| last.checked_sub((days - 1).days()).ok()).unwrap_or(last);
        if first > last {
            return Err(Refusal::invalid_value("endDate", "must not be before startDate"));
        }
        Ok(Self { first, last, now })
    }

    /// What a package delivered from the first day to the last.
    pub(in crate::v2) fn figures(self, package: &Package) -> Figures {
        let until = self.last.tomorrow().map_or(self.now, |next| midnight(next).min(self.now));
        package.delivered(until) - package.delivered(midnight(self.first).min(self.now))
    }

    /// Each day alone.
    pub(in crate::v2) fn days(self) -> impl Iterator<Item = Self> {
        self.first.series(1.day()).take_while(move |day| *day <= self.last).map(move |day| Self {
            first: day,
            last: day,
            now: self.now,
        })
    }
}

fn midnight(date: Date) -> Moment {
    Moment::parse(&date.to_string()).unwrap_or(Moment::EPOCH)
}

/// The share of a part in a whole, unless the whole is nothing.
fn ratio(part: u64, whole: u64, factor: f64) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "exact enough for a share")]
    let (part, whole) = (part as f64, whole as f64);
    if whole > 0.0 { json!((part * factor / whole * 1e6).round() / 1e6) } else { Value::Null }
}

/// The figures as reports show them.
pub(in crate::v2) fn metrics(figures: Figures) -> Value {
    let Figures { spend_cents, impressions, clicks, completed_views } = figures;
    let conversions = clicks / 40;
    json!({
        "impressions": impressions,
        "spend": units(spend_cents),
        "clicks": clicks,
        "views": completed_views * 10 / 7,
        "completedViews": completed_views,
        "conversions": conversions,
        "leads": 0,
        "videoCompletions": completed_views,
        "conversionValue": units(conversions * 4_500),
        // Cents for an impression are tenths of units for a thousand.
        "ecpm": ratio(spend_cents, impressions, 10.0),
        "cpc": ratio(spend_cents, clicks, 0.01),
        "ctr": ratio(clicks, impressions, 1.0),
        "completionRate": ratio(completed_views, completed_views * 10 / 7, 1.0),
        "cpa": ratio(spend_cents, conversions, 0.01),
        "roas": ratio(conversions * 4_500, spend_cents, 1.0),
    })
}

fn report(call: &mut Call<'_>) -> Answer {
    let period = Period::of(call)?;
    let arguments = &call.arguments;
    let (advertiser, campaign) = (arguments.id("advertiserId"), arguments.id("campaignId"));
    if let Some(id) = &advertiser {
        call.account.advertiser(id)?;
    }
    if let Some(id) = &campaign {
        call.account.campaign(id)?;
    }
    let is_wanted = |one: &&Campaign| {
        advertiser.as_ref().is_none_or(|id| one.advertiser == *id)
            && campaign.as_ref().is_none_or(|id| one.id == *id)
    };
    let campaigns: Vec<&Campaign> = call.account.campaigns.iter().filter(is_wanted).collect();
    let mut total = Figures::default();
    let mut currencies: Vec<&str> = Vec::new();
    for one in &campaigns {
        let mut sum = Figures::default();
        one.buys.iter().flat_map(|buy| &buy.packages).for_each(|package| sum += period.figures(package));
        total += sum;
        if sum != Figures::default() && !currencies.contains(&one.currency.as_str()) {
            currencies.push(&one.currency);
        }
    }
    let mut totals = metrics(total);
    let is_mixed = currencies.len() > 1;
    if is_mixed {
        for name in ["spend", "conversionValue", "ecpm", "cpc", "cpa", "roas"] {
            totals[name] = Value::Null;
        }
    }
    let rows = series(call, &campaigns, period);
    if arguments.is_true("download") {
        return Ok(Reply::of(json!({
            "downloadUrl": "https://sandbox.example/reports/metrics.csv", "expiresAt": period.now.plus_hours(1),
            "fileName": format!("metrics-{}-{}.csv", period.first, period.last), "rowCount": rows.len(),
        })));
    }
    let mut answer = match arguments.text("view") {
        Some("timeseries") => json!({ "timeseries": rows }),
        _ => json!({ "advertisers": by_advertiser(call, &campaigns, period) }),
    };
    answer["totals"] = totals;
    answer["totalsCurrency"] = match currencies.first() {
        Some(currency) if !is_mixed => (*currency).into(),
        _ => Value::Null,
    };
    answer["periodStart"] = period.first.to_string().into();
    answer["periodEnd"] = period.last.to_string().into();
    Ok(Reply::of(answer))
}

fn by_advertiser(call: &Call<'_>, campaigns: &[&Campaign], period: Period) -> Vec<Value> {
    let advertisers = call.account.advertisers.iter().filter_map(|advertiser| {
        let own: Vec<&&Campaign> = campaigns.iter().filter(|one| one.advertiser == advertiser.id).collect();
        let mut sum = Figures::default();
        let shown: Vec<Value> = own.iter().map(|campaign| of_campaign(campaign, period, &mut sum)).collect();
        (!own.is_empty()).then(|| {
            json!({
                "advertiserId": advertiser.id, "advertiserName": advertiser.name, "currency": advertiser.currency,
                "metrics": metrics(sum), "campaigns": shown,
            })
        })
    });
    advertisers.collect()
}

fn of_campaign(campaign: &Campaign, period: Period, outer: &mut Figures) -> Value {
    let mut sum = Figures::default();
    let buys: Vec<Value> = campaign.buys.iter().map(|buy| of_buy(buy, period, &mut sum)).collect();
    *outer += sum;
    json!({
        "campaignId": campaign.id, "campaignName": campaign.name, "management": "managed",
        "metrics": metrics(sum), "mediaBuys": buys,
    })
}

fn of_buy(buy: &MediaBuy, period: Period, outer: &mut Figures) -> Value {
    let mut sum = Figures::default();
    let package = |package: &Package| {
        let figures = period.figures(package);
        sum += figures;
        json!({
            "packageId": package.id, "productId": package.offer.id(), "productName": package.offer.product.name,
            "metrics": metrics(figures),
        })
    };
    let packages: Vec<Value> = buy.packages.iter().map(package).collect();
    *outer += sum;
    json!({
        "mediaBuyId": buy.id, "name": buy.name, "status": buy.status(period.now),
        "budget": units(buy.budget(period.now)), "metrics": metrics(sum), "packages": packages,
    })
}

/// A row for each package on each day with delivery.
fn series(call: &Call<'_>, campaigns: &[&Campaign], period: Period) -> Vec<Value> {
    let mut rows = Vec::new();
    for campaign in campaigns {
        let advertiser = call.account.advertiser(&campaign.advertiser).map_or("", |one| one.name.as_str());
        for (buy, package) in
            campaign.buys.iter().flat_map(|buy| buy.packages.iter().map(move |one| (buy, one)))
        {
            for day in period.days() {
                let figures = day.figures(package);
                if figures == Figures::default() {
                    continue;
                }
                rows.push(json!({
                    "date": day.first.to_string(), "advertiserId": campaign.advertiser, "advertiserName": advertiser,
                    "currency": campaign.currency, "campaignId": campaign.id, "campaignName": campaign.name,
                    "management": "managed", "mediaBuyId": buy.id, "mediaBuyName": buy.name,
                    "mediaBuyStatus": buy.status(period.now), "packageId": package.id,
                    "productId": package.offer.id(), "productName": package.offer.product.name,
                    "metrics": metrics(figures),
                }));
            }
        }
    }
    rows.sort_by(|a, b| a["date"].as_str().cmp(&b["date"].as_str()));
    rows
}
