//! What an agent sees of each failure: its code, whether to retry, whether anything changed, and what to do.

use futures_util::future::join_all;
use scope3_mcp_gateway::{
    ClientConfig, OnLimit,
    catalog::{Catalog, Effect, Surface},
};
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::{
    api_client::{READ, WRITE, api, requests},
    every_tool::sample,
    support::Rig,
};

/// A status without a message from Scope3: the usual code of the status, whether the agent may retry a read, and how
/// many requests the server sends for one read.
const STATUSES: [(u16, &str, bool, usize); 14] = [
    (400, "BAD_REQUEST", false, 1),
    (401, "AUTH_INVALID_KEY", false, 1),
    (402, "CREDIT_LIMIT_EXCEEDED", false, 1),
    (403, "FORBIDDEN", false, 1),
    (404, "NOT_FOUND", false, 1),
    (409, "CONFLICT", false, 1),
    (413, "PAYLOAD_TOO_LARGE", false, 1),
    (422, "VALIDATION_ERROR", false, 1),
    (429, "RATE_LIMIT_EXCEEDED", true, 1),
    (500, "INTERNAL_ERROR", true, 2),
    (501, "NOT_IMPLEMENTED", false, 1),
    (502, "BAD_GATEWAY", true, 3),
    (503, "SERVICE_UNAVAILABLE", true, 3),
    (504, "GATEWAY_TIMEOUT", true, 3),
];

#[tokio::test]
async fn a_failed_read_is_reported_and_retried_according_to_its_status() {
    join_all(STATUSES.map(|(status, code, retryable, tries)| async move {
        let server = api(ResponseTemplate::new(status)).await;
        let failure = Rig::new(&server.uri()).failure(READ.0, READ.1()).await;
        assert_eq!(failure["code"], code, "{status}: {failure}");
        assert_eq!(failure["status"], status, "{status}: {failure}");
        assert_eq!(failure["retryable"], retryable, "{status}: {failure}");
        assert_eq!(failure["changed"], "no", "{status}: {failure}");
        assert_eq!(requests(&server).await, tries, "{status}");
    }))
    .await;
}

#[tokio::test]
async fn a_failed_write_is_reported_according_to_its_status_and_never_sent_twice() {
    join_all(STATUSES.map(|(status, code, retryable, _)| async move {
        let server = api(ResponseTemplate::new(status)).await;
        let failure = Rig::new(&server.uri()).failure(WRITE.0, WRITE.1()).await;
        assert_eq!((&failure["code"], &failure["status"]), (&json!(code), &json!(status)), "{failure}");
        // A change that may have been made must not be repeated. 501 means that it was not made.
        let unknown = status >= 500 && status != 501;
        assert_eq!(failure["changed"], if unknown { "unknown" } else { "no" }, "{status}: {failure}");
        assert_eq!(failure["retryable"], retryable && !unknown, "{status}: {failure}");
        assert_eq!(requests(&server).await, 1, "{status}");
    }))
    .await;
}

#[tokio::test]
async fn an_invalid_response_is_not_retried() {
    let nonsense = |status| ResponseTemplate::new(status).set_body_raw("nonsense", "application/json");
    let server = api(nonsense(200)).await;
    let failure = Rig::new(&server.uri()).failure(READ.0, READ.1()).await;
    assert_eq!((&failure["status"], &failure["retryable"]), (&json!(200), &json!(false)), "{failure}");
    assert_eq!(requests(&server).await, 1);

    let small = ClientConfig { most_bytes: 10, ..ClientConfig::default() };
    for (status, retryable) in [(200, false), (400, false), (502, true)] {
        let long = ResponseTemplate::new(status).set_body_raw("a much longer text", "text/plain");
        let server = api(long).await;
        let rig = Rig::with(&server.uri(), &["only"], OnLimit::Reject, ["500/h", "1000/h", "50/h"], small);
        let failure = rig.failure(READ.0, READ.1()).await;
        assert_eq!(failure["code"], "INVALID_RESPONSE", "{failure}");
        assert_eq!((&failure["status"], &failure["retryable"]), (&json!(status), &json!(retryable)));
    }
}

/// The words that the hint must contain, by status and Scope3's code.
const HINTS: [(u16, &str, &[&str]); 22] = [
    (200, "", &["message", "declined"]),
    (200, "CAMPAIGN_ACTIVE", &["Ask the user", "force"]),
    (409, "CAMPAIGN_ACTIVE", &["Ask the user", "force"]),
    (409, "CREATIVE_ASSIGNED", &["creative_unassign", "user"]),
    (400, "CREDIT_LIMIT_EXCEEDED", &["credit", "person"]),
    (402, "", &["credit", "person"]),
    (403, "TOS_ACCEPTANCE_REQUIRED", &["person", "terms"]),
    (403, "ALPHA_OPT_IN_REQUIRED", &["person", "opt in"]),
    (400, "CURRENCY_MISMATCH", &["currency"]),
    (200, "SERVICE_UNAVAILABLE", &["minute"]),
    (500, "", &["minute"]),
    (502, "", &["minute"]),
    (503, "", &["minute"]),
    (504, "", &["minute"]),
    (400, "", &["correct", "arguments"]),
    (422, "", &["correct", "arguments"]),
    (401, "", &["key", "expired", "new"]),
    (403, "", &["person", "account"]),
    (404, "", &["id", "list"]),
    (409, "", &["state", "get or list"]),
    (429, "", &["resetTime"]),
    (501, "", &["not offer"]),
];

