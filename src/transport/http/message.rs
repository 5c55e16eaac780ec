//! Reads the message in the body of a POST.

use std::{sync::Arc, time::Duration};

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::{negotiation::is_json, rejection::Rejection, request_body::BodyBudget};
pub(super) use crate::transport::message::Kind;
use crate::{
    mcp::LargeArguments,
    transport::message::{self, Malformed},
};

/// A message that has been read.
#[derive(Debug)]
pub(super) struct PostedMessage {
    pub(super) text: Bytes,
    pub(super) kind: Kind,
    pub(super) id: Value,
    pub(super) arguments: Option<LargeArguments>,
}

/// Reads a message, within the size limit and the time `within`.
pub(super) async fn read(
    headers: &HeaderMap,
    body: Body,
    bodies: &Arc<BodyBudget>,
    within: Duration,
) -> Result<PostedMessage, Rejection> {
    if !is_json(headers) {
        let message = "expected `Content-Type: application/json` in UTF-8";
        return Err(Rejection::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    check(bodies.collect(body, within).await?)
}

/// For a message that rmcp's types cannot represent.
pub(super) fn unreadable(id: Value) -> Rejection {
    Rejection::from(Malformed::unreadable(None)).with_id(id)
}

/// Reads a message from a text.
pub(super) fn check(text: Bytes) -> Result<PostedMessage, Rejection> {
    let message::Message { text, kind, id, arguments } = message::read(text)?;
    Ok(PostedMessage { text, kind, id: id.map(|id| id.to_value()).unwrap_or_default(), arguments })
}

impl From<Malformed> for Rejection {
    fn from(Malformed { id, code, reason }: Malformed) -> Self {
        Self::malformed(code, reason).with_id(id.map(|id| id.to_value()).unwrap_or_default())
    }
}
