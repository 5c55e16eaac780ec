//! What was delivered and what came of it.

use jiff::civil::Date;
use serde::Serialize;

use crate::clock::Moment;

/// What a tactic delivered on one day. Everything that the sandbox says of spend and impressions is a sum of
/// these rows.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub(crate) campaign_id: String,
    pub(crate) tactic_id: String,
    pub(crate) date: Date,
    /// Cents, so that sums are exact. Answers show currency units.
    pub(crate) spend_cents: u64,
    pub(crate) impressions: u64,
}

/// How well a campaign did over a period, as measured outside Scope3.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MeasuredOutcome {
    pub(crate) id: String,
    pub(crate) campaign_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tactic_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) creative_id: Option<String>,
    pub(crate) exposure_range: ExposureRange,
    /// 100 is as expected, 1000 is tenfold.
    pub(crate) performance_index: f64,
    pub(crate) source: &'static str,
    pub(crate) timestamp: Moment,
    pub(crate) received_at: Moment,
}

/// When the measured ads were seen.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct ExposureRange {
    pub(crate) start: Moment,
    pub(crate) end: Moment,
}

/// Currency units, as answers show them.
pub(crate) fn currency_units(cents: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "exact below 90 million million")]
    let cents = cents as f64;
    cents / 100.0
}
