//! Several APIs at once: each call goes to the API of its tool, with the key as that API takes it, and is read as that
//! API words its answers.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use scope3_mcp_gateway::{
    Api, Backend, ClientConfig, Gateway, GatewayConfig, OnLimit, Profile, ResponseMemory, Success,
    budget::Caps,
    catalog::{Catalog, Entry, EntryRef, Surface, Toolset},
    consent::Confirm,
    policy::{Policy, Selection},
    state::StateLocation,
    uploads::Uploads,
};
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

use crate::support::{Rig, key_text};

/// A tool of the buyer API, as a file of the catalog would describe it.
fn buyer_tool() -> EntryRef {
    let file: Toolset = serde_json::from_value(json!({
        "toolset": "advertisers", "description": "Advertisers.",
        "tools": [{
            "name": "list_things", "title": "List things", "description": "List things.",
            "request": "GET /advertisers", "effect": "read", "default": true,
            "input": { "type": "object", "properties": { "take": { "type": "integer" } } },
        }],
    }))
    .unwrap();
    let tool = file.tools.into_iter().next().unwrap();
    Entry::loaded(Surface::Buyer, file.toolset, tool).into()
}

async fn api(answer: Value) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200).set_body_json(answer)).mount(&server).await;
    server
}

fn behind(surface: Surface, server: &MockServer) -> Api {
    let profile = Profile::of(surface).unwrap();
    let memory = ResponseMemory::new(256 << 20);
    let base = server.uri().parse().unwrap();
    Api::new(profile, base, ClientConfig::default(), memory, profile.quotas.to_vec())
}

#[tokio::test]
async fn each_call_goes_to_its_tools_api_and_tools_can_be_added_at_any_time() {
    // Both answers have members that mean something in the other dialect.
    let campaign = api(json!({ "success": true, "data": { "a": 1 }, "total": 3 })).await;
    let buyer = api(json!({ "data": [{ "id": 7 }], "error": null, "meta": { "requestId": "r" } })).await;
    let embedded = Catalog::of_surfaces(&[Surface::Campaign]);
    let choice = Selection {
        toolsets: Some(vec!["all".to_owned()]),
        surfaces: vec![Surface::Campaign, Surface::Buyer],
        ..Selection::default()
    };
    let mut rig = Rig::new(&campaign.uri());
    rig.gateway = Arc::new(Gateway::new(GatewayConfig {
        policy: Policy::new(&embedded, choice).unwrap(),
        catalog: embedded.clone(),
        surfaces: [behind(Surface::Campaign, &campaign), behind(Surface::Buyer, &buyer)]
            .into_iter()
            .collect(),
        on_limit: OnLimit::Reject,
        unproven_per_minute: NonZeroU32::new(60).unwrap(),
        state: StateLocation::Memory.state(),
        repeat_guard: Duration::ZERO,
        journal_arguments: false,
        confirm: Confirm::Off,
        caps: Caps::default(),
        max_result: 6_000,
        uploads: Uploads::default(),
        target: Backend::Production,
    }));

    rig.call("list_things", json!({})).await.unwrap_err();
    assert_eq!(rig.gateway.offered(None, |_| false).len(), 68);
    rig.gateway.replace_catalog(embedded.shared_entries().iter().cloned().chain([buyer_tool()]).collect());
    assert_eq!(rig.gateway.offered(None, |_| false).len(), 69);

    let value = rig.call("list_things", json!({ "take": 5 })).await.map(Success::into_value).unwrap();
    assert_eq!(value, json!({ "items": [{ "id": 7 }], "meta": { "requestId": "r" } }));
    let value = rig.call("brand_agent_list", json!({})).await.map(Success::into_value).unwrap();
    assert_eq!(value, json!({ "a": 1, "total": 3 }));

    let sent = &buyer.received_requests().await.unwrap()[0];
    assert_eq!(sent.headers["authorization"], format!("Bearer {}", key_text("only")));
    assert!(!sent.headers.contains_key("x-scope3-api-key"));
    assert_eq!((sent.url.path(), sent.url.query()), ("/advertisers", Some("take=5")));
    let sent = &campaign.received_requests().await.unwrap()[0];
    assert_eq!(sent.headers["x-scope3-api-key"], key_text("only"));
    assert!(!sent.headers.contains_key("authorization"));

    let used: Vec<(String, u32)> = rig
        .gateway
        .usage(crate::support::key("only").fingerprint())
        .await
        .iter()
        .map(|usage| (usage.class.as_str().to_owned(), usage.used))
        .collect();
    let expected = [("mcp", 2), ("api", 1), ("export", 0), ("interchange", 1)];
    assert_eq!(
        used,
        expected.map(|(class, used)| (class.to_owned(), used)),
        "one MCP limit, and each API's own"
    );
}
