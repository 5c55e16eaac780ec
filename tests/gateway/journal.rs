//! The journal of changes: no change is made twice, unless the caller confirms it.

use std::{path::Path, sync::Arc, time::Duration};

use futures_util::future::join_all;
use scope3_mcp_gateway::{
    Caller, ClientConfig, OnLimit, Success,
    credentials::KeyRing,
    journal::{Entry, EntryState, Filter, Settlement},
    state::{State, StateLocation},
};
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

use crate::support::{Rig, body, key};

const QUARTER: Duration = Duration::from_mins(15);
const CREATE: &str = "brand_agent_create";
const UPDATE: &str = "brand_agent_update";
const DELETE: &str = "campaign_delete";

fn brand(name: &str) -> Value {
    json!({ "name": name, "advertiserDomains": ["example.com"] })
}

fn confirmed(mut arguments: Value, code: &Value) -> Value {
    arguments["confirmation"] = code.clone();
    arguments
}

/// A response with an id that no other response has.
fn created() -> impl wiremock::Respond {
    let next = std::sync::atomic::AtomicU32::new(1);
    move |_: &wiremock::Request| {
        let id = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        ResponseTemplate::new(200)
            .set_body_json(json!({ "success": true, "data": { "id": format!("b{id}") } }))
    }
}

async fn api(response: impl wiremock::Respond + 'static) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(response).mount(&server).await;
    server
}

/// An API that gives one response first, and then others.
async fn api_then(first: ResponseTemplate, then: impl wiremock::Respond + 'static) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(first).up_to_n_times(1).mount(&server).await;
    Mock::given(any()).respond_with(then).mount(&server).await;
    server
}

async fn sent(server: &MockServer) -> usize {
    server.received_requests().await.unwrap().len()
}

fn process(server: &MockServer, state: Arc<dyn State>) -> Rig {
    let rates = ["500/h", "1000/h", "50/h"];
    let config = ClientConfig { total: Duration::from_secs(2), ..ClientConfig::default() };
    Rig::sharing(state, QUARTER, &server.uri(), &["only"], OnLimit::Reject, rates, config)
}

fn alone(server: &MockServer) -> Rig {
    process(server, StateLocation::Memory.state())
}

/// A process that shares a file with others.
fn beside(server: &MockServer, folder: &Path) -> Rig {
    process(server, StateLocation::File(folder.join("state.db")).state())
}

async fn entries(rig: &Rig) -> Vec<Entry> {
    rig.gateway.state().entries(Filter::default()).await.unwrap()
}

fn notes(success: Success) -> Value {
    success.into_value()["scope3Mcp"].clone()
}

#[tokio::test]
async fn a_repeated_change_returns_the_first_result_and_its_confirmation_makes_a_second_one() {
    let server = api(created()).await;
    let rig = alone(&server);
    let first = rig.call(CREATE, brand("Acme")).await.unwrap();
    assert_eq!(first.data["id"], "b1");
    for _ in 0..2 {
        let again = rig.call(CREATE, brand("Acme")).await.unwrap();
        assert_eq!(again.data["id"], "b1");
        let notes = notes(again);
        assert_eq!(
            (&notes["repeated"], &notes["confirmation"]["purpose"]),
            (&json!(true), &json!("repeat")),
            "{notes}"
        );
        assert!(notes["madeAt"].is_string(), "{notes}");
    }
    assert_eq!(sent(&server).await, 1);
    rig.call(CREATE, brand("Another")).await.unwrap();
    assert_eq!(sent(&server).await, 2, "other arguments are another change");

    let code = notes(rig.call(CREATE, brand("Acme")).await.unwrap())["confirmation"]["code"].clone();
    let second = rig.call(CREATE, confirmed(brand("Acme"), &code)).await.unwrap();
    assert_eq!((second.data["id"].clone(), sent(&server).await), (json!("b3"), 3));
    let body = server.received_requests().await.unwrap().pop().unwrap().body_json::<Value>().unwrap();
    assert_eq!(body, brand("Acme"), "the confirmation is not sent");
    let used = rig.failure(CREATE, confirmed(brand("Acme"), &code)).await;
    assert_eq!(used["code"], "CONFIRMATION_INVALID");
    assert!(used["message"].as_str().unwrap().contains("used before"), "{used}");
    assert_eq!(sent(&server).await, 3);
}

