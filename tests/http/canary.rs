//! A client's own key is in no response, line of the log, metric or journal, whoever repeats it.

use reqwest::{Method, Response};
use serde_json::json;

use crate::support::{
    Server,
    canary::{SECRET, assert_clean, assert_clean_files, echoing_api, forms, key},
};

/// The headers and the body of a response.
async fn whole(response: Response) -> String {
    let headers = format!("{:?}", response.headers());
    headers + &response.text().await.unwrap()
}

#[tokio::test]
async fn http_shows_nothing_of_a_clients_key_whoever_repeats_it() {
    let api = echoing_api().await;
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state.db").display().to_string();
    for format in ["text", "json"] {
        let arguments = ["http", "--bind", "127.0.0.1:0", "--auth", "key", "--api-url", &api.uri()];
        let more = ["--log-format", format, "--journal-arguments", "--unproven-per-minute", "100000"];
        let limits = ["--mcp-limit", "100000/h", "--api-limit", "100000/h"];
        let environment = [
            ("RUST_LOG", "trace"),
            ("RUST_BACKTRACE", "full"),
            ("SCOPE3_STATE", &state),
            ("SCOPE3_MCP_TOKEN", "metrics token"),
        ];
        let server = Server::start(&[&arguments[..], &more, &limits].concat(), &environment);
        let client = server.with_key(&key()).begin("2025-06-18").await;
        let mut shown = String::new();
        for text in forms(&key()) {
            for (tool, arguments) in [
                ("check_auth_status", json!({})),
                ("brand_agent_list", json!({})),
                ("brand_agent_get", json!({ "brandAgentId": text })),
                ("brand_agent_create", json!({ "name": text, "advertiserDomains": ["example.com"] })),
                ("brand_agent_create", json!({ "name": text, text.clone(): 1 })),
                ("describe_tool", json!({ "name": text })),
                (&text, json!({})),
            ] {
                let params =
                    json!({ "name": tool, "arguments": arguments, "_meta": { "idempotencyKey": text } });
                let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
                shown.push_str(&whole(client.post(&message).await).await);
            }
            let paths =
                [format!("/{text}"), format!("/mcp?key={text}"), format!("/messages?sessionId={text}")];
            for path in paths {
                shown.push_str(&whole(client.request(Method::POST, &path).send().await.unwrap()).await);
            }
            let stranger = client.clone().with("mcp-session-id", &text);
            shown.push_str(&whole(stranger.post(&json!({ "jsonrpc": "2.0", "method": "x" })).await).await);
            let malformed = server.client().with("x-scope3-api-key", &format!("{text}!"));
            shown.push_str(&whole(malformed.request(Method::POST, "/mcp").send().await.unwrap()).await);
        }
        let metrics = server.client().with("authorization", "Bearer metrics token");
        shown.push_str(&whole(metrics.request(Method::GET, "/metrics").send().await.unwrap()).await);
        assert!(shown.contains("[redacted]") && shown.contains("scope3_mcp_"), "{shown}");
        assert_clean("a response", shown);
        server.terminate();
        let log = server.log();
        assert!(log.contains("listening"), "{log}");
        assert_clean("the log", log);
    }
    assert_clean_files(folder.path());
}

#[tokio::test]
async fn a_token_is_not_shown_either() {
    let api = echoing_api().await;
    for token in [SECRET.to_owned(), format!("{SECRET}/+ %\"")] {
        let server = Server::start(
            &["http", "--bind", "127.0.0.1:0", "--auth", "token", "--api-url", &api.uri()],
            &[("RUST_LOG", "trace"), ("SCOPE3_MCP_TOKEN", &token), ("SCOPE3_API_KEY", &key())],
        );
        let client =
            server.client().with("authorization", &format!("Bearer {token}")).begin("2025-06-18").await;
        let mut shown = String::new();
        for _ in 0..12 {
            let params = json!({ "name": "brand_agent_get", "arguments": { "brandAgentId": token } });
            let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
            shown.push_str(&whole(client.post(&message).await).await);
        }
        let wrong = server.client().with("authorization", &format!("Bearer {token}x"));
        shown.push_str(&whole(wrong.request(Method::POST, "/mcp").send().await.unwrap()).await);
        assert_clean("a response", shown);
        assert_clean("the log", server.log());
    }
}
