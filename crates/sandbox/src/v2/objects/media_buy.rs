//! Media buys: the orders with sellers, and their packages.

use serde_json::{Value, json};

use crate::clock::Moment;

use super::{
    super::market::{Offer, Storefront},
    ledger::Ledger,
    units,
};

/// What a media buy is, apart from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::v2) enum BuyStatus {
    /// Not sent to the seller.
    Draft,
    /// Sent, and waiting for the seller's decision.
    Pending,
    Active,
    Paused,
    /// Declined by the seller.
    Rejected,
    Canceled,
    Archived,
}

/// How far a seller's review of an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::v2) enum Review {
    Pending,
    Approved,
    Rejected,
    /// The buyer withdrew the order first.
    Revoked,
}

impl Review {
    /// Its word in answers.
    pub(in crate::v2) fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Revoked => "revoked",
        }
    }
}

/// A seller's review of an order.
#[derive(Debug, Clone)]
pub(in crate::v2) struct Approval {
    pub(in crate::v2) review: Review,
    pub(in crate::v2) submitted: Moment,
    pub(in crate::v2) reviewed: Option<Moment>,
    /// The customer who decided.
    pub(in crate::v2) reviewer: Option<u32>,
    pub(in crate::v2) notes: Option<String>,
}

/// An order with one seller.
#[derive(Debug, Clone)]
pub(in crate::v2) struct MediaBuy {
    pub(in crate::v2) id: String,
    pub(in crate::v2) name: String,
    pub(in crate::v2) storefront: &'static Storefront,
    pub(in crate::v2) status: BuyStatus,
    pub(in crate::v2) packages: Vec<Package>,
    pub(in crate::v2) currency: String,
    pub(in crate::v2) start: Moment,
    pub(in crate::v2) end: Moment,
    pub(in crate::v2) goals: Option<Value>,
    /// The creatives of this buy, if it does not use all of its campaign.
    pub(in crate::v2) creatives: Option<Vec<String>>,
    /// Why the last try to send it failed.
    pub(in crate::v2) failure: Option<String>,
    /// The seller's review, if there was or is one.
    pub(in crate::v2) approval: Option<Approval>,
    /// When the seller's systems got it.
    pub(in crate::v2) forwarded: Option<Moment>,
    pub(in crate::v2) created: Moment,
    pub(in crate::v2) updated: Moment,
    pub(in crate::v2) revision: u32,
}

/// A product in a media buy.
#[derive(Debug, Clone)]
pub(in crate::v2) struct Package {
    pub(in crate::v2) id: String,
    pub(in crate::v2) offer: Offer,
    /// The line of the cart that it was made from.
    pub(in crate::v2) selection: String,
    pub(in crate::v2) budget_cents: u64,
    pub(in crate::v2) cpm_cents: u64,
    pub(in crate::v2) is_canceled: bool,
    /// Its own dates, if they are not those of the buy.
    pub(in crate::v2) start: Option<Moment>,
    pub(in crate::v2) end: Option<Moment>,
    pub(in crate::v2) pacing: Option<String>,
    pub(in crate::v2) ledger: Ledger,
}

/// What was delivered in some time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::v2) struct Figures {
    pub(in crate::v2) spend_cents: u64,
    pub(in crate::v2) impressions: u64,
    pub(in crate::v2) clicks: u64,
    pub(in crate::v2) completed_views: u64,
}

impl std::ops::AddAssign for Figures {
    fn add_assign(&mut self, other: Self) {
        self.spend_cents += other.spend_cents;
        self.impressions += other.impressions;
        self.clicks += other.clicks;
        self.completed_views += other.completed_views;
    }
}

impl std::ops::Sub for Figures {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            spend_cents: self.spend_cents.saturating_sub(other.spend_cents),
            impressions: self.impressions.saturating_sub(other.impressions),
            clicks: self.clicks.saturating_sub(other.clicks),
            completed_views: self.completed_views.saturating_sub(other.completed_views),
        }
    }
}

impl Package {
    /// What was delivered until a moment.
    pub(in crate::v2) fn delivered(&self, at: Moment) -> Figures {
        let impressions = self.ledger.impressions(at);
        let is_video = self.offer.product.format.starts_with("video");
        Figures {
            spend_cents: self.ledger.spent(at),
            impressions,
            clicks: impressions * self.offer.product.clicks / 10_000,
            completed_views: if is_video { impressions * 7 / 10 } else { 0 },
        }
    }

