//! Tactics.

use super::{Handler, unwritten};

/// The handlers of these operations.
pub(super) fn handler(tool: &str) -> Option<Handler> {
    match tool {
        "tactic_list"
        | "tactic_get"
        | "get_prebid_segments"
        | "create_tactic"
        | "tactic_update"
        | "tactic_delete" => Some(unwritten),
        _ => None,
    }
}
