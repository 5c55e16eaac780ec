//! What the client makes of everything that an API and a network can do, and that it never does harm.

use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};
use scope3_mcp_gateway::{ClientConfig, OnLimit};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::any};

use crate::support::{Rig, key_text};

/// A write and a read, with arguments that fit.
pub(crate) const READ: (&str, fn() -> Value) = ("brand_agent_get", || json!({ "brandAgentId": "1" }));
pub(crate) const WRITE: (&str, fn() -> Value) =
    ("brand_agent_update", || json!({ "brandAgentId": "1", "name": "n" }));

pub(crate) async fn api(response: impl Respond + 'static) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(response).mount(&server).await;
    server
}

pub(crate) fn ok() -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({ "success": true, "message": "m", "data": { "a": 1 } }))
}

/// Answers with each template in turn, and with the last from then on.
pub(crate) struct InTurn(Vec<ResponseTemplate>, AtomicUsize);

pub(crate) fn in_turn(answers: Vec<ResponseTemplate>) -> InTurn {
    InTurn(answers, AtomicUsize::new(0))
}

impl Respond for InTurn {
    fn respond(&self, _: &Request) -> ResponseTemplate {
        let at = self.1.fetch_add(1, Ordering::SeqCst);
        self.0[at.min(self.0.len() - 1)].clone()
    }
}

pub(crate) async fn requests(server: &MockServer) -> usize {
    server.received_requests().await.unwrap().len()
}

#[tokio::test]
async fn a_request_carries_the_key_and_the_arguments_where_they_belong() {
    let server = api(ok()).await;
    let rig = Rig::new(&server.uri());
    rig.call("brand_agent_list", json!({ "where": { "name": "x" } })).await.unwrap();
    rig.call("get_prebid_segments", json!({ "id": "org 7" })).await.unwrap();
    let sent = server.received_requests().await.unwrap();
    assert_eq!((sent[0].method.as_str(), sent[0].url.path()), ("POST", "/brand-agent-list"));
    assert_eq!(sent[0].body_json::<Value>().unwrap(), json!({ "where": { "name": "x" } }));
    assert_eq!((sent[1].method.as_str(), sent[1].url.path()), ("GET", "/prebid-segmentss/org%207"));
    for request in sent {
        assert_eq!(request.headers["x-scope3-api-key"], key_text("only"));
        assert!(request.headers["user-agent"].to_str().unwrap().starts_with("scope3-mcp/"));
        assert_eq!(request.headers["accept-encoding"], "gzip");
    }
}

#[tokio::test]
async fn invalid_arguments_send_nothing_and_take_no_permit() {
    let server = api(ok()).await;
    let rig = Rig::new(&server.uri());
    assert_eq!(rig.failure("brand_agent_get", json!({})).await["code"], "VALIDATION_ERROR");
    for id in ["..", "a/b", "%2e%2e", "a?b", "a#b", "a\nb"] {
        let failure = rig.failure("get_prebid_segments", json!({ "id": id })).await;
        assert_eq!(
            (&failure["code"], &failure["changed"]),
            (&json!("VALIDATION_ERROR"), &json!("no")),
            "{id}"
        );
    }
    assert_eq!((requests(&server).await, rig.used("only", 0).await, rig.used("only", 1).await), (0, 0, 0));
}

#[tokio::test]
async fn reads_with_transient_failures_are_retried_and_each_attempt_counts() {
    let down = || ResponseTemplate::new(503);
    let server = api(in_turn(vec![down(), down(), ok()])).await;
    let rig = Rig::new(&server.uri());
    rig.call(READ.0, READ.1()).await.unwrap();
    assert_eq!((requests(&server).await, rig.used("only", 0).await, rig.used("only", 1).await), (3, 1, 3));

    let server = api(down()).await;
    let rig = Rig::new(&server.uri());
    let failure = rig.failure(READ.0, READ.1()).await;
    assert_eq!(failure["code"], "SERVICE_UNAVAILABLE");
    assert_eq!((&failure["retryable"], &failure["changed"]), (&json!(true), &json!("no")));
    assert_eq!(requests(&server).await, 3, "three attempts at most");
}

