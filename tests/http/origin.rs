//! Requests with a wrong `Host` or `Origin` are rejected before anything else runs.

use std::time::Duration;

use crate::support::{FIRST, Server, initialize, raw, upstream::Upstream};
use reqwest::Method;

#[tokio::test]
async fn metrics_are_only_served_under_the_names_of_this_machine() {
    let server = Server::sandbox(&["--auth", "key", "--allow-host", "mcp.example.com,10.0.0.5"]);
    let port = server.port();
    let get = |host: &str, path: &str| {
        raw(port, &format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"))
    };
    for host in ["mcp.example.com", "10.0.0.5", &format!("mcp.example.com:{port}")] {
        assert!(get(host, "/healthz").starts_with("HTTP/1.1 200 "), "{host} is allowed");
        let response = get(host, "/metrics");
        assert!(
            response.starts_with("HTTP/1.1 403 ") && !response.contains("scope3_mcp_"),
            "{host}: {response}"
        );
    }
    for host in ["127.0.0.1", "localhost", "[::1]"] {
        let response = get(&format!("{host}:{port}"), "/metrics");
        assert!(
            response.starts_with("HTTP/1.1 200 ") && response.contains("scope3_mcp_"),
            "{host}: {response}"
        );
    }
}

const ROUTES: [(&str, &str); 8] = [
    ("POST", "/mcp"),
    ("GET", "/mcp"),
    ("DELETE", "/mcp"),
    ("GET", "/sse"),
    ("POST", "/messages?sessionId=1"),
    ("GET", "/healthz"),
    ("GET", "/metrics"),
    ("GET", "/nothing-here"),
];

fn ask(port: u16, method: &str, path: &str, headers: &str) -> String {
    let body = initialize("2025-06-18").to_string();
    let length = body.len();
    raw(
        port,
        &format!(
            "{method} {path} HTTP/1.1\r\n{headers}connection: close\r\ncontent-type: application/json\r\n\
             accept: application/json, text/event-stream\r\ncontent-length: {length}\r\n\r\n{body}"
        ),
    )
}

#[tokio::test]
async fn a_wrong_host_is_rejected_on_every_route() {
    let server = Server::sandbox(&[]);
    let port = server.port();
    let bad = [
        "host: evil.example\r\n".to_owned(),
        format!("host: evil.example:{port}\r\n"),
        format!("host: localhost.evil.example:{port}\r\n"),
        format!("host: 127.0.0.1:{}\r\n", port ^ 1),
        "host: localhost\r\n".to_owned(),
        format!("host: me@127.0.0.1:{port}\r\n"),
        format!("host: 127.0.0.1:{port}\r\nhost: evil.example\r\n"),
        "host: \r\n".to_owned(),
    ];
    for (method, path) in ROUTES.into_iter().chain([("OPTIONS", "/mcp")]) {
        for headers in &bad {
            let response = ask(port, method, path, headers);
            let is_rejected = response.starts_with("HTTP/1.1 403 ") || response.starts_with("HTTP/1.1 400 ");
            assert!(is_rejected, "{method} {path} {headers}: {response}");
        }
        let target = format!("http://evil.example:{port}{path}");
        let response = ask(port, method, &target, &format!("host: 127.0.0.1:{port}\r\n"));
        assert!(response.starts_with("HTTP/1.1 403 "), "{method} {target}: {response}");
    }
    assert_eq!(server.metric("scope3_mcp_sessions_open{transport=\"streamable-http\"}").await, Some(0.0));
}

#[tokio::test]
async fn a_wrong_origin_is_rejected_on_every_route() {
    let server = Server::sandbox(&[]);
    let port = server.port();
    let bad = [
        "origin: null\r\n".to_owned(),
        "origin: https://evil.example\r\n".to_owned(),
        format!("origin: http://127.0.0.1:{}\r\n", port ^ 1),
        format!("origin: https://127.0.0.1:{port}\r\n"),
        "origin: http://localhost\r\n".to_owned(),
        "origin: \r\n".to_owned(),
        format!("origin: http://localhost:{port}\r\norigin: https://evil.example\r\n"),
    ];
    for (method, path) in ROUTES.into_iter().chain([("OPTIONS", "/mcp")]) {
        for origin in &bad {
            let response = ask(port, method, path, &format!("host: 127.0.0.1:{port}\r\n{origin}"));
            assert!(response.starts_with("HTTP/1.1 403 "), "{method} {path} {origin}: {response}");
            assert!(!response.contains("access-control-allow-origin"), "{response}");
        }
    }
    assert_eq!(server.metric("scope3_mcp_sessions_open{transport=\"streamable-http\"}").await, Some(0.0));
}

#[tokio::test]
async fn a_rejected_request_has_no_effect() {
    let upstream = Upstream::start(Duration::ZERO).await;
    let server = Server::before(&upstream.url, &[]);
    let client = server.client().with("origin", "https://evil.example");
    for _ in 0..5 {
        assert_eq!(client.stateless("check_auth_status").send().await.unwrap().status(), 403);
    }
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn the_lists_allow_a_container_and_a_page() {
    let arguments = [
        "--auth",
        "none",
        "--dangerously-allow-unauthenticated",
        "--allow-host",
        "mcp.example.com,other.example.com:8443",
        "--allow-origin",
        "https://app.example.com",
    ];
    let server = Server::sandbox(&arguments);
    let status = |host: &str| {
        let response = ask(server.port(), "GET", "/healthz", &format!("host: {host}\r\n"));
        response.split(' ').nth(1).unwrap().to_owned()
    };
    for good in ["mcp.example.com", "mcp.example.com:1234", "MCP.example.com", "other.example.com:8443"] {
        assert_eq!(status(good), "200", "{good}");
    }
    for bad in ["other.example.com:8444", "example.com", "a.mcp.example.com"] {
        assert_eq!(status(bad), "403", "{bad}");
    }
    let page = server.client().with("origin", "https://app.example.com");
    let response = page.post(&initialize("2025-06-18")).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["access-control-allow-origin"], "https://app.example.com");
    let exposed = response.headers()["access-control-expose-headers"].to_str().unwrap().to_owned();
    assert!(exposed.contains("mcp-session-id"), "{exposed}");
    assert!(!response.headers().contains_key("access-control-allow-credentials"));
}

#[tokio::test]
async fn preflight_requests_of_allowed_pages_succeed() {
    let server = Server::sandbox(&["--auth", "key", "--allow-origin", "http://localhost:*"]);
    let ask = |origin: &'static str| {
        let request = server.client().request(Method::OPTIONS, "/mcp").header("origin", origin);
        request
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "x-scope3-api-key,mcp-session-id,mcp-protocol-version")
            .send()
    };
    let allowed = ask("http://localhost:6274").await.unwrap();
    assert_eq!(allowed.status(), 200, "browsers send preflight requests without credentials");
    assert_eq!(allowed.headers()["access-control-allow-origin"], "http://localhost:6274");
    assert!(allowed.headers()["access-control-allow-headers"].to_str().unwrap().contains("x-scope3-api-key"));
    assert!(allowed.headers()["access-control-allow-methods"].to_str().unwrap().contains("DELETE"));
    assert_eq!(ask("https://evil.example").await.unwrap().status(), 403);

    let page = server.with_key(FIRST).with("origin", "http://localhost:6274").begin("2025-11-25").await;
    assert!(page.call("check_auth_status").await.contains("12345"));
}
