//! Webhooks.

use super::{Handler, unwritten};

/// The handlers of these operations.
pub(super) fn handler(tool: &str) -> Option<Handler> {
    match tool {
        "webhook_register" => Some(unwritten),
        _ => None,
    }
}
