//! Security events: one line each, with a stable name, in the log or in a file of their own.

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::support::{FIRST, SECOND, Server, call, initialize};

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
async fn without_an_audit_log_events_are_lines_of_the_log() {
    let server = Server::sandbox(&["--auth", "key", "--log-format", "json"]);
    assert_eq!(server.client().status(&initialize("2025-06-18")).await, 401);
    let log = server.log();
    let events = events(&log);
    assert_eq!(events.len(), 1, "{log}");
    assert_eq!(events[0]["fields"]["event"], "auth_failed");
    assert_eq!(events[0]["level"], "WARN");
}
