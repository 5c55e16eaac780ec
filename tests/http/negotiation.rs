//! A client gets responses in a form that it accepts.

use std::time::Duration;

use crate::support::{Mcp, Server, Sse, call, initialize, message, modern_call, raw, upstream::Upstream};
use reqwest::{
    Method, Response,
    header::{ACCEPT, CONTENT_TYPE},
};
use serde_json::{Value, json};

const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";

/// Sends a message with these `Accept` headers. Without any, reqwest would add one.
async fn post(client: &Mcp, accept: &[&str], message: &Value) -> Response {
    let request = client.request(Method::POST, "/mcp").header(CONTENT_TYPE, JSON).body(message.to_string());
    let request = accept.iter().fold(request, |request, value| request.header(ACCEPT, *value));
    request.send().await.unwrap()
}

fn kind(response: &Response) -> &str {
    response.headers()[CONTENT_TYPE].to_str().unwrap()
}

#[tokio::test]
async fn clients_that_accept_both_forms_are_served() {
    let server = Server::sandbox(&[]);
    for accept in [
        &["*/*"][..],
        &["*"],
        &["application/*, text/*"],
        &["application/*;q=0.1", "text/*;q=0.9"],
        &["APPLICATION/JSON, Text/Event-Stream"],
        &["application/json; charset=utf-8, text/event-stream; x=\"a,b\""],
        &["text/html, */*;q=0.1"],
    ] {
        let response = post(&server.client(), accept, &initialize("2025-06-18")).await;
        assert_eq!(response.status(), 200, "{accept:?}");
        assert!(response.headers().contains_key("mcp-session-id"), "{accept:?}");
        assert_eq!(message(response).await["result"]["protocolVersion"], "2025-06-18", "{accept:?}");
    }
}

#[tokio::test]
async fn a_client_without_an_accept_header_is_served() {
    let server = Server::sandbox(&[]);
    let body = initialize("2025-06-18").to_string();
    let (port, length) = (server.port(), body.len());
    for accept in ["", "accept:\r\n"] {
        let response = raw(
            port,
            &format!(
                "POST /mcp HTTP/1.1\r\nhost: localhost:{port}\r\nconnection: close\r\n{accept}\
                 content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
            ),
        );
        assert!(response.starts_with("HTTP/1.1 200 ") && response.contains("\"2025-06-18\""), "{response}");
    }
}

#[tokio::test]
async fn clients_that_accept_only_json_get_json_in_every_version() {
    let server = Server::sandbox(&[]);
    for accept in
        [&[JSON][..], &["application/*"], &["*/*, text/event-stream;q=0"], &["text/*;q=0, application/json"]]
    {
        for version in ["2025-03-26", "2025-06-18", "2025-11-25"] {
            let begun = post(&server.client(), accept, &initialize(version)).await;
            assert_eq!((begun.status().as_u16(), kind(&begun)), (200, JSON), "{accept:?} {version}");
            let session = begun.headers()["mcp-session-id"].to_str().unwrap().to_owned();
            let response: Value = begun.json().await.unwrap();
            assert_eq!(response["result"]["protocolVersion"], version);

            let session = server.client().with("mcp-session-id", &session);
            let notice = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
            assert_eq!(post(&session, accept, &notice).await.status(), 202);
            let called = post(&session, accept, &call(7, "check_auth_status")).await;
            assert_eq!((called.status().as_u16(), kind(&called)), (200, JSON), "{accept:?} {version}");
            let response: Value = called.json().await.unwrap();
            assert_eq!(response["id"], 7);
            assert!(
                response["result"]["content"][0]["text"].as_str().unwrap().contains("12345"),
                "{response}"
            );
            let unknown = post(&session, accept, &call(8, "no_such_tool")).await;
            assert_eq!((unknown.status().as_u16(), kind(&unknown)), (200, JSON));
            assert_eq!(unknown.json::<Value>().await.unwrap()["error"]["code"], -32602);
        }
    }
    let modern = server.client().stateless_message(&modern_call("check_auth_status"), "check_auth_status");
    let (client, request) = modern.build_split();
    let mut request = request.unwrap();
    request.headers_mut().insert(ACCEPT, JSON.parse().unwrap());
    let response = client.execute(request).await.unwrap();
    assert_eq!((response.status().as_u16(), kind(&response)), (200, JSON));
}

#[tokio::test]
async fn json_responses_contain_no_progress() {
    let upstream = Upstream::start(Duration::ZERO).await;
    let server = Server::before(&upstream.url, &["--mcp-limit", "1/s", "--on-limit", "wait"]);
    let session = server.client().begin("2025-03-26").await;
    session.call("check_auth_status").await;
    let mut waiting = call(2, "check_auth_status");
    waiting["params"]["_meta"] = json!({ "progressToken": "p" });
    let streamed = post(&session, &["*/*"], &waiting).await.text().await.unwrap();
    assert!(streamed.contains("notifications/progress"), "{streamed}");
    let response: Value = post(&session, &[JSON], &waiting).await.json().await.unwrap();
    assert!(response["id"] == 2 && response["result"].is_object(), "{response}");
    let batch: Value = post(&session, &[JSON], &json!([waiting])).await.json().await.unwrap();
    assert!(batch.as_array().unwrap().len() == 1 && batch[0]["result"].is_object(), "{batch}");
}

