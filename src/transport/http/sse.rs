//! HTTP+SSE, the transport of 2024-11-05: clients post messages to `/messages` and receive messages in the stream of
//! `/sse`. rmcp no longer implements it, so a session is served over a pair of channels.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::{Extension, Request, State},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures_util::{Stream, StreamExt, stream};
use http::StatusCode;
use rmcp::{
    ServiceExt,
    model::{ClientJsonRpcMessage, ServerJsonRpcMessage},
    transport::streamable_http_server::session::SessionId,
};
use scope3_mcp_gateway::MemoryHolder;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::PollSender;

use super::{
    auth::{HttpCaller, Owner},
    extensions::SseSession,
    guarded_body::with_guard,
    handshake,
    message::{self, Kind, PostedMessage},
    negotiation::Accepted,
    rejection::{INVALID_REQUEST, Rejection},
    sessions::{Channel, Sessions, StreamLease},
    state::ServerState,
};
use crate::{mcp::Server, transport::pending::PendingResponses};

/// The maximum number of messages that wait in each direction of a session.
const MAX_QUEUED_MESSAGES: usize = 16;

/// How long a client may take to initialize its session. A client that reopened its stream, for example after a restart
/// of this server, sends nothing until its next call.
const INITIALIZE_TIMEOUT: Duration = Duration::from_mins(30);

/// The maximum time that a message waits for room in its session's queue.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// Handles a request to `/sse`: opens a session and its stream.
pub(super) async fn open_stream(
    State(state): State<Arc<ServerState>>,
    Extension(caller): Extension<HttpCaller>,
    request: Request,
) -> Response {
    if !Accepted::of(request.headers()).events {
        return Rejection::not_acceptable("text/event-stream").into_response();
    }
    start_session(&state, caller.owner).unwrap_or_else(IntoResponse::into_response)
}

fn start_session(state: &Arc<ServerState>, owner: Owner) -> Result<Response, Rejection> {
    let (to_server, from_client) = mpsc::channel(MAX_QUEUED_MESSAGES);
    let (to_client, from_server) = mpsc::channel(MAX_QUEUED_MESSAGES);
    let pending = PendingResponses::default();
    let channel = Channel::Sse { to_server, pending: pending.clone() };
    let (id, stream) = state.sessions.open_streaming(owner, channel)?;
    let open =
        OpenStream { sessions: Arc::clone(&state.sessions), id: Arc::clone(&id), owner, _stream: stream };
    tokio::spawn(run_session(
        state.server.for_session(),
        to_client,
        from_client,
        Arc::clone(&state.sessions),
        id.clone(),
        owner,
    ));

    let endpoint = Event::default().event("endpoint").data(format!("/messages?sessionId={id}"));
    let events =
        stream::once(async { endpoint }).chain(session_events(from_server, pending)).map(Ok::<_, Infallible>);
    let mut response =
        Sse::new(events).keep_alive(KeepAlive::new().interval(state.deadlines.keep_alive)).into_response();
    // Without this header, proxies that buffer responses hold the events back.
    response.headers_mut().insert("x-accel-buffering", http::HeaderValue::from_static("no"));
    Ok(with_guard(response, open))
}

/// The events of a session's stream after the first.
fn session_events(
    from_server: mpsc::Receiver<ServerJsonRpcMessage>,
    pending: PendingResponses,
) -> impl Stream<Item = Event> + Send {
    stream::unfold((from_server, pending, None), async |(mut from_server, pending, previous)| {
        // The previous event has been sent by the time the next one is polled.
        drop::<Option<MemoryHolder>>(previous);
        loop {
            let message = from_server.recv().await?;
            let holder = pending.take(&message);
            if let Some(event) = message_event(&message) {
                drop(message);
                holder.iter().for_each(MemoryHolder::written);
                return Some((event, (from_server, pending, holder)));
            }
        }
    })
}

