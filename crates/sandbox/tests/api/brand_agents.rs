//! Brand agents in the sandbox.

use crate::support::Api;
use serde_json::json;

#[tokio::test]
async fn brand_agents_are_created_listed_changed_and_deleted() {
    let api = Api::start().await;
    let seeded = api.data("brand-agent-list", json!({})).await["count"].as_u64().unwrap();
    let body = json!({"name": "Test Brand", "advertiserDomains": ["test.example"], "nickname": "Test"});
    let created = api.data("brand-agent-create", body).await["brandAgent"].clone();
    assert_eq!(created["customerId"], 12345);
    assert_eq!(created["advertiserDomains"], json!(["test.example"]));
    let id = created["id"].as_str().unwrap();
    assert!(id.chars().all(|c| c.is_ascii_digit()));

    let listed = api.data("brand-agent-list", json!({})).await;
    assert_eq!(listed["count"], seeded + 1);
    assert_eq!(listed["brandAgents"][0]["id"], id, "newest first");
    let found = api.data("brand-agent-list", json!({"where": {"name": "test br"}})).await;
    assert_eq!(found["count"], 1);
    let none = api.data("brand-agent-list", json!({"where": {"customerId": 67890}})).await;
    assert_eq!((none["count"].as_u64(), &none["brandAgents"]), (Some(0), &json!([])));

    let body = json!({"brandAgentId": id, "name": "Renamed", "tacticSeedDataCoop": true});
    let updated = api.data("brand-agent-update", body).await;
    assert_eq!(updated["changes"], json!({"name": "Renamed", "tacticSeedDataCoop": true}));
    let got = api.data("brand-agent-get", json!({"brandAgentId": id})).await["brandAgent"].clone();
    assert_eq!((&got["name"], &got["tacticSeedDataCoop"]), (&json!("Renamed"), &json!(true)));
    assert!(got["updatedAt"].as_str() > got["createdAt"].as_str());

    let deleted = api.data("brand-agent-delete", json!({"brandAgentId": id})).await;
    assert_eq!(deleted["deletedBrandAgent"], json!({"id": id, "name": "Renamed"}));
    let (status, gone) = api.post("brand-agent-get", json!({"brandAgentId": id})).await;
    assert_eq!((status, &gone["code"]), (404, &json!("NOT_FOUND")));
}

#[tokio::test]
async fn an_update_without_changes_is_rejected() {
    let api = Api::start().await;
    let (status, body) = api.post("brand-agent-update", json!({"brandAgentId": "1"})).await;
    assert_eq!(status, 200);
    assert_eq!((&body["success"], &body["error"]), (&json!(false), &json!("INVALID_REQUEST")));
    assert_eq!(body["data"], json!({"brandAgentId": "1", "changes": {}}));
}

#[tokio::test]
async fn brand_agents_of_another_customer_are_not_found() {
    let api = Api::start().await;
    let theirs = api.other().data("brand-agent-list", json!({})).await;
    assert_eq!(theirs["count"], 1);
    let id = theirs["brandAgents"][0]["id"].as_str().unwrap();
    for operation in ["brand-agent-get", "brand-agent-delete"] {
        let (status, body) = api.post(operation, json!({"brandAgentId": id})).await;
        assert_eq!((status, &body["code"]), (404, &json!("NOT_FOUND")), "{operation}");
    }
    assert_eq!(api.other().data("brand-agent-list", json!({})).await, theirs);
}
