//! Deals, DSP seats, webhooks and metrics in the sandbox.

use crate::support::Api;
use serde_json::{Value, json};

async fn brand_agent(api: &Api) -> String {
    let listed = api.data("brand-agent-list", json!({})).await;
    listed["brandAgents"][0]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn deals_are_created_listed_and_changed() {
    let api = Api::start().await;
    let owner = brand_agent(&api).await;
    let empty = api.data("pmp-list", json!({"brand_agent_id": owner})).await;
    assert_eq!((&empty["count"], empty.get("groupedByStatus")), (&json!(0), None));

    let body = json!({"brand_agent_id": owner, "prompt": "Connected TV"});
    let created = api.data("pmp-create", body.clone()).await;
    assert_eq!(created["pmp"]["name"], "PMP Campaign");
    assert_eq!(created["configuration"], json!({"brandAgentId": owner, "prompt": "Connected TV"}));
    assert_eq!(
        (&created["summary"]["activeDeals"], &created["summary"]["pendingDeals"]),
        (&json!(2), &json!(1))
    );
    let id = created["pmp"]["id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("pmp_1"));
    assert_ne!(
        api.data("pmp-create", body).await["pmp"]["id"],
        id.as_str(),
        "a repeated call creates another PMP"
    );

    let paused = api.data("pmp-update", json!({"pmp_id": id, "status": "paused"})).await;
    assert_eq!(paused["summary"]["pausedDeals"], 3);
    assert_eq!(paused["changes"]["fieldsUpdated"], json!(["status"]));
    assert_eq!(paused["dealIds"][0]["dealId"], created["dealIds"][0]["dealId"]);

    let body = json!({"pmp_id": id, "changeRequest": "more scale", "status": "active", "name": "TV"});
    let changed = api.data("pmp-update", body).await;
    assert_eq!(changed["changes"]["fieldsUpdated"], json!(["name", "requirements", "status"]));
    let prompt = changed["pmp"]["prompt"].as_str().unwrap();
    assert_eq!(prompt, "Connected TV\n\nOPTIMIZATION REQUEST: more scale");
    assert_eq!(changed["configuration"]["pmpId"], id.as_str());
    assert_ne!(
        changed["dealIds"][0]["dealId"], created["dealIds"][0]["dealId"],
        "new requirements create new deals"
    );
    assert_eq!(changed["pmp"]["brandAgentId"], owner.as_str());

    let listed = api.data("pmp-list", json!({"brand_agent_id": owner})).await;
    assert_eq!(listed["count"], 2);
    assert_eq!(listed["pmps"][1], changed["pmp"]);
    assert_eq!(listed["groupedByStatus"]["active"].as_array().unwrap().len(), 2);
    assert_eq!(listed["summary"]["totalDealIds"], 6);

    assert_eq!(api.post("pmp-update", json!({"pmp_id": id})).await.0, 400, "nothing to change");
    for (operation, body) in [
        ("pmp-update", json!({"pmp_id": id, "name": "Mine"})),
        ("pmp-list", json!({"brand_agent_id": owner})),
        ("pmp-create", json!({"brand_agent_id": owner, "prompt": "x"})),
    ] {
        assert_eq!(api.other().post(operation, body).await.0, 404, "{operation}");
    }
}

#[tokio::test]
async fn deleting_a_brand_agent_deletes_its_deals() {
    let api = Api::start().await;
    let owner = brand_agent(&api).await;
    let created = api.data("pmp-create", json!({"brand_agent_id": owner, "prompt": "x"})).await;
    api.data("brand-agent-delete", json!({"brandAgentId": owner})).await;
    let body = json!({"pmp_id": created["pmp"]["id"], "name": "Left over"});
    assert_eq!(api.post("pmp-update", body).await.0, 404);
}

#[tokio::test]
async fn every_dsp_has_seats() {
    let api = Api::start().await;
    let seats = api.data("dsp-get-seats", json!({"dsp": "DV360"})).await;
    assert_eq!(seats["count"], 3);
    assert_eq!(
        seats["seats"][0],
        json!({
            "id": "seat_1", "seatId": "seat_123", "seatName": "Primary Trading Desk", "dspName": "DV360",
        })
    );
    let found = api.data("dsp-get-seats", json!({"dsp": "Xandr", "search_term": "premium"})).await;
    assert_eq!(found["seats"][0]["seatName"], "Premium Inventory Seat");
    assert_eq!(found["count"], 1);
}

async fn webhook(api: &Api, endpoint: Value) -> (u16, Value) {
    let body = json!({
        "brandAgentId": brand_agent(api).await, "endpoint": endpoint, "eventTypes": ["delivery_update"],
        "filters": {"minSeverity": "warning"}, "retryPolicy": {"maxRetries": 0},
    });
    api.post("webhook-register", body).await
}

#[tokio::test]
async fn webhooks_are_registered_and_their_secrets_are_not_returned() {
    let api = Api::start().await;
    let (status, body) = webhook(
        &api,
        json!({
            "url": "https://hooks.example/scope3", "headers": {"x-token": "hush"},
            "authentication": {"type": "bearer", "credentials": "hush"},
        }),
    )
    .await;
    assert_eq!((status, &body["success"]), (200, &json!(true)), "{body}");
    assert!(!body.to_string().contains("hush"), "{body}");
    let data = &body["data"];
    assert_eq!(data["testResult"], json!({"success": true, "statusCode": 200}));
    let webhook = &data["subscription"];
    assert_eq!(webhook["endpoint"]["method"], "POST");
    assert_eq!(webhook["endpoint"]["authentication"], json!({"type": "bearer"}));
    assert_eq!(
        webhook["retryPolicy"],
        json!({"maxRetries": 0, "backoffMultiplier": 2, "maxBackoffSeconds": 3600})
    );
    assert_eq!(webhook["filters"], json!({"minSeverity": "warning"}));
    assert_eq!(data["metadata"]["subscriptionId"], webhook["id"]);
    assert_eq!(data["metadata"]["authType"], "bearer");
}

#[tokio::test]
async fn a_failed_test_does_not_fail_the_registration() {
    let api = Api::start().await;
    let (status, body) = webhook(&api, json!({"url": "https://hooks.invalid/x"})).await;
    assert_eq!((status, &body["success"]), (200, &json!(true)), "{body}");
    assert_eq!(body["data"]["testResult"]["success"], false);
    assert_eq!(body["data"]["subscription"]["consecutiveFailures"], 1);
}

#[tokio::test]
async fn webhooks_require_https_and_a_public_address() {
    let api = Api::start().await;
    for url in [
        "http://hooks.example/x",
        "https://localhost/x",
        "https://127.0.0.1:8443/x",
        "https://192.168.1.9/x",
        "https://10.0.0.1/x",
        "https://[::1]/x",
    ] {
        let (status, body) = webhook(&api, json!({ "url": url })).await;
        assert_eq!(status, 400, "{url}: {body}");
    }
    let body = json!({
        "brandAgentId": brand_agent(&api.other()).await, "endpoint": {"url": "https://hooks.example"},
        "eventTypes": ["delivery_update"],
    });
    assert_eq!(api.post("webhook-register", body).await.0, 404, "the brand agent of another customer");
}

#[tokio::test]
async fn metrics_are_texts() {
    let api = Api::start().await;
    let (status, shown) = api.post("show-agentic-metrics", json!({"include_slack": false})).await;
    assert_eq!(status, 200);
    let text = shown.as_str().unwrap();
    assert!(text.contains("brand_agents: 3") && text.contains("GitHub") && !text.contains("Slack"), "{text}");
    let (_, refreshed) = api.post("refresh-platform-metrics", json!({"include_github": false})).await;
    let text = refreshed.as_str().unwrap();
    assert!(text.contains("Job ID") && text.contains("platform, slack"), "{text}");
}
