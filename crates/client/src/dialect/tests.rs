use http::HeaderMap;

use super::*;

const NOW: &str = "2024-01-15T10:00:00Z";

fn raw(status: u16, content_type: &str, body: &[u8]) -> RawResponse {
    let waits = Waits::of(&HeaderMap::new(), NOW.parse().unwrap());
    RawResponse { status, content_type: content_type.to_owned(), waits, body: body.to_vec() }
}

fn open(status: u16, body: &Value) -> Result<Value, Error> {
    open_as(Dialect::CampaignV1, status, body)
}

fn open_v2(status: u16, body: &Value) -> Result<Value, Error> {
    open_as(Dialect::InterchangeV2, status, body)
}

fn open_as(dialect: Dialect, status: u16, body: &Value) -> Result<Value, Error> {
    dialect
        .open(raw(status, "application/json", body.to_string().as_bytes()))
        .map(|payload| payload.data.into())
}

fn open_raw(status: u16, content_type: &str, body: &[u8]) -> Result<Payload, Error> {
    Dialect::CampaignV1.open(raw(status, content_type, body))
}

fn refused(status: u16, body: &Value) -> Refusal {
    refusal(open(status, body))
}

fn refused_v2(status: u16, body: &Value) -> Refusal {
    refusal(open_v2(status, body))
}

fn refusal(outcome: Result<Value, Error>) -> Refusal {
    match outcome {
        Err(Error::Refused(refusal)) => *refusal,
        other => panic!("{other:?}"),
    }
}

#[test]
fn data_is_returned_without_its_envelope() {
    let v1 = json!({"success": true, "message": "**Found** 1", "data": {"count": 1}});
    assert_eq!(open(200, &v1).unwrap(), json!({"count": 1, "message": "**Found** 1"}));
    let v2 = json!({"data": {"id": 7}, "error": null});
    assert_eq!(open_v2(200, &v2).unwrap(), json!({"id": 7}));
    let list = json!({"data": [1, 2], "error": null, "meta": {"pagination": {"total": 2}}});
    assert_eq!(open_v2(200, &list).unwrap(), json!({"items": [1, 2], "pagination": {"total": 2}}));
    assert_eq!(open(200, &json!([1])).unwrap(), json!({"items": [1]}));
    assert_eq!(
        open(200, &json!({"status": "ok", "version": "2"})).unwrap(),
        json!({"status": "ok", "version": "2"})
    );
}

#[test]
fn a_message_is_kept_because_it_may_be_the_only_content() {
    assert_eq!(
        open(200, &json!({"success": true, "message": "3 seats"})).unwrap(),
        json!({"message": "3 seats"})
    );
    assert_eq!(open(200, &json!("updated story 7")).unwrap(), json!({"text": "updated story 7"}));
    let text = open_raw(200, "text/plain; charset=utf-8", b"# Dashboard").unwrap().data;
    assert_eq!(Value::from(text), json!({"text": "# Dashboard"}));
    let nothing = open_raw(204, "", b"").unwrap().data;
    assert_eq!(Value::from(nothing), json!({}));
}

#[test]
fn a_refusal_with_status_200_is_a_refusal() {
    let body = json!({"success": false, "message": "Campaign is active", "error": "CAMPAIGN_ACTIVE",
        "data": {"campaignId": "c1", "status": "active"}});
    let refusal = refused(200, &body);
    assert_eq!((refusal.code.as_str(), refusal.message.as_str()), ("CAMPAIGN_ACTIVE", "Campaign is active"));
    assert_eq!(refusal.details, Some(json!({"data": {"campaignId": "c1", "status": "active"}})));
    assert_eq!(refused(200, &json!({"success": false, "message": "no"})).code, "REFUSED");
    let conflict = json!({"data": null, "error": {"code": "CONFLICT", "message": "m"}});
    assert_eq!(refused_v2(200, &conflict).code, "CONFLICT");
    let test = json!({"success": false, "error": "timed out", "latencyMs": 5000});
    assert_eq!(open_v2(200, &test).unwrap(), test, "the response itself has a member of this name");
    assert_eq!(refused_v2(200, &json!({"error": "no", "code": "CONFLICT", "meta": {}})).code, "CONFLICT");
}

#[test]
fn every_documented_error_body_is_parsed() {
    let v2 = refused_v2(
        422,
        &json!({"data": null, "error": {"code": "VALIDATION_ERROR", "message": "Bad",
        "details": {"issues": [{"path": "budget.total"}]}}}),
    );
    assert_eq!((v2.code.as_str(), v2.message.as_str()), ("VALIDATION_ERROR", "Bad"));
    assert_eq!(v2.details, Some(json!({"issues": [{"path": "budget.total"}]})));

    let v1 = refused(400, &json!({"error": "Failed to create campaign: thin brief", "details": {}}));
    assert_eq!(
        (v1.code.as_str(), v1.message.as_str()),
        ("BAD_REQUEST", "Failed to create campaign: thin brief")
    );
    assert_eq!(v1.details, None);

    let key =
        open(401, &json!({"error": "Invalid or expired API key", "code": "AUTH_INVALID_KEY"})).unwrap_err();
    assert!(matches!(key, Error::Unauthorized { message } if message == "Invalid or expired API key"));
}

