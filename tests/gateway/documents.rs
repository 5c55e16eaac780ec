//! A tool that Scope3 describes in other words than in the built-in document is not called without a confirmation.

use std::{collections::BTreeMap, time::Duration};

use scope3_mcp_gateway::{
    Api, ClientConfig, GatewayConfig, Profile, ResponseMemory,
    catalog::{
        Catalog, Surface,
        import::Prose,
        newer::{Document, Newer, with_newer},
    },
    policy::{Policy, Selection},
};
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

use crate::support::{Rig, documents::NEWER};

/// The catalog with the newer document, whose changed descriptions the operator acknowledged, or not.
fn newer(is_acknowledged: bool) -> Catalog {
    let document = Document::read(Surface::Buyer, NEWER.as_bytes()).unwrap();
    let before = "Deletes \u{202e}the \"campaign\".";
    let prose = Prose { summary: String::new(), description: before.to_owned() };
    let earlier = BTreeMap::from([("deleteCampaign".to_owned(), prose)]);
    let join = |acknowledged: &BTreeMap<String, String>| {
        let newer = Newer { document: &document, acknowledged, earlier: &earlier };
        with_newer(&[Surface::Buyer], &[newer]).unwrap()
    };
    let (catalog, reports) = join(&BTreeMap::new());
    if !is_acknowledged {
        return catalog;
    }
    let reworded = reports[0].reworded.iter().map(|it| (it.operation.clone(), it.digest.clone()));
    join(&reworded.collect()).0
}

fn rig(server: &MockServer, catalog: Catalog) -> Rig {
    let selection = Selection {
        toolsets: Some(vec!["all".to_owned()]),
        surfaces: vec![Surface::Buyer],
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
        repeat_guard: Duration::from_mins(15),
        ..parts
    })
}

async fn api() -> MockServer {
    let server = MockServer::start().await;
    let body = json!({ "data": { "id": "c" }, "error": null });
    Mock::given(any()).respond_with(ResponseTemplate::new(200).set_body_json(body)).mount(&server).await;
    server
}

async fn sent(server: &MockServer) -> usize {
    server.received_requests().await.unwrap().len()
}

#[tokio::test]
async fn a_changed_description_needs_a_confirmation_until_it_is_acknowledged() {
    let server = api().await;
    let rig_before = rig(&server, newer(false));
    let campaign = json!({ "campaignId": "c" });
    let failure = rig_before.failure("delete_campaign", campaign.clone()).await;
    assert_eq!(failure["code"], "CONFIRMATION_REQUIRED", "{failure}");
    assert_eq!(failure["confirmation"]["purpose"], "reworded");
    let message = failure["message"].as_str().unwrap();
    assert!(message.contains("Scope3 changed its description"), "{message}");
    assert!(message.contains("It said: \"Deletes the 'campaign'.\""), "{message}");
    assert!(message.contains("It says now: \"Deletes the campaign and everything in it.\""), "{message}");
    assert_eq!(sent(&server).await, 0);
    let code = failure["confirmation"]["code"].clone();
    let other = json!({ "campaignId": "d", "confirmation": code });
    assert_eq!(rig_before.failure("delete_campaign", other).await["code"], "CONFIRMATION_INVALID");
    let confirmed = json!({ "campaignId": "c", "confirmation": code });
    rig_before.call("delete_campaign", confirmed.clone()).await.unwrap();
    assert_eq!(sent(&server).await, 1);
    assert_eq!(rig_before.failure("delete_campaign", confirmed).await["code"], "CONFIRMATION_INVALID");

    // What only reads needs none, and neither does what is as it was.
    rig_before.call("list_advertisers", json!({})).await.unwrap();
    let rig_after = rig(&server, newer(true));
    rig_after.call("delete_campaign", campaign).await.unwrap();
}

#[tokio::test]
async fn a_preview_needs_no_confirmation() {
    let server = api().await;
    let preview = json!({ "campaignId": "c", "dryRun": true });
    rig(&server, newer(false)).call("delete_campaign", preview).await.unwrap();
    assert_eq!(sent(&server).await, 0);
}

#[tokio::test]
async fn a_new_operation_is_called_as_the_document_says() {
    let server = api().await;
    let rig = rig(&server, newer(false));
    let value: Value = rig.call("make_gadget", json!({})).await.unwrap().into_value();
    assert_eq!(value["id"], "c");
    let request = &server.received_requests().await.unwrap()[0];
    assert_eq!((request.method.as_str(), request.url.path()), ("POST", "/gadgets"));
}
