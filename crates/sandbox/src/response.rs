//! Responses in Scope3's envelopes (`src/utils/error-handling.ts` of `scope3data/activation-api`).

use std::time::Duration;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use jiff::SignedDuration;
use serde_json::{Map, Number, Value, json};

use crate::clock::Moment;

/// The response to a request.
#[derive(Debug)]
pub(crate) struct ApiResponse {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
    retry_after: Option<u64>,
}

/// A value, or the response that says why there is none.
pub(crate) type ApiResult<T = ApiResponse> = Result<T, ApiResponse>;

impl ApiResponse {
    fn new(status: StatusCode, body: Value) -> Self {
        Self { status, body, retry_after: None }
    }

    /// A success: a short Markdown message for people, and the data.
    pub(crate) fn success(message: impl Into<String>, data: impl Into<Value>) -> Self {
        let (message, data) = (message.into(), data.into());
        Self::new(StatusCode::OK, json!({"success": true, "message": message, "data": data}))
    }

    /// A text without an envelope, which a few operations return. The REST API returns it as a JSON string.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::new(StatusCode::OK, Value::String(text.into()))
    }

    /// A refusal by a handler, with a code such as `CAMPAIGN_ACTIVE`: status 200, `success: false`.
    pub(crate) fn failure(code: &str, message: &str, data: impl Into<Value>) -> Self {
        Self::failure_with(message, data, [("error", code)])
    }

    /// A refusal by the operations that return the code twice: sales agents, signals agents, signal lists.
    pub(crate) fn failure_with_error_code(code: &str, message: &str) -> Self {
        let details = json!({ "message": message });
        let mut response = Self::failure_with(message, Value::Null, [("error", code), ("errorCode", code)]);
        response.body["details"] = details;
        response
    }

    /// A refusal without a code: status 200, `success: false`, with the reason in the data.
    pub(crate) fn failure_without_code(message: &str, data: impl Into<Value>) -> Self {
        Self::failure_with(message, data, [])
    }

    fn failure_with<const N: usize>(message: &str, data: impl Into<Value>, codes: [(&str, &str); N]) -> Self {
        let mut body = Map::new();
        body.insert("success".to_owned(), false.into());
        body.insert("message".to_owned(), message.into());
        body.extend(codes.map(|(name, code)| (name.to_owned(), code.into())));
        let data = data.into();
        if !data.is_null() {
            body.insert("data".to_owned(), data);
        }
        Self::new(StatusCode::OK, body.into())
    }

    /// An error that Scope3's code throws: status 400 in the published OpenAPI document.
    pub(crate) fn bad_request(error: impl Into<String>) -> Self {
        Self::invalid(&error.into(), json!({}))
    }

    /// Invalid arguments.
    pub(crate) fn invalid(error: &str, details: impl Into<Value>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, json!({"error": error, "details": details.into()}))
    }

    /// An id that this customer does not have. Ids of other customers get the same response.
    pub(crate) fn not_found(what: &str, id: &str) -> Self {
        let error = format!("{what} {id} not found or inaccessible");
        Self::new(StatusCode::NOT_FOUND, json!({"error": error, "code": "NOT_FOUND", "details": {}}))
    }

    /// No operation has this path.
    pub(crate) fn no_such_path(path: &str) -> Self {
        let error = format!("No operation at {path}");
        Self::new(StatusCode::NOT_FOUND, json!({"error": error, "code": "NOT_FOUND"}))
    }

    /// The path exists, but not with this method.
    pub(crate) fn wrong_method(method: &str) -> Self {
        let error = format!("Method {method} not allowed");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, json!({"error": error, "code": "METHOD_NOT_ALLOWED"}))
    }

    /// The body exceeds the size limit.
    pub(crate) fn too_large() -> Self {
        let body = json!({"error": "Request body too large", "code": "PAYLOAD_TOO_LARGE"});
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, body)
    }

    /// An operation of the catalog that the sandbox does not simulate.
    pub(crate) fn not_implemented(tool: &str) -> Self {
        let error = format!("The sandbox does not simulate {tool}");
        Self::new(StatusCode::NOT_IMPLEMENTED, json!({"error": error, "code": "NOT_IMPLEMENTED"}))
    }

    /// A missing key, with the wording of `mintlify/authentication.mdx`.
    pub(crate) fn missing_key() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            json!({"error": "Missing authentication", "code": "AUTH_MISSING"}),
        )
    }

    /// An unknown key, with the wording of the same page.
    pub(crate) fn invalid_key() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            json!({"error": "Invalid or expired API key", "code": "AUTH_INVALID_KEY"}),
        )
    }

    /// Too many requests, with the wording of the same page.
    pub(crate) fn rate_limited(wait: Duration, now: Moment) -> Self {
        let wait = SignedDuration::try_from(wait).unwrap_or_default();
        let reset = now.plus(wait);
        let body = json!({
            "error": "Rate limit exceeded",
            "code": "RATE_LIMIT_EXCEEDED",
            "resetTime": reset,
        });
        // Rounded up, so that a client that waits this many seconds does not retry too early.
        let seconds = wait.as_millis().unsigned_abs().div_ceil(1000).max(1);
        Self { retry_after: u64::try_from(seconds).ok(), ..Self::new(StatusCode::TOO_MANY_REQUESTS, body) }
    }
}

/// A count with its noun: `1 tactic`, `2 tactics`, `0 activities`.
pub(crate) fn count(number: usize, thing: &str) -> String {
    match thing.strip_suffix('y') {
        _ if number == 1 => format!("1 {thing}"),
        Some(stem) => format!("{number} {stem}ies"),
        None => format!("{number} {thing}s"),
    }
}

impl IntoResponse for ApiResponse {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(as_javascript(self.body))).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// Writes numbers as JavaScript does, which has only one type of number: `500`, not `500.0`.
pub(crate) fn as_javascript(value: Value) -> Value {
    match value {
        Value::Number(number) => whole(&number).map_or(Value::Number(number), Value::from),
        Value::Array(items) => items.into_iter().map(as_javascript).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(name, member)| (name, as_javascript(member))).collect()
        }
        other => other,
    }
}

fn whole(number: &Number) -> Option<i64> {
    /// Larger floats cannot represent every integer.
    const MAX_EXACT_INTEGER: f64 = 9_007_199_254_740_992.0;
    let float = number
        .as_f64()
        .filter(|float| number.is_f64() && float.fract() == 0.0 && float.abs() < MAX_EXACT_INTEGER)?;
    #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and in range")]
    Some(float as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_the_right_plural() {
        let counted = [0, 1, 2].map(|number| (count(number, "tactic"), count(number, "activity")));
        let expected =
            [("0 tactics", "0 activities"), ("1 tactic", "1 activity"), ("2 tactics", "2 activities")];
        assert_eq!(
            counted,
            expected.map(|(tactics, activities)| (tactics.to_owned(), activities.to_owned()))
        );
    }
}
