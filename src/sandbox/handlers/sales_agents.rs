//! Sellers and accounts with them.

use super::{Handler, unwritten};

/// The handlers of these operations.
pub(super) fn handler(tool: &str) -> Option<Handler> {
    match tool {
        "sales_agents_list" | "sales_agents_register" | "sales_agents_update" | "sales_agents_unregister" => {
            Some(unwritten)
        }
        _ => None,
    }
}
