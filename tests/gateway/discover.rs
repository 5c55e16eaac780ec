//! Finding tools instead of listing them.

use scope3_mcp_gateway::{
    GatewayConfig,
    catalog::Surface,
    policy::{Policy, Selection},
};
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

use crate::support::{Rig, Session, command};

async fn api() -> MockServer {
    let server = MockServer::start().await;
    let response =
        ResponseTemplate::new(200).set_body_json(json!({ "success": true, "data": { "done": true } }));
    Mock::given(any()).respond_with(response).mount(&server).await;
    server
}

fn discovering(server: &MockServer, selection: Selection) -> Rig {
    Rig::changed(&server.uri(), |parts| {
        let selection = Selection { discover: true, surfaces: vec![Surface::Campaign], ..selection };
        let policy = Policy::new(&parts.catalog, selection).unwrap();
        GatewayConfig { policy, ..parts }
    })
}

#[tokio::test]
async fn a_small_list_leads_to_every_tool() {
    let server = api().await;
    let rig = discovering(&server, Selection::default());
    let listed: Vec<String> =
        rig.gateway.offered(None, |_| false).iter().map(|entry| entry.tool.name.to_string()).collect();
    assert_eq!(
        listed,
        [
            "check_auth_status",
            "find_tools",
            "call_read_tool",
            "call_change_tool",
            "get_usage",
            "read_result",
            "describe_tool"
        ]
    );
    let found =
        rig.call("find_tools", json!({ "query": "stop my ads", "limit": 3 })).await.unwrap().into_value();
    assert_eq!(found["tools"].as_array().unwrap().len(), 3);
    let first = &found["tools"][0];
    assert!(first["name"].is_string() && first["effect"].is_string(), "{first}");
    assert!(first["arguments"].to_string().contains("(required)"), "{first}");
    let nothing = rig.call("find_tools", json!({ "query": "zzzzzz" })).await.unwrap().into_value();
    assert_eq!((&nothing["tools"], nothing["message"].is_string()), (&json!([]), true));
    assert_eq!(server.received_requests().await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_called_tool_takes_the_whole_path_of_a_call() {
    let server = api().await;
    let rig = discovering(
        &server,
        Selection { exclude: vec!["webhook_register".to_owned()], ..Selection::default() },
    );
    let read = json!({ "name": "tactic_list", "arguments": { "campaignId": "c" } });
    let value = rig.call("call_read_tool", read).await.unwrap().into_value();
    assert_eq!(value, json!({ "done": true }));
    let wrong = json!({ "name": "tactic_list", "arguments": { "campaign": "c" } });
    let failure = rig.failure("call_read_tool", wrong).await;
    assert!(
        failure["message"].as_str().unwrap().contains("arguments of tactic_list are invalid"),
        "{failure}"
    );
    let change = json!({ "name": "campaign_delete", "arguments": { "campaignId": "c" } });
    let failure = rig.failure("call_read_tool", change.clone()).await;
    assert!(failure["message"].as_str().unwrap().contains("use call_change_tool"), "{failure}");
    rig.call("call_change_tool", change).await.unwrap();
    let excluded = json!({ "name": "webhook_register", "arguments": {} });
    assert_eq!(rig.failure("call_change_tool", excluded).await["code"], "TOOL_NOT_OFFERED");
    for bad in [
        json!({}),
        json!({ "name": 7 }),
        json!({ "name": "call_read_tool", "arguments": {} }),
        json!({ "name": "tactic_list", "arguments": "c" }),
        json!({ "name": "tactic_list", "campaignId": "c" }),
    ] {
        assert_eq!(rig.failure("call_read_tool", bad.clone()).await["code"], "VALIDATION_ERROR", "{bad}");
    }
    assert_eq!(server.received_requests().await.unwrap().len(), 2);
    assert_eq!(rig.used("only", 0).await, 2, "finding takes no permit");
}

#[tokio::test]
async fn read_only_leaves_no_way_to_change_anything() {
    let server = api().await;
    let rig = discovering(&server, Selection { read_only: true, ..Selection::default() });
    let change = json!({ "name": "campaign_delete", "arguments": { "campaignId": "c" } });
    assert_eq!(rig.failure("call_change_tool", change.clone()).await["code"], "TOOL_NOT_OFFERED");
    assert_eq!(rig.failure("call_read_tool", change).await["code"], "VALIDATION_ERROR");
    let found = rig.call("find_tools", json!({ "query": "delete campaign", "limit": 20 })).await.unwrap();
    assert!(found.data["tools"].as_array().unwrap().iter().all(|tool| tool["effect"] == "read"));
    assert_eq!(server.received_requests().await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_server_that_lists_its_tools_does_not_offer_to_find_them() {
    let server = api().await;
    let rig = Rig::new(&server.uri());
    assert!(rig.gateway.offered(None, |_| false).iter().all(|entry| entry.toolset != "discover"));
    let call = json!({ "name": "tactic_list", "arguments": { "campaignId": "c" } });
    assert_eq!(rig.failure("call_read_tool", call).await["code"], "TOOL_NOT_OFFERED");
}

#[tokio::test]
async fn the_list_costs_few_tokens() {
    let mut program = command(&["--discover", "--api", "buyer,storefront,measurement,campaign"]);
    let mut session = Session::start(program.env("SCOPE3_SANDBOX", "1"), "2025-11-25").await;
    let answer = session.request("tools/list", json!({})).await;
    let shown = answer["result"]["tools"].as_array().unwrap().iter();
    let texts = shown.map(|tool| {
        json!({ "name": tool["name"], "description": tool["description"], "input_schema": tool["inputSchema"] })
    });
    let tokens = |value: Value| tiktoken_rs::o200k_base_singleton().encode_ordinary(&value.to_string()).len();
    let paid: usize = texts.map(tokens).sum();
    println!("--discover: {paid} tokens");
    assert!(paid <= 900, "{paid} tokens");
}
