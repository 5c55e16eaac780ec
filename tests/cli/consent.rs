//! Consent over standard input and output: a client puts the question, in the form of its protocol version.

use serde_json::{Value, json};
use wiremock::MockServer;

use crate::support::{
    Session,
    campaign::{DELETE, answered, api_with, campaign, deleted, modern_delete, modern_meta, state_of, with},
    command, key_text,
};

/// The versions in which the server asks during a call.
const VERSIONS: [&str; 2] = ["2025-06-18", "2025-11-25"];

fn program(api: &MockServer) -> tokio::process::Command {
    let mut program = command(&["stdio"]);
    program
        .env("SCOPE3_API_URL", api.uri())
        .env("SCOPE3_API_KEY", key_text("a"))
        .env_remove("SCOPE3_CONFIRM");
    program
}

/// A client that can show forms.
async fn asking(api: &MockServer, version: &str) -> Session {
    Session::of_client(&mut program(api), version, json!({ "elicitation": {} })).await
}

fn delete() -> Value {
    json!({ "name": DELETE, "arguments": campaign() })
}

/// Calls the tool. Returns the ids of the call and of the question about it.
async fn question(session: &mut Session) -> (u64, Value) {
    let call = session.ask("tools/call", delete()).await;
    let question = session.receive().await.unwrap();
    assert_eq!(question["method"], "elicitation/create", "{question}");
    let message = question["params"]["message"].as_str().unwrap();
    assert!(message.contains("Campaign: \"Open Trails\" (cmp_1)"), "{message}");
    assert_eq!(question["params"]["requestedSchema"], json!({ "type": "object", "properties": {} }));
    (call, question["id"].clone())
}

/// The result of a call whose question gets this answer.
async fn result(session: &mut Session, answer: Value) -> Value {
    let (call, question) = question(session).await;
    let mut message = json!({ "jsonrpc": "2.0", "id": question });
    message.as_object_mut().unwrap().extend(answer.as_object().unwrap().clone());
    session.send(&message).await;
    let response = session.receive().await.unwrap();
    assert_eq!(response["id"], call, "{response}");
    response["result"].clone()
}

fn refusal(result: &Value) -> &str {
    let failure = &result["structuredContent"];
    assert_eq!((&result["isError"], &failure["changed"]), (&json!(true), &json!("no")), "{result}");
    assert!(failure["message"].as_str().unwrap().contains("nothing was changed"), "{result}");
    failure["code"].as_str().unwrap()
}

#[tokio::test]
async fn a_change_is_made_when_the_user_accepts_and_the_model_sees_nothing_of_the_question() {
    let api = api_with("Open Trails").await;
    for version in VERSIONS {
        let accepted =
            result(&mut asking(&api, version).await, json!({ "result": { "action": "accept" } })).await;
        let mut unasked = Session::start(program(&api).env("SCOPE3_CONFIRM", "off"), version).await;
        assert_eq!(accepted, unasked.call(DELETE, campaign()).await, "{version}");
        assert_eq!(accepted["isError"], false, "{accepted}");
    }
    assert_eq!(deleted(&api).await, 2 * VERSIONS.len());
}

#[tokio::test]
async fn any_other_answer_changes_nothing() {
    let api = api_with("Open Trails").await;
    for version in VERSIONS {
        let mut session = asking(&api, version).await;
        for (answer, code) in [
            (json!({ "result": { "action": "decline" } }), "CONSENT_DECLINED"),
            (json!({ "result": { "action": "cancel" } }), "CONSENT_DECLINED"),
            (json!({ "result": { "action": "perhaps" } }), "CONSENT_UNAVAILABLE"),
            (json!({ "result": { "content": { "action": "accept" } } }), "CONSENT_UNAVAILABLE"),
            (json!({ "result": {} }), "CONSENT_UNAVAILABLE"),
            (json!({ "error": { "code": -32601, "message": "no window" } }), "CONSENT_UNAVAILABLE"),
        ] {
            let refused = result(&mut session, answer.clone()).await;
            assert_eq!(refusal(&refused), code, "{answer}: {refused}");
        }
        assert_eq!(session.end().await.1, Some(0));
    }
    assert_eq!(deleted(&api).await, 0);
}

