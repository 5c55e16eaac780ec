//! An API with one campaign, for tests of consent.

use serde_json::{Value, json};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::path};

/// A tool that needs consent.
pub const DELETE: &str = "campaign_delete";

/// Its arguments, for the campaign.
pub fn campaign() -> Value {
    json!({ "campaignId": "cmp_1" })
}

/// An API with one campaign of this name, and with one tactic whose budget is 300.
pub async fn api_with(campaign_name: &str) -> MockServer {
    let server = MockServer::start().await;
    let answer = |at: &str, data: Value| {
        let response = ResponseTemplate::new(200).set_body_json(json!({ "success": true, "data": data }));
        Mock::given(path(at.to_owned())).respond_with(response).mount(&server)
    };
    answer("/campaign-get-summary", json!({ "campaign": { "id": "cmp_1", "name": campaign_name } })).await;
    answer("/campaign-delete", json!({ "deleted": true })).await;
    answer("/campaign-create", json!({ "id": "cmp_2" })).await;
    answer("/campaign-list", json!({ "campaigns": [] })).await;
    answer("/tactic-update", json!({ "updates": { "applied": ["budget"] } })).await;
    let budget = json!({ "amount": 300, "currency": "USD" });
    let tactic = json!({ "id": "t", "name": "Food sites", "status": "active", "budgetAllocation": budget });
    answer("/tactic-get", json!({ "tactic": tactic })).await;
    server
}

/// How many requests reached a path.
pub async fn sent(server: &MockServer, at: &str) -> usize {
    server.received_requests().await.unwrap().iter().filter(|request| request.url.path() == at).count()
}

/// How many requests to delete the campaign arrived.
pub async fn deleted(server: &MockServer) -> usize {
    sent(server, "/campaign-delete").await
}

/// The arguments with one more text.
pub fn with(mut arguments: Value, name: &str, value: &str) -> Value {
    arguments[name] = value.into();
    arguments
}

/// What a call of a client says in `_meta` that speaks 2026-07-28 and can show forms.
pub fn modern_meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": { "elicitation": { "form": {} } },
    })
}

/// A call of 2026-07-28 to delete the campaign.
pub fn modern_delete() -> Value {
    json!({ "name": DELETE, "arguments": campaign(), "_meta": modern_meta() })
}

/// The code of a result that asks a question.
pub fn state_of(result: &Value) -> &str {
    assert_eq!(result["resultType"], "input_required", "{result}");
    let question = &result["inputRequests"]["consent"];
    assert_eq!(question["method"], "elicitation/create", "{result}");
    assert!(question["params"]["message"].as_str().unwrap().contains("Open Trails"), "{result}");
    result["requestState"].as_str().unwrap()
}

/// The same call with the answer to its question.
pub fn answered(mut call: Value, state: &str, answer: Value) -> Value {
    call["requestState"] = state.into();
    call["inputResponses"] = json!({ "consent": answer });
    call
}
