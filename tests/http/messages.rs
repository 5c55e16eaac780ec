//! Invalid messages get the status and the error that the protocol defines, and go no further.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use crate::support::{Mcp, Server, Sse, call, initialize, message, modern_call, text};
use reqwest::{
    Method,
    header::{ACCEPT, CONTENT_TYPE},
};
use serde_json::{Value, json};

const BOTH: &str = "application/json, text/event-stream";

async fn assert_rejected(client: &Mcp, body: &str, code: i64) {
    let response = client.post_text(body.to_owned()).send().await.unwrap();
    assert_eq!(response.status(), 400, "{body}");
    let response: Value = response.json().await.unwrap();
    assert_eq!(response["jsonrpc"], "2.0", "{body}");
    assert_eq!(response["error"]["code"], code, "{body}: {response}");
}

#[tokio::test]
async fn the_media_types_of_a_post_are_checked() {
    let server = Server::sandbox(&[]);
    let client = server.client();
    let text = initialize("2025-06-18").to_string();
    let post = |kind: &'static str, accept: &'static str| {
        let request = client.request(Method::POST, "/mcp").header(ACCEPT, accept).body(text.clone());
        if kind.is_empty() { request.send() } else { request.header(CONTENT_TYPE, kind).send() }
    };
    for kind in ["text/plain", "", "application/x-www-form-urlencoded", "application/jsonp", "text/json"] {
        assert_eq!(post(kind, BOTH).await.unwrap().status(), 415, "{kind}");
    }
    assert_eq!(post("application/json", "text/html").await.unwrap().status(), 406);
    assert_eq!(post("Application/JSON; charset=utf-8", BOTH).await.unwrap().status(), 200);

    let session = client.begin("2025-06-18").await;
    let get = session.request(Method::GET, "/mcp").header(ACCEPT, "application/json").send().await.unwrap();
    assert_eq!(get.status(), 406);
    let sse = client.request(Method::GET, "/sse").header(ACCEPT, "application/json").send().await.unwrap();
    assert_eq!(sse.status(), 406);
    // A client without an `Accept` header accepts everything. reqwest would add one.
    let authority = server.url.trim_start_matches("http://");
    let mut wordless = TcpStream::connect(authority).unwrap();
    write!(wordless, "GET /sse HTTP/1.1\r\nhost: {authority}\r\n\r\n").unwrap();
    let mut status = [0; 12];
    wordless.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
    let messages = client.request(Method::PUT, "/mcp").send().await.unwrap();
    assert_eq!(messages.status(), 405);
}

#[tokio::test]
async fn bad_json_is_a_parse_error() {
    let server = Server::sandbox(&[]);
    let session = server.client().begin("2025-06-18").await;
    for body in ["", "{", "{]", "nothing", "{\"jsonrpc\":\"2.0\",}", "\u{0}\u{1}", "[", &"[".repeat(100_000)]
    {
        for client in [&server.client(), &session] {
            assert_rejected(client, body, -32700).await;
        }
    }
    let response = session.post_text(vec![0xff, 0xfe, 0x7b]).send().await.unwrap();
    assert_eq!(response.status(), 400);
}

#[tokio::test]
async fn json_that_is_not_a_message_is_an_invalid_request() {
    let server = Server::sandbox(&[]);
    let client = server.client();
    let bodies = [
        "5",
        "\"text\"",
        "null",
        "{}",
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}"#,
        r#"{"jsonrpc":"2.0","jsonrpc":"2.0","id":1,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"b"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"Method":"ping"}"#,
        r#"{"jsonrpc":"2.0","ID":1,"method":"ping"}"#,
        r#"{"JSONRPC":"2.0","id":1,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","Params":{"name":"a"}}"#,
        r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#,
        r#"{"id":1,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":[],"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":null}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":"text"}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":""}}"#,
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":"text"}}"#,
    ];
    let session = client.begin("2025-06-18").await;
    for body in bodies {
        for client in [&client, &session] {
            assert_rejected(client, body, -32600).await;
        }
    }
    assert_eq!(text(&message(session.post(&call(1, "check_auth_status")).await).await).lines().count(), 1);
}

