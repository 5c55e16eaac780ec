//! Batches, which 2025-03-26 alone has: several messages in one POST, whose answers come by one stream.

use axum::{
    body::Body,
    extract::Request,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderValue, StatusCode, header, request::Parts};
use rmcp::model::ProtocolVersion;
use scope3_mcp_gateway::measure::bound_reached;
use serde_json::Value;

use super::{
    Shared,
    auth::HttpCaller,
    guarded_body::with_guard,
    message::{self, Kind, PostedMessage},
    rejection::{INVALID_REQUEST, Rejection},
    streamable,
};

/// The most messages of a batch.
const MAX_BATCH: usize = 100;

/// Answers a batch, if the session speaks the version that has them.
pub(super) async fn answer(
    shared: &Shared,
    caller: &HttpCaller,
    parts: Parts,
    text: &Bytes,
) -> Result<Response, Rejection> {
    let id = streamable::session_id(&parts.headers);
    let version = id.and_then(|id| shared.sessions.version(id, caller.owner));
    if id.is_some() && version.is_none() {
        return Err(Rejection::no_session());
    }
    if version != Some(ProtocolVersion::V_2025_03_26) {
        let message = "messages come one by one; this version of the protocol has no batches";
        return Err(Rejection::malformed(INVALID_REQUEST, message));
    }
    // All of a batch runs at once: one that could never have so many places would be told to come back for ever.
    let messages = split_batch(text, MAX_BATCH.min(shared.calls.max_calls(caller.owner)))?;
    let mut registered = Vec::with_capacity(messages.len());
    for message in messages {
        let mut parts = parts.clone();
        streamable::register_request(shared, caller, &mut parts, message.kind, &message.id)?;
        if let Some(arguments) = message.arguments.clone() {
            parts.extensions.insert(arguments);
        }
        registered.push((message, parts));
    }
    let mut answers = Vec::new();
    for (PostedMessage { text, kind, id, .. }, parts) in registered {
        let answer = shared.rmcp(caller).handle(Request::from_parts(parts, Body::from(text))).await;
        if kind.expects_response() {
            answers.push(response_events(answer, id));
        }
    }
    if answers.is_empty() {
        return Ok(StatusCode::ACCEPTED.into_response());
    }
    // Each event is a piece of its own, so that pieces of several streams can follow each other.
    let mut response = Body::from_stream(stream::select_all(answers)).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(with_guard(response, shared.calls.track_response()))
}

fn split_batch(text: &[u8], max: usize) -> Result<Vec<PostedMessage>, Rejection> {
    let messages: Vec<Value> =
        serde_json::from_slice(text).map_err(|_| Rejection::malformed(INVALID_REQUEST, "not a batch"))?;
    if messages.is_empty() || messages.len() > max {
        if !messages.is_empty() {
            bound_reached("batch");
        }
        let message = format!("expected a batch of 1 to {max} messages, got {}", messages.len());
        return Err(Rejection::malformed(INVALID_REQUEST, message));
    }
    messages
        .iter()
        .map(|message| match message::check(message.to_string().into())? {
            message if matches!(message.kind, Kind::Initialize | Kind::Batch) => Err(Rejection::malformed(
                INVALID_REQUEST,
                "neither `initialize` nor a batch can stand in a batch",
            )),
            message => Ok(message),
        })
        .collect()
}

/// The events of an answer; an answer that is no stream becomes one.
fn response_events(answer: Response, id: Value) -> stream::BoxStream<'static, Result<Bytes, axum::Error>> {
    if answer.status() == StatusCode::OK {
        return answer.into_body().into_data_stream().boxed();
    }
    let refusal = Rejection::new(answer.status(), "this message of the batch was refused").with_id(id);
    let event = format!("data: {}\n\n", refusal.body());
    stream::once(async { Ok(Bytes::from(event)) }).boxed()
}
