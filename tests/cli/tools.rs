//! `scope3-mcp tools`: its output to terminals and pipes, and its exit codes.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::support::{Outcome, command, run};

async fn tools(arguments: &[&str]) -> Outcome {
    run(command(&["tools"]).args(arguments).env("SCOPE3_SANDBOX", "1")).await
}

async fn in_columns(columns: usize, arguments: &[&str]) -> String {
    let outcome = run(command(&["tools"]).args(arguments).env("COLUMNS", columns.to_string())).await;
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    outcome.stdout
}

async fn names() -> Vec<String> {
    let outcome = tools(&["list", "--toolsets", "all", "--json"]).await;
    let listed: Vec<Value> = serde_json::from_str(&outcome.stdout).unwrap();
    listed.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_list_fits_the_terminal_and_never_breaks_a_name() {
    let names = names().await;
    let longest = names.iter().map(String::len).max().unwrap();
    assert_eq!(names.len(), 68);
    for columns in [1, 20, 40, 60, 80, 120, 200] {
        let list = in_columns(columns, &["list", "--toolsets", "all"]).await;
        let lines: Vec<&str> = list.lines().collect();
        assert_eq!(lines.len(), names.len() + 1, "one line per tool in {columns} columns:\n{list}");
        for (line, name) in lines[1..].iter().zip(&names) {
            assert_eq!(line.split_whitespace().next(), Some(name.as_str()), "{columns} columns");
            assert!(line.chars().count() <= columns.max(longest), "{columns} columns: {line}");
        }
    }
    let wide = in_columns(200, &["list"]).await;
    assert!(wide.starts_with("NAME ") && wide.lines().next().unwrap().ends_with("TITLE"), "{wide}");
    let default = in_columns(80, &["list"]).await;
    assert!(default.lines().next().unwrap().contains("EFFECT"), "{default}");
}

#[tokio::test]
async fn search_prints_the_best_tools_first_and_exits_with_1_without_results() {
    let found = tools(&["search", "pause", "my", "ads"]).await;
    assert_eq!(found.code, Some(0));
    let first = found.stdout.lines().skip(1).take(3).any(|line| line.starts_with("tactic_update "));
    assert!(first, "{}", found.stdout);

    let nothing = tools(&["search", "billing"]).await;
    assert_eq!((nothing.code, nothing.stdout.as_str()), (Some(1), ""));
    assert!(nothing.stderr.contains("No tool matches."), "{}", nothing.stderr);
    assert!(nothing.stderr.contains("tools list --toolsets all"), "{}", nothing.stderr);
    let nothing = tools(&["search", "billing", "--json"]).await;
    assert_eq!((nothing.code, nothing.stdout.trim()), (Some(1), "[]"));

    let withheld = tools(&["search", "webhook"]).await;
    assert!(withheld.stderr.contains("--tools webhook_register"), "{}", withheld.stderr);
    assert!(withheld.stderr.contains("--toolsets default,webhooks"), "{}", withheld.stderr);
    let offered = tools(&["search", "webhook", "--toolsets", "all"]).await;
    assert_eq!(offered.stderr, "");
}

#[tokio::test]
async fn show_prints_a_tool_that_fits_the_terminal() {
    for columns in [40, 60, 80, 120] {
        let page = in_columns(columns, &["show", "campaign_create"]).await;
        assert!(page.lines().all(|line| line.chars().count() <= columns), "{columns}: {page}");
        assert!(!page.contains("\"properties\""), "{page}");
    }
    let page = in_columns(100, &["show", "campaign_create"]).await;
    for line in [
        "campaign_create: Create campaign",
        "Effect   spend",
        "Request  POST /campaign-create",
        "brandAgentId              string          yes",
        "budget.total              integer         yes       HUNDREDTHS: 5000000 = 50,000.00; at least 1",
        "creativeIds               list of strings",
        "one of even, accelerated, front_loaded; default",
    ] {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(page.lines().any(|known| words(known).contains(&words(line))), "{line} in\n{page}");
    }
    let page = in_columns(80, &["show", "campaign_update"]).await;
    assert!(page.contains("tacticAdjustments[].budgetAllocation.amount"), "{page}");
    assert!(page.contains("required in its parent"), "an item of an optional list requires its id:\n{page}");
    let described = tools(&["show", "campaign_create", "--json"]).await;
    let described: Value = serde_json::from_str(&described.stdout).unwrap();
    assert_eq!(described["inputSchema"]["type"], "object");
}

#[tokio::test]
async fn arguments_can_be_pairs_or_json() {
    let by_json =
        tools(&["call", "campaign_list", r#"{"brandAgentId":"12345001","limit":1}"#, "--json"]).await;
    let by_pairs = tools(&["call", "campaign_list", "brandAgentId=12345001", "limit=1", "--json"]).await;
    assert_eq!(by_pairs.code, Some(0), "{}", by_pairs.stderr);
    let campaigns =
        |outcome: &Outcome| serde_json::from_str::<Value>(&outcome.stdout).unwrap()["campaigns"].clone();
    let without_clock = |mut campaigns: Value| {
        campaigns[0].as_object_mut().unwrap().remove("deliverySummary");
        campaigns
    };
    assert_eq!(without_clock(campaigns(&by_pairs)), without_clock(campaigns(&by_json)));
    assert_eq!(campaigns(&by_pairs).as_array().unwrap().len(), 1);

    let dotted = [
        "call",
        "campaign_create",
        "brandAgentId=12345001",
        "name=Boots",
        "prompt=Boots",
        "budget.total=5000",
        "budget.currency=USD",
        "skipBriefValidation:=true",
        "--json",
    ];
    let created: Value = serde_json::from_str(&tools(&dotted).await.stdout).unwrap();
    assert_eq!(created["campaign"]["budget"]["total"], 5000, "{created}");
    let list = [
        "call",
        "reporting_export_data",
        "campaignIds[]=a",
        "datasets[]=delivery",
        "groupBy[]=date",
        "dateRange.start=2026-06-01",
        "dateRange.end=2026-06-02",
        "--json",
    ];
    let result: Value = serde_json::from_str(&tools(&list).await.stdout).unwrap();
    assert_ne!(result["code"], "VALIDATION_ERROR", "lists are accepted: {result}");
}

#[tokio::test]
async fn a_pipe_gets_json_that_marks_sandbox_results() {
    for form in [&[][..], &["--json"]] {
        let outcome = tools(&[&["call", "check_auth_status"][..], form].concat()).await;
        assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
        let result: Value = serde_json::from_str(&outcome.stdout).unwrap();
        assert_eq!(result["scope3Mcp"], json!({ "sandbox": true }));
        assert!(result["message"].as_str().unwrap().starts_with("✅ Authenticated"), "{result}");
        assert_eq!(outcome.stdout.lines().count() == 1, !form.is_empty());
    }
}

#[tokio::test]
async fn a_failure_is_three_lines_of_text_or_json() {
    let wrong = ["call", "campaign_list", "brandAgentID=1"];
    let outcome = tools(&wrong).await;
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(1), ""));
    let lines: Vec<&str> = outcome.stderr.lines().collect();
    let [error, changed, hint] = lines[..] else { panic!("{lines:?}") };
    assert!(error.starts_with("error[VALIDATION_ERROR] (sandbox): Nothing was sent."), "{error}");
    assert!(error.contains("did you mean `brandAgentId`?"), "{error}");
    assert_eq!(changed, "changed: no");
    assert!(hint.starts_with("hint: "), "{hint}");

    let outcome = tools(&[&wrong[..], &["--json"]].concat()).await;
    let failure: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(
        (outcome.code, &failure["code"], outcome.stderr.as_str()),
        (Some(1), &json!("VALIDATION_ERROR"), "")
    );
}

#[tokio::test]
async fn invalid_arguments_are_wrong_usage() {
    let deep = "[".repeat(100_000);
    for (arguments, expected) in [
        (&["{\"a\":"][..], "not valid JSON"),
        (&["[]"], "got an array"),
        (&["5"], "expected name=value"),
        (&[""], "got nothing"),
        (&["{\"limit\":1,\"limit\":2}"], "`limit` is given twice"),
        (&["limit=1", "limit=2"], "`limit` is given twice"),
        (&["=1"], "expected a name before `=`"),
        (&["limit:=x"], "`limit` is not valid JSON"),
        (&[&deep], "recursion limit"),
        (&["-"], "got nothing"),
    ] {
        let outcome = tools(&[&["call", "campaign_list"][..], arguments].concat()).await;
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(2), ""), "{}", outcome.stderr);
        assert!(
            outcome.stderr.starts_with("error: ") && outcome.stderr.contains(expected),
            "{}",
            outcome.stderr
        );
        assert!(outcome.stderr.len() < 300, "{}", outcome.stderr);
    }
}

