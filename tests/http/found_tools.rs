//! With `--discover=list`, the tools that a session finds are added to its list.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::{Value, json};

use crate::support::{FIRST, Mcp, SECOND, Server, Sse, message, modern_call};

const AT_FIRST: [&str; 7] = [
    "check_auth_status",
    "find_tools",
    "call_read_tool",
    "call_change_tool",
    "get_usage",
    "read_result",
    "describe_tool",
];

fn list() -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" })
}

fn find(query: &str) -> Value {
    let params = json!({ "name": "find_tools", "arguments": { "query": query, "limit": 3 } });
    json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params })
}

fn names(response: &Value) -> Vec<String> {
    let tools = response["result"]["tools"].as_array().unwrap_or_else(|| panic!("{response}"));
    tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

async fn listed(client: &Mcp) -> Vec<String> {
    names(&message(client.post(&list()).await).await)
}

#[tokio::test]
async fn a_session_lists_what_it_found_and_no_other_session_does() {
    let server = Server::sandbox(&["--auth", "key", "--discover=list"]);
    let mine = server.with_key(FIRST).begin("2025-06-18").await;
    let other = server.with_key(FIRST).begin("2025-06-18").await;
    let stranger = server.with_key(SECOND).begin("2025-06-18").await;
    let mut stream = mine.stream().await.bytes_stream();
    assert_eq!(listed(&mine).await, AT_FIRST);
    let found = message(mine.post(&find("delete a campaign")).await).await;
    assert!(found.to_string().contains("campaign_delete"), "{found}");
    let heard = async {
        let mut text = String::new();
        while !text.contains("notifications/tools/list_changed") {
            text.push_str(&String::from_utf8_lossy(&stream.next().await.unwrap().unwrap()));
        }
    };
    tokio::time::timeout(Duration::from_secs(20), heard).await.expect("no notification");
    let now = listed(&mine).await;
    assert!(now.len() == AT_FIRST.len() + 3 && now.contains(&"campaign_delete".to_owned()), "{now:?}");
    for client in [&other, &stranger] {
        assert_eq!(listed(client).await, AT_FIRST);
    }
    mine.post(&find("delete a campaign")).await;
    assert_eq!(listed(&mine).await, now, "found again, nothing is added");
}

#[tokio::test]
async fn a_request_without_a_session_adds_nothing() {
    let server = Server::sandbox(&["--discover=list"]);
    let client = server.client();
    for version in ["2025-06-18", "2025-11-25"] {
        let client = client.clone().with("mcp-protocol-version", version);
        client.post(&find("delete a campaign")).await;
    }
    let mut modern = modern_call("find_tools");
    modern["params"]["arguments"] = json!({ "query": "delete a campaign" });
    let found = message(client.stateless_message(&modern, "find_tools").send().await.unwrap()).await;
    assert!(found.to_string().contains("campaign_delete"), "{found}");
    let session = client.begin("2025-06-18").await;
    assert_eq!(listed(&session).await, AT_FIRST);
}

#[tokio::test]
async fn a_session_over_sse_lists_what_it_found() {
    let server = Server::sandbox(&["--discover=list"]);
    let mut mine = Sse::begin(&server.client()).await;
    let mut other = Sse::begin(&server.client()).await;
    mine.send(&find("delete a campaign")).await;
    let mut heard = false;
    loop {
        let (_, data) = mine.next().await.unwrap();
        let message: Value = serde_json::from_str(&data).unwrap();
        heard |= message["method"] == "notifications/tools/list_changed";
        if message["id"] == 2 {
            break;
        }
    }
    mine.send(&list()).await;
    assert_eq!(names(&mine.next_response().await).len(), AT_FIRST.len() + 3);
    other.send(&list()).await;
    assert_eq!(names(&other.next_response().await), AT_FIRST);
    assert!(heard, "the notification precedes the response");
}

#[tokio::test]
async fn what_the_operator_excludes_is_never_found() {
    let arguments = ["--discover=list", "--exclude-tools", "campaign_delete"];
    let server = Server::sandbox(&arguments);
    let session = server.client().begin("2025-06-18").await;
    let found = message(session.post(&find("delete a campaign")).await).await;
    assert!(!found.to_string().contains("campaign_delete"), "{found}");
    assert!(!listed(&session).await.contains(&"campaign_delete".to_owned()));
}
