//! Security events: one line each, with a stable name, in the log or in a file of their own.

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::{
    consent,
    support::{
        FIRST, SECOND, Server, call,
        campaign::{DELETE, api_with, campaign, with},
        initialize,
    },
};
use reqwest::Method;

fn events(text: &str) -> Vec<Value> {
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["target"] == "scope3_mcp::audit").collect()
}

#[tokio::test]
async fn security_events_are_written_to_the_audit_log_with_what_is_known() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("audit.jsonl");
    let path = file.display().to_string();
    let arguments =
        ["--auth", "key", "--audit-log", &path, "--exclude-tools", "campaign_delete", "--mcp-limit", "4/h"];
    let server = Server::sandbox(&arguments);
    let mine = server.with_key(FIRST).begin("2025-06-18").await;
    assert_eq!(server.client().status(&initialize("2025-06-18")).await, 401);
    let malformed = server.client().with("x-scope3-api-key", "sk-other");
    assert_eq!(malformed.status(&initialize("2025-06-18")).await, 401);
    let thief = server.with_key(SECOND).with("mcp-session-id", mine.session());
    assert_eq!(thief.status(&call(1, "get_usage")).await, 404);
    assert_eq!(thief.delete().await, 404);
    mine.call("campaign_delete").await;
    let create = async |confirmation: Option<&str>| {
        let mut arguments = json!({ "name": "Boots", "advertiserDomains": ["example.com"] });
        if let Some(code) = confirmation {
            arguments["confirmation"] = code.into();
        }
        let params = json!({ "name": "brand_agent_create", "arguments": arguments });
        let message = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params });
        let created = crate::support::message(mine.post(&message).await).await;
        let code = &created["result"]["structuredContent"]["scope3Mcp"]["confirmation"]["code"];
        code.as_str().unwrap_or_default().to_owned()
    };
    create(None).await;
    let code = create(None).await;
    create(Some(&code)).await;
    create(Some(&code)).await;
    for _ in 0..3 {
        mine.call("brand_agent_list").await;
    }
    let invented = server.with_key("scope3_invented_not-a-key-of-the-sandbox").begin("2025-06-18").await;
    invented.call("brand_agent_list").await;

    let text = std::fs::read_to_string(&file).unwrap();
    let events = events(&text);
    let names: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    let expected = [
        "auth_failed",
        "auth_failed",
        "session_foreign",
        "session_foreign",
        "policy_rejected",
        "confirmation_used",
        "confirmation_invalid",
        "limit_reached",
        "key_rejected",
    ];
    assert_eq!(names, expected, "{text}");
    assert_eq!(
        (&events[0]["code"], &events[1]["code"]),
        (&json!("AUTH_MISSING"), &json!("AUTH_INVALID_FORMAT"))
    );
    let denied = &events[4];
    assert_eq!(
        (&denied["tool"], &denied["client"]),
        (&json!("campaign_delete"), &json!("test 1")),
        "{denied}"
    );
    assert_eq!(denied["session"], events[2]["session"], "both name the same session");
    assert_ne!(events[2]["key"], "-");
    assert_ne!(events[8]["key"], events[2]["key"]);
    assert!(events[5]["entry"].is_number(), "{text}");
    assert!(events.iter().all(|event| event["timestamp"].is_string()), "{text}");
    assert!(!text.contains("not-a-key") && !text.contains("sandboxsecret") && !text.contains(mine.session()));
    assert!(!server.log().contains("policy_rejected"), "{}", server.log());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[tokio::test]
async fn consent_and_budgets_are_events() {
    let (api, folder) = (api_with("Open Trails").await, tempdir().unwrap());
    let (file, url) = (folder.path().join("audit.jsonl"), api.uri());
    let arguments = [
        ["http", "--bind", "127.0.0.1:0", "--auth", "key", "--api-url", &url],
        [
            "--audit-log",
            file.to_str().unwrap(),
            "--max-budget",
            "100 USD",
            "--max-budget-per-day",
            "150 USD",
            "--on-limit=reject",
        ],
    ];
    let server = Server::start(&arguments.concat(), &[("SCOPE3_CONFIRM", "auto")]);
    let client = server.with_key(FIRST);
    let message = |tool: &str, arguments: Value| {
        let params = json!({ "name": tool, "arguments": arguments });
        json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params })
    };
    // A client that cannot ask.
    let plain = client.begin("2025-06-18").await;
    let call = async |tool: &str, arguments: Value| {
        let response = crate::support::message(plain.post(&message(tool, arguments)).await).await;
        response["result"]["structuredContent"].clone()
    };
    let preview = call(DELETE, campaign()).await;
    let code = preview["confirmation"]["code"].as_str().unwrap();
    call(DELETE, with(campaign(), "confirmation", code)).await;
    let create = |hundredths: u32| json!({ "brandAgentId": "b", "name": hundredths.to_string(), "prompt": "p", "budget": { "total": hundredths } });
    call("campaign_create", create(10_001)).await;
    let first = call("campaign_create", create(10_000)).await;
    let code = first["confirmation"]["code"].as_str().unwrap();
    call("campaign_create", with(create(10_000), "confirmation", code)).await;
    call("campaign_create", create(5_001)).await;
    let share = json!({ "tacticId": "t", "budgetAllocation": { "percentage": 90 } });
    call("tactic_update", share).await;
    // A client that can.
    let asking = consent::begin(&client, "2025-11-25").await;
    for action in ["decline", "accept"] {
        let raise =
            message("tactic_update", json!({ "tacticId": "t", "budgetAllocation": { "amount": 301 } }));
        let mut events = consent::Events::of(asking.post(&raise).await);
        let question = events.next().await.unwrap();
        assert_eq!(asking.status(&consent::answer(&question, action)).await, 202);
        assert!(events.next().await.unwrap()["result"].is_object());
    }

    let text = std::fs::read_to_string(&file).unwrap();
    let events = events(&text);
    let names: Vec<_> = events
        .iter()
        .map(|event| (event["event"].as_str().unwrap(), event["code"].as_str().unwrap()))
        .collect();
    let expected = [
        ("consent_requested", "-"),
        ("confirmation_used", "-"),
        ("budget_reached", "BUDGET_EXCEEDED"),
        ("consent_requested", "-"),
        ("confirmation_used", "-"),
        ("budget_reached", "BUDGET_EXCEEDED"),
        ("budget_reached", "BUDGET_UNKNOWN"),
        ("consent_requested", "-"),
        ("consent_declined", "CONSENT_DECLINED"),
        ("consent_requested", "-"),
        ("consent_granted", "-"),
    ];
    assert_eq!(names, expected, "{text}");
    for (event, (name, _)) in events.iter().zip(expected) {
        let is_recorded = matches!(name, "consent_granted" | "confirmation_used");
        assert_eq!(event["entry"].is_number(), is_recorded, "{event}");
        assert_ne!(event["tool"], "-", "{event}");
        assert_ne!(event["session"], "-", "{event}");
        assert_ne!(event["key"], "-", "{event}");
        assert_eq!(event["client"], "test 1", "{event}");
    }
    assert!(
        !text.contains("Open Trails") && !text.contains(code) && !text.contains("sandboxsecret"),
        "{text}"
    );
}

