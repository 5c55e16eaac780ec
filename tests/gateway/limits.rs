//! The hourly limits, as an agent sees them.

use std::{sync::Arc, time::Duration};

use scope3_mcp_gateway::{
    ClientConfig, KeyOwner, OnLimit,
    credentials::{KeyRing, KeySource},
};
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

use crate::support::{Rig, Session, command, key};

async fn api() -> MockServer {
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(200).set_body_json(json!({ "success": true, "data": { "a": 1 } }));
    Mock::given(any()).respond_with(answer).mount(&server).await;
    server
}

fn rig(server: &MockServer, on_limit: OnLimit, rates: [&str; 3]) -> Rig {
    Rig::with(&server.uri(), &["only"], on_limit, rates, ClientConfig::default())
}

#[tokio::test]
async fn five_hundred_calls_are_sent_and_the_next_is_not() {
    let server = api().await;
    let rig = Rig::new(&server.uri());
    for _ in 0..500 {
        rig.call("brand_agent_list", json!({})).await.unwrap();
    }
    let failure = rig.failure("brand_agent_list", json!({})).await;
    assert_eq!(server.received_requests().await.unwrap().len(), 500);
    assert_eq!(failure["code"], "RATE_LIMIT_EXCEEDED");
    assert_eq!((&failure["changed"], &failure["retryable"]), (&json!("no"), &json!(true)));
    assert_eq!(failure["details"], json!({ "class": "mcp", "limit": "500/h" }));
    let seconds = failure["retryAfterSeconds"].as_u64().unwrap();
    assert!((3_500..=3_600).contains(&seconds), "{failure}");
    let reset: jiff::Timestamp = failure["resetTime"].as_str().unwrap().parse().unwrap();
    assert!(reset > jiff::Timestamp::now());
}

#[tokio::test]
async fn an_export_counts_in_three_classes_and_its_limit_blocks_no_other_tool() {
    let server = api().await;
    let rig = rig(&server, OnLimit::Reject, ["10/h", "10/h", "1/h"]);
    let export = json!({
        "campaignIds": ["c"], "datasets": ["delivery"], "groupBy": ["date"],
        "dateRange": { "start": "2026-06-01", "end": "2026-06-02" },
    });
    rig.call("reporting_export_data", export.clone()).await.unwrap();
    assert_eq!((rig.used("only", 0).await, rig.used("only", 1).await, rig.used("only", 2).await), (1, 1, 1));
    let failure = rig.failure("reporting_export_data", export).await;
    assert_eq!(failure["details"]["class"], "export");
    assert_eq!(
        (rig.used("only", 0).await, rig.used("only", 1).await),
        (1, 1),
        "a refused call takes no permit"
    );
    rig.call("brand_agent_list", json!({})).await.unwrap();
}