#[tokio::test]
async fn an_internal_error_is_retried_once() {
    let server = api(ResponseTemplate::new(500).set_body_json(json!({ "error": "boom" }))).await;
    Rig::new(&server.uri()).failure(READ.0, READ.1()).await;
    assert_eq!(requests(&server).await, 2);
}

#[tokio::test]
async fn writes_are_never_retried_and_the_failure_says_whether_anything_changed() {
    for (status, changed) in [
        (500, "unknown"),
        (502, "unknown"),
        (503, "unknown"),
        (302, "unknown"),
        (400, "no"),
        (401, "no"),
        (404, "no"),
        (501, "no"),
    ] {
        let server = api(ResponseTemplate::new(status)).await;
        let failure = Rig::new(&server.uri()).failure(WRITE.0, WRITE.1()).await;
        assert_eq!(failure["changed"], changed, "{status}: {failure}");
        assert_eq!(requests(&server).await, 1, "{status}");
        if changed == "unknown" {
            assert_eq!(failure["retryable"], false);
            assert!(failure["hint"].as_str().unwrap().contains("brand_agent_list"), "{failure}");
        }
    }
}

#[tokio::test]
async fn a_refused_change_that_may_be_partly_done_is_reported_as_unknown() {
    let update = ("campaign_update", json!({ "campaignId": "campaign_1", "prompt": "More sport." }));
    for (status, changed) in [(400, "unknown"), (409, "unknown"), (403, "no"), (429, "no")] {
        let refused = ResponseTemplate::new(status).set_body_json(json!({ "error": "Failed to update" }));
        let server = api(refused).await;
        let failure = Rig::new(&server.uri()).failure(update.0, update.1.clone()).await;
        assert_eq!(failure["changed"], changed, "{status}: {failure}");
        if changed == "unknown" {
            assert_eq!(failure["retryable"], false);
            assert!(failure["hint"].as_str().unwrap().contains("campaign_list"), "{failure}");
        }
    }
}

#[tokio::test]
async fn a_change_declined_because_a_backend_service_did_not_answer_is_reported_as_unknown() {
    let server = api(ResponseTemplate::new(200).set_body_json(json!({
        "success": false, "message": "The service did not answer.",
        "error": "SERVICE_UNAVAILABLE", "errorCode": "SERVICE_UNAVAILABLE",
    })))
    .await;
    let rig = Rig::new(&server.uri());
    let write = rig.failure(WRITE.0, WRITE.1()).await;
    assert_eq!((&write["code"], &write["changed"]), (&json!("SERVICE_UNAVAILABLE"), &json!("unknown")));
    assert_eq!((&write["retryable"], &write["status"]), (&json!(false), &json!(200)));
    let read = rig.failure(READ.0, READ.1()).await;
    assert_eq!((&read["changed"], &read["retryable"]), (&json!("no"), &json!(true)));
}

#[tokio::test]
async fn retries_do_not_overload_a_service_that_is_down() {
    let server = api(ResponseTemplate::new(503)).await;
    let rig = Rig::new(&server.uri());
    for _ in 0..40 {
        rig.failure(READ.0, READ.1()).await;
    }
    let sent = requests(&server).await;
    assert!(sent < 75, "40 calls made {sent} requests; 120 would be three for each");
}

#[tokio::test]
async fn a_backup_replaces_a_refused_key_and_stays_in_use() {
    let by_key = |request: &Request| {
        let good = request.headers["x-scope3-api-key"] == key_text("second").as_str();
        if good {
            ok()
        } else {
            ResponseTemplate::new(401).set_body_json(json!({ "error": "Invalid or expired API key" }))
        }
    };
    let server = api(by_key).await;
    let rig = Rig::with(
        &server.uri(),
        &["first", "second"],
        OnLimit::Reject,
        ["500/h", "1000/h", "50/h"],
        ClientConfig::default(),
    );
    rig.call(WRITE.0, WRITE.1()).await.unwrap();
    rig.call(WRITE.0, WRITE.1()).await.unwrap();
    assert_eq!(requests(&server).await, 3, "the refused key is not tried again");
    assert_eq!(
        (rig.used("first", 0).await, rig.used("second", 0).await),
        (1, 2),
        "each key counts for itself"
    );
}

