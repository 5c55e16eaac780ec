//! Reporting.

use super::{Handler, unwritten};

/// The handlers of these operations.
pub(super) fn handler(tool: &str) -> Option<Handler> {
    match tool {
        "campaign_get_summary" | "reporting_export_data" | "reporting_provide_outcomes" => Some(unwritten),
        _ => None,
    }
}