#[tokio::test]
async fn a_call_that_is_cancelled_during_its_question_changes_nothing_and_takes_the_question_back() {
    let api = api_with("Open Trails").await;
    let mut session = asking(&api, "2025-11-25").await;
    let (call, question) = question(&mut session).await;
    let cancelled = |id: Value| json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": id } });
    session.send(&cancelled(call.into())).await;
    let taken_back = session.receive().await.unwrap();
    assert_eq!(taken_back["method"], "notifications/cancelled", "{taken_back}");
    assert_eq!(taken_back["params"]["requestId"], question, "{taken_back}");
    // The user answers too late.
    session.send(&json!({ "jsonrpc": "2.0", "id": question, "result": { "action": "accept" } })).await;
    session.call("campaign_list", json!({})).await;
    let (rest, code, _) = session.end().await;
    assert_eq!((rest.len(), code, deleted(&api).await), (0, Some(0), 0), "{rest:?}");
}

#[tokio::test]
async fn a_client_that_goes_away_during_a_question_changes_nothing() {
    let api = api_with("Open Trails").await;
    let mut session = asking(&api, "2025-06-18").await;
    let _asked = question(&mut session).await;
    let started = std::time::Instant::now();
    let (rest, code, _) = session.end().await;
    assert!(started.elapsed() < std::time::Duration::from_secs(10), "it waits for an answer");
    let refused = rest.iter().find(|message| message.get("result").is_some()).unwrap();
    assert_eq!(refusal(&refused["result"]), "CONSENT_UNAVAILABLE");
    assert_eq!((code, deleted(&api).await), (Some(0), 0));
}

#[tokio::test]
async fn a_client_that_cannot_ask_gets_a_preview_and_a_code() {
    let api = api_with("Open Trails").await;
    for capabilities in [json!({}), json!({ "roots": {} }), json!({ "elicitation": { "url": {} } })] {
        let mut session = Session::of_client(&mut program(&api), "2025-11-25", capabilities).await;
        let before = deleted(&api).await;
        let preview = session.call(DELETE, campaign()).await["structuredContent"].clone();
        assert_eq!((&preview["code"], &preview["changed"]), (&json!("CONFIRMATION_REQUIRED"), &json!("no")));
        assert!(preview["message"].as_str().unwrap().contains("\"Open Trails\""), "{preview}");
        assert_eq!(deleted(&api).await, before);
        let code = preview["confirmation"]["code"].as_str().unwrap();
        let made = session.call(DELETE, with(campaign(), "confirmation", code)).await;
        assert_eq!((&made["isError"], deleted(&api).await), (&json!(false), before + 1), "{made}");
    }
    let mut strict = Session::start(program(&api).env("SCOPE3_CONFIRM", "strict"), "2025-11-25").await;
    assert_eq!(refusal(&strict.call(DELETE, campaign()).await), "CONSENT_REQUIRED");
}

async fn modern(session: &mut Session, call: Value) -> Value {
    let response = session.request("tools/call", call).await;
    assert!(response["result"].is_object(), "{response}");
    response["result"].clone()
}

fn accept() -> Value {
    json!({ "action": "accept", "content": {} })
}

