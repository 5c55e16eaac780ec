//! Delivery, and measured outcomes.

use jiff::civil::Date;
use serde::Serialize;

use crate::clock::Moment;

/// The delivery of a tactic on one day. All spend and impressions in the sandbox's responses are sums of these rows.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub(crate) campaign_id: String,
    pub(crate) tactic_id: String,
    pub(crate) date: Date,
    /// In cents, so that sums are exact. Responses show currency units.
    pub(crate) spend_cents: u64,
    pub(crate) impressions: u64,
}

/// The performance of a campaign in a period, measured outside Scope3.
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
    /// 100 is the expected performance, 1000 is ten times that.
    pub(crate) performance_index: f64,
    pub(crate) source: &'static str,
    pub(crate) timestamp: Moment,
    pub(crate) received_at: Moment,
}

/// The period in which the measured ads were seen.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct ExposureRange {
    pub(crate) start: Moment,
    pub(crate) end: Moment,
}

/// Converts cents to currency units, for responses.
pub(crate) fn currency_units(cents: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "exact below 9 * 10^15 cents")]
    let cents = cents as f64;
    cents / 100.0
}
