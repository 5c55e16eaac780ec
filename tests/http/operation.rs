//! What operators see: health, readiness, metrics, the log and traces.

use std::time::Duration;

use crate::support::{FIRST, SECOND, Server, Sse, call, modern_call, upstream::Upstream};
use reqwest::Method;
use serde_json::{Value, json};

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const OTHER_TRACE: &str = "00-11111111111111111111111111111111-2222222222222222-00";

async fn get(server: &Server, path: &str) -> (u16, String) {
    let response = server.client().request(Method::GET, path).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

async fn ready(server: &Server) -> (u16, Value) {
    let (status, body) = get(server, "/readyz").await;
    (status, serde_json::from_str(&body).unwrap())
}

#[tokio::test]
async fn readiness_reports_the_state_of_dependencies() {
    let server = Server::sandbox(&["--auth", "key"]);
    assert_eq!(get(&server, "/healthz").await.0, 200);
    let (status, body) = ready(&server).await;
    assert_eq!(status, 200);
    assert!(body["catalog"]["tools"].as_u64().unwrap() > 60);
    assert_eq!(body["state"], "memory");
    assert_eq!(body["upstream"]["seen"], "never");
    server.with_key(FIRST).begin("2025-06-18").await.call("check_auth_status").await;
    assert_eq!(ready(&server).await.1["upstream"]["seen"], "answered");
}

#[tokio::test]
async fn readiness_names_the_kind_of_the_state_and_neither_its_place_nor_its_password() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("secret-place.db");
    for (state, kind) in
        [("memory", "memory"), (file.to_str().unwrap(), "file"), ("redis://me:hush@127.0.0.1:1/7", "redis")]
    {
        let server = Server::sandbox(&["--state", state]);
        let (_, body) = ready(&server).await;
        assert_eq!(body["state"], kind);
        for secret in ["secret-place", "hush", "127.0.0.1", "/"] {
            assert!(!body.to_string().contains(secret), "{body}");
        }
    }
}

#[tokio::test]
async fn a_server_that_just_lost_scope3_is_not_ready() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = Server::before(&format!("http://{free}"), &[]);
    assert_eq!(ready(&server).await.0, 200);
    // A change is attempted only once.
    let mut change = modern_call("brand_agent_create");
    change["params"]["arguments"] = json!({ "name": "a", "advertiserDomains": ["example.com"] });
    let change = server.client().stateless_message(&change, "brand_agent_create").send().await.unwrap();
    let result = change.text().await.unwrap();
    assert!(result.contains("CONNECTION_FAILED"), "{result}");
    assert_eq!(ready(&server).await.0, 200, "one failed connection is tolerated");
    let result = server.client().stateless("check_auth_status").send().await.unwrap().text().await.unwrap();
    assert!(result.contains("CONNECTION_FAILED"), "{result}");
    let (status, body) = ready(&server).await;
    assert_eq!((status, body["upstream"]["seen"].as_str()), (503, Some("unreachable")));
    assert_eq!(get(&server, "/healthz").await.0, 200, "a restart would not help");
}

#[tokio::test]
async fn metrics_report_events_without_identifying_callers() {
    let server = Server::sandbox(&["--auth", "key", "--mcp-limit", "100/h"]);
    let session = server.with_key(FIRST).begin("2025-06-18").await;
    let sse = Sse::begin(&server.with_key(SECOND)).await;
    session.call("check_auth_status").await;
    session.call("check_auth_status").await;
    for tool in ["no_such_tool", "another\"}one"] {
        session.post(&call(1, tool)).await.text().await.unwrap();
    }
    session.post(&call(1, "campaign_create")).await.text().await.unwrap();
    let (status, text) = get(&server, "/metrics").await;
    assert_eq!(status, 200);
    let has = |line: &str| assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
    has(r#"scope3_mcp_calls_total{tool="check_auth_status",class="mcp",outcome="ok"} 2"#);
    has(r#"scope3_mcp_calls_total{tool="unknown",class="none",outcome="UNKNOWN_TOOL"} 2"#);
    has(r#"scope3_mcp_calls_total{tool="campaign_create",class="mcp",outcome="VALIDATION_ERROR"} 1"#);
    has(r#"scope3_mcp_call_duration_seconds_count{tool="check_auth_status"} 2"#);
    has(r#"scope3_mcp_upstream_requests_total{status="200"} 2"#);
    has(r#"scope3_mcp_sessions_open{transport="streamable-http"} 1"#);
    has(r#"scope3_mcp_sessions_open{transport="sse"} 1"#);
    has(r#"scope3_mcp_permits_left{class="mcp"} 98"#);
    has(r#"scope3_mcp_http_requests_total{method="GET",route="/sse",status="200"} 1"#);
    assert!(text.contains("scope3_mcp_call_duration_seconds_bucket{tool=\"check_auth_status\",le=\""));
    for secret in
        [session.session(), FIRST, "scope3_sandbox", "12345", sse.endpoint.split_once('=').unwrap().1]
    {
        assert!(!text.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn each_request_has_a_log_line_without_its_session() {
    let server = Server::sandbox(&["--auth", "key", "--log-format", "json"]);
    let session = server.with_key(FIRST).begin("2025-06-18").await;
    session.call("check_auth_status").await;
    let mut sse = Sse::begin(&server.with_key(SECOND)).await;
    sse.call("check_auth_status").await;
    get(&server, "/somewhere?secret=1").await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let log = server.log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let requests: Vec<Value> =
        lines.map(|line| line["fields"].clone()).filter(|fields| fields["message"] == "request").collect();
    assert_eq!(requests.len(), 3 + 4 + 1, "{log}");
    let call = &requests[2];
    assert_eq!((call["method"].as_str(), call["route"].as_str()), (Some("POST"), Some("/mcp")));
    assert_eq!((call["status"].as_u64(), call["has_session"].as_bool()), (Some(200), Some(true)));
    assert!(call["ms"].is_number());
    assert_eq!(call["caller"].as_str().unwrap().len(), 12, "a fingerprint");
    assert_ne!(call["caller"], requests[3]["caller"]);
    assert_eq!(requests[7]["route"], "other");
    for secret in [session.session(), sse.endpoint.split_once('=').unwrap().1, "secret=1", "sandboxsecret"] {
        assert!(!log.contains(secret), "{secret} was logged:\n{log}");
    }
}

#[tokio::test]
async fn trace_contexts_are_passed_to_scope3() {
    let upstream = Upstream::start(Duration::ZERO).await;
    let server = Server::before(&upstream.url, &[]);
    let client = server.client();
    let in_trace = client.clone().with("traceparent", TRACE);
    let session = in_trace.begin("2025-06-18").await;
    session.call("check_auth_status").await;
    in_trace.stateless("check_auth_status").send().await.unwrap().text().await.unwrap();
    Sse::begin(&in_trace).await.call("check_auth_status").await;
    session.clone().with("traceparent", OTHER_TRACE).call("check_auth_status").await;
    let mut in_message = modern_call("check_auth_status");
    in_message["params"]["_meta"]["traceparent"] = OTHER_TRACE.into();
    in_trace.stateless_message(&in_message, "check_auth_status").send().await.unwrap().text().await.unwrap();
    client
        .with("traceparent", "not a trace")
        .stateless("check_auth_status")
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();

    let traces = upstream.seen();
    let traces = traces.iter().map(|headers| headers.get("traceparent").map(|trace| trace.to_str().unwrap()));
    let expected = [Some(TRACE), Some(TRACE), Some(TRACE), Some(OTHER_TRACE), Some(OTHER_TRACE), None];
    assert_eq!(traces.collect::<Vec<_>>(), expected);
}