#[tokio::test]
async fn the_failure_for_a_refused_key_does_not_contain_the_key() {
    let server = api(ResponseTemplate::new(401)
        .set_body_json(json!({ "error": "Invalid or expired API key", "code": "AUTH_INVALID_KEY" })))
    .await;
    let failure = Rig::new(&server.uri()).failure(READ.0, READ.1()).await;
    assert_eq!((&failure["code"], &failure["status"]), (&json!("AUTH_INVALID_KEY"), &json!(401)));
    assert!(!failure.to_string().contains("scope3_"), "{failure}");
    assert_eq!(requests(&server).await, 1);
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_the_key_stays() {
    let elsewhere = api(ok()).await;
    for status in [301, 302, 303, 307, 308] {
        let server =
            api(ResponseTemplate::new(status).insert_header("location", elsewhere.uri().as_str())).await;
        let failure = Rig::new(&server.uri()).failure(READ.0, READ.1()).await;
        assert_eq!(failure["code"], "UNEXPECTED_REDIRECT", "{failure}");
    }
    assert_eq!(requests(&elsewhere).await, 0);
}

#[tokio::test]
async fn invalid_responses_give_a_clear_error() {
    let body =
        |kind: &str, text: &str| ResponseTemplate::new(200).set_body_raw(text.as_bytes().to_vec(), kind);
    for (answer, said) in [
        (body("text/html", "<html>Sign in</html>"), "web page"),
        (body("application/json", r#"{"success": true, "data": {"#), "cut off"),
        (body("application/json", ""), "empty"),
        (body("application/json", "nonsense"), "not JSON"),
    ] {
        let server = api(answer).await;
        let rig = Rig::new(&server.uri());
        let failure = rig.failure(READ.0, READ.1()).await;
        assert_eq!((&failure["code"], &failure["changed"]), (&json!("INVALID_RESPONSE"), &json!("no")));
        assert!(failure["message"].as_str().unwrap().contains(said), "{failure}");
        assert_eq!(rig.failure(WRITE.0, WRITE.1()).await["changed"], "unknown");
    }
    let server = api(ResponseTemplate::new(204)).await;
    assert!(Rig::new(&server.uri()).call(WRITE.0, WRITE.1()).await.unwrap().data.is_empty());

    let declined = json!({ "success": false, "message": "Campaign is active", "error": "CAMPAIGN_ACTIVE" });
    let server = api(ResponseTemplate::new(200).set_body_json(declined)).await;
    let failure = Rig::new(&server.uri()).failure("campaign_delete", json!({ "campaignId": "c" })).await;
    assert_eq!((&failure["code"], &failure["changed"]), (&json!("CAMPAIGN_ACTIVE"), &json!("no")));
}

#[tokio::test]
async fn gzip_is_decoded_but_a_decompression_bomb_is_refused() {
    let zipped = |text: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        ResponseTemplate::new(200)
            .insert_header("content-encoding", "gzip")
            .set_body_raw(encoder.finish().unwrap(), "application/json")
    };
    let server = api(zipped(br#"{"success": true, "data": {"a": 1}}"#)).await;
    let success = Rig::new(&server.uri()).call(READ.0, READ.1()).await.unwrap();
    assert_eq!(Value::Object(success.data), json!({ "a": 1 }));

    // 64 MiB of blanks are 64 KiB on the wire.
    let server = api(zipped(&vec![b' '; 64 * 1024 * 1024])).await;
    let failure = Rig::new(&server.uri()).failure(READ.0, READ.1()).await;
    assert_eq!(failure["code"], "INVALID_RESPONSE");
    assert!(failure["message"].as_str().unwrap().contains("longer than"), "{failure}");
}

#[tokio::test]
async fn after_too_many_requests_the_key_waits_until_the_time_that_scope3_gave() {
    let refused = ResponseTemplate::new(429).insert_header("retry-after", "120").set_body_json(json!({}));
    let server = api(refused).await;
    let rig = Rig::new(&server.uri());
    for _ in 0..3 {
        let failure = rig.failure(WRITE.0, WRITE.1()).await;
        assert_eq!((&failure["code"], &failure["changed"]), (&json!("RATE_LIMIT_EXCEEDED"), &json!("no")));
        let seconds = failure["retryAfterSeconds"].as_u64().unwrap();
        assert!((118..=120).contains(&seconds), "{failure}");
        assert!(failure["resetTime"].as_str().unwrap().ends_with('Z'));
    }
    assert_eq!(requests(&server).await, 1, "it is asked no more before its time");
}

#[tokio::test]
async fn nothing_left_is_believed() {
    let last = ok().insert_header("ratelimit-remaining", "0").insert_header("ratelimit-reset", "30");
    let server = api(last).await;
    let rig = Rig::new(&server.uri());
    rig.call(READ.0, READ.1()).await.unwrap();
    let failure = rig.failure(READ.0, READ.1()).await;
    assert_eq!(failure["code"], "RATE_LIMIT_EXCEEDED");
    assert!(failure["message"].as_str().unwrap().contains("Scope3 asks this key to wait"), "{failure}");
}

#[tokio::test]
async fn a_missing_response_times_out() {
    let server = api(ok().set_delay(Duration::from_secs(30))).await;
    let config = ClientConfig { total: Duration::from_millis(200), ..ClientConfig::default() };
    let rig = Rig::with(&server.uri(), &["only"], OnLimit::Reject, ["500/h", "1000/h", "50/h"], config);
    let failure = rig.failure(WRITE.0, WRITE.1()).await;
    assert_eq!((&failure["code"], &failure["changed"]), (&json!("TIMEOUT"), &json!("unknown")));
    assert_eq!(requests(&server).await, 1);
    let failure = rig.failure(READ.0, READ.1()).await;
    assert_eq!((&failure["code"], &failure["changed"]), (&json!("TIMEOUT"), &json!("no")));
    assert_eq!(requests(&server).await, 4, "a read is tried three times");
}

/// A server that reads a request, says `answer` and hangs up.
async fn hang_up_after(answer: &'static str) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::SeqCst);
            let mut buffer = [0; 8192];
            let _read = stream.read(&mut buffer).await;
            let _written = stream.write_all(answer.as_bytes()).await;
        }
    });
    (url, count)
}

#[tokio::test]
async fn a_lost_connection_leaves_a_write_unknown_and_not_retried() {
    for answer in ["", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"success\""] {
        let (url, count) = hang_up_after(answer).await;
        let failure = Rig::new(&url).failure(WRITE.0, WRITE.1()).await;
        assert_eq!((&failure["code"], &failure["changed"]), (&json!("CONNECTION_LOST"), &json!("unknown")));
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn no_connection_means_that_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let failure = Rig::new(&url).failure(WRITE.0, WRITE.1()).await;
    assert_eq!((&failure["code"], &failure["changed"]), (&json!("CONNECTION_FAILED"), &json!("no")));
    assert_eq!(failure["retryable"], true);
    assert!(!failure.to_string().contains("127.0.0.1"), "addresses are for operators: {failure}");
}

#[tokio::test]
async fn dropping_a_call_cancels_its_request() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let rig = Rig::new(&url);
    let server = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buffer = vec![0; 8192];
        // The request comes, then the end of the connection: nobody waits for an answer any more.
        while stream.read(&mut buffer).await.unwrap() > 0 {}
    };
    let call = tokio::time::timeout(Duration::from_millis(200), rig.call(READ.0, READ.1()));
    let (left, ended) = tokio::join!(call, tokio::time::timeout(Duration::from_secs(10), server));
    assert!(left.is_err() && ended.is_ok());
}
