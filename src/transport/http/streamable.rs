//! Streamable HTTP at `/mcp`: with sessions for versions up to 2025-11-25, without for 2026-07-28.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Extension, Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use scope3_mcp_gateway::MemoryHolder;

use super::{
    auth::HttpCaller,
    batch,
    guarded_body::{with_guard, with_guard_until},
    json_response,
    message::{self, Kind, PostedMessage},
    negotiation::Accepted,
    registration::{is_stateless, register_request, requested_stream, require_session, session_id},
    rejection::Rejection,
    sessions::Channel,
    state::ServerState,
};

/// Marks a request whose response is no stream, so that the client receives no request of the server meanwhile.
#[derive(Debug, Clone, Copy)]
pub(super) struct NoStream;

/// Handles a request to `/mcp`.
pub(super) async fn handle(
    State(state): State<Arc<ServerState>>,
    Extension(caller): Extension<HttpCaller>,
    request: Request,
) -> Response {
    let response = match *request.method() {
        Method::POST => post(&state, &caller, request).await,
        Method::GET => get(&state, &caller, request).await,
        Method::DELETE if !is_stateless(request.headers()) => delete(&state, &caller, request.headers()),
        _ => Ok(state.rmcp(&caller).handle(request).await),
    };
    response.unwrap_or_else(IntoResponse::into_response)
}

async fn post(state: &ServerState, caller: &HttpCaller, request: Request) -> Result<Response, Rejection> {
    let (mut parts, body) = request.into_parts();
    let accepted = Accepted::of(&parts.headers);
    if !(accepted.json || accepted.events) {
        return Err(Rejection::not_acceptable("application/json or text/event-stream"));
    }
    let PostedMessage { text, kind, id, arguments } =
        message::read(&parts.headers, body, &state.bodies, state.deadlines.body).await?;
    set_rmcp_headers(&mut parts.headers);
    if !accepted.events {
        parts.extensions.insert(NoStream);
    }
    if kind == Kind::Batch {
        let response = batch::handle(state, caller, parts, &text).await?;
        return Ok(if accepted.events { response } else { json_response::batch(response).await });
    }
    if !kind.expects_response() {
        require_session(state, caller, &parts.headers)?;
    }
    register_request(state, caller, &mut parts, kind, &id)?;
    if let Some(arguments) = arguments {
        parts.extensions.insert(arguments);
    }
    let holder = MemoryHolder::default();
    parts.extensions.insert(holder.clone());
    let response_guard = state.calls.track_response();
    let rmcp = state.rmcp_accepting(caller, accepted);
    let response = rmcp.handle(Request::from_parts(parts, Body::from(text))).await;
    if response.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        // The media type was checked above; rmcp also uses this status for a message that it cannot read.
        return Err(message::unreadable(id));
    }
    let response = if accepted.events { response } else { json_response::single(response, id).await? };
    if is_complete(&response) {
        holder.written();
    }
    Ok(with_guard(response, (response_guard, holder)))
}

/// Whether the response is complete, and not the start of a stream.
fn is_complete(response: &Response) -> bool {
    response.headers().get(header::CONTENT_TYPE).is_none_or(|kind| kind != "text/event-stream")
}

/// Sets the `Accept` and `Content-Type` that rmcp requires. The client's own headers were already checked.
fn set_rmcp_headers(headers: &mut HeaderMap) {
    const BOTH: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");
    headers.insert(header::ACCEPT, BOTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
}

async fn get(state: &ServerState, caller: &HttpCaller, mut request: Request) -> Result<Response, Rejection> {
    if !Accepted::of(request.headers()).events {
        return Err(Rejection::not_acceptable("text/event-stream"));
    }
    set_rmcp_headers(request.headers_mut());
    let Some(id) = session_id(request.headers()).filter(|_| !is_stateless(request.headers())) else {
        return Ok(state.rmcp(caller).handle(request).await);
    };
    if !matches!(state.sessions.channel(id, caller.owner), Some(Channel::Streamable(_))) {
        return Err(Rejection::no_session());
    }
    let lease = state.sessions.lease_stream(id, caller.owner, requested_stream(request.headers()))?;
    lease.wait_for_predecessor().await?;
    let response = state.rmcp(caller).handle(request).await;
    Ok(with_guard_until(response, lease.superseded(), lease))
}

fn delete(state: &ServerState, caller: &HttpCaller, headers: &HeaderMap) -> Result<Response, Rejection> {
    let Some(id) = session_id(headers) else {
        return Err(Rejection::new(StatusCode::BAD_REQUEST, "expected an `Mcp-Session-Id` header"));
    };
    if !state.sessions.close(id, caller.owner) {
        return Err(Rejection::no_session());
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}
