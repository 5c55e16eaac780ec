//! Media products and creative formats (`src/tools/products` and `src/tools/formats` of
//! `scope3data/activation-api`).

mod discover;
mod formats;

use super::{ApiResponse, ApiResult, Call, Handler, count, external};

pub(super) use self::{
    discover::sells,
    formats::{format_problem, required_assets},
};

/// The handlers of these operations.
pub(super) fn handler(tool: &str) -> Option<Handler> {
    match tool {
        "media_product_list" => Some(discover::list),
        "format_list" => Some(formats::list),
        _ => None,
    }
}
