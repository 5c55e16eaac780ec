//! Custom signals.

use super::{Handler, unwritten};

/// The handlers of these operations.
pub(super) fn handler(tool: &str) -> Option<Handler> {
    match tool {
        "signal_list" | "signal_get" | "signal_create" | "signal_update" | "signal_delete" => Some(unwritten),
        _ => None,
    }
}
