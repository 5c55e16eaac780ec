//! `scope3-mcp demo` shows a day of an agent's work on a few screens.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

use crate::support::{Outcome, command, run};

/// The default width of a terminal.
const COLUMNS: usize = 80;

/// Five screens of a default terminal.
const MAX_LINES: usize = 120;

async fn demo(arguments: &[&str]) -> Outcome {
    let outcome = run(command(&["demo"]).args(arguments)).await;
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    outcome
}

#[tokio::test]
async fn the_demo_shows_a_whole_day() {
    let outcome = demo(&[]).await;
    let mut rest = outcome.stdout.as_str();
    for expected in [
        " tools",
        "Customer ID: 12345",
        "Acme Boots",
        "No seller offers a match.",
        "32.00 USD",
        "sf1:501:outdoor-display",
        "2 products, 40,000.00 in all",
        "DRAFT",
        "Missing: image, video_hosted",
        "The server asks the person, not the agent:",
        "| Launch campaign in the sandbox? (execute_campaign)",
        "| Amount: 40,000.00 USD",
        "the demo itself answers: yes",
        "✅ 2 media buys went out; the campaign was DRAFT and is ACTIVE",
        "--max-budget-per-day is 60000 USD",
        "BUDGET_EXCEEDED: execute_campaign was not run and nothing was changed",
        "Trail boots at Borealis Streaming",
        "Autumn Trails",
        "IMPRESSIONS",
        "VALIDATION_ERROR: Nothing was sent.",
        "did you mean",
        "--read-only",
        "TOOL_NOT_OFFERED: execute_campaign",
        "LEFT",
        "RATE_LIMIT_EXCEEDED: Nothing was sent",
    ] {
        let at = rest.find(expected);
        assert!(at.is_some(), "`{expected}` is missing or out of order in:\n{}", outcome.stdout);
        rest = &rest[at.unwrap_or_default()..];
    }
    for failed in ["NOT_IMPLEMENTED", "NOT_FOUND", "INVALID_RESPONSE"] {
        assert!(!outcome.stdout.contains(failed), "{}", outcome.stdout);
    }
    let delivered = regex::Regex::new(
        r"(?m)^ +\d{4}-\d\d-\d\d  +[A-Z][A-Za-z -]+  +\d[\d,]*\.\d\d USD  +\d{1,3}(,\d{3})*  +\d+$",
    )
    .unwrap();
    assert!(delivered.is_match(&outcome.stdout), "no delivery row:\n{}", outcome.stdout);
    assert_eq!(outcome.stderr, "", "nothing is logged");
}

#[tokio::test]
async fn the_output_fits_a_few_screens_and_ends_with_a_command_to_connect() {
    let outcome = demo(&[]).await;
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert!(lines.len() <= MAX_LINES, "{} lines", lines.len());
    for line in &lines {
        assert!(line.chars().count() <= COLUMNS, "{line}");
        assert!(!line.trim_start().starts_with(['{', '"', '}']), "no JSON: {line}");
    }
    assert!(!outcome.stdout.contains('\u{1b}'), "a pipe gets no colors");
    assert_eq!(lines.last(), Some(&"claude mcp add scope3-sandbox -- scope3-mcp stdio --sandbox"));
    let page = include_str!("../../docs/clients/claude-code.md");
    assert!(page.contains(lines.last().unwrap()), "the page on Claude Code has the same command");
}

#[tokio::test]
async fn settings_in_the_environment_do_not_change_the_demo() {
    let outcome = run(command(&["demo"])
        .env("SCOPE3_CONFIRM", "strict")
        .env("SCOPE3_MAX_BUDGET", "1 EUR")
        .env("SCOPE3_MAX_BUDGET_PER_DAY", "1 EUR")
        .env("SCOPE3_READ_ONLY", "1")
        .env("SCOPE3_TOOLSETS", "webhooks")
        .env("SCOPE3_EXCLUDE_TOOLS", "check_auth_status")
        .env("SCOPE3_API_KEY_FILE", "/nonexistent")
        .env("SCOPE3_ON_LIMIT", "wait"))
    .await;
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(outcome.stdout.contains("Customer ID: 12345"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("RATE_LIMIT_EXCEEDED"), "{}", outcome.stdout);
}

#[tokio::test]
async fn full_prints_complete_results() {
    let outcome = demo(&["--full", "--mcp-limit", "20/h"]).await;
    assert!(outcome.stdout.contains("\"totalGroups\": 0"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("\"code\": \"VALIDATION_ERROR\""), "{}", outcome.stdout);
}

#[tokio::test]
async fn the_demo_completes_with_a_small_limit() {
    let outcome = demo(&["--mcp-limit", "2/h"]).await;
    assert!(outcome.stdout.contains("RATE_LIMIT_EXCEEDED"), "{}", outcome.stdout);
}

#[tokio::test]
async fn a_closed_pipe_is_not_an_error() {
    let mut child = command(&["demo"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    stdout.read_line(&mut first).await.unwrap();
    drop(stdout);
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).await.unwrap();
    assert_eq!(child.wait().await.unwrap().code(), Some(0), "{stderr}");
    assert!(first.starts_with("scope3-mcp "), "{first}");
    assert_eq!(stderr, "");
}

#[tokio::test]
async fn a_terminal_gets_colors() {
    let outcome = run(command(&["demo", "--mcp-limit", "12/h"]).env("CLICOLOR_FORCE", "1")).await;
    assert!(outcome.stdout.contains("\u{1b}["), "{}", outcome.stdout);
}
