//! Campaigns.

use super::{Handler, unwritten};

/// The handlers of these operations.
pub(super) fn handler(tool: &str) -> Option<Handler> {
    match tool {
        "campaign_list"
        | "campaign_validate_brief"
        | "campaign_create"
        | "campaign_create_legacy"
        | "campaign_update"
        | "campaign_delete" => Some(unwritten),
        _ => None,
    }
}
