//! Reading the body of a POST, and the message in it.

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

/// The longest body of a request, in bytes.
pub(super) const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;

/// A message that has been read.
#[derive(Debug)]
pub(super) struct PostedMessage {
    pub(super) text: Bytes,
    pub(super) kind: Kind,
    pub(super) id: Value,
    pub(super) arguments: Option<LargeArguments>,
}

/// Reads a message, up to the longest and within a time.
pub(super) async fn read(
    headers: &HeaderMap,
    body: Body,
    bodies: &Arc<BodyBudget>,
    within: Duration,
) -> Result<PostedMessage, Rejection> {
    if !is_json(headers) {
        let message = "expected `Content-Type: application/json`, in UTF-8";
        return Err(Rejection::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    check(bodies.collect(body, within).await?)
}

/// A message that this server's model of the protocol cannot read.
pub(super) fn unreadable(id: Value) -> Rejection {
    Rejection::from(Malformed::unreadable(None)).with_id(id)
}

/// Tells what a text is for, if it is a message.
pub(super) fn check(text: Bytes) -> Result<PostedMessage, Rejection> {
    let message::Message { text, kind, id, arguments } = message::read(text)?;
    Ok(PostedMessage { text, kind, id: id.map(|id| id.to_value()).unwrap_or_default(), arguments })
}

impl From<Malformed> for Rejection {
    fn from(Malformed { id, code, reason }: Malformed) -> Self {
        Self::malformed(code, reason).with_id(id.map(|id| id.to_value()).unwrap_or_default())
    }
}
