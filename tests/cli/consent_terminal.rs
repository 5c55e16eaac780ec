//! Consent on a terminal: `tools call` asks whoever runs it.

use serde_json::Value;
use tokio::process::Command;
use wiremock::MockServer;

use crate::support::{
    campaign::{DELETE, api_with, deleted},
    command, key_text,
    pty::Terminal,
    run,
};

fn call(api: &MockServer, options: &[&str]) -> Command {
    let mut program = command(&["tools", "call", DELETE, "campaignId=cmp_1"]);
    program.args(options).env_remove("SCOPE3_CONFIRM");
    program.env("SCOPE3_API_URL", api.uri()).env("SCOPE3_API_KEY", key_text("a"));
    program
}

/// A call whose question is on the screen.
async fn asked(api: &MockServer) -> Terminal {
    let terminal = Terminal::start(&mut call(api, &[]), 60);
    terminal.wait_for("Type yes to go on: ").await;
    terminal
}

#[tokio::test]
async fn yes_on_a_terminal_makes_the_change() {
    let api = api_with("Open Trails").await;
    for (made, yes) in ["yes\n", " YES \n", "y\n"].iter().enumerate() {
        let mut terminal = asked(&api).await;
        assert_eq!(deleted(&api).await, made);
        let shown = terminal.shown();
        assert!(shown.contains("Campaign: \"Open Trails\" (cmp_1)"), "{shown}");
        assert!(shown.lines().all(|line| line.chars().count() <= 60), "{shown}");
        terminal.input(yes);
        let (code, shown) = terminal.end().await;
        assert_eq!((code, deleted(&api).await), (Some(0), made + 1), "{shown}");
    }
}

#[tokio::test]
async fn anything_else_on_a_terminal_changes_nothing() {
    let api = api_with("Open Trails").await;
    // The last is the end of the input.
    for (answer, expected) in [
        ("no\n", "the user declined"),
        ("\n", "the user declined"),
        ("yes please\n", "the user declined"),
        ("\u{4}", "closed the question without an answer"),
    ] {
        let mut terminal = asked(&api).await;
        terminal.input(answer);
        let (code, shown) = terminal.end().await;
        let flat = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(code, Some(1), "{shown}");
        assert!(flat.contains("CONSENT_DECLINED") && flat.contains(expected), "{shown}");
        assert!(flat.contains("changed: no"), "{shown}");
    }
    assert_eq!(deleted(&api).await, 0);
}

#[tokio::test]
async fn ctrl_c_during_the_question_changes_nothing() {
    let api = api_with("Open Trails").await;
    let terminal = asked(&api).await;
    terminal.interrupt();
    let (code, shown) = terminal.end().await;
    assert_eq!((code, deleted(&api).await), (Some(1), 0), "{shown}");
    assert!(shown.ends_with("Interrupted. Nothing was changed.\n"), "{shown}");
}

#[tokio::test]
async fn without_a_terminal_only_yes_in_advance_makes_the_change() {
    let api = api_with("Open Trails").await;
    let refused = run(&mut call(&api, &["--json"])).await;
    let failure: Value = serde_json::from_str(&refused.stdout).unwrap();
    assert_eq!((refused.code, &failure["changed"]), (Some(1), &"no".into()), "{failure}");
    assert_eq!(failure["code"], "CONSENT_UNAVAILABLE", "{failure}");
    assert!(failure["message"].as_str().unwrap().contains("--yes"), "{failure}");
    assert_eq!(deleted(&api).await, 0);
    let requests = api.received_requests().await.unwrap().len();
    assert_eq!(requests, 0, "nothing is read for a question that nobody can be asked");

    for options in [&["--yes", "--json"][..], &["--yes", "--json", "--confirm", "strict"]] {
        let made = run(&mut call(&api, options)).await;
        assert_eq!(made.code, Some(0), "{}", made.stderr);
    }
    assert_eq!(deleted(&api).await, 2);
}
