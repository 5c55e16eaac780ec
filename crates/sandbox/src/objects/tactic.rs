//! Tactics: media buys in a campaign. Their amounts are in currency units.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{campaign::usd, product::Product};
use crate::clock::Moment;

/// A media buy.
#[derive(Debug, Clone)]
pub(crate) struct Tactic {
    pub(crate) id: String,
    pub(crate) campaign_id: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) status: TacticStatus,
    pub(crate) brand_story_id: String,
    pub(crate) signal_id: Option<String>,
    pub(crate) product: Product,
    /// `None` if the customer could not buy from any seller.
    pub(crate) sales_agent_id: Option<String>,
    pub(crate) allocation: Allocation,
    pub(crate) cpm: f64,
    pub(crate) signal_cost: f64,
    pub(crate) axe_include_segment: String,
    /// The seller's reason, if it rejected the buy.
    pub(crate) error_message: Option<String>,
    pub(crate) created_at: Moment,
    pub(crate) updated_at: Moment,
}

/// The budget of a tactic.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Allocation {
    /// In currency units: 500 is 500.00.
    pub(crate) amount: f64,
    #[serde(default = "usd")]
    pub(crate) currency: String,
    #[serde(default)]
    pub(crate) pacing: TacticPacing,
    /// In currency units per day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) daily_cap: Option<f64>,
    /// The percentage of the campaign's budget, from 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) percentage: Option<f64>,
}

/// How a tactic spreads its budget.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TacticPacing {
    #[default]
    Even,
    Asap,
    FrontLoaded,
}

/// The status of a tactic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TacticStatus {
    Active,
    PendingApproval,
    Failed,
    Draft,
    Paused,
    Completed,
    /// Deleted: not listed, but still found by its id.
    Inactive,
}

/// The price of a signal, in currency units per thousand impressions.
pub(crate) const SIGNAL_COST: f64 = 0.25;

impl TacticStatus {
    /// The word in responses.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::PendingApproval => "pending_approval",
            Self::Failed => "failed",
            Self::Draft => "draft",
            Self::Paused => "paused",
            Self::Completed => "completed",
            Self::Inactive => "inactive",
        }
    }
}

impl Tactic {
    /// The total price per thousand impressions.
    pub(crate) fn total_cpm(&self) -> f64 {
        // Rounded, because sums of floats have small errors.
        ((self.cpm + self.signal_cost) * 10_000.0).round() / 10_000.0
    }

    /// The number of impressions that the amount buys.
    pub(crate) fn projected_impressions(&self) -> u64 {
        let total = self.total_cpm();
        if total <= 0.0 {
            return 0;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "saturates, and is not negative"
        )]
        let impressions = (self.allocation.amount / total * 1000.0).floor() as u64;
        impressions
    }

    /// The JSON in lists and in the response to its creation.
    pub(crate) fn to_json(&self) -> Value {
        let mut shown = self.common();
        shown["mediaProduct"] = json!(self.product);
        shown["targeting"] = match &self.signal_id {
            Some(signal) => json!({
                "signalType": "scope3", "inheritFromCampaign": false, "signalProvider": "scope3",
                "signalConfiguration": {"audienceIds": [], "customParameters": {}, "segments": [signal]},
            }),
            None => json!({"signalType": "none", "inheritFromCampaign": true}),
        };
        shown
    }

    /// The JSON in the response of `tactic_get`.
    pub(crate) fn detail(&self, customer_id: u32) -> Value {
        let mut shown = self.common();
        shown["mediaProductId"] = json!(self.product.id);
        if let Some(seller) = &self.sales_agent_id {
            shown["salesAgentId"] = json!(seller);
        }
        shown["axeIncludeSegment"] = json!(self.axe_include_segment);
        shown["customerId"] = json!(customer_id);
        shown
    }

    fn common(&self) -> Value {
        let mut shown = json!({
            "id": self.id,
            "name": self.name,
            "campaignId": self.campaign_id,
            "status": self.status,
            "brandStoryId": self.brand_story_id,
            "budgetAllocation": self.allocation,
            "effectivePricing": self.pricing(),
            "createdAt": self.created_at,
            "updatedAt": self.updated_at,
        });
        for (name, value) in [("description", &self.description), ("signalId", &self.signal_id)] {
            if let Some(value) = value {
                shown[name] = json!(value);
            }
        }
        shown
    }

    /// The price per thousand impressions, with its parts.
    pub(crate) fn pricing(&self) -> Value {
        let mut pricing = json!({
            "cpm": self.cpm, "currency": self.allocation.currency, "totalCpm": self.total_cpm(),
        });
        if self.signal_cost > 0.0 {
            pricing["signalCost"] = json!(self.signal_cost);
        }
        pricing
    }

    /// A row of Scope3's table, which some responses contain. It has other names, and nulls.
    pub(crate) fn row(&self, customer_id: u32) -> Value {
        let Allocation { amount, currency, pacing, daily_cap, percentage } = &self.allocation;
        json!({
            "id": self.id, "campaign_id": self.campaign_id, "sales_agent_id": self.sales_agent_id,
            "media_product_id": self.product.id, "name": self.name, "description": self.description,
            "status": self.status, "budget_amount": amount, "budget_currency": currency,
            "budget_daily_cap": daily_cap, "budget_pacing": pacing, "budget_percentage": percentage,
            "cpm": self.cpm, "signal_cost": self.signal_cost, "total_cpm": self.total_cpm(),
            "brand_story_id": self.brand_story_id, "signal_id": self.signal_id,
            "axe_include_segment": self.axe_include_segment, "customer_id": customer_id,
            "created_at": self.created_at, "updated_at": self.updated_at,
            "media_buy_id": self.media_buy().map(|_| self.id.replacen("tactic", "buy", 1)),
            "media_buy_status": self.media_buy().unwrap_or("pending"),
            "media_buy_submitted_at": self.sales_agent_id.as_ref().map(|_| self.created_at),
            "media_buy_approved_at": self.media_buy().filter(|buy| *buy == "active").map(|_| self.created_at),
            "media_buy_request": null, "media_buy_response": null, "error_message": self.error_message,
            "webhook_url": null, "webhook_secret": null,
        })
    }

    /// The status of the buy at the seller. A draft has none.
    fn media_buy(&self) -> Option<&'static str> {
        match self.status {
            TacticStatus::Draft => None,
            TacticStatus::PendingApproval => Some("pending_approval"),
            TacticStatus::Failed => Some("failed"),
            _ => Some("active"),
        }
    }
}