#[tokio::test]
async fn an_error_has_the_id_of_its_request() {
    let server = Server::sandbox(&[]);
    let body = r#"{"jsonrpc":"1.0","id":"seven","method":"ping"}"#;
    let response: Value = server.client().post_text(body).send().await.unwrap().json().await.unwrap();
    assert_eq!(response["id"], "seven");
}

#[tokio::test]
async fn a_batch_is_rejected_in_versions_without_batches() {
    let server = Server::sandbox(&[]);
    let batch = json!([{ "jsonrpc": "2.0", "id": 1, "method": "ping" }]).to_string();
    assert_rejected(&server.client(), &batch, -32600).await;
    for version in ["2025-06-18", "2025-11-25"] {
        assert_rejected(&server.client().begin(version).await, &batch, -32600).await;
    }
    assert_rejected(&server.client().with("mcp-protocol-version", "2026-07-28"), &batch, -32600).await;
}

#[tokio::test]
async fn a_batch_is_handled_in_the_version_with_batches() {
    let server = Server::sandbox(&[]);
    let session = server.client().begin("2025-03-26").await;
    let batch = json!([
        { "jsonrpc": "2.0", "id": 1, "method": "ping" },
        { "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 99 } },
        call(2, "check_auth_status"),
        { "jsonrpc": "2.0", "id": 3, "method": "no/such/method" },
    ]);
    let response = session.post(&batch).await;
    assert_eq!(response.status(), 200);
    let body = response.text().await.unwrap();
    let data = body.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| !data.is_empty());
    let mut responses: Vec<Value> = data.map(|data| serde_json::from_str(data).unwrap()).collect();
    responses.sort_by_key(|response| response["id"].as_u64());
    assert_eq!(
        responses.iter().map(|response| response["id"].as_u64()).collect::<Vec<_>>(),
        [Some(1), Some(2), Some(3)]
    );
    assert!(text(&responses[1]).contains("12345"));
    assert_eq!(responses[2]["error"]["code"], -32601);

    let notices =
        json!([{ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 99 } }]);
    assert_eq!(session.status(&notices).await, 202);
    assert_rejected(&session, "[]", -32600).await;
    assert_rejected(&session, &json!([initialize("2025-03-26")]).to_string(), -32600).await;
    assert_rejected(&session, &json!([[]]).to_string(), -32600).await;
    assert_rejected(&session, &json!([5]).to_string(), -32600).await;
}

