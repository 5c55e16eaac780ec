//! Brand stories and brand standards in the sandbox.

use crate::support::Api;
use serde_json::{Value, json};

async fn first_agent(api: &Api) -> String {
    let listed = api.data("brand-agent-list", json!({"where": {"name": "Northwind"}})).await;
    listed["brandAgents"][0]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_story_gets_versions_and_is_archived() {
    let api = Api::start().await;
    let agent = first_agent(&api).await;
    let before =
        api.data("brand-story-list", json!({"brandAgentId": agent})).await["count"].as_u64().unwrap();
    let body =
        json!({"brandAgentId": agent, "name": "Climbers", "prompt": "People who climb", "countries": ["US"]});
    let created = api.data("brand-story-create", body).await;
    let story = &created["brandStory"];
    assert_eq!(story["countries"], json!(["US"]));
    assert_eq!(story["channels"], json!([]));
    assert_eq!(story["models"][0]["status"], "PRIMARY");
    assert_eq!(created["configuration"]["prompt"], "People who climb");
    let id = story["id"].as_str().unwrap();

    let (status, text) =
        api.post("brand-story-update", json!({"brandStoryId": id, "prompt": "People who boulder"})).await;
    assert_eq!(status, 200);
    let text = text.as_str().unwrap();
    assert!(text.contains(id) && text.contains("Updated Brand Story - 2026-06-15"), "{text}");

    let listed = api.data("brand-story-list", json!({"brandAgentId": agent})).await;
    assert_eq!(listed["count"], before + 1);
    let newest = &listed["brandStories"][0];
    assert_eq!(newest["name"], "Climbers");
    assert_eq!(newest["models"].as_array().unwrap().len(), 1);
    assert_eq!(newest["models"][0]["prompt"], "People who boulder");
    assert_eq!(newest["models"][0]["status"], Value::Null);

    let (status, text) = api.post("brand-story-delete", json!({"brandStoryId": id})).await;
    assert!(status == 200 && text.as_str().unwrap().contains(id));
    let listed = api.data("brand-story-list", json!({"brandAgentId": agent})).await;
    assert_eq!(listed["count"], before);
    let (status, _) = api.post("brand-story-delete", json!({"brandStoryId": id})).await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn standards_get_versions_and_are_archived() {
    let api = Api::start().await;
    let agent = first_agent(&api).await;
    let body =
        json!({"brandAgentId": agent, "name": "Strict", "prompt": "Reject violence", "languages": ["en"]});
    let created = api.data("brand-standards-create", body).await;
    assert_eq!(created["configuration"]["brandAgentName"], "Northwind Outdoor");
    assert_eq!(created["metadata"]["status"], "active");
    assert_eq!(
        created["targeting"]["isGlobal"],
        json!({"brands": true, "channels": true, "countries": true, "languages": false})
    );
    let id = created["standardsAgent"]["id"].as_str().unwrap();

    let body = json!({"standardsId": id, "prompt": "Reject all violence", "name": "v2"});
    let updated = api.data("brand-standards-update", body).await;
    assert_eq!(updated["versionInfo"]["isPrimary"], true);
    assert_eq!(updated["configuration"]["customName"], "v2");
    let listed = api.data("brand-standards-list", json!({"brandAgentId": agent})).await;
    assert_eq!(listed["standardsAgents"][0]["name"], "Strict");
    assert_eq!(listed["standardsAgents"][0]["models"][0]["prompt"], "Reject all violence");

    let deleted = api.data("brand-standards-delete", json!({"standardsId": id})).await;
    assert_eq!(deleted["archivalInfo"]["preservedForAudit"], true);
    let (status, _) = api.post("brand-standards-update", json!({"standardsId": id, "prompt": "x"})).await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn guides_of_another_customer_are_not_found() {
    let api = Api::start().await;
    let agent = first_agent(&api).await;
    let listed = api.data("brand-story-list", json!({"brandAgentId": agent})).await;
    let id = &listed["brandStories"][0]["id"];
    let other = api.other();
    for (operation, body) in [
        ("brand-story-list", json!({"brandAgentId": agent})),
        ("brand-story-update", json!({"brandStoryId": id, "prompt": "x"})),
        ("brand-story-delete", json!({"brandStoryId": id})),
        ("brand-standards-create", json!({"brandAgentId": agent, "name": "x", "prompt": "x"})),
    ] {
        let (status, body) = other.post(operation, body).await;
        assert_eq!((status, &body["code"]), (404, &json!("NOT_FOUND")), "{operation}");
    }
    assert_eq!(api.data("brand-story-list", json!({"brandAgentId": agent})).await, listed);
}
