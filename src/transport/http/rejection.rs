//! Rejections by the transport itself: an HTTP status, and a JSON-RPC error for clients that only read bodies.

use std::{borrow::Cow, time::Duration};

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use scope3_mcp_gateway::limits::whole_seconds;
use serde_json::{Value, json};

pub(super) use crate::transport::message::INVALID_REQUEST;

/// The JSON-RPC code for errors that are not about the message.
const SERVER_ERROR: i64 = -32000;

/// The response to a request that does not reach the MCP server. Never repeats content of the request.
#[derive(Debug, Clone)]
pub(super) struct Rejection(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    status: StatusCode,
    code: i64,
    message: Cow<'static, str>,
    id: Value,
    data: Value,
    header: Option<(header::HeaderName, HeaderValue)>,
}

impl Rejection {
    pub(super) fn new(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        let (code, message) = (SERVER_ERROR, message.into());
        Self(Box::new(Parts { status, code, message, id: Value::Null, data: Value::Null, header: None }))
    }

    /// For a message that is not valid MCP.
    pub(super) fn malformed(code: i64, message: impl Into<Cow<'static, str>>) -> Self {
        let mut rejection = Self::new(StatusCode::BAD_REQUEST, message);
        rejection.0.code = code;
        rejection
    }

    /// For a session that the caller cannot use. The same for every reason, so that it reveals nothing about sessions
    /// of others. The code and message are those of MCP's own SDKs: some clients start a new session when they see
    /// them.
    pub(super) fn no_session() -> Self {
        let mut rejection = Self::new(StatusCode::NOT_FOUND, "Session terminated");
        rejection.0.code = INVALID_REQUEST;
        rejection.with_data(json!({
            "hint": "This server does not have the session: it expired, was closed, or the server restarted. Start a new \
                     session with `initialize`.",
        }))
    }

    /// For a client that accepts none of the available media types.
    pub(super) fn not_acceptable(types: &'static str) -> Self {
        let message = format!("expected an `Accept` header that allows {types}");
        Self::new(StatusCode::NOT_ACCEPTABLE, message)
    }

    /// For a limit that was reached. The client may retry after a while.
    pub(super) fn busy(message: &'static str, after: Duration) -> Self {
        let seconds = HeaderValue::from(whole_seconds(after).max(1));
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message).with_header(header::RETRY_AFTER, seconds)
    }

    /// The code of this server in the data, if there is one.
    pub(super) fn server_code(&self) -> Option<&str> {
        self.0.data.get("code")?.as_str()
    }

    pub(super) fn with_header(mut self, name: header::HeaderName, value: HeaderValue) -> Self {
        self.0.header = Some((name, value));
        self
    }

    pub(super) fn with_data(mut self, data: Value) -> Self {
        self.0.data = data;
        self
    }

    pub(super) fn with_id(mut self, id: Value) -> Self {
        self.0.id = id;
        self
    }

    /// The JSON-RPC error.
    pub(super) fn body(&self) -> Value {
        let Parts { code, message, id, data, .. } = &*self.0;
        let mut error = json!({ "code": code, "message": message });
        if !data.is_null() {
            error["data"] = data.clone();
        }
        json!({ "jsonrpc": "2.0", "id": id, "error": error })
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        let mut response = (self.0.status, Json(self.body())).into_response();
        if let Some((name, value)) = self.0.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}