#[tokio::test]
async fn clients_that_accept_only_json_get_the_responses_to_a_batch_as_a_list() {
    let server = Server::sandbox(&[]);
    let session = server.client().begin("2025-03-26").await;
    let batch = json!([
        { "jsonrpc": "2.0", "id": 1, "method": "ping" },
        { "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 99 } },
        { "jsonrpc": "2.0", "id": 2, "method": "no/such/method" },
    ]);
    let response = post(&session, &[JSON], &batch).await;
    assert_eq!((response.status().as_u16(), kind(&response)), (200, JSON));
    let mut responses: Vec<Value> = response.json().await.unwrap();
    responses.sort_by_key(|response| response["id"].as_u64());
    assert_eq!(
        responses.iter().map(|response| response["id"].as_u64()).collect::<Vec<_>>(),
        [Some(1), Some(2)]
    );
    let notices = json!([batch[1]]);
    assert_eq!(post(&session, &[JSON], &notices).await.status(), 202);
}

#[tokio::test]
async fn clients_that_accept_only_events_get_a_stream_in_every_version() {
    let server = Server::sandbox(&[]);
    let client = server.client();
    for accept in [&[EVENTS][..], &["text/*"], &["*/*", "application/json;q=0"]] {
        let response = post(&client, accept, &initialize("2025-06-18")).await;
        assert_eq!((response.status().as_u16(), kind(&response)), (200, EVENTS), "{accept:?}");
        let modern = client
            .clone()
            .with("mcp-protocol-version", "2026-07-28")
            .with("mcp-method", "tools/call")
            .with("mcp-name", "check_auth_status");
        let response = post(&modern, accept, &modern_call("check_auth_status")).await;
        assert_eq!((response.status().as_u16(), kind(&response)), (200, EVENTS), "{accept:?}");
        assert!(message(response).await["result"]["content"][0]["text"].as_str().unwrap().contains("12345"));
    }
}

#[tokio::test]
async fn clients_that_accept_neither_form_learn_the_available_ones() {
    let server = Server::sandbox(&[]);
    let session = server.client().begin("2025-06-18").await;
    let assert_not_acceptable = async |request: reqwest::RequestBuilder, named: &[&str]| {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 406);
        let response: Value = response.json().await.unwrap();
        let reason = response["error"]["message"].as_str().unwrap();
        assert!(reason.contains("Accept") && named.iter().all(|name| reason.contains(name)), "{reason}");
    };
    for accept in ["text/html", "application/xml", "*/*;q=0", "application/json;q=0, text/event-stream;q=0"] {
        let post = session.request(Method::POST, "/mcp").header(ACCEPT, accept).json(&call(1, "get_usage"));
        assert_not_acceptable(post, &[JSON, EVENTS]).await;
    }
    for path in ["/mcp", "/sse"] {
        for accept in [JSON, "application/*", "text/html", "text/event-stream;q=0, */*"] {
            assert_not_acceptable(session.request(Method::GET, path).header(ACCEPT, accept), &[EVENTS]).await;
        }
    }
}

#[tokio::test]
async fn a_stream_requires_a_client_that_accepts_events() {
    let server = Server::sandbox(&[]);
    for accept in [EVENTS, "Text/Event-Stream", "text/*", "*/*", "application/json, text/event-stream;q=0.1"]
    {
        let session = server.client().begin("2025-06-18").await;
        for path in ["/mcp", "/sse"] {
            let response = session.request(Method::GET, path).header(ACCEPT, accept).send().await.unwrap();
            assert_eq!((response.status().as_u16(), kind(&response)), (200, EVENTS), "{path} {accept}");
        }
    }
}

#[tokio::test]
async fn a_message_must_be_declared_as_json_in_utf_8() {
    let server = Server::sandbox(&[]);
    let session = server.client().begin("2025-06-18").await;
    let sse = Sse::begin(&server.client()).await;
    // The id of a request in flight cannot be used again.
    let next_id = std::cell::Cell::new(1);
    let send = async |path: &str, kind: &str| {
        let id = next_id.replace(next_id.get() + 1);
        let ping = json!({ "jsonrpc": "2.0", "id": id, "method": "ping" }).to_string();
        let request = session.request(Method::POST, path).header(CONTENT_TYPE, kind).body(ping);
        request.send().await.unwrap().status().as_u16()
    };
    for kind in
        ["application/json;charset=UTF-8", "APPLICATION/json ; charset=\"utf-8\"", "application/json;"]
    {
        assert_eq!(send("/mcp", kind).await, 200, "{kind}");
        assert_eq!(send(&sse.endpoint, kind).await, 202, "{kind}");
    }
    for kind in
        ["application/json; charset=iso-8859-1", "application/json;charset=\"utf-16\"", "text/plain", "json"]
    {
        assert_eq!(send("/mcp", kind).await, 415, "{kind}");
        assert_eq!(send(&sse.endpoint, kind).await, 415, "{kind}");
    }
}
