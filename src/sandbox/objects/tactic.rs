//! Tactics: media bought within a campaign. Their amounts are in currency units.

use serde::{Deserialize, Serialize};

use super::{campaign::usd, product::Product};
use crate::sandbox::clock::Moment;

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
    /// None where no seller had an account to buy with.
    pub(crate) sales_agent_id: Option<String>,
    pub(crate) allocation: Allocation,
    pub(crate) cpm: f64,
    pub(crate) signal_cost: f64,
    pub(crate) axe_include_segment: String,
    /// What the seller said, where it refused.
    pub(crate) error_message: Option<String>,
    pub(crate) created_at: Moment,
    pub(crate) updated_at: Moment,
}

/// What a tactic may spend.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Allocation {
    /// Currency units: 500 is 500.00.
    pub(crate) amount: f64,
    #[serde(default = "usd")]
    pub(crate) currency: String,
    #[serde(default)]
    pub(crate) pacing: TacticPacing,
    /// Currency units a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) daily_cap: Option<f64>,
    /// Of the campaign's budget, 0 to 100.
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

/// What a tactic is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TacticStatus {
    Active,
    PendingApproval,
    Failed,
    Draft,
    Paused,
    Completed,
    /// Deleted: in no list, and still found by its id.
    Inactive,
}

impl Tactic {
    /// The price of a thousand impressions with everything in it.
    pub(crate) fn total_cpm(&self) -> f64 {
        self.cpm + self.signal_cost
    }
}
