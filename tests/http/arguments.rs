//! Whatever a request contains, its response is short and its cost for the server is bounded.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::support::{Mcp, Server, Sse, call, message, modern_call, text, upstream::Upstream};

/// Results are not cut.
const WHOLE: &str = "100000000";

/// The server's peak memory, in bytes.
#[cfg(target_os = "linux")]
fn peak(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Guards against a hang. How long a request takes is measured in `benches`.
const HANG_TIMEOUT: Duration = Duration::from_mins(2);

async fn response_text(client: &Mcp, message: &Value) -> String {
    let exchange = async {
        let response = client.post(message).await;
        let status = response.status();
        let text = response.text().await.unwrap();
        assert_eq!(status, 200, "{text}");
        text
    };
    tokio::time::timeout(HANG_TIMEOUT, exchange).await.expect("the server hangs")
}

fn with_arguments(tool: &str, arguments: Value) -> Value {
    let mut message = call(1, tool);
    message["params"]["arguments"] = arguments;
    message
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_request_full_of_mistakes_costs_little_and_gets_a_short_response() {
    let unknown: Map<String, Value> = (0..300_000).map(|at| (format!("a{at}"), json!(1))).collect();
    for (what, message) in [
        ("unknown arguments", with_arguments("campaign_create", unknown.into())),
        ("invalid items", with_arguments("creative_create", json!({ "creatives": vec![json!({}); 20_000] }))),
        (
            "items of the wrong type",
            with_arguments(
                "creative_sync_sales_agents",
                json!({ "salesAgentIds": vec![json!(true); 500_000] }),
            ),
        ),
        ("a long unknown argument", with_arguments("campaign_create", json!({ "a".repeat(3_900_000): 1 }))),
        ("a long value", with_arguments("campaign_update", json!({ "campaignId": ["a".repeat(3_900_000)] }))),
        (
            "a long name to describe",
            with_arguments("describe_tool", json!({ "name": "a".repeat(3_900_000) })),
        ),
    ] {
        // Each request gets its own server, so that its memory is measured alone.
        let server = Server::sandbox(&["--toolsets", "all"]);
        let client = server.client().begin("2025-11-25").await;
        response_text(&client, &call(1, "get_usage")).await;
        let before = peak(&server);
        let text = response_text(&client, &message).await;
        let grown = (peak(&server) - before) >> 20;
        println!("{what}: {} bytes, peak {grown} MiB", text.len());
        assert!(grown <= 100, "{what}: {grown} MiB");
        assert!(text.contains("VALIDATION_ERROR"), "{what}: {text}");
        assert!(text.len() <= 16 * 1024, "{what}: {} bytes", text.len());
        assert!(!text.contains(&"a".repeat(65)), "{what}");
    }
}

#[tokio::test]
async fn a_tool_name_of_megabytes_gets_a_short_response() {
    let server = Server::sandbox(&[]);
    let client = server.client().begin("2025-11-25").await;
    for name in ["a".repeat(3_900_000), "campaign_create".repeat(260_000), "ü".repeat(1_900_000)] {
        let text = response_text(&client, &call(1, &name)).await;
        assert!(text.contains("unknown tool"), "{text}");
        assert!(text.len() <= 1024, "{} bytes", text.len());
    }
}

/// rmcp repeats names in its errors about mismatched headers and unknown methods.
#[tokio::test]
async fn a_name_of_megabytes_is_never_repeated_in_an_error() {
    let server = Server::sandbox(&[]);
    let long = "\u{1f600}a".repeat(700_000);
    let mut of_method = modern_call("check_auth_status");
    of_method["method"] = long.clone().into();
    let mut of_prompt = modern_call(&long);
    of_prompt["method"] = "prompts/get".into();
    for (message, headers) in [
        (modern_call(&long), ["tools/call", "x"]),
        (of_prompt, ["prompts/get", "x"]),
        (of_method, ["tools/call", "check_auth_status"]),
    ] {
        let request = server.client().post_text(message.to_string());
        let request = request.header("mcp-protocol-version", "2026-07-28");
        let request = request.header("mcp-method", headers[0]).header("mcp-name", headers[1]);
        let text = request.send().await.unwrap().text().await.unwrap();
        assert!(text.len() <= 1024 && text.contains("error"), "{} bytes: {:.200}", text.len(), text);
    }
}

/// Large arguments take another path through the server than small ones.
#[tokio::test]
async fn large_arguments_arrive_complete_over_every_transport() {
    let server = Server::sandbox(&["--toolsets", "all", "--max-result", WHOLE]);
    let long = "word ".repeat(40_000);
    // A change of its own on each transport: the same change is not made twice.
    let arguments =
        |name: &str| json!({ "name": name, "description": long, "advertiserDomains": ["example.com"] });
    let message_of = |id: u64| {
        let mut message = with_arguments("brand_agent_create", arguments(&id.to_string()));
        message["id"] = id.into();
        message
    };
    let is_whole = |response: &str| response.contains(long.trim_end());

    let session = server.client().begin("2025-06-18").await;
    assert!(is_whole(&text(&message(session.post(&message_of(1)).await).await)));
    let mut events = Sse::begin(&server.client()).await;
    assert_eq!(events.send(&message_of(2)).await, 202);
    assert!(is_whole(&text(&events.next_response().await)));
    let mut modern = modern_call("brand_agent_create");
    modern["params"]["arguments"] = arguments("modern");
    let response = server.client().stateless_message(&modern, "brand_agent_create").send().await.unwrap();
    assert!(is_whole(&text(&message(response).await)));
}

/// 5 MiB of campaigns.
fn many_campaigns() -> Value {
    let item = json!({ "id": "campaign_1", "name": "Some campaign", "status": "active", "spend": 1234.56 });
    let size = item.to_string().len();
    json!({ "items": vec![item; 5 * 1024 * 1024 / size] })
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn concurrent_large_responses_share_bounded_memory() {
    let upstream = Upstream::with_data(Duration::ZERO, many_campaigns()).await;
    let server = Server::before(&upstream.url, &["--response-memory", "128", "--max-result", WHOLE]);
    let client = server.client();
    let _warm = client.stateless("get_usage").send().await.unwrap();
    let before = peak(&server);
    let calls = (0..8).map(|_| async {
        client.stateless("campaign_list").send().await.unwrap().text().await.unwrap().len()
    });
    for length in futures_util::future::join_all(calls).await {
        assert!(length > 10 * 1024 * 1024, "a result contains the response twice: {length} bytes");
    }
    let grown = (peak(&server) - before) >> 20;
    println!("8 responses of 5 MiB: {grown} MiB");
    // A single one takes some 90 MiB.
    assert!(grown < 256, "{grown} MiB");
}

/// Responses in the stream of an HTTP+SSE session wait until the client reads them.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn large_responses_that_wait_for_a_reader_share_bounded_memory() {
    let upstream = Upstream::with_data(Duration::ZERO, many_campaigns()).await;
    let server = Server::before(&upstream.url, &["--response-memory", "128", "--max-result", WHOLE]);
    let mut events = Sse::begin(&server.client()).await;
    let before = peak(&server);
    for id in 1..=8 {
        assert_eq!(events.send(&call(id, "campaign_list")).await, 202);
    }
    // Read only after every response that can be ready without a reader is ready.
    tokio::time::sleep(Duration::from_secs(3)).await;
    for _ in 1..=8 {
        assert!(text(&events.next_response().await).len() > 4 * 1024 * 1024);
    }
    let grown = (peak(&server) - before) >> 20;
    println!("8 responses of 5 MiB that wait: {grown} MiB");
    assert!(grown < 256, "{grown} MiB");
}