#[tokio::test]
async fn a_call_waits_for_a_permit_if_the_operator_allows_it() {
    let server = api().await;
    let rig = rig(&server, OnLimit::Wait(Duration::from_secs(5)), ["1/s", "1000/h", "50/h"]);
    for _ in 0..3 {
        rig.call("brand_agent_list", json!({})).await.unwrap();
    }
    assert_eq!(server.received_requests().await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_call_does_not_wait_longer_than_the_operator_allows() {
    let server = api().await;
    let rig = rig(&server, OnLimit::Wait(Duration::from_secs(5)), ["1/h", "1000/h", "50/h"]);
    rig.call("brand_agent_list", json!({})).await.unwrap();
    let failure =
        tokio::time::timeout(Duration::from_secs(2), rig.failure("brand_agent_list", json!({}))).await;
    assert_eq!(failure.expect("it answers at once")["code"], "RATE_LIMIT_EXCEEDED");
}

#[tokio::test]
async fn even_a_write_waits_after_too_many_requests_at_scope3() {
    let server = MockServer::start().await;
    let refused = ResponseTemplate::new(429).insert_header("retry-after", "1");
    Mock::given(any()).respond_with(refused).up_to_n_times(1).mount(&server).await;
    let answer = ResponseTemplate::new(200).set_body_json(json!({ "success": true, "data": { "a": 1 } }));
    Mock::given(any()).respond_with(answer).mount(&server).await;
    let rig = rig(&server, OnLimit::Wait(Duration::from_secs(5)), ["500/h", "1000/h", "50/h"]);
    rig.call("brand_agent_create", json!({ "name": "n", "advertiserDomains": ["example.com"] }))
        .await
        .unwrap();
    assert_eq!(server.received_requests().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_waiting_call_reports_progress() {
    let mut program = command(&["--sandbox", "--mcp-limit", "1/s", "--on-limit", "wait", "--max-wait", "5s"]);
    let mut session = Session::start(&mut program, "2025-11-25").await;
    session.call("check_auth_status", json!({})).await;
    let call = json!({ "name": "check_auth_status", "arguments": {}, "_meta": { "progressToken": "p7" } });
    let id = session.ask("tools/call", call).await;
    let mut progress = Vec::new();
    let answer = loop {
        let message = session.receive().await.unwrap();
        if message["id"] == id {
            break message;
        }
        assert_eq!(message["method"], "notifications/progress");
        progress.push(message["params"].clone());
    };
    assert_eq!(answer["result"]["isError"], false);
    assert!(!progress.is_empty());
    for (notice, next) in progress.iter().zip(progress.iter().skip(1)) {
        assert!(notice["progress"].as_f64() < next["progress"].as_f64(), "{progress:?}");
    }
    assert_eq!(progress[0]["progressToken"], "p7");
    assert!(progress[0]["message"].as_str().unwrap().contains("request limit"));
}

#[tokio::test]
async fn a_call_that_is_cancelled_while_it_waits_sends_nothing() {
    let mut program = command(&["--sandbox", "--mcp-limit", "1/m", "--on-limit", "wait", "--max-wait", "2m"]);
    let mut session = Session::start(&mut program, "2025-11-25").await;
    session.call("check_auth_status", json!({})).await;
    let id = session.ask("tools/call", json!({ "name": "check_auth_status", "arguments": {} })).await;
    let cancel =
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": id } });
    session.send(&cancel).await;
    let usage = session.call("get_usage", json!({})).await;
    assert_eq!(usage["structuredContent"]["limits"][0]["used"], 1);
    let (rest, code, _) =
        tokio::time::timeout(Duration::from_secs(20), session.end()).await.expect("it ends at once");
    assert_eq!((rest.len(), code), (0, Some(0)), "a cancelled call has no answer");
}

#[tokio::test]
async fn usage_counts_the_calls_of_a_key_by_hour_tool_and_outcome() {
    let server = api().await;
    let rig = rig(&server, OnLimit::Reject, ["2/h", "1000/h", "50/h"]);
    for _ in 0..3 {
        let _answered = rig.call("brand_agent_list", json!({})).await;
    }
    let usage = rig.call("get_usage", json!({ "hours": 1 })).await.unwrap().into_value();
    let hours: Vec<&Value> = usage["calls"].as_object().unwrap().values().collect();
    assert!(hours.len() <= 2, "the calls may be on both sides of a full hour: {usage}");
    let sum = |outcome: &str| {
        hours.iter().filter_map(|hour| hour["brand_agent_list"][outcome].as_u64()).sum::<u64>()
    };
    assert_eq!((sum("ok"), sum("RATE_LIMIT_EXCEEDED")), (2, 1), "{usage}");
    let refused = rig.failure("get_usage", json!({ "hours": 0 })).await;
    assert_eq!(refused["code"], "VALIDATION_ERROR", "{refused}");
}

/// Anyone can invent keys. If each had rows of its own, strangers could fill the state.
#[tokio::test]
async fn callers_see_their_own_calls_alone_and_invented_keys_are_counted_together() {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(401)).mount(&server).await;
    let mut rig = Rig::new(&server.uri());
    rig.caller.key_owner = KeyOwner::Caller;
    for name in ["one", "two"] {
        rig.caller.keys = Arc::new(KeyRing::new(KeySource::Given(Ok(key(name))), Vec::new(), None));
        assert_eq!(rig.failure("brand_agent_list", json!({})).await["code"], "AUTH_INVALID_KEY");
        let usage = rig.call("get_usage", json!({})).await.unwrap().into_value();
        assert_eq!(usage["calls"], json!({}), "{usage}");
    }
    let counts = rig.gateway.state().counts(jiff::Timestamp::UNIX_EPOCH, None).await.unwrap();
    let calls = counts.iter().filter(|count| count.tool == "brand_agent_list").map(|count| count.calls);
    assert_eq!(calls.sum::<u64>(), 2, "{counts:?}");
}
