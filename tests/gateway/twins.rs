//! Two tools that do the same, one by the id of a source and one by that of its connection, are one change for the journal.

use std::time::Duration;

use scope3_mcp_gateway::GatewayConfig;
use serde_json::{Value, json};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{method, path},
};

use crate::{
    seller::{self, answer},
    support::Rig,
};

/// A gateway to the API of sellers, whose source `gam` has the connection 7.
async fn seller(connection: ResponseTemplate) -> (MockServer, Rig) {
    let server = MockServer::start().await;
    let place = path("/inventory-sources/gam/esa");
    Mock::given(method("GET")).and(place).respond_with(connection).mount(&server).await;
    let started = answer(json!({ "status": "started", "syncRunIds": { "orders": "run-1" } }));
    Mock::given(method("POST")).respond_with(started).mount(&server).await;
    let repeat_guard = Duration::from_mins(15);
    let rig = seller::rig(&server.uri(), |parts| GatewayConfig { repeat_guard, ..parts });
    (server, rig)
}

fn connection(id: Value) -> ResponseTemplate {
    answer(json!({ "id": id, "customerId": 1 }))
}

async fn changes(server: &MockServer) -> usize {
    let requests = server.received_requests().await.unwrap();
    requests.iter().filter(|request| request.method.as_str() == "POST").count()
}

#[tokio::test]
async fn a_change_by_either_id_is_made_once() {
    let (server, rig) = seller(connection(json!("7"))).await;
    rig.call("refresh_inventory_source_esa", json!({ "sourceId": "gam" })).await.unwrap();
    for id in [json!(7), json!("7")] {
        let again = rig.call("refresh_esa", json!({ "esaId": id })).await.unwrap().into_value();
        assert_eq!(again["scope3Mcp"]["repeated"], true, "{again}");
    }
    rig.call("refresh_esa", json!({ "esaId": 8 })).await.unwrap();
    assert_eq!(changes(&server).await, 2, "that of another connection is another change");
}

#[tokio::test]
async fn the_order_of_the_twins_does_not_matter() {
    let (server, rig) = seller(connection(json!("7"))).await;
    rig.call("refresh_esa", json!({ "esaId": "7" })).await.unwrap();
    let again = rig.call("refresh_inventory_source_esa", json!({ "sourceId": "gam" })).await.unwrap();
    assert_eq!(again.into_value()["scope3Mcp"]["repeated"], true);
    assert_eq!(changes(&server).await, 1);
}

#[tokio::test]
async fn without_the_other_id_a_tool_is_at_least_the_same_as_itself() {
    for answer in [ResponseTemplate::new(500), connection(Value::Null), connection(json!({ "odd": true }))] {
        let (server, rig) = seller(answer).await;
        for _ in 0..2 {
            rig.call("refresh_inventory_source_esa", json!({ "sourceId": "gam" })).await.unwrap();
        }
        assert_eq!(changes(&server).await, 1);
    }
}
