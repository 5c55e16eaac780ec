//! MCP over standard input and output: every protocol version, and clean output.

use std::time::Duration;

use serde_json::{Value, json};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

use crate::support::{Session, command, key_text};

const HELLO: &str = "✅ Authenticated as dana@acme-outdoor.example (Customer ID: 12345). \
                     This is the sandbox: its data is invented, and nothing is spent.";

fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap()
}

#[tokio::test]
async fn every_version_with_a_handshake_is_supported() {
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let mut session = Session::spawn(command(&[]).env("SCOPE3_SANDBOX", "1"));
        let hello = json!({ "protocolVersion": version, "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
        let response = session.request("initialize", hello).await;
        let result = &response["result"];
        assert_eq!(result["protocolVersion"], version);
        assert_eq!(result["serverInfo"]["name"], "scope3-mcp");
        assert!(result["instructions"].as_str().unwrap().len() <= 2_000);
        session.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
        assert_eq!(text(&session.call("check_auth_status", json!({})).await), HELLO);
        assert_eq!(session.end().await.1, Some(0));
    }
}

#[tokio::test]
async fn the_version_without_a_handshake_is_supported() {
    let mut session = Session::spawn(command(&[]).env("SCOPE3_SANDBOX", "1"));
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "t", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let server = session.request("server/discover", json!({ "_meta": meta })).await["result"].clone();
    assert!(server["supportedVersions"].as_array().unwrap().contains(&json!("2026-07-28")), "{server}");
    assert!(server["ttlMs"].as_u64().unwrap() > 0 && server["cacheScope"] == "public", "{server}");
    let list = session.request("tools/list", json!({ "_meta": meta })).await["result"].clone();
    assert_eq!((&list["ttlMs"], &list["cacheScope"]), (&json!(3_600_000), &json!("public")));
    let call = json!({ "name": "check_auth_status", "arguments": {}, "_meta": meta });
    let result = session.request("tools/call", call).await["result"].clone();
    assert_eq!((text(&result), &result["resultType"]), (HELLO, &json!("complete")));
}

/// Many clients read only one page (Gemini CLI, Cline, `LlamaIndex`, the TypeScript SDK 1.x, …).
#[tokio::test]
async fn all_tools_are_on_one_page_with_the_default_set_first() {
    let names = |list: &Value| -> Vec<String> {
        let tools = list["tools"].as_array().unwrap();
        tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
    };
    let mut session = Session::sandbox(&[]).await;
    let default = names(&session.request("tools/list", json!({})).await["result"]);
    assert_eq!(default[0], "check_auth_status", "a harmless tool comes first");

    let mut session = Session::sandbox(&["--toolsets", "all"]).await;
    let all = session.request("tools/list", json!({})).await["result"].clone();
    assert!(all.get("nextCursor").is_none());
    let all_names = names(&all);
    assert_eq!(all_names.len(), 68);
    assert_eq!(all_names[..default.len()], default, "the default tools come first");
    assert_eq!(session.request("tools/list", json!({})).await["result"], all, "the order is stable");
    for cursor in ["-1", "68", "x"] {
        let response = session.request("tools/list", json!({ "cursor": cursor })).await;
        assert_eq!(response["error"]["code"], -32602, "{cursor}");
    }
}

#[tokio::test]
async fn unknown_tools_and_malformed_params_are_protocol_errors_with_a_reason() {
    let mut session = Session::sandbox(&[]).await;
    let response = session.request("tools/call", json!({ "name": "campaign_creat", "arguments": {} })).await;
    assert_eq!(response["error"]["code"], -32602);
    let message = response["error"]["message"].as_str().unwrap();
    assert!(message.contains("`campaign_creat`") && message.contains("`campaign_create`"), "{message}");
    for (params, named) in [
        (json!({ "arguments": {} }), "name"),
        (json!({ "name": "campaign_list", "arguments": [1] }), "map"),
        (json!({ "name": 7 }), "string"),
    ] {
        let response = session.request("tools/call", params).await;
        assert_eq!(response["error"]["code"], -32602);
        let message = response["error"]["message"].as_str().unwrap();
        assert!(message.contains("tools/call") && message.contains(named), "{message}");
    }
    let response = session.request("no/such", json!({})).await;
    assert_eq!(response["error"], json!({ "code": -32601, "message": "method not found: `no/such`" }));
    let response = session.request("tools/call", json!({ "name": "who am i" })).await;
    assert!(response["error"]["message"].as_str().unwrap().contains("`check_auth_status`"), "{response}");
}

#[tokio::test]
async fn text_and_structured_content_are_equal_and_sandbox_results_are_marked() {
    let mut session = Session::sandbox(&[]).await;
    let result = session.call("brand_agent_list", json!({})).await;
    let parsed: Value = serde_json::from_str(text(&result)).unwrap();
    assert_eq!(parsed, result["structuredContent"]);
    assert_eq!(result["isError"], false);
    assert_eq!(result["structuredContent"]["scope3Mcp"], json!({ "sandbox": true }));

    let failed = session.call("brand_agent_list", json!({ "wher": {} })).await;
    assert_eq!(failed["isError"], true);
    let parsed: Value = serde_json::from_str(text(&failed)).unwrap();
    assert_eq!(parsed, failed["structuredContent"]);
    assert_eq!(parsed["code"], "VALIDATION_ERROR");
    assert_eq!(parsed["changed"], "no");

    let who = session.call("check_auth_status", json!({})).await;
    assert_eq!(who["structuredContent"]["message"], HELLO);
}

#[tokio::test]
async fn local_tools_send_no_request_to_scope3() {
    let mut session = Session::sandbox(&[]).await;
    let before = session.call("get_usage", json!({})).await["structuredContent"].clone();
    assert_eq!(before["limits"][0], json!({ "class": "mcp", "limit": "500/h", "used": 0, "left": 500 }));
    session.call("describe_tool", json!({ "name": "creative_create" })).await;
    session.call("brand_agent_list", json!({ "x": 1 })).await;
    session.call("check_auth_status", json!({})).await;
    let after = session.call("get_usage", json!({})).await["structuredContent"].clone();
    let counts: Vec<&Value> = after["limits"].as_array().unwrap().iter().map(|row| &row["used"]).collect();
    assert_eq!(counts, [&json!(1), &json!(1), &json!(0)]);
    assert!(after["limits"][0]["nextFreeInSeconds"].as_u64().unwrap() > 3_500);

    let shown =
        session.call("describe_tool", json!({ "name": "creative_create" })).await["structuredContent"]
            .clone();
    let content = &shown["inputSchema"]["properties"]["creatives"]["items"]["properties"]["content"];
    assert!(content["properties"]["vastTag"].is_object(), "the whole schema is shown: {shown}");
    let unknown = session.call("describe_tool", json!({ "name": "creative_creat" })).await;
    assert!(text(&unknown).contains("did you mean `creative_create`?"));
}

#[tokio::test]
async fn a_tool_that_is_not_offered_is_rejected_with_the_reason() {
    let mut session = Session::sandbox(&["--read-only"]).await;
    let response = session.call("campaign_delete", json!({ "campaignId": "1" })).await;
    assert_eq!(response["structuredContent"]["code"], "TOOL_NOT_OFFERED");
    assert_eq!(response["structuredContent"]["changed"], "no");
    assert!(text(&response).contains("read-only"));
    let list = session.request("tools/list", json!({})).await;
    for tool in list["result"]["tools"].as_array().unwrap() {
        assert_eq!(tool["annotations"]["readOnlyHint"], true, "{}", tool["name"]);
    }
}

#[tokio::test]
async fn garbage_does_not_end_the_session() {
    let mut session = Session::sandbox(&[]).await;
    let giant = vec![b'x'; 17 * 1024 * 1024];
    for junk in [
        b"garbage\n".as_slice(),
        b"{\"jsonrpc\":\"2.0\",\n",
        b"\xff\xfe\x00\n",
        b"\n\n",
        b"[]\n",
        b"null\n",
        &giant,
    ] {
        session.send_raw(junk).await;
    }
    session.send_raw(b"\n").await;
    assert_eq!(text(&session.call("check_auth_status", json!({})).await), HELLO);
    let (rest, code, log) = session.end().await;
    assert_eq!((rest.len(), code), (0, Some(0)));
    assert!(!log.contains("panicked"), "{log}");
}

#[tokio::test]
async fn standard_output_carries_only_messages_at_every_log_level() {
    // `Session::receive` fails on output that is not JSON.
    let mut session = Session::start(command(&["--sandbox"]).env("RUST_LOG", "trace"), "2025-11-25").await;
    let secret = json!({ "name": "webhook_register", "arguments": { "brandAgentId": "12345001",
        "endpoint": { "url": "https://example.com", "authentication": { "type": "bearer", "credentials": "hush-hush" } },
        "eventTypes": ["delivery_update"] } });
    session.request("tools/call", secret).await;
    session.call("check_auth_status", json!({})).await;
    let (_, code, log) = session.end().await;
    assert_eq!(code, Some(0));
    assert!(log.contains("starting"), "the log goes to standard error: {log}");
    for hidden in ["hush-hush", "sandboxsecret", "sandboxcustomer12345notarealkey0"] {
        assert!(!log.contains(hidden), "{hidden} is in the log");
    }
}

#[tokio::test]
async fn long_arguments_arrive_complete() {
    let mut session = Session::sandbox(&["--toolsets", "all", "--max-result", "100000000"]).await;
    let long = "word ".repeat(40_000);
    let arguments = json!({ "name": "long", "description": long, "advertiserDomains": ["example.com"] });
    let made = session.call("brand_agent_create", arguments).await;
    assert!(text(&made).contains(long.trim_end()));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn large_responses_that_wait_for_a_reader_share_bounded_memory() {
    let item = json!({ "id": "campaign_1", "name": "Some campaign", "status": "active", "spend": 1234.56 });
    let size = item.to_string().len();
    let items = vec![item; 5 * 1024 * 1024 / size];
    let api = MockServer::start().await;
    let response =
        ResponseTemplate::new(200).set_body_json(json!({ "success": true, "data": { "items": items } }));
    Mock::given(any()).respond_with(response).mount(&api).await;
    let mut command = command(&["stdio", "--response-memory", "128", "--max-result", "100000000"]);
    command.env("SCOPE3_API_URL", api.uri()).env("SCOPE3_API_KEY", key_text("a"));
    let mut session = Session::start(&mut command, "2025-11-25").await;
    let before = peak(&session);
    for _ in 0..8 {
        session.ask("tools/call", json!({ "name": "campaign_list", "arguments": {} })).await;
    }
    // Read only after every response that can be ready without a reader is ready.
    tokio::time::sleep(Duration::from_secs(3)).await;
    for _ in 0..8 {
        assert!(session.line().await.len() > 10 * 1024 * 1024, "a result contains the response twice");
    }
    let grown = (peak(&session) - before) >> 20;
    println!("8 responses of 5 MiB that wait: {grown} MiB");
    assert!(grown < 192, "{grown} MiB");
}

/// The peak memory of the program, in bytes.
#[cfg(target_os = "linux")]
fn peak(session: &Session) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", session.child.id().unwrap())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}
