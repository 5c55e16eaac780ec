//! What the transport itself answers: an HTTP status, and a JSON-RPC error for clients that read bodies alone.

use std::{borrow::Cow, time::Duration};

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use scope3_mcp_gateway::limits::whole_seconds;
use serde_json::{Value, json};

pub(super) use crate::transport::message::INVALID_REQUEST;

/// MCP's code for everything that is not about the message.
const SERVER_ERROR: i64 = -32000;

/// A request that is answered before the MCP server sees it. Says nothing of what the request held.
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

    /// A message that is no message of the protocol.
    pub(super) fn malformed(code: i64, message: impl Into<Cow<'static, str>>) -> Self {
        let mut refusal = Self::new(StatusCode::BAD_REQUEST, message);
        refusal.0.code = code;
        refusal
    }

    /// The same for each way in which a session can be out of reach, so that nobody learns of others' sessions. Code
    /// and words are those of MCP's own SDKs, by which some clients know that they should begin anew.
    pub(super) fn no_session() -> Self {
        let mut refusal = Self::new(StatusCode::NOT_FOUND, "Session terminated");
        refusal.0.code = INVALID_REQUEST;
        refusal.with_data(json!({
            "hint": "This server does not have the session: it expired, was closed, or the server restarted. Begin a new \
                     one with `initialize`.",
        }))
    }

    /// A client that takes no answer in any form that there is.
    pub(super) fn not_acceptable(types: &'static str) -> Self {
        let message = format!("expected an `Accept` header that allows {types}");
        Self::new(StatusCode::NOT_ACCEPTABLE, message)
    }

    /// Too much at once; it may be tried again after a while.
    pub(super) fn busy(message: &'static str, after: Duration) -> Self {
        let seconds = HeaderValue::from(whole_seconds(after).max(1));
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message).with_header(header::RETRY_AFTER, seconds)
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
}

impl Rejection {
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
