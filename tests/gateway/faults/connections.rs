//! Connections that cannot be opened.

use scope3_mcp_gateway::state::StateLocation;
use serde_json::json;
use tokio::net::TcpListener;

use super::{CREATE, LIST, brand, journal, process};
use crate::support::api::FaultyApi;

/// A change and a read fail at once, and leave nothing behind. Then the change is made once, in front of another API.
async fn assert_nothing_is_sent(url: &str) {
    let state = StateLocation::Memory.state();
    let rig = process(url, state.clone());
    for (tool, arguments) in [(CREATE, brand("Acme")), (LIST, json!({}))] {
        let failure = rig.failure(tool, arguments).await;
        assert_eq!((&failure["code"], &failure["changed"]), (&json!("CONNECTION_FAILED"), &json!("no")));
        assert_eq!(failure["retryable"], true, "{failure}");
    }
    assert!(journal(&rig).await.iter().all(|state| !state.is_open()));
    let api = FaultyApi::start([]).await;
    process(&api.url, state).call(CREATE, brand("Acme")).await.unwrap();
    assert_eq!(api.made("Acme"), 1);
}

#[tokio::test]
async fn nothing_is_sent_if_the_connection_is_refused() {
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", unused.local_addr().unwrap());
    drop(unused);
    assert_nothing_is_sent(&url).await;
}

#[tokio::test]
async fn nothing_is_sent_if_the_host_is_unknown() {
    assert_nothing_is_sent("https://scope3.invalid").await;
}
