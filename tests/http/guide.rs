//! Clients that try the wrong path learn where the endpoints are and what to send.

use crate::support::{FIRST, Mcp, Server, call, initialize};
use reqwest::{
    Method,
    header::{ACCEPT, CONTENT_TYPE},
};
use serde_json::{Value, json};

const METADATA: [&str; 6] = [
    "/.well-known/oauth-protected-resource",
    "/.well-known/oauth-protected-resource/mcp",
    "/.well-known/oauth-authorization-server",
    "/.well-known/oauth-authorization-server/mcp",
    "/.well-known/openid-configuration",
    "/mcp/.well-known/openid-configuration",
];

/// The description in the response to a step of OAuth.
async fn description(client: &Mcp, method: Method, path: &str, status: u16, error: &str) -> String {
    let response = client.request(method, path).json(&json!({ "redirect_uris": [] })).send().await.unwrap();
    assert_eq!(response.status(), status, "{path}");
    assert!(response.headers()[CONTENT_TYPE].as_bytes().starts_with(b"application/json"), "{path}");
    let response: Value = response.json().await.unwrap();
    assert_eq!(response["error"], error, "{path}: {response}");
    response["error_description"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn clients_that_try_oauth_learn_what_to_send() {
    for (arguments, expected) in [
        (["--auth", "key"], "x-scope3-api-key"),
        (["--auth", "token"], "Bearer <token>"),
        (["--auth", "none"], "no credential"),
    ] {
        let server = Server::start(
            &[&["http", "--sandbox", "--bind", "127.0.0.1:0"], arguments.as_slice()].concat(),
            &[("SCOPE3_MCP_TOKEN", "a token of some length")],
        );
        let client = server.client();
        let text = description(&client, Method::POST, "/register", 400, "invalid_client_metadata").await;
        assert!(text.contains(expected) && text.contains("OAuth"), "{text}");
        for (method, path) in [(Method::GET, "/authorize"), (Method::POST, "/token")]
            .into_iter()
            .chain(METADATA.map(|path| (Method::GET, path)))
        {
            // Clients continue after a 404. Any other status, or an error code they know, stops or misleads them.
            assert_eq!(description(&client, method, path, 404, "invalid_request").await, text);
        }
    }
}

#[tokio::test]
async fn a_trailing_slash_is_ignored() {
    let server = Server::sandbox(&["--auth", "key"]);
    let client = server.with_key(FIRST);
    let begin = client.request(Method::POST, "/mcp/").header(ACCEPT, "application/json");
    let response = begin.json(&initialize("2025-06-18")).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let session =
        client.clone().with("mcp-session-id", response.headers()["mcp-session-id"].to_str().unwrap());
    assert!(session.call("check_auth_status").await.contains("12345"));
    for (path, status) in [("/healthz/", 200), ("/readyz/", 200), ("/metrics/", 200), ("/mcp//", 400)] {
        assert_eq!(client.request(Method::GET, path).send().await.unwrap().status(), status, "{path}");
    }
    assert_eq!(server.client().request(Method::POST, "/mcp/").send().await.unwrap().status(), 401);
    let messages = client.request(Method::POST, "/messages/?sessionId=1").json(&call(1, "get_usage"));
    assert_eq!(messages.send().await.unwrap().status(), 404);
    assert_eq!(client.request(Method::GET, "/sse/").send().await.unwrap().status(), 200);
    assert_eq!(session.request(Method::DELETE, "/mcp/").send().await.unwrap().status(), 204);
}

#[tokio::test]
async fn the_root_and_unknown_paths_name_the_endpoints() {
    let server = Server::sandbox(&["--auth", "key"]);
    let client = server.client();
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    for (method, path, accept, status) in [
        (Method::GET, "/", "*/*", 200),
        (Method::GET, "/", browser, 200),
        // An MCP client with a URL without a path.
        (Method::GET, "/", "text/event-stream", 404),
        (Method::GET, "/v1/mcp", "*/*", 404),
        (Method::POST, "/nothing-here", "*/*", 404),
    ] {
        let response = client.request(method, path).header(ACCEPT, accept).send().await.unwrap();
        assert_eq!(response.status(), status, "{path} {accept}");
        let text = response.text().await.unwrap();
        assert!(text.contains("/mcp") && text.len() < 400, "{path} {accept}: {text}");
    }
    let root = client.request(Method::POST, "/").json(&initialize("2025-06-18")).send().await.unwrap();
    assert!(root.status().is_client_error() && root.text().await.unwrap().contains("/mcp"));
}
