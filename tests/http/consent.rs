//! Consent over HTTP: who is asked, by which stream, and who may answer.

use std::time::Duration;

use reqwest::{Response, header::ACCEPT};
use serde_json::{Value, json};
use wiremock::MockServer;

use crate::support::{
    FIRST, Mcp, SECOND, Server, Sse,
    campaign::{DELETE, answered, api_with, campaign, deleted, modern_delete, state_of},
    initialize, message,
};

fn server(api: &MockServer, options: &[&str]) -> Server {
    let url = api.uri();
    let all = [&["http", "--bind", "127.0.0.1:0", "--api-url", &url], options].concat();
    Server::start(&all, &[("SCOPE3_API_KEY", FIRST), ("SCOPE3_CONFIRM", "auto")])
}

fn hello(version: &str) -> Value {
    let mut hello = initialize(version);
    hello["params"]["capabilities"] = json!({ "elicitation": {} });
    hello
}

/// A session of a client that can show forms.
pub(crate) async fn begin(client: &Mcp, version: &str) -> Mcp {
    let response = client.post(&hello(version)).await;
    let session = response.headers()["mcp-session-id"].to_str().unwrap().to_owned();
    message(response).await;
    let client = client.clone().with("mcp-session-id", &session);
    assert_eq!(client.status(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await, 202);
    client
}

fn delete(id: u64) -> Value {
    let params = json!({ "name": DELETE, "arguments": campaign() });
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params })
}

pub(crate) fn answer(question: &Value, action: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": question["id"], "result": { "action": action, "content": {} } })
}

/// The stream of a response, message by message.
pub(crate) struct Events {
    stream: Response,
    buffer: String,
}

impl Events {
    pub(crate) fn of(stream: Response) -> Self {
        assert_eq!(stream.status(), 200);
        Self { stream, buffer: String::new() }
    }

    /// The next message, or `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.buffer.find("\n\n") {
                let event: String = self.buffer.drain(..end + 2).collect();
                let data = event.lines().find_map(|line| line.strip_prefix("data: "));
                match data.filter(|data| !data.is_empty()) {
                    Some(data) => return Some(serde_json::from_str(data).unwrap()),
                    None => continue,
                }
            }
            let chunk = tokio::time::timeout(Duration::from_secs(20), self.stream.chunk()).await;
            self.buffer += std::str::from_utf8(&chunk.expect("nothing arrives").unwrap()?).unwrap();
        }
    }

    async fn question(&mut self) -> Value {
        let question = self.next().await.expect("the stream ended without a question");
        assert_eq!(question["method"], "elicitation/create", "{question}");
        assert!(question["params"]["message"].as_str().unwrap().contains("\"Open Trails\""), "{question}");
        question
    }
}

/// A call, and the question about it.
async fn asked(session: &Mcp) -> (Events, Value) {
    let mut events = Events::of(session.post(&delete(7)).await);
    let question = events.question().await;
    (events, question)
}

fn code(response: &Value) -> &str {
    let failure = &response["result"]["structuredContent"];
    assert_eq!(failure["changed"], "no", "{response}");
    failure["code"].as_str().unwrap()
}

#[tokio::test]
async fn a_session_is_asked_in_the_stream_of_its_call() {
    let api = api_with("Open Trails").await;
    for (made, version) in ["2025-06-18", "2025-11-25"].iter().enumerate() {
        let server = server(&api, &[]);
        let session = begin(&server.client(), version).await;
        for action in ["decline", "cancel"] {
            let (mut events, question) = asked(&session).await;
            assert_eq!(session.status(&answer(&question, action)).await, 202);
            let refused = events.next().await.unwrap();
            assert_eq!((code(&refused), &refused["id"]), ("CONSENT_DECLINED", &json!(7)));
            assert_eq!(events.next().await, None);
        }
        assert_eq!(deleted(&api).await, made);
        // A client may also have the common stream open.
        let _common = session.stream().await;
        let (mut events, question) = asked(&session).await;
        assert_eq!(session.status(&answer(&question, "accept")).await, 202);
        let done = events.next().await.unwrap();
        assert_eq!((&done["result"]["isError"], deleted(&api).await), (&json!(false), made + 1), "{done}");
    }
}

#[tokio::test]
async fn a_client_of_http_with_sse_is_asked_in_its_stream() {
    let api = api_with("Open Trails").await;
    let server = server(&api, &[]);
    let mut sse = Sse::open(&server.client()).await;
    assert_eq!(sse.send(&hello("2025-06-18")).await, 202);
    sse.next_response().await;
    assert_eq!(sse.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await, 202);
    for (action, sent) in [("decline", 0), ("accept", 1)] {
        assert_eq!(sse.send(&delete(3)).await, 202);
        let question = sse.next_response().await;
        assert_eq!(question["method"], "elicitation/create", "{question}");
        assert_eq!(sse.send(&answer(&question, action)).await, 202);
        let end = sse.next_response().await;
        assert_eq!((&end["id"], deleted(&api).await), (&json!(3), sent), "{end}");
    }
}