#[tokio::test]
async fn an_idempotent_change_and_a_read_are_repeated_freely() {
    let server = api(created()).await;
    let rig = alone(&server);
    for _ in 0..2 {
        rig.call(UPDATE, json!({ "brandAgentId": "1", "name": "n" })).await.unwrap();
        rig.call("brand_agent_list", json!({})).await.unwrap();
    }
    assert_eq!(sent(&server).await, 4);
    assert_eq!(entries(&rig).await.len(), 2, "reads are not in the journal");
}

#[tokio::test]
async fn the_guard_ends_when_the_operator_says_so() {
    let server = api(created()).await;
    let rates = ["500/h", "1000/h", "50/h"];
    let state = StateLocation::Memory.state();
    let guard = Duration::from_millis(100);
    let rig =
        Rig::sharing(state, guard, &server.uri(), &["only"], OnLimit::Reject, rates, ClientConfig::default());
    rig.call(CREATE, brand("Acme")).await.unwrap();
    tokio::time::sleep(2 * guard).await;
    rig.call(CREATE, brand("Acme")).await.unwrap();
    assert_eq!(sent(&server).await, 2);
}

#[tokio::test]
async fn a_change_of_unknown_outcome_is_sent_again_only_with_its_confirmation() {
    for change in [(CREATE, brand("Acme")), (UPDATE, json!({ "brandAgentId": "1", "name": "n" }))] {
        let server = api_then(ResponseTemplate::new(504), created()).await;
        let rig = alone(&server);
        let first = rig.failure(change.0, change.1.clone()).await;
        assert_eq!(first["changed"], "unknown");
        let again = rig.failure(change.0, change.1.clone()).await;
        assert_eq!(
            (&again["code"], &again["changed"]),
            (&json!("OUTCOME_UNKNOWN"), &json!("unknown")),
            "{again}"
        );
        assert!(again["hint"].as_str().unwrap().contains("brand_agent_list"), "{again}");
        assert_eq!(again["confirmation"]["purpose"], "unknown");
        assert_eq!(sent(&server).await, 1);

        rig.call(change.0, confirmed(change.1, &again["confirmation"]["code"])).await.unwrap();
        assert_eq!(sent(&server).await, 2);
    }
}

#[tokio::test]
async fn a_refused_change_may_be_made_again() {
    let server = api_then(ResponseTemplate::new(422), created()).await;
    let rig = alone(&server);
    rig.failure(CREATE, brand("Acme")).await;
    assert_eq!(rig.call(CREATE, brand("Acme")).await.unwrap().data["id"], "b1");
    let states: Vec<EntryState> = entries(&rig).await.iter().map(|entry| entry.state).collect();
    assert_eq!(states, [EntryState::Done, EntryState::Refused]);
}

#[tokio::test]
async fn the_same_change_in_flight_twice_is_sent_once_from_any_process() {
    let folder = tempfile::tempdir().unwrap();
    for idempotent in [false, true] {
        let slow = json!({ "success": true, "data": { "id": "slow" } });
        let server =
            api(ResponseTemplate::new(200).set_body_json(slow).set_delay(Duration::from_millis(300))).await;
        let (one, other) = (beside(&server, folder.path()), beside(&server, folder.path()));
        let (tool, arguments) = if idempotent {
            (UPDATE, json!({ "brandAgentId": "1", "name": "n" }))
        } else {
            (CREATE, brand("Acme"))
        };
        let calls = [&one, &one, &other, &other].map(|rig| rig.call(tool, arguments.clone()));
        for outcome in join_all(calls).await {
            assert_eq!(outcome.unwrap().data["id"], "slow");
        }
        assert_eq!(sent(&server).await, 1, "idempotent: {idempotent}");
    }
}

#[tokio::test]
async fn a_caller_that_waits_for_a_refused_change_receives_the_refusal() {
    let refusal = ResponseTemplate::new(400).set_body_json(json!({ "error": "thin brief" }));
    let server = api(refusal.set_delay(Duration::from_millis(300))).await;
    let rig = alone(&server);
    for failure in join_all([0; 3].map(|_| rig.failure(CREATE, brand("Acme")))).await {
        assert_eq!((&failure["status"], &failure["changed"]), (&json!(400), &json!("no")), "{failure}");
    }
    assert_eq!(sent(&server).await, 1);
}

