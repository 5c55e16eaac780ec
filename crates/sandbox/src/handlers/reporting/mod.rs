//! What came of campaigns: summaries, exports and outcomes (`src/tools/reporting`, `src/tools/campaigns/get-summary`
//! of `scope3data/activation-api`).
//!
//! The provider's backend has no delivery behind these operations. Here every number is a sum of the rows that
//! the account has, so the three agree with each other.

mod export;
mod outcomes;
mod pacing;
mod summary;

use serde::Deserialize;

pub(super) use self::pacing::delivery_summary;
use super::{ApiResponse, ApiResult, Handler};
use crate::clock::Moment;

/// The handlers of these operations.
pub(super) fn handler(tool: &str) -> Option<Handler> {
    match tool {
        "campaign_get_summary" => Some(summary::summary),
        "reporting_export_data" => Some(export::export),
        "reporting_provide_outcomes" => Some(outcomes::provide),
        _ => None,
    }
}

/// A span of time as callers write it.
#[derive(Deserialize)]
struct Span {
    start: String,
    end: String,
}

impl Span {
    /// The two ends, of which the first must come first. Where whole days are meant they may be the same.
    fn read(&self, same_day: bool) -> ApiResult<(Moment, Moment)> {
        let (start, end) = (moment(&self.start)?, moment(&self.end)?);
        let fits = start < end || same_day && start == end;
        if fits {
            Ok((start, end))
        } else {
            Err(ApiResponse::bad_request("Start date must be before end date"))
        }
    }
}

fn moment(text: &str) -> ApiResult<Moment> {
    Moment::parse(text).ok_or_else(|| ApiResponse::bad_request(format!("Invalid date: {text}")))
}
