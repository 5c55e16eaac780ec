//! A key never leaves the program, whatever an API, a client or an error repeats.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use wiremock::{Mock, MockServer, Request, ResponseTemplate, matchers::any};

use crate::support::{
    Session,
    canary::{SECRET, assert_clean, assert_clean_files, echoing_api, forms, key},
    command, run,
};

/// Tools that read and change, with arguments in which a text fits.
fn calls(text: &str) -> Vec<(&'static str, Value)> {
    vec![
        ("check_auth_status", json!({})),
        ("brand_agent_list", json!({})),
        ("brand_agent_get", json!({ "brandAgentId": text })),
        ("brand_agent_create", json!({ "name": text, "advertiserDomains": ["example.com"] })),
        ("brand_agent_create", json!({ "name": text, text: 1 })),
        ("brand_agent_update", json!({ "brandAgentId": "1", "name": text })),
        ("get_usage", json!({ "hours": text })),
        ("describe_tool", json!({ "name": text })),
    ]
}

#[tokio::test]
async fn stdio_shows_nothing_of_the_key_whoever_repeats_it() {
    let api = echoing_api().await;
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state.db");
    for format in ["text", "json"] {
        let mut program = command(&["stdio", "--log-format", format, "--journal-arguments"]);
        program.env("SCOPE3_STATE", &state).env("SCOPE3_API_KEY", key()).env("SCOPE3_API_URL", api.uri());
        program.env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full").env("SCOPE3_API_LIMIT", "100000/h");
        let mut session = Session::start(&mut program, "2025-11-25").await;
        // The log is longer than a pipe holds.
        let mut stderr = session.child.stderr.take().unwrap();
        let log = tokio::spawn(async move {
            let mut log = String::new();
            stderr.read_to_string(&mut log).await.unwrap();
            log
        });
        let mut shown = String::new();
        for text in forms(&key()) {
            for (tool, arguments) in calls(&text) {
                let params = json!({
                    "name": tool, "arguments": arguments, "_meta": { "idempotencyKey": text },
                });
                shown.push_str(&session.request("tools/call", params).await.to_string());
            }
            for params in [json!({ "name": text }), json!({ "name": 1, "arguments": text }), json!(text)] {
                shown.push_str(&session.request("tools/call", params).await.to_string());
            }
            shown.push_str(&session.request(&text, json!({})).await.to_string());
            session.send_raw(format!("{text}\n").as_bytes()).await;
        }
        drop(session.stdin.take());
        while let Some(message) = session.receive().await {
            shown.push_str(&message.to_string());
        }
        assert_eq!(session.child.wait().await.unwrap().code(), Some(0));
        assert!(shown.contains("[redacted]"), "{shown}");
        assert_clean("standard output", shown);
        assert_clean("standard error", log.await.unwrap());
    }
    assert_clean_files(folder.path());
    let listed = run(command(&["journal"]).env("SCOPE3_STATE", &state)).await;
    assert_clean("the list of changes", format!("{}{}", listed.stdout, listed.stderr));
}

