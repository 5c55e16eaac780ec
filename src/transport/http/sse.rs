//! HTTP with SSE, the transport of 2024-11-05: messages come in at `/messages`, and everything goes out by the
//! stream that `/sse` opens. rmcp no longer has it; the session is served as any pair of channels is.

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
use scope3_mcp_gateway::AnswerPlace;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::PollSender;

use super::{
    Shared,
    auth::{HttpCaller, Owner},
    guarded_body::with_guard,
    handshake,
    message::{self, Kind, PostedMessage},
    negotiation::Accepted,
    rejection::{INVALID_REQUEST, Rejection},
    sessions::{Channel, Sessions, StreamLease},
};
use crate::transport::pending::PendingResponses;

/// Messages that wait on either way.
const MAX_QUEUED_MESSAGES: usize = 16;

/// How long a client may take to begin its session. One that opened its stream again, as after a restart, says nothing
/// until its next call.
const INITIALIZE_TIMEOUT: Duration = Duration::from_mins(30);

/// How long a message waits for a session that takes none in.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// Opens a session, and the stream that is its way out.
pub(super) async fn open_stream(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<HttpCaller>,
    request: Request,
) -> Response {
    if !Accepted::of(request.headers()).events {
        return Rejection::not_acceptable("text/event-stream").into_response();
    }
    start_session(&shared, caller.owner).unwrap_or_else(IntoResponse::into_response)
}

fn start_session(shared: &Arc<Shared>, owner: Owner) -> Result<Response, Rejection> {
    let (to_server, from_client) = mpsc::channel(MAX_QUEUED_MESSAGES);
    let (to_client, from_server) = mpsc::channel(MAX_QUEUED_MESSAGES);
    let pending = PendingResponses::default();
    let channel = Channel::Sse { to_server, pending: pending.clone() };
    let (id, stream) = shared.sessions.open_streaming(owner, channel)?;
    let open =
        OpenStream { sessions: Arc::clone(&shared.sessions), id: Arc::clone(&id), owner, _stream: stream };
    tokio::spawn(run_session(
        shared.server.clone(),
        to_client,
        from_client,
        Arc::clone(&shared.sessions),
        id.clone(),
        owner,
    ));

    let endpoint = Event::default().event("endpoint").data(format!("/messages?sessionId={id}"));
    let events =
        stream::once(async { endpoint }).chain(session_events(from_server, pending)).map(Ok::<_, Infallible>);
    let mut answer =
        Sse::new(events).keep_alive(KeepAlive::new().interval(shared.deadlines.keep_alive)).into_response();
    // Proxies that gather answers would with_guard the events back.
    answer.headers_mut().insert("x-accel-buffering", http::HeaderValue::from_static("no"));
    Ok(with_guard(answer, open))
}

/// What a client's stream brings after its first event.
fn session_events(
    from_server: mpsc::Receiver<ServerJsonRpcMessage>,
    pending: PendingResponses,
) -> impl Stream<Item = Event> + Send {
    stream::unfold((from_server, pending, None), async |(mut from_server, pending, on_its_way)| {
        // By the time the next event is asked for, the one before has left.
        drop::<Option<AnswerPlace>>(on_its_way);
        loop {
            let message = from_server.recv().await?;
            let place = pending.take(&message);
            if let Some(event) = message_event(&message) {
                drop(message);
                place.iter().for_each(AnswerPlace::written);
                return Some((event, (from_server, pending, place)));
            }
        }
    })
}

fn message_event(message: &ServerJsonRpcMessage) -> Option<Event> {
    if handshake::is_handshake_response(message) {
        return None;
    }
    let text = serde_json::to_string(message)
        .inspect_err(|error| tracing::error!(%error, "a message cannot be written"));
    Some(Event::default().event("message").data(text.ok()?))
}

/// An open stream. The session ends with it.
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

/// Serves a session until its way in is gone. The way out closes when all is said.
async fn run_session(
    server: crate::mcp::Server,
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
                tracing::error!(%error, "a session ended badly");
            }
        }
        Ok(Err(error)) => tracing::debug!(%error, "a session did not begin"),
        Err(_) => tracing::debug!("a session did not begin in time"),
    }
    sessions.close(&id, owner);
}

/// Takes in a message of a session. What it brings comes by the session's stream.
pub(super) async fn post_message(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<HttpCaller>,
    request: Request,
) -> Response {
    match accept_message(&shared, &caller, request).await {
        Ok(()) => (StatusCode::ACCEPTED, "Accepted").into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

async fn accept_message(shared: &Shared, caller: &HttpCaller, request: Request) -> Result<(), Rejection> {
    let (mut parts, body) = request.into_parts();
    let query = parts.uri.query().unwrap_or_default();
    let mut names = url::form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "sessionId");
    let (Some((_, id)), None) = (names.next(), names.next()) else {
        return Err(Rejection::new(StatusCode::BAD_REQUEST, "sessionId is missing; GET /sse gives one"));
    };
    let id = id.into_owned();
    let Some(Channel::Sse { to_server, pending }) = shared.sessions.channel(&id, caller.owner) else {
        return Err(Rejection::no_session());
    };
    let PostedMessage { text, kind, id: request_id, arguments } =
        message::read(&parts.headers, body, &shared.bodies, shared.deadlines.body).await?;
    if kind == Kind::Batch {
        let message = "messages come one by one; this version of the protocol has no batches";
        return Err(Rejection::malformed(INVALID_REQUEST, message));
    }
    if kind.is_call() {
        // The connection that brings it is free again at once; its session's stream waits for the answer.
        let call = shared.calls.acquire(caller.owner, None);
        parts.extensions.insert(call.map_err(|refusal| refusal.with_id(request_id.clone()))?);
    }
    if kind.expects_response() {
        parts.extensions.insert(shared.sessions.start_request(&id, caller.owner, &request_id)?);
    }
    let mut message: ClientJsonRpcMessage =
        serde_json::from_slice(&text).map_err(|_| message::unreadable(request_id))?;
    if let Some(arguments) = arguments {
        parts.extensions.insert(arguments);
    }
    if let Some(place) = pending.track(&message) {
        parts.extensions.insert(place);
    }
    message.insert_extension(parts);
    let sent = to_server.send_timeout(message, SEND_TIMEOUT).await;
    sent.map_err(|error| match error {
        mpsc::error::SendTimeoutError::Closed(_) => Rejection::no_session(),
        mpsc::error::SendTimeoutError::Timeout(_) => {
            Rejection::busy("this session takes in no more messages", Duration::from_secs(1))
        }
    })
}
