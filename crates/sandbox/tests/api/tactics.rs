//! Tactics in the sandbox.

use crate::support::Api;
use serde_json::{Value, json};

/// An initial campaign, and a story of its brand agent.
async fn campaign(api: &Api, name: &str) -> (String, String) {
    let listed = api.data("campaign-list", json!({"limit": 200})).await;
    let campaigns = listed["campaigns"].as_array().unwrap();
    let campaign = campaigns.iter().find(|campaign| campaign["name"] == name).unwrap();
    let agent = &campaign["brandAgentId"];
    let stories = api.data("brand-story-list", json!({"brandAgentId": agent})).await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&campaign["id"]), text(&stories["brandStories"][0]["id"]))
}

fn buy(campaign: &str, story: &str, product: &str) -> Value {
    json!({
        "name": "Test buy", "campaignId": campaign, "brandStoryId": story, "mediaProductId": product,
        "cpm": 8, "budgetAllocation": {"amount": 500},
    })
}

#[tokio::test]
async fn a_tactic_is_bought_changed_and_deleted() {
    let api = Api::start().await;
    let (campaign, story) = campaign(&api, "First Home Guide").await;
    let empty = api.data("tactic-list", json!({"campaignId": campaign})).await;
    assert_eq!((&empty["count"], &empty["tactics"]), (&json!(0), &json!([])));
    assert_eq!(empty["summary"]["budgetUtilization"], Value::Null);

    let mut body = buy(&campaign, &story, "prod_display");
    body["signalId"] = json!("some-signal");
    let created = api.data("tactics", body).await;
    let tactic = &created["tactic"];
    assert_eq!(tactic["status"], "active");
    assert_eq!(tactic["budgetAllocation"], json!({"amount": 500, "currency": "USD", "pacing": "even"}));
    assert_eq!(
        tactic["effectivePricing"],
        json!({"cpm": 8, "currency": "USD", "totalCpm": 8.25, "signalCost": 0.25})
    );
    assert_eq!(created["projectedMetrics"]["impressions"], 60606);
    let id = tactic["id"].as_str().unwrap();
    assert!(id.starts_with("tactic_1781524801000_"), "{id}");

    let body = json!({
        "tacticId": id, "status": "paused", "budgetAllocation": {"amount": 700, "dailyCap": 70},
    });
    let updated = api.data("tactic-update", body).await;
    assert_eq!(updated["updates"], json!({"applied": 3, "fields": ["status", "amount", "dailyCap"]}));
    assert_eq!(updated["currentState"]["budgetAmount"], 700.0);
    let nothing = api.data("tactic-update", json!({"tacticId": id})).await;
    assert_eq!(nothing["updates"]["applied"], 0);

    let (status, body) = api.post("tactic-delete", json!({"tacticId": id, "confirm": false})).await;
    assert_eq!((status, &body["success"]), (200, &json!(false)));
    assert_eq!(body["data"], json!({"requiresConfirmation": true, "tacticId": id}));
    let deleted = api.data("tactic-delete", json!({"tacticId": id, "confirm": true})).await;
    assert_eq!(deleted["impact"]["budgetFreed"], 700.0);
    assert_eq!(deleted["deletedTactic"]["status"], "paused");
    assert_eq!(api.data("tactic-list", json!({"campaignId": campaign})).await["count"], 0);
    let got = api.data("tactic-get", json!({"tacticId": id})).await;
    assert_eq!(got["tactic"]["status"], "inactive");
    assert_eq!(api.post("tactic-update", json!({"tacticId": id, "status": "active"})).await.0, 404);
}

#[tokio::test]
async fn sellers_approve_guaranteed_buys_and_reject_some() {
    let api = Api::start().await;
    let (campaign, story) = campaign(&api, "First Home Guide").await;
    let status = async |product| {
        let created = api.data("tactics", buy(&campaign, &story, product)).await;
        created["tactic"]["status"].clone()
    };
    assert_eq!(status("prod_hulu").await, "pending_approval");
    assert_eq!(status("prod_unavailable").await, "failed");
    assert_eq!(status("prod_youtube").await, "active");
    let listed = api.data("tactic-list", json!({"campaignId": campaign})).await;
    assert_eq!(listed["count"], 3);
    assert_eq!(listed["groupedTactics"]["active"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn missing_objects_are_reported() {
    let api = Api::start().await;
    let (status, body) = api.post("tactic-get", json!({"tacticId": "tactic_0"})).await;
    assert_eq!((status, &body["success"]), (200, &json!(false)));
    assert_eq!(body["data"], json!({"found": false, "tacticId": "tactic_0"}));
    let (campaign, story) = campaign(&api, "Open Trails").await;
    for (operation, body) in [
        ("tactics", buy("campaign_0", &story, "p")),
        ("tactics", buy(&campaign, "0", "p")),
        ("tactic-update", json!({"tacticId": "tactic_0", "name": "x"})),
        ("tactic-delete", json!({"tacticId": "tactic_0", "confirm": true})),
    ] {
        assert_eq!(api.post(operation, body).await.0, 404, "{operation}");
    }
    let mut free = buy(&campaign, &story, "p");
    free["budgetAllocation"]["amount"] = json!(0);
    assert_eq!(api.post("tactics", free).await.0, 400);
}

#[tokio::test]
async fn tactics_of_another_customer_are_not_found() {
    let api = Api::start().await;
    let (campaign, story) = campaign(&api, "Open Trails").await;
    let listed = api.data("tactic-list", json!({"campaignId": campaign})).await;
    assert_eq!(listed["count"], 3);
    let id = &listed["tactics"][0]["id"];
    let other = api.other();
    assert_eq!(other.data("tactic-list", json!({"campaignId": campaign})).await["count"], 0);
    assert_eq!(other.post("tactic-get", json!({"tacticId": id})).await.1["success"], false);
    assert_eq!(other.post("tactic-delete", json!({"tacticId": id, "confirm": true})).await.0, 404);
    assert_eq!(other.post("tactics", buy(&campaign, &story, "p")).await.0, 404);
    assert_eq!(api.data("tactic-list", json!({"campaignId": campaign})).await, listed);
}

#[tokio::test]
async fn prebid_segments_show_running_tactics() {
    let api = Api::start().await;
    let (status, body) = api.get("prebid-segmentss/aurora").await;
    assert_eq!(status, 200);
    let prices: Vec<f64> = body["data"]["segments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|segment| segment["maxCpm"].as_f64().unwrap())
        .collect();
    assert_eq!(prices, [15.0, 6.25, 3.8]);
    let (_, unknown) = api.get("prebid-segmentss/nobody").await;
    assert_eq!(unknown["data"], json!({"orgId": "nobody", "totalSegments": 0, "segments": []}));
}
