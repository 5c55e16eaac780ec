//! Campaigns and their budgets in cents.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::clock::Moment;

/// A campaign of a brand agent.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Campaign {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) prompt: String,
    pub(crate) brand_agent_id: String,
    pub(crate) status: Status,
    pub(crate) budget: Budget,
    /// Ids of brand stories.
    pub(crate) audience_ids: Vec<String>,
    pub(crate) created_at: Moment,
    pub(crate) updated_at: Moment,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) start_date: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) end_date: Option<Moment>,
    pub(crate) outcome_score_window_days: u32,
    pub(crate) scoring_weights: Weights,
}

/// The budget of a campaign.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Budget {
    /// In cents: 5000000 is 50,000.00.
    pub(crate) total: u64,
    #[serde(default = "usd")]
    pub(crate) currency: String,
    /// In cents per day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) daily_cap: Option<u64>,
    #[serde(default)]
    pub(crate) pacing: Pacing,
}

/// The default currency.
pub(crate) fn usd() -> String {
    "USD".to_owned()
}

/// How a campaign spreads its budget.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Pacing {
    #[default]
    Even,
    Accelerated,
    FrontLoaded,
}

/// The status of a campaign. No operation of v1 changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    Active,
    Paused,
    Completed,
    Scheduled,
    Draft,
}

impl Status {
    /// The word in responses.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Completed => "completed",
            Self::Scheduled => "scheduled",
            Self::Draft => "draft",
        }
    }
}

/// The weight of each score.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Weights {
    affinity: f64,
    outcome: f64,
    quality: f64,
}

impl Default for Weights {
    fn default() -> Self {
        Self { affinity: 0.33, outcome: 0.33, quality: 0.34 }
    }
}

impl Campaign {
    /// The JSON in responses, with the assigned creatives.
    pub(crate) fn to_json(&self, creative_ids: &[&str]) -> Value {
        let mut shown = json!(self);
        shown["creativeIds"] = json!(creative_ids);
        shown
    }
}

/// A legacy campaign: private marketplace deals from a prompt.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the names are Scope3's")]
pub(crate) struct Strategy {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) prompt: String,
    pub(crate) strategy_type: &'static str,
    pub(crate) channel_codes: Vec<String>,
    pub(crate) country_codes: Vec<String>,
    pub(crate) created_at: Moment,
    pub(crate) updated_at: Moment,
}
