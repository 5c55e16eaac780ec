//! Private marketplace deals and DSP seats.

use super::{Handler, unwritten};

/// The handlers of these operations.
pub(super) fn handler(tool: &str) -> Option<Handler> {
    match tool {
        "pmp_list" | "dsp_get_seats" | "pmp_create" | "pmp_update" => Some(unwritten),
        _ => None,
    }
}
