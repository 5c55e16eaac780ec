//! Creatives: make, list, change, assign and sync them.

use super::{Handler, unwritten};

/// The handlers of these operations.
pub(super) fn handler(tool: &str) -> Option<Handler> {
    match tool {
        "creative_list"
        | "creative_get"
        | "creative_create"
        | "creative_assign"
        | "creative_sync_sales_agents"
        | "creative_update"
        | "creative_revise"
        | "creative_unassign"
        | "creative_delete" => Some(unwritten),
        _ => None,
    }
}
