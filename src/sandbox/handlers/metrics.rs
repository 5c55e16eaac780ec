//! The platform metrics, which are texts.

use super::{Handler, unwritten};

/// The handlers of these operations.
pub(super) fn handler(tool: &str) -> Option<Handler> {
    match tool {
        "show_agentic_metrics" | "refresh_platform_metrics" => Some(unwritten),
        _ => None,
    }
}
