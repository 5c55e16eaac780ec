//! Batches, which only 2025-03-26 has: several messages in one POST, with their responses in one stream.

use axum::{
    body::Body,
    extract::Request,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderValue, StatusCode, header, request::Parts};
use rmcp::model::ProtocolVersion;
use scope3_mcp_gateway::instruments::bound_reached;
use serde_json::Value;

use super::{
    auth::HttpCaller,
    guarded_body::with_guard,
    message::{self, Kind, PostedMessage},
    registration::{register_request, session_id},
    rejection::{INVALID_REQUEST, Rejection},
    state::ServerState,
};

/// The maximum number of messages in a batch.
const MAX_BATCH: usize = 100;

/// Handles a batch, if the session's version of the protocol has batches.
pub(super) async fn handle(
    state: &ServerState,
    caller: &HttpCaller,
    parts: Parts,
    text: &Bytes,
) -> Result<Response, Rejection> {
    let id = session_id(&parts.headers);
    let version = id.and_then(|id| state.sessions.version(id, caller.owner));
    if id.is_some() && version.is_none() {
        return Err(Rejection::no_session());
    }
    if version != Some(ProtocolVersion::V_2025_03_26) {
        let message = "expected one message; this version of the protocol has no batches";
        return Err(Rejection::malformed(INVALID_REQUEST, message));
    }
    // All messages of a batch run at once. A batch that exceeds the caller's limit could never run, so retrying it
    // would not help.
    let messages = split_batch(text, MAX_BATCH.min(state.calls.max_calls(caller.owner)))?;
    let mut registered = Vec::with_capacity(messages.len());
    for message in messages {
        let mut parts = parts.clone();
        register_request(state, caller, &mut parts, message.kind, &message.id)?;
        if let Some(arguments) = message.arguments.clone() {
            parts.extensions.insert(arguments);
        }
        registered.push((message, parts));
    }
    let mut responses = Vec::new();
    for (PostedMessage { text, kind, id, .. }, parts) in registered {
        let response = state.rmcp(caller).handle(Request::from_parts(parts, Body::from(text))).await;
        if kind.expects_response() {
            responses.push(response_events(response, id));
        }
    }
    if responses.is_empty() {
        return Ok(StatusCode::ACCEPTED.into_response());
    }
    // Each chunk is one whole event, so chunks of several streams can be interleaved.
    let mut response = Body::from_stream(stream::select_all(responses)).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(with_guard(response, state.calls.track_response()))
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
                "a batch cannot contain `initialize` or another batch",
            )),
            message => Ok(message),
        })
        .collect()
}

/// The events of a response. A response that is not a stream becomes one event.
fn response_events(response: Response, id: Value) -> stream::BoxStream<'static, Result<Bytes, axum::Error>> {
    if response.status() == StatusCode::OK {
        return response.into_body().into_data_stream().boxed();
    }
    let rejection = Rejection::new(response.status(), "this message of the batch was rejected").with_id(id);
    let event = format!("data: {}\n\n", rejection.body());
    stream::once(async { Ok(Bytes::from(event)) }).boxed()
}
