//! Budget caps: what a call, or a day, may commit.

use std::sync::Arc;

use scope3_mcp_gateway::{
    Caller, KeyOwner,
    budget::Caps,
    consent::Confirm,
    credentials::KeyRing,
    state::{State, StateLocation},
};
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::path};

use crate::support::{Rig, key};

async fn api() -> MockServer {
    let server = MockServer::start().await;
    let answer = |at: &str, status: u16, data: Value| {
        let response = ResponseTemplate::new(status).set_body_json(json!({ "success": true, "data": data }));
        Mock::given(path(at.to_owned())).respond_with(response).mount(&server)
    };
    answer("/campaign-create", 200, json!({ "id": "cmp" })).await;
    answer("/tactic-update", 200, json!({ "updates": { "applied": ["budget"] } })).await;
    answer("/campaign-update", 200, json!({ "tactics": { "totalUpdated": 1 } })).await;
    let tactic = |id: &str, status: &str| json!({ "id": id, "status": status, "budgetAllocation": { "amount": 100, "currency": "USD" } });
    answer("/tactic-get", 200, json!({ "tactic": tactic("t", "paused") })).await;
    answer("/tactic-list", 200, json!({ "tactics": [tactic("a", "active"), tactic("b", "active")] })).await;
    server
}

fn caps(per_call: &[&str], per_day: &[&str]) -> Caps {
    let parse = |amounts: &[&str]| amounts.iter().map(|amount| amount.parse().unwrap()).collect();
    Caps { per_call: parse(per_call), per_day: parse(per_day) }
}

fn process(server: &MockServer, state: Arc<dyn State>, caps: Caps) -> Rig {
    Rig::careful(&server.uri(), state, Confirm::Off, caps)
}

fn create(name: &str, hundredths: u64, currency: &str) -> Value {
    json!({ "brandAgentId": "b", "name": name, "prompt": "p", "budget": { "total": hundredths, "currency": currency } })
}

/// `sent`, or the code of the failure.
async fn outcome(rig: &Rig, tool: &str, arguments: Value) -> String {
    match rig.call(tool, arguments).await {
        Ok(_) => "sent".to_owned(),
        failed => crate::support::body(failed)["code"].as_str().unwrap().to_owned(),
    }
}

async fn changes(server: &MockServer) -> usize {
    let requests = server.received_requests().await.unwrap();
    requests
        .iter()
        .filter(|request| {
            !request.url.path().starts_with("/tactic-get") && !request.url.path().starts_with("/tactic-list")
        })
        .count()
}

#[tokio::test]
async fn a_call_keeps_to_the_cap_in_the_unit_of_its_arguments() {
    let server = api().await;
    let rig = process(&server, StateLocation::Memory.state(), caps(&["50 USD"], &[]));
    // Campaigns are in hundredths, tactics in currency units.
    assert_eq!(outcome(&rig, "campaign_create", create("a", 5_000, "USD")).await, "sent");
    assert_eq!(outcome(&rig, "campaign_create", create("b", 5_001, "USD")).await, "BUDGET_EXCEEDED");
    assert_eq!(outcome(&rig, "campaign_create", create("c", 1, "EUR")).await, "BUDGET_EXCEEDED");
    let raise = |amount: f64| json!({ "tacticId": "t", "budgetAllocation": { "amount": amount } });
    assert_eq!(outcome(&rig, "tactic_update", raise(150.0)).await, "sent", "only the increase counts");
    assert_eq!(outcome(&rig, "tactic_update", raise(150.01)).await, "BUDGET_EXCEEDED");
    assert_eq!(
        outcome(&rig, "tactic_update", json!({ "tacticId": "t", "status": "active" })).await,
        "BUDGET_EXCEEDED"
    );
    assert_eq!(outcome(&rig, "tactic_update", json!({ "tacticId": "t", "status": "paused" })).await, "sent");
    let share = json!({ "tacticId": "t", "budgetAllocation": { "percentage": 90 } });
    assert_eq!(outcome(&rig, "tactic_update", share).await, "BUDGET_UNKNOWN");
    let deal = json!({ "brand_agent_id": "b", "prompt": "p" });
    assert_eq!(outcome(&rig, "pmp_create", deal).await, "BUDGET_UNKNOWN");
    let adjust = |amounts: [u32; 2]| {
        let [first, second] = amounts.map(|amount| json!({ "amount": amount }));
        json!({ "campaignId": "c", "tacticAdjustments": [
            { "tacticId": "a", "budgetAllocation": first }, { "tacticId": "b", "budgetAllocation": second }
        ] })
    };
    assert_eq!(outcome(&rig, "campaign_update", adjust([125, 125])).await, "sent");
    assert_eq!(outcome(&rig, "campaign_update", adjust([125, 126])).await, "BUDGET_EXCEEDED");
    assert_eq!(
        outcome(&rig, "campaign_update", adjust([151, 1])).await,
        "BUDGET_EXCEEDED",
        "a decrease frees nothing"
    );
    assert_eq!(changes(&server).await, 4);
}

