//! Reading the body of a POST, and the message in it.

use std::{sync::Arc, time::Duration};

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde_json::Value;

use super::{refusal::Refusal, request_body::BodyBudget};
pub(super) use crate::transport::message::Kind;
use crate::transport::message::{self, Malformed};

/// The longest body of a request, in bytes.
pub(super) const LONGEST: usize = 4 * 1024 * 1024;

/// A message that has been read.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) text: Bytes,
    pub(super) kind: Kind,
    pub(super) id: Value,
}

/// Reads a message, up to the longest and within a time.
pub(super) async fn read(
    headers: &HeaderMap,
    body: Body,
    bodies: &Arc<BodyBudget>,
    within: Duration,
) -> Result<Message, Refusal> {
    if !is_json(headers) {
        let message = "the Content-Type of a message must be application/json";
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    check(bodies.collect(body, within).await?)
}

/// A message that this server's model of the protocol cannot read.
pub(super) fn unreadable(id: Value) -> Refusal {
    Refusal::from(Malformed::unreadable(None)).with_id(id)
}

/// Whether a client takes in a stream of events. One that says nothing takes anything (RFC 9110, section 12.5.1).
pub(super) fn accepts_events(headers: &HeaderMap) -> bool {
    if !headers.contains_key(header::ACCEPT) {
        return true;
    }
    let sent = headers.get_all(header::ACCEPT).iter().filter_map(|sent| sent.to_str().ok());
    let mut types =
        sent.flat_map(|sent| sent.split(',')).filter_map(|range| range.split(';').next()).map(str::trim);
    types.any(|range| matches!(range, "text/event-stream" | "text/*" | "*/*"))
}

fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(sent), None) = (types.next(), types.next()) else { return false };
    let essence = sent.to_str().ok().and_then(|sent| sent.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// Tells what a text is for, if it is a message.
pub(super) fn check(text: Bytes) -> Result<Message, Refusal> {
    let message::Message { text, kind, id } = message::read(text)?;
    Ok(Message { text, kind, id: id.map(|id| id.to_value()).unwrap_or_default() })
}

impl From<Malformed> for Refusal {
    fn from(Malformed { id, code, reason }: Malformed) -> Self {
        Self::malformed(code, reason).with_id(id.map(|id| id.to_value()).unwrap_or_default())
    }
}
