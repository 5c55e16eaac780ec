//! Sessions of Streamable HTTP hear when the operator chooses another document.

use std::{fs, time::Duration};

use futures_util::StreamExt;
use serde_json::json;

use crate::support::{FIRST, Server, command, message};

const NEWER: &str = "openapi: 3.1.0
info: { title: Buyer, version: 2.1.0 }
servers: [{ url: 'https://api.interchange.io/api/v2/buyer' }]
paths:
  /gadgets:
    get: { operationId: listGadgets }
";

#[tokio::test]
async fn a_session_hears_that_the_list_of_tools_changed() {
    let cache = tempfile::tempdir().unwrap();
    let place = cache.path().to_str().unwrap();
    let environment = [("XDG_CACHE_HOME", place), ("SCOPE3_STATE", "memory")];
    let upstream = wiremock::MockServer::start().await;
    let document = wiremock::ResponseTemplate::new(200).set_body_string(NEWER);
    wiremock::Mock::given(wiremock::matchers::any()).respond_with(document).mount(&upstream).await;
    let url = upstream.uri();
    let run = |arguments: &[&str]| {
        let output = command(arguments, &environment).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    run(&["catalog", "pull", "--api", "buyer", "--api-url", &url]);
    let arguments = ["http", "--bind", "127.0.0.1:0", "--api", "buyer", "--toolsets", "new", "--auth"];
    let start = |auth| Server::start(&[&arguments[..], &[auth]].concat(), &environment);
    let servers = [start("none"), start("key")];
    let own_key = servers[0].client().begin("2025-06-18").await;
    let callers_key = servers[1].with_key(FIRST).begin("2025-06-18").await;
    let mut sessions = Vec::new();
    for client in [own_key, callers_key] {
        let stream = client.stream().await.bytes_stream();
        sessions.push((client, stream));
    }
    run(&["catalog", "use", "buyer"]);
    for (client, mut stream) in sessions {
        let heard = async {
            let mut text = String::new();
            while !text.contains("notifications/tools/list_changed") {
                let part = stream.next().await.expect("the stream has ended").unwrap();
                text.push_str(&String::from_utf8_lossy(&part));
            }
        };
        tokio::time::timeout(Duration::from_secs(20), heard).await.expect("no notification");
        let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
        let response = message(client.post(&list).await).await;
        assert!(response.to_string().contains("list_gadgets"), "{response}");
    }
    assert!(fs::metadata(cache.path().join("scope3-mcp/documents/buyer/active.json")).is_ok());
}
