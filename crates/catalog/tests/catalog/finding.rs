//! Finding tools by plain requests.

use scope3_mcp_catalog::{Catalog, Surface, search};
use serde::Deserialize;

/// What a buyer says, and the tools that do it. Whoever wrote the requests knew the purposes of the operations, and used none of
/// the words of their names; a third of the requests have a typing error.
#[derive(Deserialize)]
struct Request {
    request: String,
    tools: Vec<String>,
}

#[test]
fn the_right_tool_is_among_the_first_five_of_nine_requests_in_ten() {
    let requests: Vec<Request> = serde_json::from_str(include_str!("requests.json")).unwrap();
    assert_eq!(requests.len(), 100);
    let catalog = Catalog::embedded();
    let offered = || {
        let surfaces = [Surface::Buyer, Surface::Campaign];
        catalog.entries().filter(move |entry| surfaces.contains(&entry.surface))
    };
    let mut found = 0;
    for Request { request, tools } in &requests {
        let first: Vec<&str> =
            search(offered(), request).into_iter().take(5).map(|entry| &*entry.tool.name).collect();
        if tools.iter().any(|tool| first.contains(&tool.as_str())) {
            found += 1;
        } else {
            println!("{request}\n  expected {tools:?}\n  found {first:?}");
        }
    }
    println!("{found} of {}", requests.len());
    assert!(found >= 90, "{found} of {}", requests.len());
}
