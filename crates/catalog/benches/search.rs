//! Measures how long a search over all tools takes, and how long the first one, which makes the index.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use scope3_mcp_catalog::{Catalog, Entry};
use serde_json::Value;

const ROUNDS: usize = 100;
const INDEXES: usize = 20;

fn main() {
    let files = [
        include_str!("../tests/catalog/requests.json"),
        include_str!("../tests/catalog/requests-sellers.json"),
        include_str!("../tests/catalog/requests-held-out.json"),
    ];
    let requests: Vec<Value> =
        files.iter().flat_map(|file| serde_json::from_str::<Vec<Value>>(file).unwrap()).collect();
    let requests: Vec<&str> = requests.iter().map(|request| request["request"].as_str().unwrap()).collect();
    let offered = |entry: &Entry| entry.tool.answers.is_none();

    let catalog = || -> Catalog { Catalog::embedded().shared_entries().iter().cloned().collect() };
    let first_searches: Vec<Duration> = (0..INDEXES)
        .map(|_| {
            let fresh = catalog();
            timed(|| fresh.search(requests[0], offered).len())
        })
        .collect();

    let catalog = catalog();
    let searches: Vec<Duration> = (0..ROUNDS)
        .flat_map(|_| &requests)
        .map(|request| timed(|| catalog.search(request, offered).len()))
        .collect();
    // Every word is unknown, so each is compared with all that are known.
    let unknown = "campxxgn stormmfront inventqqy ".repeat(20);
    let longest: Vec<Duration> =
        (0..ROUNDS).map(|_| timed(|| catalog.search(&unknown, offered).len())).collect();

    println!("{} tools, {} requests", catalog.entries().count(), requests.len());
    println!("the first search, with the index: p50 {:.1?}", percentile(first_searches, 50));
    println!("a search of unknown words only: p50 {:.1?}", percentile(longest, 50));
    println!(
        "a search: p50 {:.1?}, p99 {:.1?}; target: p99 at most 5 ms",
        percentile(searches.clone(), 50),
        percentile(searches, 99)
    );
}

fn timed(run: impl FnOnce() -> usize) -> Duration {
    let started = Instant::now();
    black_box(run());
    started.elapsed()
}

fn percentile(mut times: Vec<Duration>, percent: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() * percent / 100).min(times.len() - 1)]
}