    fn status(&self, buy: &MediaBuy) -> &'static str {
        match buy.status {
            _ if self.is_canceled => "canceled",
            BuyStatus::Canceled | BuyStatus::Archived | BuyStatus::Rejected => "canceled",
            BuyStatus::Paused => "paused",
            BuyStatus::Draft | BuyStatus::Pending | BuyStatus::Active => "active",
        }
    }

    /// The JSON in the packages of a media buy.
    pub(in crate::v2) fn to_json(&self, buy: &MediaBuy, now: Moment) -> Value {
        let delivered = self.delivered(now);
        json!({
            "packageId": self.id,
            "productId": self.offer.id(),
            "productIds": [self.offer.id()],
            "productName": self.offer.product.name,
            "status": self.status(buy),
            "startTime": self.start.unwrap_or(buy.start),
            "endTime": self.end.unwrap_or(buy.end),
            "budget": units(self.budget_cents),
            "budgetCurrency": buy.currency,
            "pacing": self.pacing.as_deref().unwrap_or("even"),
            "bidPrice": units(self.cpm_cents),
            "delivery": {
                "impressions": delivered.impressions,
                "spend": units(delivered.spend_cents),
                "clicks": delivered.clicks,
            },
        })
    }
}

impl MediaBuy {
    /// The word for the status at a moment.
    pub(in crate::v2) fn status(&self, now: Moment) -> &'static str {
        match self.status {
            BuyStatus::Draft => "DRAFT",
            BuyStatus::Pending => "PENDING_APPROVAL",
            BuyStatus::Active | BuyStatus::Paused if now >= self.end => "COMPLETED",
            BuyStatus::Active => "ACTIVE",
            BuyStatus::Paused => "PAUSED",
            BuyStatus::Rejected => "REJECTED",
            BuyStatus::Canceled => "CANCELED",
            BuyStatus::Archived => "ARCHIVED",
        }
    }

    /// Whether it can still be changed.
    pub(in crate::v2) fn is_open(&self, now: Moment) -> bool {
        matches!(self.status(now), "DRAFT" | "PENDING_APPROVAL" | "ACTIVE" | "PAUSED")
    }

    /// When it went to the seller, or was last tried to.
    pub(in crate::v2) fn submitted(&self) -> Moment {
        self.approval.as_ref().map(|approval| approval.submitted).or(self.forwarded).unwrap_or(self.created)
    }

    /// Sends it to the seller, to start at once or after a review.
    pub(in crate::v2) fn send(&mut self, needs_review: bool, now: Moment) {
        if needs_review {
            self.status = BuyStatus::Pending;
            self.approval = Some(Approval {
                review: Review::Pending,
                submitted: now,
                reviewed: None,
                reviewer: None,
                notes: None,
            });
        } else {
            self.status = BuyStatus::Active;
            self.forwarded = Some(now);
        }
        self.apply(now);
    }

    /// Notes the seller's decision, if the order still waits for one. Delivery begins with the approval, unless the
    /// campaign is paused.
    pub(in crate::v2) fn decide(
        &mut self,
        review: Review,
        reviewer: u32,
        notes: Option<String>,
        is_paused: bool,
        at: Moment,
    ) {
        let Some(approval) = self.approval.as_mut().filter(|_| self.status == BuyStatus::Pending) else {
            return;
        };
        approval.review = review;
        approval.reviewed = Some(at);
        approval.reviewer = Some(reviewer);
        approval.notes = notes;
        self.status = match review {
            Review::Approved if is_paused => BuyStatus::Paused,
            Review::Approved => BuyStatus::Active,
            _ => BuyStatus::Rejected,
        };
        if review == Review::Approved {
            self.forwarded = Some(at);
        }
        self.apply(at);
        self.touch(at);
    }

    /// Ends it for good.
    pub(in crate::v2) fn end(&mut self, status: BuyStatus, now: Moment) {
        if let Some(approval) = self.approval.as_mut().filter(|approval| approval.review == Review::Pending) {
            approval.review = Review::Revoked;
        }
        self.status = status;
        self.apply(now);
        self.touch(now);
    }

    /// The sum of its packages' budgets, in cents. What ended early counts with what it spent.
    pub(in crate::v2) fn budget(&self, now: Moment) -> u64 {
        let has_ended =
            matches!(self.status, BuyStatus::Canceled | BuyStatus::Archived | BuyStatus::Rejected);
        let counts = |package: &Package| {
            if has_ended || package.is_canceled { package.ledger.spent(now) } else { package.budget_cents }
        };
        self.packages.iter().map(counts).sum()
    }

    /// What was delivered until a moment.
    pub(in crate::v2) fn delivered(&self, at: Moment) -> Figures {
        let mut sum = Figures::default();
        self.packages.iter().for_each(|package| sum += package.delivered(at));
        sum
    }

    /// Notes a change.
    pub(in crate::v2) fn touch(&mut self, now: Moment) {
        self.updated = now;
        self.revision += 1;
    }

    /// Lets each package deliver from now on, or stops it, as the status and the dates say.
    pub(in crate::v2) fn apply(&mut self, now: Moment) {
        let is_running = self.status == BuyStatus::Active;
        for package in &mut self.packages {
            if is_running && !package.is_canceled {
                let start = package.start.unwrap_or(self.start).max(now);
                let end = package.end.unwrap_or(self.end);
                package.ledger.stop(now);
                package.ledger.start(start, end, package.budget_cents, package.cpm_cents);
            } else {
                package.ledger.stop(now);
            }
        }
    }

    /// The JSON of a reference.
    pub(in crate::v2) fn reference(&self, now: Moment) -> Value {
        let mut shown = json!({ "mediaBuyId": self.id, "status": self.status(now) });
        if self.status == BuyStatus::Pending {
            shown["pendingAt"] = "storefront".into();
        }
        shown
    }

    /// The JSON of one media buy.
    pub(in crate::v2) fn to_json(&self, now: Moment) -> Value {
        let mut shown = json!({
            "mediaBuyId": self.id,
            "name": self.name,
            "status": self.status(now),
            "buyerReference": self.id,
            "startTime": self.start,
            "endTime": self.end,
            "createdAt": self.created,
            "updatedAt": self.updated,
        });
        let reviewed = |review| self.approval.as_ref().filter(|approval| approval.review == review);
        let waiting = reviewed(Review::Pending);
        let declined = reviewed(Review::Rejected);
        let (code, owner, message) = match (&self.failure, declined) {
            (Some(message), _) => (Some("invalid_request"), Some("buyer_input"), Some(message.clone())),
            (None, Some(approval)) => (Some("storefront_rejected"), Some("seller"), approval.notes.clone()),
            (None, None) => (None, None, None),
        };
        let optional = [
            ("optimizationGoals", self.goals.clone()),
            ("forwardedAt", self.forwarded.map(|at| json!(at))),
            ("sourceMessage", message.map(Value::from)),
            ("errorCode", code.map(Value::from)),
            ("errorOwner", owner.map(Value::from)),
            ("pendingAt", waiting.map(|_| "storefront".into())),
            ("pendingReason", self.pending_reason(now).map(Value::from)),
            ("pendingSince", waiting.map(|approval| json!(approval.submitted))),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                shown[name] = value;
            }
        }
        shown
    }

    /// Why it does not deliver yet.
    pub(in crate::v2) fn pending_reason(&self, now: Moment) -> Option<&'static str> {
        match self.status {
            BuyStatus::Draft if self.failure.is_some() => Some("forward_failed_needs_correction"),
            BuyStatus::Pending => Some("awaiting_storefront_approval"),
            BuyStatus::Active if now < self.start => Some("scheduled_not_started"),
            _ => None,
        }
    }

    /// The JSON in a campaign.
    pub(in crate::v2) fn in_campaign(&self, now: Moment, with_details: bool) -> Value {
        let mut shown = self.to_json(now);
        let actions: &[&str] = match self.status(now) {
            "DRAFT" => &["update", "delete"],
            "PENDING_APPROVAL" => &["update", "cancel"],
            "ACTIVE" => &["update", "pause", "cancel"],
            "PAUSED" => &["update", "reactivate", "cancel"],
            _ => &[],
        };
        shown["revision"] = self.revision.into();
        shown["validActions"] = json!(actions);
        shown["budget_denomination"] = "gross".into();
        let product = |package: &Package| {
            let mut product = json!({
                "productId": package.offer.id(),
                "productName": package.offer.product.name,
                "salesAgentName": self.storefront.name,
                "budget": units(package.budget_cents),
                "budgetCurrency": self.currency,
            });
            if with_details {
                product["formatOptions"] =
                    json!([{ "format_kind": package.offer.product.format, "params": {} }]);
            }
            product
        };
        shown["products"] = self.packages.iter().map(product).collect();
        shown["packages"] = self.packages.iter().map(|package| package.to_json(self, now)).collect();
        shown
    }
}