#[tokio::test]
async fn each_failure_says_what_to_do() {
    join_all(HINTS.map(|(status, code, words)| async move {
        let mut body = json!({ "message": "No." });
        if status == 200 {
            body["success"] = false.into();
        }
        if !code.is_empty() {
            body["code"] = code.into();
        }
        let server = api(ResponseTemplate::new(status).set_body_json(body)).await;
        let failure = Rig::new(&server.uri()).failure(READ.0, READ.1()).await;
        if !code.is_empty() {
            assert_eq!(failure["code"], code, "{failure}");
        }
        let hint = failure["hint"].as_str().unwrap();
        for word in words {
            assert!(hint.contains(word), "{status} {code}: `{word}` is missing in: {hint}");
        }
    }))
    .await;
    let server = api(ResponseTemplate::new(418)).await;
    let failure = Rig::new(&server.uri()).failure(READ.0, READ.1()).await;
    assert!(failure["hint"].as_str().unwrap().contains("operator"), "{failure}");
}

#[tokio::test]
async fn the_hint_for_an_unknown_change_names_a_read() {
    let catalog = Catalog::of_surfaces(&[Surface::Campaign]);
    let server = api(ResponseTemplate::new(500)).await;
    let rig = Rig::new(&server.uri());
    let mut seen = 0;
    for entry in
        catalog.entries().filter(|entry| entry.tool.effect != Effect::Read && entry.tool.request.is_some())
    {
        let name = &entry.tool.name;
        let arguments = sample(&Value::Object(entry.tool.input.object().clone()));
        let failure = rig.failure(name, arguments).await;
        assert_eq!(failure["changed"], "unknown", "{name}: {failure}");
        let hint = failure["hint"].as_str().unwrap();
        assert!(hint.contains("Do not repeat"), "{name}: {hint}");
        let words = hint.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        for named in words.filter_map(|word| catalog.get(word)) {
            assert_eq!(named.tool.effect, Effect::Read, "{name}: {hint}");
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen} hints name a tool");
}

#[tokio::test]
async fn scope3s_message_for_a_refusal_is_passed_on_but_shortened() {
    let told = |body: ResponseTemplate| async move {
        let server = api(body).await;
        Rig::new(&server.uri()).failure(READ.0, READ.1()).await
    };
    let json_body = |body: Value| ResponseTemplate::new(409).set_body_json(body);
    let text_body =
        |text: &str| ResponseTemplate::new(409).set_body_raw(text.as_bytes().to_vec(), "text/plain");

    let text = told(text_body(" It is locked.\n")).await;
    assert_eq!(text["message"], "It is locked.", "{text}");
    let long = told(text_body(&"It is locked. ".repeat(100_000))).await;
    assert!(long["message"].as_str().unwrap().starts_with("It is locked. It is"), "{}", long["code"]);
    assert!(long.to_string().len() < 2_000, "{} bytes are passed on", long.to_string().len());

    let details = json!({ "lockedBy": "u1" });
    let v1 =
        told(json_body(json!({ "error": "It is locked", "code": "LOCKED_BY_USER", "details": details })))
            .await;
    let bare =
        told(json_body(json!({ "error": "LOCKED_BY_USER", "message": "It is locked", "details": details })))
            .await;
    let v2_error = json!({ "code": "LOCKED_BY_USER", "message": "It is locked", "details": details });
    let v2 = told(json_body(json!({ "data": null, "error": v2_error }))).await;
    for failure in [v1, bare, v2] {
        assert_eq!(failure["code"], "LOCKED_BY_USER", "{failure}");
        assert_eq!(failure["message"], "It is locked", "{failure}");
        assert_eq!(failure["details"], details, "{failure}");
    }
}

#[tokio::test]
async fn the_data_is_taken_out_of_the_envelope() {
    for (body, data) in [
        (
            json!({ "success": true, "message": "of the envelope", "data": { "message": "of the data" } }),
            json!({ "message": "of the data", "envelope": { "message": "of the envelope" } }),
        ),
        (json!({ "data": { "a": 1 } }), json!({ "data": { "a": 1 } })),
        (json!({ "a": 1, "error": null }), json!({ "a": 1, "error": null })),
    ] {
        let server = api(ResponseTemplate::new(200).set_body_json(body.clone())).await;
        let success = Rig::new(&server.uri()).call(READ.0, READ.1()).await.unwrap();
        assert_eq!(Value::Object(success.data), data, "{body}");
    }
}