#[tokio::test]
async fn a_confirmation_is_valid_for_one_key_tool_and_arguments() {
    let server = api(created()).await;
    let mut rig = alone(&server);
    rig.call(CREATE, brand("Acme")).await.unwrap();
    let code = notes(rig.call(CREATE, brand("Acme")).await.unwrap())["confirmation"]["code"].clone();
    let reason = |failure: Value| {
        assert_eq!(failure["code"], "CONFIRMATION_INVALID", "{failure}");
        failure["message"].as_str().unwrap().to_owned()
    };
    let other_arguments = reason(rig.failure(CREATE, confirmed(brand("Other"), &code)).await);
    assert!(other_arguments.contains("other arguments"), "{other_arguments}");
    let other_tool = reason(rig.failure(DELETE, json!({ "campaignId": "c", "confirmation": code })).await);
    assert!(other_tool.contains("another tool"), "{other_tool}");
    for made_up in [json!("0123456789abcdef"), json!(""), json!("x".repeat(100_000))] {
        let unknown = reason(rig.failure(CREATE, confirmed(brand("Acme"), &made_up)).await);
        assert!(unknown.contains("did not issue"), "{unknown}");
    }
    let no_text = rig.failure(CREATE, confirmed(brand("Acme"), &json!(7))).await;
    assert_eq!(no_text["code"], "VALIDATION_ERROR", "{no_text}");
    rig.caller = Caller { keys: Arc::new(KeyRing::of(key("another"))), ..rig.caller };
    let other_key = reason(rig.failure(CREATE, confirmed(brand("Acme"), &code)).await);
    assert!(other_key.contains("another API key"), "{other_key}");
    assert_eq!(sent(&server).await, 1);
}

#[tokio::test]
async fn a_caller_that_names_its_changes_is_taken_at_its_word() {
    let server = api(created()).await;
    let rig = alone(&server);
    let first = rig.call_as("order-1", CREATE, brand("Acme")).await.unwrap();
    let again = rig.call_as("order-1", CREATE, brand("Acme")).await.unwrap();
    assert_eq!((first.data["id"].clone(), again.data["id"].clone()), (json!("b1"), json!("b1")));
    assert_eq!(notes(again)["repeated"], true);
    let other = body(rig.call_as("order-1", CREATE, brand("Other")).await);
    assert_eq!(
        (&other["code"], &other["changed"]),
        (&json!("IDEMPOTENCY_KEY_REUSED"), &json!("no")),
        "{other}"
    );
    assert_eq!(sent(&server).await, 1);
    let second = rig.call_as("order-2", CREATE, brand("Acme")).await.unwrap();
    assert_eq!(
        (second.data["id"].clone(), sent(&server).await),
        (json!("b2"), 2),
        "another name, another change"
    );

    for update in ["u", "u"] {
        rig.call_as(update, UPDATE, json!({ "brandAgentId": "1", "name": "n" })).await.unwrap();
    }
    assert_eq!(sent(&server).await, 3, "an idempotent change with the same name returns its result too");
    for bad in [String::new(), "k".repeat(256)] {
        assert_eq!(body(rig.call_as(&bad, CREATE, brand("x")).await)["code"], "VALIDATION_ERROR");
    }
}

#[tokio::test]
async fn a_named_change_of_unknown_outcome_is_not_sent_again() {
    let server = api_then(ResponseTemplate::new(504), created()).await;
    let rig = alone(&server);
    body(rig.call_as("order-1", CREATE, brand("Acme")).await);
    for name in ["order-1", "order-2"] {
        assert_eq!(body(rig.call_as(name, CREATE, brand("Acme")).await)["code"], "OUTCOME_UNKNOWN", "{name}");
    }
    assert_eq!(sent(&server).await, 1);
}