#[tokio::test]
async fn without_a_handshake_the_result_is_the_question_and_an_answer_counts_once() {
    let api = api_with("Open Trails").await;
    let mut session = Session::spawn(&mut program(&api));
    let asked = modern(&mut session, modern_delete()).await;
    let state = state_of(&asked).to_owned();
    assert_eq!(deleted(&api).await, 0);

    let mut other = answered(modern_delete(), &state, accept());
    other["arguments"] = json!({ "campaignId": "cmp_1", "force": true });
    assert_eq!(refusal_code(&modern(&mut session, other).await), "CONFIRMATION_INVALID");
    let mut tool = answered(modern_delete(), &state, accept());
    (tool["name"], tool["arguments"]) =
        (json!("tactic_update"), json!({ "tacticId": "t", "status": "active" }));
    assert_eq!(refusal_code(&modern(&mut session, tool).await), "CONFIRMATION_INVALID");
    for position in 0..state.len() {
        let mut tampered = state.clone().into_bytes();
        tampered[position] ^= 1;
        let tampered = answered(modern_delete(), std::str::from_utf8(&tampered).unwrap(), accept());
        assert_eq!(refusal_code(&modern(&mut session, tampered).await), "CONFIRMATION_INVALID");
    }
    assert_eq!(deleted(&api).await, 0);

    let made = modern(&mut session, answered(modern_delete(), &state, accept())).await;
    assert_eq!((&made["isError"], &made["resultType"]), (&json!(false), &json!("complete")), "{made}");
    let mut off = Session::spawn(program(&api).env("SCOPE3_CONFIRM", "off"));
    assert_eq!(made, modern(&mut off, modern_delete()).await, "the question adds nothing to the result");
    let replay = modern(&mut session, answered(modern_delete(), &state, accept())).await;
    assert_eq!(refusal_code(&replay), "CONFIRMATION_INVALID");
    assert_eq!(deleted(&api).await, 2);
}

fn refusal_code(result: &Value) -> &str {
    assert_eq!(result["structuredContent"]["changed"], "no", "{result}");
    result["structuredContent"]["code"].as_str().unwrap()
}

#[tokio::test]
async fn without_a_handshake_any_other_answer_changes_nothing_and_ends_the_question() {
    let api = api_with("Open Trails").await;
    let mut session = Session::spawn(&mut program(&api));
    for (answer, code) in [
        (json!({ "action": "decline" }), "CONSENT_DECLINED"),
        (json!({ "action": "cancel" }), "CONSENT_DECLINED"),
        (json!({ "action": "perhaps" }), "CONSENT_UNAVAILABLE"),
        (json!({ "content": { "action": "accept" } }), "CONSENT_UNAVAILABLE"),
        (json!("accept"), "CONSENT_UNAVAILABLE"),
    ] {
        let state = state_of(&modern(&mut session, modern_delete()).await).to_owned();
        let refused = modern(&mut session, answered(modern_delete(), &state, answer.clone())).await;
        assert_eq!(refusal(&refused), code, "{answer}: {refused}");
        let late = modern(&mut session, answered(modern_delete(), &state, accept())).await;
        assert_eq!(refusal_code(&late), "CONFIRMATION_INVALID", "{answer}");
    }
    let state = state_of(&modern(&mut session, modern_delete()).await).to_owned();
    let mut silent = modern_delete();
    silent["requestState"] = state.into();
    assert_eq!(refusal(&modern(&mut session, silent).await), "CONSENT_UNAVAILABLE");
    assert_eq!(deleted(&api).await, 0);
}

#[tokio::test]
async fn without_a_handshake_a_client_that_cannot_ask_gets_a_preview() {
    let api = api_with("Open Trails").await;
    let mut session = Session::spawn(&mut program(&api));
    let mut call = modern_delete();
    call["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({});
    let preview = modern(&mut session, call).await;
    assert_eq!(refusal_code(&preview), "CONFIRMATION_REQUIRED");
    // A model has no state of a question, and a code that it was shown is no answer.
    let code = preview["structuredContent"]["confirmation"]["code"].as_str().unwrap();
    let forged = json!({
        "name": DELETE, "arguments": campaign(), "_meta": modern_meta(), "requestState": code,
        "inputResponses": { "consent": accept() },
    });
    assert_eq!(refusal_code(&modern(&mut session, forged).await), "CONFIRMATION_INVALID");
    assert_eq!(deleted(&api).await, 0);
}
