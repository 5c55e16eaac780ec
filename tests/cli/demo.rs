//! `scope3-mcp demo` shows the promises of the README, for people and for pipes.

use crate::support::{command, run};

#[tokio::test]
async fn the_demo_plays_a_whole_day() {
    let outcome = run(&mut command(&["demo"])).await;
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let mut rest = outcome.stdout.as_str();
    for said in [
        "30 tools",
        "✅ Authenticated as dana@acme-outdoor.example (Customer ID: 12345)",
        "499 MCP requests left this hour",
        "Northwind Outdoor",
        "\"meetsThreshold\": false",
        "creative_list",
        "\"total\": 5000000",
        "\"success\": true",
        "campaign summary",
        "\"rowCount\":",
        "VALIDATION_ERROR",
        "more calls in",
        "RATE_LIMIT_EXCEEDED",
        "0 MCP requests left this hour",
    ] {
        let at = rest.find(said);
        assert!(at.is_some(), "`{said}` does not follow in:\n{}", outcome.stdout);
        rest = &rest[at.unwrap_or_default()..];
    }
    for failed in ["NOT_IMPLEMENTED", "NOT_FOUND", "INVALID_RESPONSE"] {
        assert!(!outcome.stdout.contains(failed), "{}", outcome.stdout);
    }
    assert!(!outcome.stdout.contains('\u{1b}'), "a pipe gets no colours");
}

#[tokio::test]
async fn a_terminal_gets_colours() {
    let outcome = run(command(&["demo", "--mcp-limit", "12/h"]).env("CLICOLOR_FORCE", "1")).await;
    assert!(outcome.stdout.contains("\u{1b}["), "{}", outcome.stdout);
}