#[tokio::test]
async fn an_unknown_tool_is_wrong_usage_and_a_similar_one_is_suggested() {
    let long = "x".repeat(100_000);
    for command in ["call", "show"] {
        for (name, expected) in [
            ("campaign_lst", "unknown tool `campaign_lst`; did you mean `campaign_list`?"),
            ("weekly_report", "did you mean `reporting_export_data`?"),
            ("qqq", "unknown tool `qqq`; `scope3-mcp tools list --toolsets all` lists every tool"),
            ("", "unknown tool ``"),
            (&long, "…`; "),
        ] {
            // There is no key: the call is checked first.
            let outcome = run(&mut crate::support::command(&["tools", command, name])).await;
            assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
            assert!(outcome.stderr.contains(expected), "{}", outcome.stderr);
            assert!(outcome.stderr.len() < 300, "{}", outcome.stderr.len());
        }
    }
}

#[tokio::test]
async fn standard_input_is_limited_in_size() {
    for (input, code, expected) in [
        (b"{\"limit\":1}".to_vec(), 0, ""),
        (b"[1]".to_vec(), 2, "got an array"),
        (vec![b' '; 20_000_000], 2, "at most 4 MiB"),
        (b"\xff\xfe".to_vec(), 2, "not UTF-8"),
    ] {
        let mut child = command(&["tools", "call", "campaign_list", "-", "--sandbox"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let writing = tokio::spawn(async move {
            // The program may stop reading early.
            let _closed = stdin.write_all(&input).await;
        });
        let output = child.wait_with_output().await.unwrap();
        writing.await.unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        assert!(stderr.contains(expected), "{stderr}");
    }
}

/// Answers of the Campaign API hold some things twice.
#[tokio::test]
async fn what_the_campaign_api_repeats_is_sent_once() {
    let call = async |arguments: &[&str]| -> Value {
        let outcome = tools(&[&["call"], arguments].concat()).await;
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        serde_json::from_str(&outcome.stdout).unwrap()
    };
    let campaigns = call(&["campaign_list"]).await;
    let id = campaigns["campaigns"][0]["id"].as_str().unwrap();
    let campaign = format!("campaignId={id}");
    let tactics = call(&["tactic_list", &campaign]).await;
    assert!(tactics["tactics"].is_array() && tactics.get("groupedTactics").is_none(), "{tactics}");
    let summary = call(&["campaign_get_summary", &campaign]).await;
    assert!(summary["message"].is_string() && summary["summary"].get("textSummary").is_none(), "{summary}");
    let found = call(&["media_product_list", "promoted_offering=boots"]).await;
    let product = found["products"][0].as_object().unwrap();
    assert!(product["basePricing"].is_object() && product["publisherId"].is_string(), "{found}");
    assert!(product.keys().all(|name| !name.contains('_') && name != "pricing"), "{found}");
}
