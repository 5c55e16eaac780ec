//! What tools cost in a model's context.

use scope3_mcp_catalog::{Catalog, Entry, Surface};
use serde_json::json;

/// The name, description and input schema of a tool, as a model sees them.
fn for_models(entry: &Entry) -> String {
    json!({ "name": entry.tool.name, "description": entry.tool.description, "inputSchema": *entry.shown_schema() })
        .to_string()
}

fn tokens(text: &str) -> usize {
    tiktoken_rs::o200k_base_singleton().encode_ordinary(text).len()
}

#[test]
fn tools_cost_a_small_share_of_a_models_context() {
    for (surface, most_by_default, most) in [
        (Surface::Buyer, 7_000, 40_000),
        (Surface::Storefront, 7_000, 55_000),
        (Surface::Measurement, 2_500, 3_000),
    ] {
        let catalog = Catalog::of_surfaces(&[surface]);
        let (mut all, mut default, mut defaults, mut largest) = (0, 0, 0, Vec::new());
        for entry in catalog.entries().filter(|entry| entry.surface == surface) {
            let cost = tokens(&for_models(entry));
            all += cost;
            if entry.tool.default {
                default += cost;
                defaults += 1;
            }
            largest.push((cost, entry.tool.name.to_string()));
        }
        largest.sort_unstable();
        println!(
            "{surface}: {defaults} by default: {default} tokens; all {}: {all} tokens; largest: {:?}",
            largest.len(),
            largest.last()
        );
        let over: Vec<_> = largest.iter().filter(|(cost, _)| *cost > 400).collect();
        assert!(over.is_empty(), "{surface}: {over:?}");
        assert!(default <= most_by_default, "{surface}: the default set takes {default} tokens");
        assert!(all <= most, "{surface}: all tools take {all} tokens");
    }
}
