//! Keys × attempts × waits: what is counted, what is told, and what becomes of a call that is given up.

use std::{sync::Arc, time::Duration};

use scope3_mcp_gateway::{CallError, ClientConfig, OnLimit};
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

use crate::support::Rig;

const WRITE: (&str, fn() -> Value) = ("brand_agent_update", || json!({ "brandAgentId": "1", "name": "n" }));

fn ok() -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({ "success": true, "data": { "a": 1 } }))
}

/// An API that gives this answer first, and then the other.
async fn api(first: ResponseTemplate, then: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(first).up_to_n_times(1).mount(&server).await;
    Mock::given(any()).respond_with(then).mount(&server).await;
    server
}

fn rig(server: &MockServer, on_limit: OnLimit, rates: [&str; 3]) -> Rig {
    Rig::with(&server.uri(), &["only"], on_limit, rates, ClientConfig::default())
}

const WAIT: OnLimit = OnLimit::Wait(Duration::from_secs(5));
const RATES: [&str; 3] = ["500/h", "1000/h", "50/h"];

async fn requests(server: &MockServer) -> usize {
    server.received_requests().await.unwrap().len()
}

#[tokio::test]
async fn a_call_that_waits_takes_one_mcp_permit() {
    let server = api(ResponseTemplate::new(429).insert_header("retry-after", "1"), ok()).await;
    let rig = rig(&server, WAIT, RATES);
    rig.call("brand_agent_list", json!({})).await.unwrap();
    assert_eq!((rig.used("only", 0).await, rig.used("only", 1).await), (1, 2), "one call, two HTTP requests");
}

#[tokio::test]
async fn an_export_that_waits_takes_one_export_permit() {
    let server = api(ResponseTemplate::new(429).insert_header("retry-after", "1"), ok()).await;
    let rig = rig(&server, WAIT, RATES);
    let export = json!({
        "campaignIds": ["c"], "datasets": ["delivery"], "groupBy": ["date"],
        "dateRange": { "start": "2026-06-01", "end": "2026-06-02" },
    });
    rig.call("reporting_export_data", export).await.unwrap();
    assert_eq!((rig.used("only", 0).await, rig.used("only", 1).await, rig.used("only", 2).await), (1, 2, 1));
}

#[tokio::test]
async fn nothing_was_sent_is_said_only_where_nothing_was_sent() {
    let server = api(ResponseTemplate::new(503), ok()).await;
    let rig = rig(&server, OnLimit::Reject, ["500/h", "1/h", "50/h"]);
    let failure = rig.failure("brand_agent_list", json!({})).await;
    assert_eq!((&failure["code"], requests(&server).await), (&json!("SERVICE_UNAVAILABLE"), 1), "{failure}");
    let failure = rig.failure("brand_agent_list", json!({})).await;
    assert_eq!(failure["code"], "RATE_LIMIT_EXCEEDED");
    assert!(failure["message"].as_str().unwrap().starts_with("Nothing was sent"), "{failure}");
}

#[tokio::test]
async fn a_wait_without_end_is_cut_to_the_span_of_the_limit() {
    for header in ["18446744073709551615", "Fri, 31 Dec 9999 23:59:59 GMT"] {
        let refused = ResponseTemplate::new(429).insert_header("retry-after", header);
        let server = api(refused.clone().set_delay(Duration::from_millis(1_200)), refused).await;
        let rig = rig(&server, WAIT, RATES);
        let call = rig.failure("brand_agent_list", json!({}));
        let failure = tokio::time::timeout(Duration::from_secs(10), call).await.expect("it answers");
        assert_eq!(failure["code"], "RATE_LIMIT_EXCEEDED");
        let seconds = failure["retryAfterSeconds"].as_u64().unwrap();
        assert!((1..=3_600).contains(&seconds), "{failure}");
        assert!(failure["resetTime"].as_str().unwrap().ends_with('Z'), "{failure}");
    }
}

#[tokio::test]
async fn a_limit_that_is_told_with_status_200_is_a_limit() {
    let declined = json!({ "success": false, "message": "Slow down.", "error": "RATE_LIMIT_EXCEEDED" });
    let answer = ResponseTemplate::new(200).insert_header("retry-after", "60").set_body_json(declined);
    let server = api(answer, ok()).await;
    let rig = rig(&server, OnLimit::Reject, RATES);
    let failure = rig.failure(WRITE.0, WRITE.1()).await;
    assert_eq!((&failure["code"], &failure["changed"]), (&json!("RATE_LIMIT_EXCEEDED"), &json!("no")));
    assert_eq!((&failure["retryable"], &failure["retryAfterSeconds"]), (&json!(true), &json!(60)));
    rig.failure(WRITE.0, WRITE.1()).await;
    assert_eq!(requests(&server).await, 1, "it is asked no more before its time");
}

#[tokio::test]
async fn a_change_that_waits_and_whose_caller_goes_is_never_sent() {
    let server = api(ok(), ok()).await;
    let rig = rig(&server, WAIT, ["1/s", "1000/h", "50/h"]);
    rig.call(WRITE.0, WRITE.1()).await.unwrap();
    let waiting = tokio::time::timeout(Duration::from_millis(200), rig.call(WRITE.0, WRITE.1())).await;
    assert!(waiting.is_err(), "it waits for its permit");
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(requests(&server).await, 1);
}

#[tokio::test]
async fn a_panic_within_a_call_is_answered() {
    let refused = || ResponseTemplate::new(429).insert_header("retry-after", "1");
    for (tool, arguments, changed) in [("brand_agent_list", json!({}), "no"), (WRITE.0, WRITE.1(), "unknown")]
    {
        let server = api(refused(), refused()).await;
        let rig = rig(&server, WAIT, RATES);
        let Value::Object(arguments) = arguments else { panic!("not an object") };
        // The notice of a wait is the one piece of a caller's code within a call.
        let call = rig.gateway.call(rig.caller.clone(), tool, arguments, Arc::new(|_| panic!("on purpose")));
        let outcome = tokio::time::timeout(Duration::from_secs(10), call).await.expect("it answers");
        let Err(CallError::Failed(failure)) = outcome else { panic!("{outcome:?}") };
        let failure = serde_json::to_value(failure).unwrap();
        assert_eq!((&failure["code"], &failure["changed"]), (&json!("INTERNAL_ERROR"), &json!(changed)));
    }
}

#[tokio::test]
async fn a_long_refusal_is_shortened() {
    let long = json!({ "error": "x".repeat(2_000_000), "details": { "y": "z".repeat(2_000_000) } });
    let server = api(ResponseTemplate::new(400).set_body_json(long), ok()).await;
    let failure = rig(&server, OnLimit::Reject, RATES).failure("brand_agent_list", json!({})).await;
    assert!(failure.to_string().len() < 8 * 1024, "{} bytes", failure.to_string().len());
    assert!(failure["message"].as_str().unwrap().contains("2000000 characters in total"));
}
