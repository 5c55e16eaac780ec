//! Responses in the envelope of the Interchange: `{"data", "error", "meta"}`.

use std::time::Duration;

use axum::{
    Json,
    body::Body,
    http::{HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

use crate::response::as_javascript;

/// The requests that the Interchange permits in a minute, as its documents say.
const PER_MINUTE: u64 = 100;

/// A PDF of one empty page.
const PDF: &[u8] = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n\
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n";

/// What an operation answers.
pub(super) type Answer<T = Reply> = Result<T, Refusal>;

/// A success.
#[derive(Debug)]
pub(super) struct Reply {
    /// The data of the envelope.
    pub(super) data: Value,
    /// The page, if the data is one.
    pub(super) page: Option<Page>,
    /// Whether something was created.
    pub(super) created: bool,
}

/// Which part of a list an answer contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) skip: usize,
    pub(super) take: usize,
    pub(super) total: usize,
}

impl Page {
    /// Whether more items follow.
    pub(super) fn has_more(self) -> bool {
        self.next() < self.total
    }

    /// The position after the page.
    pub(super) fn next(self) -> usize {
        self.skip.saturating_add(self.take)
    }
}

impl Reply {
    /// A success with this data.
    pub(super) fn of(data: Value) -> Self {
        Self { data, page: None, created: false }
    }

    /// A success that created something.
    pub(super) fn created(data: Value) -> Self {
        Self { created: true, ..Self::of(data) }
    }

    /// A success without data.
    pub(super) fn nothing() -> Self {
        Self::of(json!({}))
    }
}

/// How a successful answer is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// In the envelope.
    Json,
    /// In the envelope, with 202.
    Accepted,
    /// As the data alone.
    Bare,
    /// Without a body.
    Empty,
    /// As a PDF document.
    Pdf,
    /// As comma-separated values, or as other text.
    Text(&'static str),
}

/// The response of a success.
pub(super) fn success(reply: Reply, kind: Kind) -> Response {
    let raw = |kind: &'static str, body: Body| {
        ([(CONTENT_TYPE, HeaderValue::from_static(kind))], body).into_response()
    };
    match kind {
        Kind::Empty => StatusCode::NO_CONTENT.into_response(),
        Kind::Pdf => raw("application/pdf", Body::from(PDF)),
        Kind::Text(media) => raw(media, Body::from(rows(&reply.data))),
        Kind::Bare => Json(as_javascript(reply.data)).into_response(),
        Kind::Json | Kind::Accepted => {
            let status = match kind {
                Kind::Accepted => StatusCode::ACCEPTED,
                _ if reply.created => StatusCode::CREATED,
                _ => StatusCode::OK,
            };
            let mut body = json!({ "data": reply.data, "error": null });
            if let Some(page) = reply.page {
                let Page { skip, take, total } = page;
                body["meta"] = json!({ "pagination": {
                    "skip": skip, "take": take, "total": total, "hasMore": page.has_more(),
                } });
            }
            (status, Json(as_javascript(body))).into_response()
        }
    }
}

/// The first list of some data as comma-separated values.
fn rows(data: &Value) -> String {
    let rows = data.as_object().into_iter().flatten().find_map(|(_, member)| member.as_array());
    let rows = rows.map(Vec::as_slice).unwrap_or_default();
    let names: Vec<&String> =
        rows.first().and_then(Value::as_object).into_iter().flat_map(Map::keys).collect();
    let cell = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut writer = csv::Writer::from_writer(Vec::new());
    let lines = rows.iter().map(|row| names.iter().map(|name| cell(&row[name.as_str()])).collect::<Vec<_>>());
    // Writing to memory does not fail.
    drop(writer.write_record(&names));
    lines.for_each(|line| drop(writer.write_record(line)));
    writer.into_inner().ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
}

/// An error, with one of the codes that the Interchange documents.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
    field: Option<String>,
    // Boxed, because a refusal is the error of nearly every function here.
    details: Option<Box<Value>>,
}

