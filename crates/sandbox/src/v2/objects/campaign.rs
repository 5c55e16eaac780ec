//! Campaigns.

use serde_json::{Map, Value, json};

use crate::clock::Moment;

use super::{
    media_buy::{BuyStatus, Figures, MediaBuy},
    units,
};

/// What a campaign is, apart from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::v2) enum Phase {
    Draft,
    Active,
    Paused,
    Archived,
}

/// A campaign of an advertiser.
#[derive(Debug, Clone)]
pub(in crate::v2) struct Campaign {
    pub(in crate::v2) id: String,
    pub(in crate::v2) advertiser: String,
    pub(in crate::v2) name: String,
    pub(in crate::v2) phase: Phase,
    pub(in crate::v2) brief: Option<String>,
    pub(in crate::v2) start: Moment,
    pub(in crate::v2) end: Moment,
    pub(in crate::v2) total_cents: u64,
    pub(in crate::v2) currency: String,
    pub(in crate::v2) daily_cap_cents: Option<u64>,
    pub(in crate::v2) pacing: Option<String>,
    /// The sellers that it is limited to. Empty for all.
    pub(in crate::v2) storefronts: Vec<String>,
    /// The search whose cart it buys.
    pub(in crate::v2) discovery: Option<String>,
    pub(in crate::v2) buys: Vec<MediaBuy>,
    /// Members that are stored as they were sent, such as `constraints`.
    pub(in crate::v2) others: Map<String, Value>,
    pub(in crate::v2) created: Moment,
    pub(in crate::v2) updated: Moment,
    pub(in crate::v2) revision: u32,
}

/// What the rest of the account adds to the JSON of a campaign.
#[derive(Debug, Default)]
pub(in crate::v2) struct Surroundings {
    /// The products of the cart.
    pub(in crate::v2) products: Vec<String>,
    /// The kinds of formats that the products need.
    pub(in crate::v2) required: Vec<String>,
    /// The kinds of formats that the creatives have.
    pub(in crate::v2) covered: Vec<String>,
}

impl Campaign {
    /// The word for the status at a moment.
    pub(in crate::v2) fn status(&self, now: Moment) -> &'static str {
        match self.phase {
            Phase::Draft => "DRAFT",
            Phase::Active | Phase::Paused if self.is_canceled() => "CANCELED",
            Phase::Active | Phase::Paused if now >= self.end => "COMPLETED",
            Phase::Active => "ACTIVE",
            Phase::Paused => "PAUSED",
            Phase::Archived => "ARCHIVED",
        }
    }

    /// Whether all its media buys were canceled.
    fn is_canceled(&self) -> bool {
        !self.buys.is_empty() && self.buys.iter().all(|buy| buy.status == BuyStatus::Canceled)
    }

    /// Whether it can still be changed.
    pub(in crate::v2) fn is_open(&self, now: Moment) -> bool {
        matches!(self.status(now), "DRAFT" | "ACTIVE" | "PAUSED")
    }

    /// The sum of the media buys' budgets, in cents.
    pub(in crate::v2) fn allocated(&self, now: Moment) -> u64 {
        self.buys.iter().map(|buy| buy.budget(now)).sum()
    }

    /// What was delivered until a moment.
    pub(in crate::v2) fn delivered(&self, at: Moment) -> Figures {
        let mut sum = Figures::default();
        self.buys.iter().for_each(|buy| sum += buy.delivered(at));
        sum
    }

    /// Notes a change.
    pub(in crate::v2) fn touch(&mut self, now: Moment) {
        self.updated = now;
        self.revision += 1;
    }

    fn common(&self, now: Moment, products: usize) -> Value {
        json!({
            "campaignId": self.id,
            "advertiserId": self.advertiser,
            "name": self.name,
            "status": self.status(now),
            "mode": self.others.get("mode").cloned().unwrap_or_else(|| "discovery".into()),
            "management": "managed",
            "flightDates": { "startDate": self.start, "endDate": self.end },
            "productCount": products,
            "budget": { "total": units(self.total_cents), "currency": self.currency },
            "createdAt": self.created,
            "updatedAt": self.updated,
        })
    }

    /// The JSON in a list.
    pub(in crate::v2) fn row(&self, now: Moment, products: usize) -> Value {
        let mut shown = self.common(now, products);
        if let Some(constraints) = self.others.get("constraints") {
            shown["constraints"] = constraints.clone();
        }
        shown
    }

    /// The JSON of one campaign. Where `only` names media buys, it shows these alone.
    pub(in crate::v2) fn to_json(
        &self,
        now: Moment,
        around: &Surroundings,
        only: &[String],
        with_details: bool,
    ) -> Value {
        let mut shown = self.common(now, around.products.len());
        if let Value::Object(members) = &mut shown {
            members.extend(self.others.clone());
            if let Some(caps) = members.get_mut("frequencyCaps") {
                *caps = super::caps(caps, "CAMPAIGN", &self.id, self.updated);
            }
        }
        let allocated = self.allocated(now);
        let is_shown = |buy: &&MediaBuy| only.is_empty() || only.contains(&buy.id);
        let format = |kind: &str| json!({ "format_kind": kind });
        let (covered, missing): (Vec<&String>, Vec<&String>) =
            around.required.iter().partition(|kind| around.covered.contains(kind));
        let mut optional = vec![
            ("brief", self.brief.clone().map(Value::from)),
            ("discoveryId", self.discovery.clone().map(Value::from)),
        ];
        if !self.storefronts.is_empty() {
            let named = self.storefronts.iter().filter_map(|id| super::super::market::Storefront::by_id(id));
            let storefronts = named.map(|storefront| {
                json!({ "id": storefront.id, "platformId": storefront.platform, "name": storefront.name })
            });
            optional.push(("storefronts", Some(storefronts.collect())));
        }
        for (name, value) in optional {
            if let Some(value) = value {
                shown[name] = value;
            }
        }
        if let Some(cap) = self.daily_cap_cents {
            shown["budget"]["dailyCap"] = units(cap);
        }
        shown["budget"]["pacing"] = self.pacing.as_deref().unwrap_or("EVEN").into();
        shown["allocatedBudget"] = units(allocated);
        shown["unallocatedBudget"] = units(self.total_cents.saturating_sub(allocated));
        shown["optimizationApplyMode"] =
            self.others.get("optimizationApplyMode").cloned().unwrap_or_else(|| "MANUAL".into());
        shown["products"] = around.products.iter().map(|id| json!({ "productId": id })).collect();
        shown["creativeFormats"] = json!({
            "required": around.required.iter().map(|kind| format(kind)).collect::<Vec<_>>(),
            "covered": covered.into_iter().map(|kind| format(kind)).collect::<Vec<_>>(),
            "missing": missing.into_iter().map(|kind| format(kind)).collect::<Vec<_>>(),
        });
        shown["mediaBuyRefs"] = self.buys.iter().map(|buy| buy.reference(now)).collect();
        shown["mediaBuys"] =
            self.buys.iter().filter(is_shown).map(|buy| buy.in_campaign(now, with_details)).collect();
        shown["revision"] = self.revision.into();
        shown
    }
}