#[tokio::test]
async fn headers_and_body_of_the_newest_version_must_agree() {
    let server = Server::sandbox(&[]);
    let client = server.client();
    let good = modern_call("check_auth_status");
    let send = |method: &str, name: &str, version: &str| {
        let request = client.post_text(good.to_string());
        request
            .header("mcp-method", method)
            .header("mcp-name", name)
            .header("mcp-protocol-version", version)
            .send()
    };
    assert_eq!(send("tools/call", "check_auth_status", "2026-07-28").await.unwrap().status(), 200);
    let wrong = [
        ("tools/list", "check_auth_status", "2026-07-28"),
        ("Tools/Call", "check_auth_status", "2026-07-28"),
        ("tools/call", "brand_agent_list", "2026-07-28"),
        ("tools/call", "check_auth_status", "2025-11-25"),
        ("tools/call", "check_auth_status", "1999-01-01"),
    ];
    for (method, name, version) in wrong {
        let response = send(method, name, version).await.unwrap();
        assert_eq!(response.status(), 400, "{method} {name} {version}");
        let response: Value = response.json().await.unwrap();
        assert_eq!(response["error"]["code"], -32020, "{method} {name} {version}: {response}");
    }
    let bare = client.post_text(good.to_string());
    assert_eq!(bare.try_clone().unwrap().send().await.unwrap().status(), 400, "no header at all");
    let without_method =
        bare.header("mcp-protocol-version", "2026-07-28").header("mcp-name", "check_auth_status");
    assert_eq!(without_method.send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn initialize_must_name_the_version_of_its_header() {
    let server = Server::sandbox(&[]);
    let client = server.client().with("mcp-protocol-version", "2025-03-26");
    let response = client.post(&initialize("2025-06-18")).await;
    assert_eq!(response.status(), 400);
    let unknown = server.client().begin("2025-06-18").await.with("mcp-protocol-version", "1999-01-01");
    assert_eq!(unknown.status(&call(1, "check_auth_status")).await, 400);
}

#[tokio::test]
async fn a_body_over_the_limit_is_rejected() {
    let server = Server::sandbox(&[]);
    let mut big = call(1, "check_auth_status");
    big["params"]["arguments"]["filler"] = "x".repeat(4 * 1024 * 1024).into();
    let big = big.to_string();
    let session = server.client().begin("2025-06-18").await;
    assert_eq!(session.post_text(big.clone()).send().await.unwrap().status(), 413);
    let chunks = big
        .clone()
        .into_bytes()
        .chunks(65536)
        .map(<[u8]>::to_vec)
        .map(Ok::<_, std::io::Error>)
        .collect::<Vec<_>>();
    let streamed = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
    assert_eq!(session.post_text(streamed).send().await.unwrap().status(), 413, "without a content length");
    let fits = json!({"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"x":"y".repeat(4 * 1024 * 1024 - 500)}}});
    assert_eq!(session.post_text(fits.to_string()).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn every_version_is_supported() {
    let server = Server::sandbox(&[]);
    for version in ["2025-03-26", "2025-06-18", "2025-11-25"] {
        let session = server.client().begin(version).await.with("mcp-protocol-version", version);
        assert!(session.call("check_auth_status").await.contains("12345"), "{version}");
        assert_eq!(session.delete().await, 204);
    }
    let client = server.client();
    let response = client.stateless("check_auth_status").send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/json");
    assert!(!response.headers().contains_key("mcp-session-id"));
    assert!(text(&message(response).await).contains("12345"));
    let newest = client.with("mcp-protocol-version", "2026-07-28");
    assert_eq!(newest.stream().await.status(), 405);
    assert_eq!(newest.delete().await, 405);
    assert_eq!(server.metric("scope3_mcp_sessions_open{transport=\"streamable-http\"}").await, Some(0.0));
}

#[tokio::test]
async fn a_request_of_an_older_version_requires_a_session() {
    let server = Server::sandbox(&[]);
    assert_eq!(server.client().status(&call(1, "check_auth_status")).await, 400);
    assert_eq!(server.client().stream().await.status(), 400);
    assert_eq!(server.client().delete().await, 400);
}

#[tokio::test]
async fn an_error_has_the_id_of_its_request_even_if_the_message_is_broken() {
    let server = Server::sandbox(&[]);
    let client = server.client();
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    let values: [&[u8]; 5] = [b"NaN", b"1e400", b"\"caf\xe9\"", deep.as_bytes(), b"\"say \"hello\"\""];
    for value in values {
        let body = [br#"{"method":"ping","params":{"v":"#, value, br#"},"jsonrpc":"2.0","id":7}"#].concat();
        let response = client.post_text(body).send().await.unwrap();
        assert_eq!(response.status(), 400);
        let response: Value = response.json().await.unwrap();
        assert_eq!((&response["id"], &response["error"]["code"]), (&json!(7), &json!(-32700)), "{response}");
    }
    for (body, id) in [
        (r#"{"id":111,"method":"ping"}"#, json!(111)),
        (r#"{"jsonrpc":"2.0","id":112,"method":"ping","params":[]}"#, json!(112)),
        (r#"{"jsonrpc":"2.0","id":113,"method":"ping","method":"ping"}"#, json!(113)),
        (
            r#"{"jsonrpc":"2.0","id":9223372036854775808,"method":"ping"}"#,
            json!(9_223_372_036_854_775_808_u64),
        ),
    ] {
        let response: Value = client.post_text(body).send().await.unwrap().json().await.unwrap();
        assert_eq!((&response["id"], &response["error"]["code"]), (&id, &json!(-32600)), "{response}");
    }
}

#[tokio::test]
async fn sloppy_messages_are_accepted_over_both_transports() {
    let server = Server::sandbox(&[]);
    let session = server.client().begin("2025-06-18").await;
    let mut events = Sse::begin(&server.client()).await;
    let call = r#"{"jsonrpc":"2.0","id":8,"method":"tools/call","params":{"name":"brand_agent_create","arguments":
        {"name":"cut \ud83d","advertiserDomains":["example.com"]}}}"#;
    let made = message(session.post_text(call).send().await.unwrap()).await;
    assert!(text(&made).contains("cut \u{fffd}"), "{made}");
    let list = json!({ "jsonrpc": "2.0", "id": 9, "method": "tools/call",
        "params": { "name": "check_auth_status", "arguments": [] } });
    let response = message(session.post(&list).await).await;
    assert!(text(&response).contains("12345"), "{response}");
    assert_eq!(events.send(&list).await, 202);
    let response = events.next_response().await;
    assert!(text(&response).contains("12345"), "{response}");
}

#[tokio::test]
async fn a_sloppy_initialize_starts_a_session_over_both_transports() {
    let server = Server::sandbox(&[]);
    for params in [
        json!({ "protocolVersion": "2025-06-18" }),
        json!({ "protocolVersion": "2025-06-18", "capabilities": null, "clientInfo": { "name": "t" } }),
        json!({ "protocolVersion": "2025-06-18", "capabilities": { "roots": true }, "clientInfo": [] }),
    ] {
        let hello = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params });
        let response = server.client().post(&hello).await;
        assert_eq!(response.status(), 200, "{params}");
        assert!(response.headers().contains_key("mcp-session-id"), "{params}");
        assert_eq!(message(response).await["result"]["protocolVersion"], "2025-06-18");
        let mut events = Sse::open(&server.client()).await;
        assert_eq!(events.send(&hello).await, 202, "{params}");
        assert_eq!(events.next_response().await["result"]["protocolVersion"], "2025-06-18");
    }
    let hello =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": { "capabilities": {} } });
    let response = server.client().post(&hello).await;
    assert_eq!(response.status(), 400);
    let response: Value = response.json().await.unwrap();
    assert_eq!((&response["id"], &response["error"]["code"]), (&json!(1), &json!(-32602)));
    assert!(response["error"]["message"].as_str().unwrap().contains("params.protocolVersion"), "{response}");
    let events = Sse::open(&server.client()).await;
    assert_eq!(events.send(&hello).await, 400);
}

#[tokio::test]
async fn an_unknown_session_gets_the_error_of_the_sdks() {
    let server = Server::sandbox(&[]);
    let ended = server.client().begin("2025-06-18").await;
    assert_eq!(ended.delete().await, 204);
    let notice =
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 } });
    for client in [ended, server.client().with("mcp-session-id", "no-such-session")] {
        let batch = json!([{ "jsonrpc": "2.0", "id": 7, "method": "ping" }]);
        for (message, id) in
            [(call(7, "get_usage"), json!(7)), (notice.clone(), Value::Null), (batch, Value::Null)]
        {
            assert_session_terminated(client.post(&message).await, &id).await;
        }
        assert_session_terminated(client.stream().await, &Value::Null).await;
        assert_session_terminated(client.request(Method::DELETE, "/mcp").send().await.unwrap(), &Value::Null)
            .await;
    }
    let late = server.client().request(Method::POST, "/messages?sessionId=no-such-session");
    assert_session_terminated(late.json(&call(7, "get_usage")).send().await.unwrap(), &Value::Null).await;
}

async fn assert_session_terminated(response: reqwest::Response, id: &Value) {
    assert_eq!(response.status(), 404);
    let response: Value = response.json().await.unwrap();
    assert_eq!((&response["jsonrpc"], &response["id"]), (&json!("2.0"), id), "{response}");
    assert_eq!(response["error"]["code"], -32600, "{response}");
    assert_eq!(response["error"]["message"], "Session terminated", "{response}");
    assert!(response["error"]["data"]["hint"].as_str().unwrap().contains("`initialize`"), "{response}");
}

#[tokio::test]
async fn initialize_is_an_unknown_method_in_the_version_without_sessions() {
    let server = Server::sandbox(&[]);
    let mut hello = modern_call("");
    hello["method"] = "initialize".into();
    let response = server.client().stateless_message(&hello, "").send().await.unwrap();
    assert_eq!(response.status(), 404);
    assert_eq!(message(response).await["error"]["code"], -32601);
}
