//! Keys that see several customers: the operator names one, or the answer lists them.

use scope3_mcp_gateway::{
    Api, ClientConfig, GatewayConfig, Profile, ResponseMemory, Success,
    catalog::{Catalog, Surface},
    policy::{Policy, Selection},
};
use serde_json::json;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

use crate::support::{Rig, body};

async fn api(answer: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(answer).mount(&server).await;
    server
}

/// A gateway to the buyer API, for this customer.
fn rig(server: &MockServer, customer: Option<u64>) -> Rig {
    Rig::changed(&server.uri(), |parts| {
        let catalog = Catalog::of_surfaces(&[Surface::Buyer]);
        let choice = Selection {
            toolsets: Some(vec!["all".to_owned()]),
            surfaces: vec![Surface::Buyer],
            ..Selection::default()
        };
        let profile = Profile::of(Surface::Buyer).unwrap();
        let config = ClientConfig { customer, ..ClientConfig::default() };
        let memory = ResponseMemory::new(256 << 20);
        let base = server.uri().parse().unwrap();
        let api = Api::new(profile, base, config, memory, profile.quotas.to_vec());
        let policy = Policy::new(&catalog, choice).unwrap();
        GatewayConfig { catalog, policy, surfaces: [api].into_iter().collect(), ..parts }
    })
}

#[tokio::test]
async fn a_request_without_a_customer_is_answered_with_those_to_choose_from() {
    let refusal = json!({
        "data": null,
        "error": {
            "code": "CUSTOMER_SCOPE_REQUIRED", "message": "Name a customer.",
            "details": { "availableCustomers": [
                { "id": 12345, "name": "Acme \"Outdoor\"\u{202e}" }, { "customerId": 67890, "company": "Quill" }, 7
            ] },
        },
    });
    let server = api(ResponseTemplate::new(403).set_body_json(refusal)).await;
    let failure = body(rig(&server, None).call("pause_campaign", json!({ "campaignId": "c" })).await);
    assert_eq!((&failure["code"], &failure["changed"]), (&json!("CUSTOMER_SCOPE_REQUIRED"), &json!("no")));
    let message = failure["message"].as_str().unwrap();
    assert!(message.starts_with("Name a customer. The key sees these customers: "), "{message}");
    assert!(message.contains("(12345), \"Quill\" (67890), 7."), "{message}");
    assert!(!message.contains('\u{202e}'), "{message}");
    assert!(failure["hint"].as_str().unwrap().contains("--customer ID"), "{failure}");
}

#[tokio::test]
async fn the_operators_customer_is_named_in_every_request() {
    let server = api(ResponseTemplate::new(200).set_body_json(json!({ "data": {}, "error": null }))).await;
    for (customer, expected) in [(Some(67890), Some("67890")), (None, None)] {
        let answer = rig(&server, customer).call("list_advertisers", json!({})).await;
        answer.map(Success::into_value).unwrap();
        let sent = server.received_requests().await.unwrap().pop().unwrap();
        let header = sent.headers.get("x-scope3-customer-id").map(|value| value.to_str().unwrap());
        assert_eq!(header, expected);
    }
}

#[tokio::test]
async fn strange_lists_of_customers_do_no_harm() {
    for details in [
        json!(null),
        json!({ "availableCustomers": [] }),
        json!({ "availableCustomers": "all" }),
        json!({ "availableCustomers": vec![json!({ "id": 1, "name": "x".repeat(10_000) }); 500] }),
    ] {
        let refusal = json!({ "error": {
            "code": "CUSTOMER_SCOPE_REQUIRED", "message": "Name a customer.", "details": details
        } });
        let server = api(ResponseTemplate::new(403).set_body_json(refusal)).await;
        let failure = body(rig(&server, None).call("pause_campaign", json!({ "campaignId": "c" })).await);
        assert_eq!(failure["code"], "CUSTOMER_SCOPE_REQUIRED");
        assert!(failure.to_string().len() < 40_000, "{}", failure.to_string().len());
    }
}
