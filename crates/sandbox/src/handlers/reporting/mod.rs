//! Reports on campaigns: summaries, exports and outcomes (`src/tools/reporting`, `src/tools/campaigns/get-summary`
//! of `scope3data/activation-api`).
//!
//! Scope3's published code has no delivery data for these operations. Here, every number is a sum of the account's
//! delivery rows, so the three agree with each other.

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

/// A period of time, as sent by callers.
#[derive(Deserialize)]
struct Period {
    start: String,
    end: String,
}

impl Period {
    /// Parses the two ends. The start must be before the end, or equal to it if `same_day`.
    fn read(&self, same_day: bool) -> ApiResult<(Moment, Moment)> {
        let (start, end) = (moment(&self.start)?, moment(&self.end)?);
        let is_valid = start < end || same_day && start == end;
        if is_valid {
            Ok((start, end))
        } else {
            Err(ApiResponse::bad_request("Start date must be before end date"))
        }
    }
}

fn moment(text: &str) -> ApiResult<Moment> {
    Moment::parse(text).ok_or_else(|| ApiResponse::bad_request(format!("Invalid date: {text}")))
}
