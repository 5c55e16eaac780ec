//! Receives outcomes that were measured outside Scope3.

use serde::Deserialize;
use serde_json::json;

use super::Period;
use crate::{
    call::Call,
    objects::{MeasuredOutcome, delivery::ExposureRange},
    response::{ApiResponse, ApiResult},
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Provide {
    campaign_id: String,
    tactic_id: Option<String>,
    creative_id: Option<String>,
    exposure_range: Period,
    performance_index: f64,
}

/// The number of milliseconds in a day.
const DAY_MILLISECONDS: i64 = 86_400_000;

pub(super) fn provide(call: &mut Call<'_>) -> ApiResult {
    let input: Provide = call.input()?;
    let (start, end) = input.exposure_range.read(false)?;
    let account = &mut *call.account;
    account.campaign(&input.campaign_id)?;
    if let Some(tactic) = &input.tactic_id
        && !account.tactics.iter().any(|known| known.id == *tactic && known.campaign_id == input.campaign_id)
    {
        return Err(ApiResponse::not_found("Tactic", tactic));
    }
    if let Some(creative) = &input.creative_id {
        account.creative(creative)?;
    }
    let now = account.clock.tick();
    let outcome = MeasuredOutcome {
        id: account.ids.dated("outcome", now),
        campaign_id: input.campaign_id,
        tactic_id: input.tactic_id,
        creative_id: input.creative_id,
        exposure_range: ExposureRange { start, end },
        performance_index: input.performance_index,
        source: "scope3",
        timestamp: now,
        received_at: now,
    };
    let index = outcome.performance_index;
    let days = (end.as_millisecond() - start.as_millisecond() + DAY_MILLISECONDS - 1) / DAY_MILLISECONDS;
    let answer = ApiResponse::success(
        format!("✅ **Outcome received** for {}: index {index} (100 is as expected)", outcome.campaign_id),
        json!({
            "outcome": outcome,
            "exposureAnalysis": {"startDate": start, "endDate": end, "durationDays": days},
            "performanceAnalysis": {
                "performanceIndex": index,
                "percentageOfExpected": index,
                "multiplier": index / 100.0,
                "isExpectedPerformance": (index - 100.0).abs() < f64::EPSILON,
                "isHighPerformance": index >= 150.0,
                "isLowPerformance": index < 50.0,
            },
            "scoring": {
                "outcomeId": outcome.id, "source": outcome.source, "timestamp": now,
                "algorithmComponents": ["quality", "outcome", "affinity"],
                "willInfluenceBudgetAllocation": true,
            },
            "configuration": call.arguments(),
            "metadata": {"recommendsIncreasedBudget": index >= 150.0, "recommendsReview": index < 50.0},
        }),
    );
    call.account.outcomes.push(outcome);
    Ok(answer)
}
