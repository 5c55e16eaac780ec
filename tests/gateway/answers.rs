//! What comes back from Scope3 comes through: whole, with its digits, and with what stood beside the data.

use scope3_mcp_gateway::Success;
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

use crate::support::Rig;

const READ: (&str, fn() -> Value) = ("brand_agent_get", || json!({ "brandAgentId": "1" }));
const WRITE: (&str, fn() -> Value) = ("brand_agent_update", || json!({ "brandAgentId": "1", "name": "n" }));

async fn api(kind: &str, body: &[u8]) -> (MockServer, Rig) {
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(200).set_body_raw(body.to_vec(), kind);
    Mock::given(any()).respond_with(answer).mount(&server).await;
    let rig = Rig::new(&server.uri());
    (server, rig)
}

async fn read(kind: &str, body: &[u8]) -> Value {
    let (_server, rig) = api(kind, body).await;
    rig.call(READ.0, READ.1()).await.map(Success::into_value).unwrap()
}

#[tokio::test]
async fn numbers_keep_their_digits_in_both_directions() {
    let digits = "12345678901234567890.12";
    let body = format!(r#"{{"success":true,"data":{{"spend":{digits},"id":98765432109876543210}}}}"#);
    let value = read("application/json", body.as_bytes()).await;
    assert_eq!(value.to_string(), format!(r#"{{"spend":{digits},"id":98765432109876543210}}"#));

    let (server, rig) = api("application/json", br#"{"success":true,"data":{}}"#).await;
    let amount = "100000.10000000000000000001";
    let arguments = format!(r#"{{"tacticId":"t","budgetAllocation":{{"amount":{amount}}}}}"#);
    rig.call("tactic_update", serde_json::from_str(&arguments).unwrap()).await.unwrap();
    let sent = server.received_requests().await.unwrap();
    let sent = String::from_utf8(sent[0].body.clone()).unwrap();
    assert!(sent.contains(amount), "{sent}");
}

#[tokio::test]
async fn deceptive_characters_become_visible_and_are_counted_and_other_results_have_no_note() {
    let body = r#"{"success":true,"data":{"name":"pay \u202e00001\u202c","na\u200bme":"\u001b[2J","plain":"ü\n👩\u200d🚀"}}"#;
    let value = read("application/json", body.as_bytes()).await;
    let expected = json!({
        "name": r"pay \u{202e}00001\u{202c}", r"na\u{200b}me": r"\u{1b}[2J", "plain": "ü\n👩\u{200d}🚀",
        "scope3Mcp": { "neutralized": 4 },
    });
    assert_eq!(value, expected);
    let value = read("application/json", br#"{"success":true,"data":{"name":"plain\r\n"}}"#).await;
    assert_eq!(value, json!({ "name": "plain\n" }));
    let refusal = r#"{"success":false,"error":{"code":"X","message":"\u202edoog si siht"}}"#;
    let (_server, rig) = api("application/json", refusal.as_bytes()).await;
    let failure = rig.failure(READ.0, READ.1()).await;
    assert_eq!(failure["message"], r"\u{202e}doog si siht", "{failure}");
}

#[tokio::test]
async fn loose_json_is_read_and_what_was_replaced_is_said() {
    let value = read("application/json", br#"{"success":true,"data":{"name":"cut \ud83d"}}"#).await;
    assert_eq!(value["name"], "cut \u{fffd}");
    assert!(value["scope3Mcp"]["replaced"].as_str().unwrap().contains("characters"), "{value}");
    let value = read("application/json", br#"{"success":true,"data":{"ctr":NaN}}"#).await;
    assert_eq!(value["ctr"], Value::Null);
    assert!(value["scope3Mcp"]["replaced"].as_str().unwrap().contains("NaN"), "{value}");
    let value =
        read("application/json;charset=iso-8859-1", b"{\"success\":true,\"data\":{\"n\":\"Z\xfcrich\"}}")
            .await;
    assert_eq!(value, json!({ "n": "Zürich" }));
    let value = read("application/json", b"\xef\xbb\xbf{\"success\":true,\"data\":{\"n\":1}}").await;
    assert_eq!(value, json!({ "n": 1 }), "a byte order mark is not part of the data");
}

#[tokio::test]
async fn an_unreadable_response_says_where() {
    let (_server, rig) = api("application/json", b"{\"success\": true,\n  \"data\": nope}").await;
    let failure = rig.failure(READ.0, READ.1()).await;
    assert_eq!(failure["code"], "INVALID_RESPONSE");
    assert!(failure["message"].as_str().unwrap().contains("line 2"), "{failure}");
}

#[tokio::test]
async fn a_partly_made_change_is_not_a_success() {
    let body = br#"{"success":true,"data":{"updated":3},"warnings":["w"],"nextCursor":"abc","error":"2 of 5 failed"}"#;
    let (_server, rig) = api("application/json", body).await;
    let failure = rig.failure(WRITE.0, WRITE.1()).await;
    assert_eq!((&failure["code"], &failure["changed"]), (&json!("PARTIAL_FAILURE"), &json!("yes")));
    assert!(failure["message"].as_str().unwrap().contains("2 of 5 failed"), "{failure}");
    assert_eq!(
        failure["details"],
        json!({ "updated": 3, "warnings": ["w"], "nextCursor": "abc", "error": "2 of 5 failed" })
    );

    let value = rig.call(READ.0, READ.1()).await.map(Success::into_value).unwrap();
    assert_eq!(value["scope3Mcp"], json!({ "partial": "2 of 5 failed" }));
    assert_eq!((&value["warnings"], &value["nextCursor"]), (&json!(["w"]), &json!("abc")));
}