#[test]
fn a_rate_limit_says_how_long_to_wait_with_any_status() {
    let wait = |outcome: Result<Value, Error>| match outcome {
        Err(Error::RateLimited { wait, .. }) => wait.as_secs(),
        other => panic!("{other:?}"),
    };
    let half_past = json!({"error": "Rate limit exceeded", "code": "RATE_LIMIT_EXCEEDED", "resetTime": "2024-01-15T10:30:00Z"});
    assert_eq!(wait(open(429, &half_past)), 1800);
    assert_eq!(wait(open(429, &json!({}))), 60);
    let declined = json!({"success": false, "message": "Slow down", "error": "RATE_LIMIT_EXCEEDED",
        "resetTime": "2024-01-15T10:05:00Z"});
    assert_eq!(wait(open(200, &declined)), 300);
    assert_eq!(wait(open(400, &json!({"error": "RATE_LIMIT_EXCEEDED"}))), 60);
    assert_eq!(wait(open_v2(200, &json!({"data": null, "error": {"code": "RATE_LIMITED"}}))), 60);
}

#[test]
fn members_next_to_the_data_are_kept() {
    let v1 = json!({"success": true, "message": "m", "data": {"message": "mine", "id": 1}, "warnings": ["w"],
        "nextCursor": "abc", "error": null});
    assert_eq!(
        open(200, &v1).unwrap(),
        json!({"message": "mine", "id": 1, "warnings": ["w"], "nextCursor": "abc", "envelope": {"message": "m"}})
    );
    let v2 = json!({"data": [1], "error": null, "meta": {"pagination": {"total": 1}, "requestId": "r"}});
    assert_eq!(
        open_v2(200, &v2).unwrap(),
        json!({"items": [1], "pagination": {"total": 1}, "meta": {"requestId": "r"}})
    );
}

#[test]
fn a_success_with_an_error_is_partial() {
    let partial = |dialect: Dialect, body: Value| {
        let payload = dialect.open(raw(200, "application/json", body.to_string().as_bytes())).unwrap();
        (payload.partial, Value::from(payload.data))
    };
    let v1 = json!({"success": true, "data": {"id": 1}, "error": "2 of 5 failed"});
    assert_eq!(
        partial(Dialect::CampaignV1, v1),
        (Some("2 of 5 failed".to_owned()), json!({"id": 1, "error": "2 of 5 failed"}))
    );
    let v2 = json!({"data": {"id": 1}, "error": {"code": "PARTIAL", "message": "2 of 5 failed"}});
    assert_eq!(partial(Dialect::InterchangeV2, v2).0.as_deref(), Some("2 of 5 failed"));
    for nothing in [json!(null), json!(""), json!([]), json!({}), json!(false)] {
        let body = json!({"success": true, "data": {"id": 1}, "error": nothing});
        assert_eq!(partial(Dialect::CampaignV1, body), (None, json!({"id": 1})));
    }
}

/// The surface determines the dialect, so a response is never parsed in the dialect of another API.
#[test]
fn a_response_is_parsed_in_the_dialect_of_its_surface() {
    let v1_object = json!({"data": {"id": 1}, "error": null, "total": 3});
    assert_eq!(open(200, &v1_object).unwrap(), v1_object, "v1 without `success` has no envelope");
    let v2_object = json!({"success": false, "id": 7});
    assert_eq!(open_v2(200, &v2_object).unwrap(), v2_object, "`success` means nothing in v2");
}

#[test]
fn loose_json_is_parsed_and_reported() {
    for (kind, body, text) in [
        ("application/json", &br#"{"success":true,"data":{"name":"cut \ud83d"}}"#[..], "cut \u{fffd}"),
        (
            "application/json; charset=ISO-8859-1",
            b"{\"success\":true,\"data\":{\"name\":\"Z\xfcrich\"}}",
            "Z\u{fc}rich",
        ),
        ("application/json", b"\xef\xbb\xbf{\"success\":true,\"data\":{\"name\":\"mark\"}}", "mark"),
    ] {
        assert_eq!(open_raw(200, kind, body).unwrap().data["name"], text);
    }
    let nan = open_raw(200, "application/json", br#"{"success":true,"data":{"ctr":NaN}}"#).unwrap();
    assert_eq!((&nan.data["ctr"], nan.replaced.is_some()), (&Value::Null, true));
}

#[test]
fn an_unreadable_response_says_what_is_wrong() {
    let why = |status, kind, body: &str| match open_raw(status, kind, body.as_bytes()) {
        Err(Error::Unreadable { why, .. }) => why,
        other => panic!("{other:?}"),
    };
    assert!(why(200, "application/json", r#"{"success": true, "da"#).contains("cut off"));
    assert!(why(200, "text/html", "<html>Sign in</html>").contains("web page"));
    assert!(why(200, "", "  <!doctype html>").contains("web page"));
    assert!(why(200, "application/json", "").contains("empty"));
    assert!(why(200, "application/json", "nonsense").contains("not JSON"));
    assert!(why(200, "application/json", "42").contains("bare"));

    assert!(
        why(200, "application/json", "{\"a\": 1,\n nope}").contains("line 2"),
        "it says where the error is"
    );

    let gateway = open_raw(502, "text/html", b"<html>Bad gateway</html>").unwrap_err();
    assert!(matches!(gateway, Error::Refused(refusal) if refusal.code == "BAD_GATEWAY"));
}
