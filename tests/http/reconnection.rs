//! A client of HTTP+SSE that reconnects after a restart continues as if nothing had happened.

use std::time::Duration;

use crate::support::{Server, Sse, call, initialize, modern_call, text};
use serde_json::{Value, json};

async fn next_response(sse: &mut Sse) -> Value {
    tokio::time::timeout(Duration::from_secs(20), sse.next_response()).await.expect("no response")
}

#[tokio::test]
async fn calls_without_a_handshake_get_a_response() {
    let server = Server::sandbox(&[]);
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
    let notice =
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 } });
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    for first in [None, Some(&list), Some(&ping), Some(&notice), Some(&initialized)] {
        let mut sse = Sse::open(&server.client()).await;
        if let Some(first) = first {
            assert_eq!(sse.send(first).await, 202);
            if first.get("id").is_some() {
                let response = next_response(&mut sse).await;
                assert!(response["id"] == 1 && response["result"].is_object(), "{first}: {response}");
            }
        }
        for id in 2..4 {
            assert_eq!(sse.send(&call(id, "check_auth_status")).await, 202);
            let response = next_response(&mut sse).await;
            assert_eq!(response["id"], id, "{first:?}");
            assert!(text(&response).contains("12345"), "{first:?}: {response}");
        }
        // A client that sends `initialize` after all is served as requested.
        let mut begin = initialize("2024-11-05");
        begin["id"] = "late".into();
        assert_eq!(sse.send(&begin).await, 202);
        let late = next_response(&mut sse).await;
        assert_eq!((&late["id"], &late["result"]["protocolVersion"]), (&json!("late"), &json!("2024-11-05")));
        assert_eq!(sse.send(&initialized).await, 202);
        assert!(sse.call("check_auth_status").await.contains("12345"));
    }
}

#[tokio::test]
async fn a_stream_can_be_reopened_after_a_restart() {
    let first = Server::sandbox(&[]);
    let sse = Sse::begin(&first.client()).await;
    let bind = format!("127.0.0.1:{}", first.port());
    drop(first);
    let second = Server::start(&["http", "--sandbox", "--bind", &bind], &[]);
    assert_eq!(sse.send_as(&second.client(), &call(2, "check_auth_status")).await, 404);
    let mut again = Sse::open(&second.client()).await;
    assert!(again.call("check_auth_status").await.contains("12345"));
}

#[tokio::test]
async fn a_client_with_another_version_is_served_in_that_version() {
    let server = Server::sandbox(&[]);
    let mut sse = Sse::open(&server.client()).await;
    assert_eq!(sse.send(&json!({ "jsonrpc": "2.0", "id": 0, "method": "ping" })).await, 202);
    assert_eq!(next_response(&mut sse).await["result"], json!({}));
    assert_eq!(sse.send(&initialize("2025-03-26")).await, 202);
    assert_eq!(next_response(&mut sse).await["result"]["protocolVersion"], "2025-03-26");

    let mut newest = Sse::open(&server.client()).await;
    let mut discover = modern_call("");
    discover["method"] = "server/discover".into();
    assert_eq!(newest.send(&discover).await, 202);
    assert!(next_response(&mut newest).await["result"]["supportedVersions"].is_array());
    assert_eq!(newest.send(&modern_call("check_auth_status")).await, 202);
    assert!(text(&next_response(&mut newest).await).contains("12345"));
}