#[tokio::test]
async fn without_an_audit_log_events_are_lines_of_the_log() {
    let server = Server::sandbox(&["--auth", "key", "--log-format", "json"]);
    assert_eq!(server.client().status(&initialize("2025-06-18")).await, 401);
    let log = server.log();
    let events = events(&log);
    assert_eq!(events.len(), 1, "{log}");
    assert_eq!(events[0]["fields"]["event"], "auth_failed");
    assert_eq!(events[0]["level"], "WARN");
}

#[tokio::test]
async fn a_wrong_token_at_the_metrics_is_an_event() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("audit.jsonl");
    let path = file.to_str().unwrap();
    let arguments = ["http", "--sandbox", "--bind", "127.0.0.1:0", "--auth", "token", "--audit-log", path];
    let server = Server::start(&arguments, &[("SCOPE3_MCP_TOKEN", "the-right-token")]);
    for (token, status) in [("Bearer guess", 401), ("Bearer the-right-token", 200)] {
        let client = server.client().with("authorization", token);
        assert_eq!(client.request(Method::GET, "/metrics").send().await.unwrap().status(), status);
    }
    let text = std::fs::read_to_string(&file).unwrap();
    let events = events(&text);
    assert_eq!(events.len(), 1, "{text}");
    assert_eq!(
        (&events[0]["event"], &events[0]["code"]),
        (&json!("auth_failed"), &json!("AUTH_INVALID_TOKEN"))
    );
}

#[tokio::test]
async fn the_audit_log_does_not_fill_the_disk() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("audit.jsonl");
    let arguments = ["--auth", "key", "--audit-log", file.to_str().unwrap(), "--audit-log-size", "1"];
    let server = Server::sandbox(&arguments);
    let before = folder.path().join("audit.jsonl.1");
    let sizes = || [&file, &before].map(|file| std::fs::metadata(file).map_or(0, |file| file.len()));
    let (client, mut sent) = (server.client(), 0);
    while sizes()[1] == 0 {
        sent += 1;
        assert!(sent < 10_000, "{:?}", sizes());
        assert_eq!(client.status(&initialize("2025-06-18")).await, 401);
    }
    assert!(sizes()[1] < (1 << 20) + 1000, "{:?}", sizes());
    let kept = [&before, &file].map(|file| std::fs::read_to_string(file).unwrap());
    assert_eq!(kept.iter().map(|text| events(text).len()).sum::<usize>(), sent, "none is lost");
}

#[cfg(unix)]
#[tokio::test]
async fn a_security_event_that_cannot_be_written_is_in_the_log_and_counted_and_stops_no_call() {
    let folder = tempdir().unwrap();
    let logs = folder.path().join("logs");
    std::fs::create_dir(&logs).unwrap();
    let file = logs.join("audit.jsonl");
    let server = Server::sandbox(&["--auth", "key", "--audit-log", file.to_str().unwrap()]);
    assert_eq!(server.client().status(&initialize("2025-06-18")).await, 401);
    std::fs::remove_dir_all(&logs).unwrap();
    assert_eq!(server.client().status(&initialize("2025-06-18")).await, 401);
    let session = server.with_key(FIRST).begin("2025-06-18").await;
    assert!(!session.call("brand_agent_list").await.contains("error"));
    assert_eq!(server.metric("scope3_mcp_audit_failures_total").await, Some(1.0));
    let log = loop {
        let log = server.log();
        // A thread of its own writes it.
        if log.contains("cannot write a security event") {
            break log;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    };
    let line = log.lines().find(|line| line.contains("cannot write a security event")).unwrap();
    assert!(line.contains("auth_failed") && line.contains("No such file"), "{log}");

    std::fs::create_dir(&logs).unwrap();
    assert_eq!(server.client().status(&initialize("2025-06-18")).await, 401);
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(events(&text).len(), 1, "{text}");
}
