//! Brand stories.

use super::{Handler, unwritten};

/// The handlers of these operations.
pub(super) fn handler(tool: &str) -> Option<Handler> {
    match tool {
        "brand_story_list" | "brand_story_create" | "brand_story_update" | "brand_story_delete" => {
            Some(unwritten)
        }
        _ => None,
    }
}
