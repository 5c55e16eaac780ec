//! The handlers of the operations, with one file for each toolset.

#![expect(clippy::unnecessary_wraps, reason = "all handlers have the same type")]

mod account;
mod brand_agents;
mod brand_standards;
mod brand_stories;
mod campaigns;
mod creatives;
mod external;
mod guides;
mod media_products;
mod metrics;
mod pmps;
mod published;
mod reporting;
mod sales_agents;
mod signals;
mod signals_agents;
mod tactics;
mod webhooks;

use crate::{
    call::{Call, Handler},
    response::{ApiResponse, ApiResult, count},
};

/// The handler of the tool with this name.
pub(crate) fn handler(tool: &str, as_published: bool) -> Option<Handler> {
    if let Some(failing) = published::handler(tool).filter(|_| as_published) {
        return Some(failing);
    }
    let tables = [
        account::handler,
        brand_agents::handler,
        brand_standards::handler,
        brand_stories::handler,
        campaigns::handler,
        creatives::handler,
        media_products::handler,
        metrics::handler,
        pmps::handler,
        reporting::handler,
        sales_agents::handler,
        signals::handler,
        signals_agents::handler,
        tactics::handler,
        webhooks::handler,
    ];
    tables.into_iter().find_map(|table| table(tool))
}

/// The price per thousand impressions, in currency units rounded to cents.
fn cpm(spend_cents: u64, impressions: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "exact enough for a price with cents")]
    let [cents, thousands] = [spend_cents as f64, impressions as f64 / 1000.0];
    if thousands > 0.0 { (cents / thousands).round() / 100.0 } else { 0.0 }
}

/// A share in percent.
fn percent(part: u64, whole: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "exact enough for a share")]
    let [part, whole] = [part as f64, whole as f64];
    if whole > 0.0 { part / whole * 100.0 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scope3_mcp_catalog::{Catalog, Surface};

    #[test]
    fn every_tool_has_a_handler() {
        let catalog = Catalog::embedded();
        let without: Vec<&str> = catalog
            .entries()
            .filter(|entry| entry.surface == Surface::Campaign && handler(&entry.tool.name, false).is_none())
            .map(|entry| &*entry.tool.name)
            .collect();
        assert!(without.is_empty(), "{without:?}");
    }
}
