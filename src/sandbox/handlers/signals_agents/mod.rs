//! Signals agents and their recommendations.

use super::{Handler, unwritten};

/// The handlers of these operations.
pub(super) fn handler(tool: &str) -> Option<Handler> {
    match tool {
        "signals_agent_list"
        | "signals_agent_get"
        | "signals_agent_get_signals"
        | "signals_agent_history"
        | "signals_agent_register"
        | "signals_agent_activate"
        | "signals_agent_update"
        | "signals_agent_unregister" => Some(unwritten),
        _ => None,
    }
}