#[tokio::test]
async fn questions_and_previews_show_nothing_of_the_key() {
    let api = MockServer::start().await;
    let count = AtomicUsize::new(0);
    let respond = move |request: &Request| {
        let forms = forms(request.headers["x-scope3-api-key"].to_str().unwrap());
        let name = &forms[count.fetch_add(1, Ordering::Relaxed) % forms.len()];
        let budget = json!({ "amount": 1, "currency": name });
        let object = json!({ "id": name, "name": name, "budgetAllocation": budget });
        let data = json!({ "campaign": object, "tactic": object, "brandAgent": object });
        ResponseTemplate::new(200).set_body_json(json!({ "success": true, "data": data }))
    };
    Mock::given(any()).respond_with(respond).mount(&api).await;
    for capabilities in [json!({}), json!({ "elicitation": {} })] {
        let mut program = command(&["stdio"]);
        program.env_remove("SCOPE3_CONFIRM").env("SCOPE3_API_KEY", key()).env("SCOPE3_API_URL", api.uri());
        let mut session = Session::of_client(&mut program, "2025-11-25", capabilities).await;
        let mut shown = String::new();
        for text in forms(&key()) {
            let budget = json!({ "total": 100, "currency": "USD" });
            for (tool, arguments) in [
                ("campaign_delete", json!({ "campaignId": text })),
                ("campaign_delete", json!({ "campaignId": "cmp_1" })),
                (
                    "tactic_update",
                    json!({ "tacticId": "t", "name": text, "budgetAllocation": { "amount": 5 } }),
                ),
                (
                    "campaign_create",
                    json!({ "brandAgentId": "b", "name": text, "prompt": text, "budget": budget }),
                ),
            ] {
                let id = session.ask("tools/call", json!({ "name": tool, "arguments": arguments })).await;
                loop {
                    let message = session.receive().await.unwrap();
                    shown.push_str(&message.to_string());
                    if message["id"] == id && message.get("method").is_none() {
                        break;
                    }
                    assert_eq!(message["method"], "elicitation/create", "{message}");
                    let no =
                        json!({ "jsonrpc": "2.0", "id": message["id"], "result": { "action": "decline" } });
                    session.send(&no).await;
                }
            }
        }
        assert!(
            shown.contains("[redacted]") && shown.contains("Delete campaign? (campaign_delete)"),
            "{shown}"
        );
        let (_, code, log) = session.end().await;
        assert_eq!(code, Some(0));
        assert_clean("a question", shown);
        assert_clean("standard error", log);
    }
}

#[tokio::test]
async fn a_command_shows_nothing_of_the_key_whoever_repeats_it() {
    let api = echoing_api().await;
    for text in [key(), SECRET.to_owned()] {
        for (tool, arguments) in calls(&text) {
            let arguments = arguments.to_string();
            for format in [&[][..], &["--json"]] {
                let mut program = command(&[&["tools", "call", tool, &arguments], format].concat());
                program
                    .env("SCOPE3_API_KEY", key())
                    .env("SCOPE3_API_URL", api.uri())
                    .env("RUST_LOG", "trace");
                let outcome = run(program.env("RUST_BACKTRACE", "full")).await;
                assert_clean(tool, format!("{}{}", outcome.stdout, outcome.stderr));
            }
        }
    }
}

#[tokio::test]
async fn malformed_keys_are_not_shown_either() {
    let long = "b".repeat(32);
    for malformed in [
        format!("sk-{SECRET}"),
        format!("scope3_{SECRET}"),
        format!("scope3_{long}_{SECRET}\r\nx-injected: {SECRET}"),
        format!("scope3_{long}_{SECRET}\u{e9}\u{202e}"),
        format!("\"scope3_{long}_{SECRET}\""),
        format!("SCOPE3_API_KEY=scope3_{long}_{SECRET}!"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        std::fs::write(&file, &malformed).unwrap();
        for (name, value) in [
            ("SCOPE3_API_KEY", malformed.clone()),
            ("SCOPE3_BACKUP_API_KEYS", malformed.clone()),
            ("SCOPE3_API_KEY_FILE", file.display().to_string()),
            ("SCOPE3_API_KEY_COMMAND", format!("cat '{}'", file.display())),
            ("SCOPE3_API_KEY_COMMAND", malformed.clone()),
            ("SCOPE3_MCP_TOKEN", malformed.clone()),
        ] {
            for arguments in [
                &["tools", "call", "brand_agent_get", "{}"][..],
                &["http", "--bind", "127.0.0.1:0", "--auth", "token", "--max-calls", "0"],
            ] {
                let mut program = command(arguments);
                program.env(name, &value).env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full");
                let outcome = run(&mut program).await;
                assert_ne!(outcome.code, Some(0), "{name}");
                assert_clean(name, format!("{}{}", outcome.stdout, outcome.stderr));
            }
        }
    }
}
