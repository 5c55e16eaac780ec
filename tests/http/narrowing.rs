//! Headers of a request leave fewer tools than the server offers, never more.

use serde_json::{Value, json};

use crate::support::{Mcp, Server, call, message, text};

fn list() -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" })
}

/// The names of the listed tools.
async fn listed(client: &Mcp) -> Vec<String> {
    let response = message(client.post(&list()).await).await;
    let tools = response["result"]["tools"].as_array().unwrap().clone();
    tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn headers_narrow_the_list_and_the_calls_of_their_request_alone() {
    let server = Server::sandbox(&["--toolsets", "campaigns,account"]);
    let client = server.client().begin("2025-06-18").await;
    let all = listed(&client).await;
    assert!(all.contains(&"campaign_create".to_owned()) && all.contains(&"check_auth_status".to_owned()));

    let read_only = client.clone().with("x-scope3-read-only", "true");
    let reads = listed(&read_only).await;
    assert!(reads.contains(&"campaign_list".to_owned()) && !reads.contains(&"campaign_create".to_owned()));
    let denied = text(&message(read_only.post(&call(2, "campaign_create")).await).await);
    assert!(denied.contains("TOOL_NOT_OFFERED") && denied.contains("headers"), "{denied}");

    let toolset = listed(&client.clone().with("x-scope3-toolsets", "account")).await;
    assert!(
        toolset.contains(&"check_auth_status".to_owned()) && !toolset.contains(&"campaign_list".to_owned())
    );
    let tool = listed(&client.clone().with("x-scope3-tools", "campaign_list, campaign_create")).await;
    assert_eq!(tool, ["campaign_list", "campaign_create", "get_usage", "read_result", "describe_tool"]);
    let excluded = listed(&client.clone().with("x-scope3-exclude-tools", "campaign_create")).await;
    assert_eq!(excluded.len(), all.len() - 1);
    assert_eq!(listed(&client).await, all, "other requests of the session are as before");
}

#[tokio::test]
async fn headers_never_widen_what_the_server_offers() {
    let server = Server::sandbox(&["--read-only", "--toolsets", "campaigns"]);
    let client = server.client().begin("2025-06-18").await;
    let all = listed(&client).await;
    for (name, value) in [
        ("x-scope3-read-only", "false"),
        ("x-scope3-toolsets", "all"),
        ("x-scope3-tools", "campaign_create,pmp_list"),
    ] {
        let wide = client.clone().with(name, value);
        assert!(listed(&wide).await.iter().all(|tool| all.contains(tool)), "{name}");
        let denied = text(&message(wide.post(&call(2, "campaign_create")).await).await);
        assert!(denied.contains("TOOL_NOT_OFFERED"), "{name}: {denied}");
    }
}

#[tokio::test]
async fn an_invalid_header_is_rejected_with_the_valid_names() {
    let server = Server::sandbox(&[]);
    let client = server.client().begin("2025-06-18").await;
    for (name, value, expected) in [
        ("x-scope3-toolsets", "campaign", "unknown toolset `campaign`; did you mean `campaigns`?"),
        ("x-scope3-tools", "campaign_creat", "did you mean `campaign_create`?"),
        ("x-scope3-exclude-tools", "campaign_creat", "did you mean `campaign_create`?"),
        ("x-scope3-read-only", "yes", "expected `true` or `false`, got `yes`"),
    ] {
        let response = client.clone().with(name, value).post(&list()).await;
        assert_eq!(response.status(), 400, "{name}");
        let error = response.json::<Value>().await.unwrap()["error"].clone();
        let message = error["message"].as_str().unwrap();
        assert!(message.starts_with(&format!("`{name}`: ")) && message.contains(expected), "{message}");
        if value != "yes" {
            let valid = error["data"]["valid"].as_array().unwrap();
            assert!(
                valid.contains(&json!("campaigns")) || valid.contains(&json!("campaign_create")),
                "{error}"
            );
        }
    }
    let twice = client.request(reqwest::Method::POST, "/mcp").json(&list());
    let twice = twice.header("x-scope3-tools", "campaign_list").header("x-scope3-tools", "campaign_create");
    assert_eq!(twice.header("accept", "application/json").send().await.unwrap().status(), 400);
}
