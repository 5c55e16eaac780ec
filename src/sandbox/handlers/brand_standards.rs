//! Brand standards.

use super::{Handler, unwritten};

/// The handlers of these operations.
pub(super) fn handler(tool: &str) -> Option<Handler> {
    match tool {
        "brand_standards_list"
        | "brand_standards_create"
        | "brand_standards_update"
        | "brand_standards_delete" => Some(unwritten),
        _ => None,
    }
}