#[tokio::test]
async fn what_a_call_would_start_is_read_first_and_without_it_nothing_is_sent() {
    let server = MockServer::start().await;
    let unreadable =
        ResponseTemplate::new(404).set_body_json(json!({ "error": "gone", "code": "NOT_FOUND" }));
    Mock::given(path("/tactic-get")).respond_with(unreadable).mount(&server).await;
    let rig = process(&server, StateLocation::Memory.state(), caps(&["50 USD"], &[]));
    let start = json!({ "tacticId": "t", "status": "active" });
    assert_eq!(outcome(&rig, "tactic_update", start).await, "BUDGET_UNKNOWN");
    assert_eq!(changes(&server).await, 0);
}

#[tokio::test]
async fn a_day_keeps_to_its_cap_across_processes_and_restarts() {
    let (server, folder) = (api().await, tempfile::TempDir::new().unwrap());
    let place = || StateLocation::File(folder.path().join("state.db")).state();
    let rig = || process(&server, place(), caps(&[], &["100 USD", "10 EUR"]));
    let (one, other) = (rig(), rig());
    assert_eq!(outcome(&one, "campaign_create", create("a", 6_000, "USD")).await, "sent");
    assert_eq!(outcome(&other, "campaign_create", create("b", 4_001, "USD")).await, "BUDGET_EXCEEDED");
    let restarted = rig();
    let failure = restarted.failure("campaign_create", create("c", 4_001, "USD")).await;
    assert!(failure["message"].as_str().unwrap().contains("40.00 USD of the 100.00 USD"), "{failure}");
    assert_eq!(outcome(&restarted, "campaign_create", create("d", 4_000, "USD")).await, "sent");
    assert_eq!(outcome(&one, "campaign_create", create("e", 1, "USD")).await, "BUDGET_EXCEEDED");
    assert_eq!(
        outcome(&one, "campaign_create", create("f", 1_000, "EUR")).await,
        "sent",
        "each currency has its own"
    );
    assert_eq!(outcome(&one, "campaign_create", create("g", 1, "JPY")).await, "BUDGET_EXCEEDED");
    assert_eq!(changes(&server).await, 3);
}

#[tokio::test]
async fn calls_at_once_share_what_is_left() {
    let server = api().await;
    let state = StateLocation::Memory.state();
    let rig = process(&server, state, caps(&[], &["100 USD"]));
    let names: Vec<String> = (0..20).map(|number| format!("n{number}")).collect();
    let calls = names.iter().map(|name| outcome(&rig, "campaign_create", create(name, 3_000, "USD")));
    let outcomes = futures_util::future::join_all(calls).await;
    assert_eq!(outcomes.iter().filter(|outcome| *outcome == "sent").count(), 3, "{outcomes:?}");
    assert_eq!(changes(&server).await, 3);
}

#[tokio::test]
async fn an_unknown_outcome_counts_as_spent_and_a_refusal_does_not() {
    let server = MockServer::start().await;
    let broken = ResponseTemplate::new(200).set_body_raw("{\"success\": tr", "application/json");
    Mock::given(path("/campaign-create")).respond_with(broken).up_to_n_times(1).mount(&server).await;
    let refused = ResponseTemplate::new(400).set_body_json(json!({ "error": "no", "code": "BAD_REQUEST" }));
    Mock::given(path("/campaign-create")).respond_with(refused).mount(&server).await;
    let rig = process(&server, StateLocation::Memory.state(), caps(&[], &["100 USD"]));
    assert_eq!(outcome(&rig, "campaign_create", create("a", 7_000, "USD")).await, "INVALID_RESPONSE");
    assert_eq!(outcome(&rig, "campaign_create", create("b", 3_000, "USD")).await, "BAD_REQUEST");
    assert_eq!(outcome(&rig, "campaign_create", create("c", 3_000, "USD")).await, "BAD_REQUEST");
    assert_eq!(outcome(&rig, "campaign_create", create("d", 3_001, "USD")).await, "BUDGET_EXCEEDED");
}

#[tokio::test]
async fn callers_with_their_own_keys_have_a_day_each() {
    let server = api().await;
    let rig = process(&server, StateLocation::Memory.state(), caps(&[], &["100 USD"]));
    let caller = |name: &str| Rig {
        gateway: Arc::clone(&rig.gateway),
        caller: Caller {
            keys: Arc::new(KeyRing::of(key(name))),
            key_owner: KeyOwner::Caller,
            ..rig.caller.clone()
        },
    };
    let (first, second) = (caller("first"), caller("second"));
    assert_eq!(outcome(&first, "campaign_create", create("a", 10_000, "USD")).await, "sent");
    assert_eq!(outcome(&first, "campaign_create", create("b", 1, "USD")).await, "BUDGET_EXCEEDED");
    assert_eq!(outcome(&second, "campaign_create", create("a", 10_000, "USD")).await, "sent");
    assert_eq!(outcome(&rig, "campaign_create", create("a", 10_000, "USD")).await, "sent");
}
