//! The effect of a call can depend on its arguments. What applies is the effect of the call.

use scope3_mcp_gateway::{
    Api, ClientConfig, GatewayConfig, Profile, ResponseMemory,
    budget::Caps,
    catalog::{Catalog, Surface},
    consent::Confirm,
    policy::{Policy, Selection},
};
use serde_json::{Value, json};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{any, method},
};

use crate::support::Rig;

async fn api(data: Value) -> MockServer {
    let server = MockServer::start().await;
    let body = json!({ "data": data, "error": null });
    Mock::given(any()).respond_with(ResponseTemplate::new(200).set_body_json(body)).mount(&server).await;
    server
}

/// A gateway to the buyer API.
fn buyer(server: &MockServer, confirm: Confirm, caps: Caps, read_only: bool) -> Rig {
    let catalog = Catalog::of_surfaces(&[Surface::Buyer]);
    let selection = Selection {
        toolsets: Some(vec!["all".to_owned()]),
        surfaces: vec![Surface::Buyer],
        read_only,
        ..Selection::default()
    };
    let policy = Policy::new(&catalog, selection).unwrap();
    let profile = Profile::of(Surface::Buyer).unwrap();
    let memory = ResponseMemory::new(64 << 20);
    let url = server.uri().parse().unwrap();
    let api = Api::new(profile, url, ClientConfig::default(), memory, profile.quotas.to_vec());
    Rig::changed(&server.uri(), |parts| GatewayConfig {
        catalog,
        policy,
        surfaces: [api].into_iter().collect(),
        confirm,
        caps,
        ..parts
    })
}

async fn sent(server: &MockServer, verb: &str) -> usize {
    let requests = server.received_requests().await.unwrap();
    requests.iter().filter(|request| request.method.as_str() == verb).count()
}

#[tokio::test]
async fn an_argument_that_makes_a_call_spend_needs_consent() {
    let server = api(json!({ "id": "c" })).await;
    let rig = buyer(&server, Confirm::Strict, Caps::default(), false);
    rig.call("update_campaign", json!({ "campaignId": "c", "name": "Autumn" })).await.unwrap();
    let budget = json!({ "campaignId": "c", "budget": { "total": 5000 } });
    assert_eq!(rig.failure("update_campaign", budget.clone()).await["code"], "CONSENT_REQUIRED");
    let cancel = json!({ "campaignId": "c", "mediaBuys": [{ "mediaBuyId": "m", "action": "cancel" }] });
    assert_eq!(rig.failure("update_campaign", cancel).await["code"], "CONSENT_REQUIRED");
    let auto = buyer(&server, Confirm::Auto, Caps::default(), false);
    let preview = auto.failure("update_campaign", budget.clone()).await;
    assert_eq!(preview["code"], "CONFIRMATION_REQUIRED");
    let question = preview["message"].as_str().unwrap();
    assert!(question.contains("\nIt changes what may be spent."), "{question}");
    let mut confirmed = budget;
    confirmed["confirmation"] = preview["confirmation"]["code"].clone();
    auto.call("update_campaign", confirmed).await.unwrap();
    assert_eq!(sent(&server, "PUT").await + sent(&server, "PATCH").await, 2);
}

#[tokio::test]
async fn a_read_that_an_argument_turns_into_a_purchase_is_none_for_a_read_only_server() {
    let server = api(json!({ "products": [] })).await;
    let read_only = buyer(&server, Confirm::Off, Caps::default(), true);
    let search = json!({ "brief": "Boots", "ext": { "interchange": { "evaluation": { "mode": "full" } } } });
    let failure = read_only.failure("get_marketplace_products", search).await;
    assert!(
        ["TOOL_NOT_OFFERED", "VALIDATION_ERROR"].contains(&failure["code"].as_str().unwrap()),
        "{failure}"
    );
    assert_eq!(server.received_requests().await.unwrap().len(), 0);
}

#[tokio::test]
async fn what_an_execution_commits_is_read_first() {
    let server = MockServer::start().await;
    let campaign = json!({ "campaign": { "budget": { "total": 500.0, "currency": "USD" } } });
    let of = |data: Value| ResponseTemplate::new(200).set_body_json(json!({ "data": data, "error": null }));
    Mock::given(method("GET")).respond_with(of(campaign)).mount(&server).await;
    Mock::given(method("POST"))
        .respond_with(of(json!({ "success": true, "errors": [] })))
        .mount(&server)
        .await;
    let caps = |amount: &str| Caps { per_call: vec![amount.parse().unwrap()], per_day: Vec::new() };
    let execute = json!({ "campaignId": "c" });
    let low = buyer(&server, Confirm::Off, caps("499.99 USD"), false);
    assert_eq!(low.failure("execute_campaign", execute.clone()).await["code"], "BUDGET_EXCEEDED");
    let other = buyer(&server, Confirm::Off, caps("1000 EUR"), false);
    assert_eq!(other.failure("execute_campaign", execute.clone()).await["code"], "BUDGET_EXCEEDED");
    assert_eq!(sent(&server, "POST").await, 0);
    let enough = buyer(&server, Confirm::Off, caps("500 USD"), false);
    enough.call("execute_campaign", execute).await.unwrap();
    assert_eq!(sent(&server, "POST").await, 1);
    let hidden = json!({ "campaignId": "c", "mediaBuys": [
        { "mediaBuyId": "m", "products": [{ "productId": "p", "budget": 1_000_000 }] }
    ] });
    assert_eq!(enough.failure("update_campaign", hidden).await["code"], "BUDGET_UNKNOWN");
    let auto = json!({ "campaignId": "c", "optimizationApplyMode": "AUTO" });
    assert_eq!(
        low.failure("update_campaign", auto).await["code"],
        "BUDGET_EXCEEDED",
        "it may spend all of it"
    );
}

#[tokio::test]
async fn a_success_that_hides_a_failure_is_reported() {
    let server = api(json!({ "success": false, "errors": [{ "message": "no creative" }] })).await;
    let rig = buyer(&server, Confirm::Off, Caps::default(), false);
    let failure = rig.failure("execute_campaign", json!({ "campaignId": "c" })).await;
    assert_eq!((&failure["code"], &failure["changed"]), (&json!("PARTIAL_FAILURE"), &json!("yes")));
    assert!(failure["details"].to_string().contains("no creative"), "{failure}");
}

#[tokio::test]
async fn what_only_a_person_can_do_is_answered_with_where() {
    let server = api(json!({})).await;
    let rig = buyer(&server, Confirm::Off, Caps::default(), false);
    let failure = rig.failure("pay_now", json!({})).await;
    assert_eq!((&failure["code"], &failure["changed"]), (&json!("PERSON_REQUIRED"), &json!("no")));
    assert!(failure["hint"].as_str().unwrap().contains("Billing"), "{failure}");
    assert_eq!(server.received_requests().await.unwrap().len(), 0);
}
