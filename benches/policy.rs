//! Measures how long the operator's rules take: reading 50 rules, and one decision.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

use std::{fmt::Write, hint::black_box, time::Instant};

use jiff::Timestamp;
use scope3_mcp_gateway::{
    catalog::Catalog,
    policy::{CallFacts, Rules},
};
use serde_json::json;

const RULES: usize = 50;
const READS: u32 = 20;
const DECISIONS: u32 = 10_000;

fn main() {
    let catalog = Catalog::embedded();
    let mut text = "permit(principal, action, resource);\n".to_owned();
    for number in 1..RULES {
        let scope = match number % 3 {
            0 => "principal, action in Action::\"effect:spend\", resource",
            1 => "principal, action, resource",
            _ => {
                "principal in Client::\"bot\", action == Action::\"campaign_create\", resource is BrandAgent"
            }
        };
        let condition =
            format!("context has amount && context.amount > {} && context.hour != 30", 10_000_000 + number);
        let kind = ["", "@ask(\"why\") ", "@shadow(\"s%\") "][number % 3].replace('%', &number.to_string());
        writeln!(text, "{kind}forbid({scope}) when {{ {condition} }};").unwrap();
    }
    let started = Instant::now();
    let rules = Rules::parse(&text, &catalog).unwrap();
    let first = started.elapsed();
    let started = Instant::now();
    for _ in 0..READS {
        black_box(Rules::parse(&text, &catalog).unwrap());
    }
    let read = started.elapsed() / READS;
    let entry = catalog.get("campaign_create").unwrap();
    let arguments = json!({
        "brandAgentId": "12", "name": "Spring", "prompt": "Sell shoes",
        "budget": { "total": 500_000, "currency": "USD" },
    });
    let arguments = arguments.as_object().unwrap();
    let facts = CallFacts {
        key: None,
        client: Some("bot"),
        arguments,
        brand_agent: None,
        now: Timestamp::now(),
        spent_today: 0,
    };
    let started = Instant::now();
    for _ in 0..DECISIONS {
        black_box(rules.decide(entry, &facts));
    }
    println!(
        "{} rules: first read {first:.1?}, later reads {read:.1?}, a decision {:.1?}; target: at most 200 µs a decision",
        rules.len(),
        started.elapsed() / DECISIONS,
    );
}
