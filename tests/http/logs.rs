//! With `--log-format json`, standard error is a stream of JSON objects in which each field has one type.

use std::{collections::BTreeMap, time::Duration};

use crate::support::{FIRST, Server, Sse, call, command, initialize};
use reqwest::{Method, header::ACCEPT};
use serde_json::Value;

/// Parses the lines of a log, each an object.
fn lines(log: &str) -> Vec<Value> {
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"));
    let lines: Vec<Value> = log.lines().map(parse).collect();
    assert!(!lines.is_empty() && lines.iter().all(Value::is_object), "{log}");
    lines
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Records the type of each field of an event and its spans, and fails on a field with two types.
fn check_types(lines: &[Value], kinds: &mut BTreeMap<String, &'static str>) {
    for line in lines {
        let spans = line["spans"].as_array().into_iter().flatten();
        for fields in std::iter::once(&line["fields"]).chain(spans) {
            for (name, value) in fields.as_object().unwrap() {
                let known = kinds.entry(name.clone()).or_insert_with(|| kind(value));
                assert_eq!(*known, kind(value), "`{name}` has two types: {line}");
            }
        }
    }
}

async fn work(server: &Server, key: &str) {
    let client = server.client().with("authorization", &format!("Bearer {key}"));
    let session = client.begin("2025-06-18").await;
    session.call("check_auth_status").await;
    session.status(&call(2, "campaign_update")).await;
    session.status(&call(3, "no_such_tool")).await;
    session.post_text("{").send().await.unwrap();
    session.clone().with("mcp-session-id", "unknown").status(&call(4, "get_usage")).await;
    client.stateless("check_auth_status").send().await.unwrap();
    let mut sse = Sse::begin(&client).await;
    sse.call("check_auth_status").await;
    for (method, path) in [
        (Method::GET, "/healthz"),
        (Method::GET, "/readyz"),
        (Method::GET, "/metrics"),
        (Method::GET, "/nothing-here?secret=1"),
        (Method::POST, "/register"),
        (Method::OPTIONS, "/mcp"),
    ] {
        client.request(method, path).send().await.unwrap();
    }
    client.request(Method::POST, "/mcp").header(ACCEPT, "text/html").send().await.unwrap();
    server.client().with("host", "evil.example").status(&initialize("2025-06-18")).await;
    server.client().with("x-scope3-api-key", FIRST).status(&initialize("2025-06-18")).await;
    assert_eq!(session.delete().await, 204);
}

#[tokio::test]
async fn every_line_is_json_and_each_field_has_one_type() {
    let mut kinds = BTreeMap::new();
    for (arguments, environment) in [
        // Generates and prints a token.
        (&["--sandbox", "--bind", "0.0.0.0:0"][..], &[("RUST_LOG", "debug")][..]),
        (&["--sandbox", "--bind", "0.0.0.0:0", "--allow-host", "10.0.0.7"], &[]),
        (&["--sandbox", "--bind", "0.0.0.0:0", "--auth", "none", "--dangerously-allow-unauthenticated"], &[]),
        (
            &["--bind", "127.0.0.1:0", "--auth", "none", "--api-url", "http://127.0.0.1:9/"],
            &[("SCOPE3_API_KEY", FIRST), ("RUST_LOG", "debug")],
        ),
        (&["--bind", "127.0.0.1:0", "--api-url", "http://127.0.0.1:9/"], &[("SCOPE3_MCP_TOKEN", "a-token")]),
        (&["--sandbox", "--bind", "127.0.0.1:0", "--auth", "key"], &[("RUST_LOG", "trace,nonsense=very")]),
    ] {
        let arguments = [&["http", "--log-format", "json"], arguments].concat();
        let mut server = Server::start(&arguments, environment);
        let startup = lines(&server.log());
        let token = startup.iter().find_map(|line| line["fields"]["token"].as_str());
        let key = match environment {
            [("SCOPE3_MCP_TOKEN", token), ..] => token,
            _ => token.unwrap_or(FIRST),
        };
        work(&server, key).await;
        server.terminate();
        assert_eq!(server.ended(Duration::from_secs(10)).await, Some(0));
        let log = server.log();
        check_types(&lines(&log), &mut kinds);
        assert!(!log.contains("sandboxsecret") && !log.contains("secret=1"), "{log}");
    }
    for (name, kind) in [("ms", "number"), ("status", "number"), ("tool", "string"), ("error", "string")] {
        assert_eq!(kinds.get(name), Some(&kind), "{name}: {kinds:?}");
    }
}

#[tokio::test]
async fn startup_errors_are_json_too() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap().to_string();
    for (arguments, code, expected) in [
        (["--bind", &taken], 1, "cannot listen"),
        (["--allow-origin", "null"], 2, "--allow-origin"),
        (["--toolsets", "nonsense"], 2, "nonsense"),
    ] {
        let all = [&["http", "--sandbox", "--log-format", "json"], arguments.as_slice()].concat();
        let output = command(&all, &[("RUST_LOG", "warn")]).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        let lines = lines(&String::from_utf8(output.stderr).unwrap());
        let last = lines.last().unwrap();
        assert_eq!(last["level"], "ERROR");
        assert!(last["fields"]["message"].as_str().unwrap().contains(expected), "{last}");
    }
}

#[tokio::test]
async fn unknown_paths_are_logged_only_at_debug() {
    let long_path = format!("/nowhere/{}", "x".repeat(200));
    for (level, is_logged) in [("debug", true), ("info", false)] {
        let arguments = ["http", "--sandbox", "--bind", "127.0.0.1:0", "--log-format", "json"];
        let server = Server::start(&arguments, &[("RUST_LOG", level)]);
        for path in [&long_path, "/v1/mcp?token=hidden", &format!("/mcp/{FIRST}")] {
            let response = server.client().request(Method::GET, path).send().await.unwrap();
            assert_eq!(response.status(), 404);
        }
        let log = server.log();
        assert!(!log.contains("hidden") && !log.contains("sandboxsecret"), "{log}");
        let lines = lines(&log);
        let paths: Vec<&str> = lines.iter().filter_map(|line| line["fields"]["path"].as_str()).collect();
        let expected = if is_logged { vec![&long_path[..64], "/v1/mcp", "/mcp/"] } else { Vec::new() };
        assert_eq!(paths, expected, "{log}");
    }
}
