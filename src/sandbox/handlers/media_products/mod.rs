//! Media products and creative formats.

use super::{Handler, unwritten};

/// The handlers of these operations.
pub(super) fn handler(tool: &str) -> Option<Handler> {
    match tool {
        "media_product_list" | "format_list" => Some(unwritten),
        _ => None,
    }
}
