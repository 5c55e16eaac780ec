use super::*;

const NOW: &str = "2024-01-15T10:00:00Z";

fn raw(status: u16, content_type: &str, body: &str) -> Raw {
    Raw { status, content_type: content_type.to_owned(), retry_after: None, body: body.as_bytes().to_vec() }
}

fn open(status: u16, body: &Value) -> Result<Value, Error> {
    raw(status, "application/json", &body.to_string()).open(NOW.parse().unwrap()).map(Value::from)
}

fn refused(status: u16, body: &Value) -> Refusal {
    match open(status, body) {
        Err(Error::Refused(refusal)) => *refusal,
        other => panic!("{other:?}"),
    }
}

#[test]
fn data_comes_without_its_envelope() {
    let v1 = json!({"success": true, "message": "**Found** 1", "data": {"count": 1}});
    assert_eq!(open(200, &v1).unwrap(), json!({"count": 1, "message": "**Found** 1"}));
    let v2 = json!({"data": {"id": 7}, "error": null});
    assert_eq!(open(200, &v2).unwrap(), json!({"id": 7}));
    let list = json!({"data": [1, 2], "error": null, "meta": {"pagination": {"total": 2}}});
    assert_eq!(open(200, &list).unwrap(), json!({"items": [1, 2], "pagination": {"total": 2}}));
    assert_eq!(open(200, &json!([1])).unwrap(), json!({"items": [1]}));
    assert_eq!(
        open(200, &json!({"status": "ok", "version": "2"})).unwrap(),
        json!({"status": "ok", "version": "2"})
    );
}

#[test]
fn a_message_is_kept_since_it_may_be_all_there_is() {
    assert_eq!(
        open(200, &json!({"success": true, "message": "3 seats"})).unwrap(),
        json!({"message": "3 seats"})
    );
    assert_eq!(open(200, &json!("updated story 7")).unwrap(), json!({"text": "updated story 7"}));
    let text = raw(200, "text/plain; charset=utf-8", "# Dashboard").open(NOW.parse().unwrap()).unwrap();
    assert_eq!(Value::from(text), json!({"text": "# Dashboard"}));
    let nothing = raw(204, "", "").open(NOW.parse().unwrap()).unwrap();
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
    assert_eq!(
        refused(200, &json!({"data": null, "error": {"code": "CONFLICT", "message": "m"}})).code,
        "CONFLICT"
    );
}

#[test]
fn every_documented_error_body_is_understood() {
    let v2 = refused(
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
fn too_many_requests_tells_how_long_to_wait() {
    let wait = |body: Value| match open(429, &body) {
        Err(Error::RateLimited { wait }) => wait.as_secs(),
        other => panic!("{other:?}"),
    };
    assert_eq!(wait(json!({"code": "RATE_LIMIT_EXCEEDED", "resetTime": "2024-01-15T10:30:00Z"})), 1800);
    assert_eq!(wait(json!({"resetTime": "2024-01-15T09:00:00Z"})), 1, "a time that has passed");
    assert_eq!(wait(json!({})), 60);
    let headers = Raw { retry_after: Some(Duration::from_secs(7)), ..raw(429, "", "") };
    assert!(
        matches!(headers.open(NOW.parse().unwrap()), Err(Error::RateLimited { wait }) if wait.as_secs() == 7)
    );
}

#[test]
fn what_makes_no_sense_is_said_to_make_no_sense() {
    let why = |status, kind, body| match raw(status, kind, body).open(NOW.parse().unwrap()) {
        Err(Error::Unreadable { why, .. }) => why,
        other => panic!("{other:?}"),
    };
    assert!(why(200, "application/json", r#"{"success": true, "da"#).contains("cut off"));
    assert!(why(200, "text/html", "<html>Sign in</html>").contains("web page"));
    assert!(why(200, "", "  <!doctype html>").contains("web page"));
    assert!(why(200, "application/json", "").contains("empty"));
    assert!(why(200, "application/json", "nonsense").contains("not JSON"));
    assert!(why(200, "application/json", "42").contains("bare"));

    let gateway = raw(502, "text/html", "<html>Bad gateway</html>").open(NOW.parse().unwrap()).unwrap_err();
    assert!(matches!(gateway, Error::Refused(refusal) if refusal.code == "BAD_GATEWAY"));
}