impl Refusal {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), field: None, details: None }
    }

    /// The same error about one argument.
    pub(super) fn at(self, field: &str) -> Self {
        Self { field: Some(field.to_owned()), ..self }
    }

    fn with(self, details: Value) -> Self {
        Self { details: Some(Box::new(details)), ..self }
    }

    /// The arguments do not match the schema. `issues` are objects with a dotted `path` and a `message`.
    pub(super) fn invalid(issues: &[Value]) -> Self {
        let first = issues.first();
        let text = |name: &str| first.and_then(|issue| issue[name].as_str()).unwrap_or_default().to_owned();
        let (path, message) = (text("path"), text("message"));
        let message = if path.is_empty() { message } else { format!("{path} {message}") };
        let refusal = Self::new(StatusCode::BAD_REQUEST, "VALIDATION_ERROR", message);
        let refusal = if path.is_empty() { refusal } else { refusal.at(&path) };
        refusal.with(json!({ "issues": issues }))
    }

    /// One argument has a wrong value.
    pub(super) fn invalid_value(path: &str, message: &str) -> Self {
        Self::invalid(&[json!({ "path": path, "message": message })])
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BAD_REQUEST", message)
    }

    pub(super) fn currency_mismatch(given: &str, expected: &str) -> Self {
        let message = format!("The advertiser's currency is {expected}, not {given}");
        Self::new(StatusCode::BAD_REQUEST, "CURRENCY_MISMATCH", message).at("budget.currency")
    }

    pub(super) fn invalid_state(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "INVALID_STATE", message)
    }

    pub(super) fn no_key() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "Missing API key")
    }

    pub(super) fn unknown_key() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "Invalid or expired API key")
    }

    pub(super) fn access_denied(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "ACCESS_DENIED", message)
    }

    /// The key sees several customers, and a change names none of them.
    pub(super) fn no_customer(available: Value) -> Self {
        let message = "This key sees several customers: name one in the header x-scope3-customer-id";
        Self::new(StatusCode::FORBIDDEN, "CUSTOMER_SCOPE_REQUIRED", message)
            .with(json!({ "availableCustomers": available }))
    }

    /// An id that this customer does not have. Ids of other customers get the same response.
    pub(super) fn not_found(what: &str, id: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", format!("{what} {id} was not found"))
    }

    pub(super) fn no_such_path(method: &str, path: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", format!("No operation at {method} {path}"))
    }

    pub(super) fn wrong_method(method: &str) -> Self {
        let message = format!("Method {method} is not allowed here");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "BAD_REQUEST", message)
    }

    pub(super) fn too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "BAD_REQUEST", "The request body is too large")
    }

    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "CONFLICT", message)
    }

    pub(super) fn no_price(product: &str, currency: &str) -> Self {
        let message = format!("{product} has no price in {currency}");
        Self::new(StatusCode::CONFLICT, "PRICING_NOT_CONFIGURED", message)
    }

    /// The media buys need more than the campaign has.
    pub(super) fn insufficient_budget(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "INSUFFICIENT_MEDIA_BUDGET", message).at("budget.total")
    }

    pub(super) fn blocked(field: &str, word: &str) -> Self {
        let message = format!("The text is not allowed: it mentions \"{word}\"");
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "CONTENT_MODERATION_BLOCKED", message).at(field)
    }

    fn rate_limited() -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", "Too many requests")
    }

    /// A simulated fault with this status.
    pub(super) fn fault(status: StatusCode) -> Self {
        let code = match status.as_u16() {
            401 => "UNAUTHORIZED",
            402 => "CREDIT_LIMIT_EXCEEDED",
            403 => "FORBIDDEN",
            404 => "NOT_FOUND",
            409 => "CONFLICT",
            422 => "VALIDATION_ERROR",
            429 => "RATE_LIMITED",
            501 => "NOT_IMPLEMENTED",
            503 => "SERVICE_UNAVAILABLE",
            400..=499 => "BAD_REQUEST",
            _ => "INTERNAL_ERROR",
        };
        Self::new(status, code, status.canonical_reason().unwrap_or("Error"))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let Some(field) = self.field {
            error["field"] = field.into();
        }
        if let Some(details) = self.details {
            error["details"] = *details;
        }
        (self.status, Json(json!({ "data": null, "error": error }))).into_response()
    }
}

/// The rate limit of a key as the headers of a response state it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) limit: u64,
    pub(super) remaining: u64,
    pub(super) reset: Duration,
}

impl Window {
    /// The documented limit, unused: the sandbox has no limit of its own.
    pub(super) const UNUSED: Self =
        Self { limit: PER_MINUTE, remaining: PER_MINUTE - 1, reset: Duration::from_mins(1) };

    /// Whole seconds, rounded up, so that a client that waits this long does not retry too early.
    fn seconds(self) -> u64 {
        u64::try_from(self.reset.as_millis().div_ceil(1000)).unwrap_or(u64::MAX).max(1)
    }

    /// Adds the headers that the Interchange sends with every response.
    pub(super) fn mark(self, response: &mut Response) {
        let headers = response.headers_mut();
        headers.insert("ratelimit-limit", self.limit.into());
        headers.insert("ratelimit-remaining", self.remaining.into());
        headers.insert("ratelimit-reset", self.seconds().into());
    }

    /// The response to a request above the limit.
    pub(super) fn exceeded(self) -> Response {
        let mut response = Refusal::rate_limited().into_response();
        response.headers_mut().insert(axum::http::header::RETRY_AFTER, self.seconds().into());
        response
    }
}