fn message_event(message: &ServerJsonRpcMessage) -> Option<Event> {
    if handshake::is_handshake_response(message) {
        return None;
    }
    let text = serde_json::to_string(message)
        .inspect_err(|error| tracing::error!(%error, "cannot serialize a message"));
    Some(Event::default().event("message").data(text.ok()?))
}

/// An open stream. Dropping it closes its session.
struct OpenStream {
    sessions: Arc<Sessions>,
    id: SessionId,
    owner: Owner,
    _stream: StreamLease,
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.sessions.close(&self.id, self.owner);
    }
}

/// Runs a session until its incoming channel closes. The outgoing channel closes after the last message.
async fn run_session(
    server: Server,
    to_client: mpsc::Sender<ServerJsonRpcMessage>,
    from_client: mpsc::Receiver<ClientJsonRpcMessage>,
    sessions: Arc<Sessions>,
    id: SessionId,
    owner: Owner,
) {
    let from_client = handshake::insert_missing(ReceiverStream::new(from_client));
    let transport = (PollSender::new(to_client), from_client);
    match tokio::time::timeout(INITIALIZE_TIMEOUT, server.serve(transport)).await {
        Ok(Ok(running)) => {
            if let Err(error) = running.waiting().await {
                tracing::error!(%error, "a session failed");
            }
        }
        Ok(Err(error)) => tracing::debug!(%error, "a session failed to initialize"),
        Err(_) => tracing::debug!("a session was not initialized in time"),
    }
    sessions.close(&id, owner);
}

/// Handles a request to `/messages`. Responses are sent in the session's stream.
pub(super) async fn post_message(
    State(state): State<Arc<ServerState>>,
    Extension(caller): Extension<HttpCaller>,
    request: Request,
) -> Response {
    match accept_message(&state, &caller, request).await {
        Ok(()) => (StatusCode::ACCEPTED, "Accepted").into_response(),
        Err(rejection) => rejection.into_response(),
    }
}

async fn accept_message(state: &ServerState, caller: &HttpCaller, request: Request) -> Result<(), Rejection> {
    let (mut parts, body) = request.into_parts();
    let query = parts.uri.query().unwrap_or_default();
    let mut names = url::form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "sessionId");
    let (Some((_, id)), None) = (names.next(), names.next()) else {
        return Err(Rejection::new(
            StatusCode::BAD_REQUEST,
            "expected one `sessionId` parameter; `GET /sse` returns it",
        ));
    };
    let id = id.into_owned();
    let Some(Channel::Sse { to_server, pending }) = state.sessions.channel(&id, caller.owner) else {
        return Err(Rejection::no_session());
    };
    let PostedMessage { text, kind, id: request_id, arguments } =
        message::read(&parts.headers, body, &state.bodies, state.deadlines.body).await?;
    if kind == Kind::Batch {
        let message = "expected one message; this version of the protocol has no batches";
        return Err(Rejection::malformed(INVALID_REQUEST, message));
    }
    if kind.is_call() {
        // The connection of this request does not wait for the response: the session's stream does.
        let permit = state.calls.acquire(caller.owner, None);
        parts.extensions.insert(permit.map_err(|rejection| rejection.with_id(request_id.clone()))?);
    }
    if kind.expects_response() {
        parts.extensions.insert(state.sessions.start_request(&id, caller.owner, &request_id)?);
    }
    let mut message: ClientJsonRpcMessage =
        serde_json::from_slice(&text).map_err(|_| message::unreadable(request_id))?;
    if let Some(arguments) = arguments {
        parts.extensions.insert(arguments);
    }
    if let Some(holder) = pending.track(&message) {
        parts.extensions.insert(holder);
    }
    parts.extensions.insert(SseSession(id));
    message.insert_extension(parts);
    let sent = to_server.send_timeout(message, SEND_TIMEOUT).await;
    sent.map_err(|error| match error {
        mpsc::error::SendTimeoutError::Closed(_) => Rejection::no_session(),
        mpsc::error::SendTimeoutError::Timeout(_) => {
            Rejection::busy("session queue is full", Duration::from_secs(1))
        }
    })
}