#[tokio::test]
async fn a_client_that_accepts_no_stream_gets_the_preview() {
    let api = api_with("Open Trails").await;
    let server = server(&api, &[]);
    let session = begin(&server.client(), "2025-06-18").await;
    let batching = begin(&server.client(), "2025-03-26").await;
    for (session, body) in [(session, delete(1)), (batching, json!([delete(1)]))] {
        let request = session.request(reqwest::Method::POST, "/mcp").header(ACCEPT, "application/json");
        let response = tokio::time::timeout(Duration::from_secs(10), request.json(&body).send()).await;
        let response: Value = response.expect("it waits for an answer").unwrap().json().await.unwrap();
        let response = response.get(0).unwrap_or(&response);
        assert_eq!(code(response), "CONFIRMATION_REQUIRED");
    }
    assert_eq!(deleted(&api).await, 0);
}

#[tokio::test]
async fn without_a_session_the_result_is_the_question() {
    let api = api_with("Open Trails").await;
    let server = server(&api, &["--auth", "key"]);
    let (first, second) = (server.with_key(FIRST), server.with_key(SECOND));
    let call = async |client: &Mcp, params: Value| {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        message(client.stateless_message(&request, DELETE).send().await.unwrap()).await
    };
    let state = state_of(&call(&first, modern_delete()).await["result"]).to_owned();
    let yes = || answered(modern_delete(), &state, json!({ "action": "accept", "content": {} }));
    assert_eq!(code(&call(&second, yes()).await), "CONFIRMATION_INVALID", "another key's question");
    assert_eq!(deleted(&api).await, 0);
    let both = tokio::join!(call(&first, yes()), call(&first, yes()));
    assert!([&both.0, &both.1].iter().any(|done| done["result"]["isError"] == false), "{both:?}");
    assert_eq!(code(&call(&first, yes()).await), "CONFIRMATION_INVALID");
    assert_eq!(deleted(&api).await, 1);
    let mut forced = modern_delete();
    forced["arguments"]["force"] = true.into();
    let state = state_of(&call(&first, forced.clone()).await["result"]).to_owned();
    let no = answered(forced, &state, json!({ "action": "decline" }));
    assert_eq!(code(&call(&first, no).await), "CONSENT_DECLINED");
    assert_eq!(deleted(&api).await, 1);
}

#[tokio::test]
async fn a_question_cannot_be_answered_with_another_key_or_in_another_session() {
    let api = api_with("Open Trails").await;
    let server = server(&api, &["--auth", "key"]);
    let mine = begin(&server.with_key(FIRST), "2025-06-18").await;
    let (mut events, question) = asked(&mine).await;
    let thief = server.with_key(SECOND).with("mcp-session-id", mine.session());
    assert_eq!(thief.status(&answer(&question, "accept")).await, 404);
    let other = begin(&server.with_key(SECOND), "2025-06-18").await;
    let same_key = begin(&server.with_key(FIRST), "2025-06-18").await;
    for session in [other, same_key] {
        // The id is that of the question, but the session has asked none.
        session.status(&answer(&question, "accept")).await;
    }
    assert_eq!(deleted(&api).await, 0);
    assert_eq!(mine.status(&answer(&question, "decline")).await, 202);
    assert_eq!(code(&events.next().await.unwrap()), "CONSENT_DECLINED");
    assert_eq!(deleted(&api).await, 0);
}

#[tokio::test]
async fn a_session_that_ends_during_a_question_makes_no_change() {
    let api = api_with("Open Trails").await;
    let server = server(&api, &["--max-calls", "1"]);
    let session = begin(&server.client(), "2025-06-18").await;
    let (mut events, question) = asked(&session).await;
    assert_eq!(session.delete().await, 204);
    assert_eq!(session.status(&answer(&question, "accept")).await, 404);
    while events.next().await.is_some_and(|message| message.get("result").is_none()) {}
    // Its call ends, so that another one may run.
    let again = async {
        loop {
            let response = server.client().post(&hello("2025-06-18")).await;
            if response.status() == 200 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), again).await.expect("the call does not end");
    assert_eq!(deleted(&api).await, 0);
}

#[tokio::test]
async fn questions_that_wait_are_bounded_as_calls_are() {
    let api = api_with("Open Trails").await;
    let server = server(&api, &["--auth", "key", "--max-calls", "4", "--max-calls-per-key", "1"]);
    let session = begin(&server.with_key(FIRST), "2025-06-18").await;
    let (mut events, question) = asked(&session).await;
    assert_eq!(session.status(&delete(8)).await, 503);
    assert_eq!(server.bound_reached("calls_per_key").await, 1);
    let other = begin(&server.with_key(SECOND), "2025-06-18").await;
    asked(&other).await;
    assert_eq!(session.status(&answer(&question, "decline")).await, 202);
    assert_eq!(code(&events.next().await.unwrap()), "CONSENT_DECLINED");
    while events.next().await.is_some() {}
    asked(&session).await;
    assert_eq!(deleted(&api).await, 0);
}

#[cfg(unix)]
#[tokio::test]
async fn shutdown_during_a_question_changes_nothing_and_does_not_wait_for_the_answer() {
    let api = api_with("Open Trails").await;
    let mut server = server(&api, &[]);
    let session = begin(&server.client(), "2025-11-25").await;
    let (mut events, _) = asked(&session).await;
    server.terminate();
    let mut last = None;
    while let Some(message) = events.next().await {
        last = Some(message);
    }
    let last = last.unwrap();
    assert_eq!(code(&last), "CONSENT_UNAVAILABLE", "{last}");
    assert!(last.to_string().contains("shutting down"), "{last}");
    assert_eq!(server.ended(Duration::from_secs(5)).await, Some(0));
    assert_eq!(deleted(&api).await, 0);
}
