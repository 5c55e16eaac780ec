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
fn the_buyer_tools_cost_a_small_share_of_a_models_context() {
    let catalog = Catalog::embedded();
    let (mut all, mut default, mut largest) = (0, 0, Vec::new());
    for entry in catalog.entries().filter(|entry| entry.surface == Surface::Buyer) {
        let text = for_models(entry);
        let cost = tokens(&text);
        all += cost;
        default += if entry.tool.default { cost } else { 0 };
        largest.push((cost, entry.tool.name.to_string()));
    }
    largest.sort_unstable();
    println!(
        "default set: {default} tokens; all {}: {all} tokens; largest: {:?}",
        largest.len(),
        largest.last()
    );
    assert!(largest.iter().all(|(cost, _)| *cost <= 400), "{:?}", largest.last());
    assert!(default <= 7_000, "the default set takes {default} tokens");
    assert!(all <= 40_000, "all tools take {all} tokens");
}