#[tokio::test]
async fn without_its_state_the_server_reads_but_changes_and_exports_nothing() {
    let server = api(created()).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("blocked"), "a file in the place of the directory").unwrap();
    let rig = beside(&server, &folder.path().join("blocked"));
    rig.call("brand_agent_list", json!({})).await.unwrap();
    assert_eq!(sent(&server).await, 1);
    let export = json!({
        "campaignIds": ["c"], "datasets": ["delivery"], "groupBy": ["date"],
        "dateRange": { "start": "2026-06-01", "end": "2026-06-02" },
    });
    for (tool, arguments) in [(CREATE, brand("Acme")), ("reporting_export_data", export)] {
        let failure = rig.failure(tool, arguments).await;
        assert_eq!(
            (&failure["code"], &failure["changed"]),
            (&json!("STATE_UNAVAILABLE"), &json!("no")),
            "{failure}"
        );
        assert_eq!(failure["retryable"], true);
    }
    assert_eq!(sent(&server).await, 1);
    let usage = rig.call("get_usage", json!({})).await.unwrap().into_value();
    assert_eq!(usage["state"]["available"], false, "{usage}");
    assert_eq!(usage["limits"][0]["used"], 1, "{usage}");

    // It recovers by itself, and the state learns of what was sent without it.
    std::fs::remove_file(folder.path().join("blocked")).unwrap();
    rig.call(CREATE, brand("Acme")).await.unwrap();
    let usage = rig.call("get_usage", json!({})).await.unwrap().into_value();
    assert_eq!(
        (&usage["state"]["available"], &usage["limits"][0]["used"]),
        (&json!(true), &json!(2)),
        "{usage}"
    );
    let other = beside(&server, &folder.path().join("blocked"));
    assert_eq!(other.used("only", 0).await, 2, "another process sees both");
}

#[tokio::test]
async fn a_change_that_never_left_or_came_with_a_rejected_key_leaves_no_entry() {
    let server = api(ResponseTemplate::new(401)).await;
    let rig = alone(&server);
    assert_eq!(rig.failure(CREATE, brand("Acme")).await["code"], "AUTH_INVALID_KEY");
    let unsent = api(created()).await;
    let state = StateLocation::Memory.state();
    let limited = Rig::sharing(
        state,
        QUARTER,
        &unsent.uri(),
        &["only"],
        OnLimit::Reject,
        ["1/h", "1/h", "1/h"],
        ClientConfig::default(),
    );
    limited.call("brand_agent_list", json!({})).await.unwrap();
    assert_eq!(limited.failure(CREATE, brand("Acme")).await["code"], "RATE_LIMIT_EXCEEDED");
    for rig in [rig, limited] {
        assert_eq!(entries(&rig).await, []);
    }
}

#[tokio::test]
async fn an_entry_says_who_changed_what_with_which_result() {
    let server = api(created()).await;
    let rig = alone(&server);
    rig.call(CREATE, brand("Secret name")).await.unwrap();
    rig.call(DELETE, json!({ "campaignId": "cmp_1" })).await.unwrap();
    let entries = entries(&rig).await;
    let [delete, create] = &*entries else { panic!("{entries:?}") };
    assert_eq!(
        (&*create.tool, &*create.effect, &create.ids[..]),
        (CREATE, "write", &["id=b1".to_owned()][..])
    );
    assert_eq!((delete.target.as_deref(), delete.state), (Some("campaignId=cmp_1"), EntryState::Done));
    assert_eq!(create.arguments, None, "values of arguments are not kept");
    assert!(!format!("{create:?}").contains("Secret name"), "{create:?}");
}

#[tokio::test]
async fn an_operator_settles_an_unknown_outcome_once() {
    let server = api_then(ResponseTemplate::new(504), created()).await;
    let rig = alone(&server);
    rig.failure(CREATE, brand("Acme")).await;
    let unknown = entries(&rig).await[0].id;
    let state = rig.gateway.state();
    assert_eq!(
        state.settle(unknown, Settlement::Refused).await.unwrap().unwrap().unwrap().state,
        EntryState::Refused
    );
    assert_eq!(
        state.settle(unknown, Settlement::Done).await.unwrap().unwrap().unwrap_err().state,
        EntryState::Refused
    );
    rig.call(CREATE, brand("Acme")).await.unwrap();
    assert_eq!(sent(&server).await, 2);
}
