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
    admission::{Caller, Owner},
    bodies::hold,
    handshake,
    message::{self, Kind, Message},
    negotiation::Accepted,
    refusal::{INVALID_REQUEST, Refusal},
    sessions::{Claim, Link, Sessions},
};
use crate::transport::owed::OwedAnswers;

/// Messages that wait on either way.
const WAITING: usize = 16;

/// How long a client may take to begin its session. One that opened its stream again, as after a restart, says nothing
/// until its next call.
const BEGINNING: Duration = Duration::from_mins(30);

/// How long a message waits for a session that takes none in.
const ENTRY: Duration = Duration::from_secs(10);

/// Opens a session, and the stream that is its way out.
pub(super) async fn open(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Response {
    if !Accepted::of(request.headers()).events {
        return Refusal::not_acceptable("text/event-stream").into_response();
    }
    begin(&shared, caller.owner).unwrap_or_else(IntoResponse::into_response)
}

fn begin(shared: &Arc<Shared>, owner: Owner) -> Result<Response, Refusal> {
    let (to_server, from_client) = mpsc::channel(WAITING);
    let (to_client, from_server) = mpsc::channel(WAITING);
    let owed = OwedAnswers::default();
    let link = Link::Legacy { to_server, owed: owed.clone() };
    let (id, stream) = shared.sessions.open_streaming(owner, link)?;
    let open = Open { sessions: Arc::clone(&shared.sessions), id: Arc::clone(&id), owner, _stream: stream };
    tokio::spawn(serve(
        shared.server.clone(),
        to_client,
        from_client,
        Arc::clone(&shared.sessions),
        id.clone(),
        owner,
    ));

    let endpoint = Event::default().event("endpoint").data(format!("/messages?sessionId={id}"));
    let events = stream::once(async { endpoint }).chain(events(from_server, owed)).map(Ok::<_, Infallible>);
    let mut answer =
        Sse::new(events).keep_alive(KeepAlive::new().interval(shared.deadlines.keep_alive)).into_response();
    // Proxies that gather answers would hold the events back.
    answer.headers_mut().insert("x-accel-buffering", http::HeaderValue::from_static("no"));
    Ok(hold(answer, open))
}

/// What a client's stream brings after its first event.
fn events(
    from_server: mpsc::Receiver<ServerJsonRpcMessage>,
    owed: OwedAnswers,
) -> impl Stream<Item = Event> + Send {
    stream::unfold((from_server, owed, None), async |(mut from_server, owed, on_its_way)| {
        // By the time the next event is asked for, the one before has left.
        drop::<Option<AnswerPlace>>(on_its_way);
        loop {
            let message = from_server.recv().await?;
            let place = owed.take(&message);
            if let Some(event) = event(&message) {
                drop(message);
                place.iter().for_each(AnswerPlace::written);
                return Some((event, (from_server, owed, place)));
            }
        }
    })
}

fn event(message: &ServerJsonRpcMessage) -> Option<Event> {
    if handshake::is_answer(message) {
        return None;
    }
    let text = serde_json::to_string(message)
        .inspect_err(|error| tracing::error!(%error, "a message cannot be written"));
    Some(Event::default().event("message").data(text.ok()?))
}

/// An open stream. The session ends with it.
struct Open {
    sessions: Arc<Sessions>,
    id: SessionId,
    owner: Owner,
    _stream: Claim,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.sessions.close(&self.id, self.owner);
    }
}

/// Serves a session until its way in is gone. The way out closes when all is said.
async fn serve(
    server: crate::mcp::Server,
    to_client: mpsc::Sender<ServerJsonRpcMessage>,
    from_client: mpsc::Receiver<ClientJsonRpcMessage>,
    sessions: Arc<Sessions>,
    id: SessionId,
    owner: Owner,
) {
    let from_client = handshake::complete(ReceiverStream::new(from_client));
    let transport = (PollSender::new(to_client), from_client);
    match tokio::time::timeout(BEGINNING, server.serve(transport)).await {
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
pub(super) async fn receive(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Response {
    match take_in(&shared, &caller, request).await {
        Ok(()) => (StatusCode::ACCEPTED, "Accepted").into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

async fn take_in(shared: &Shared, caller: &Caller, request: Request) -> Result<(), Refusal> {
    let (mut parts, body) = request.into_parts();
    let query = parts.uri.query().unwrap_or_default();
    let mut names = url::form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "sessionId");
    let (Some((_, id)), None) = (names.next(), names.next()) else {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "sessionId is missing; GET /sse gives one"));
    };
    let id = id.into_owned();
    let Some(Link::Legacy { to_server, owed }) = shared.sessions.link(&id, caller.owner) else {
        return Err(Refusal::no_session());
    };
    let Message { text, kind, id: request_id, arguments } =
        message::read(&parts.headers, body, &shared.bodies, shared.deadlines.body).await?;
    if kind == Kind::Batch {
        let message = "messages come one by one; this version of the protocol has no batches";
        return Err(Refusal::malformed(INVALID_REQUEST, message));
    }
    if kind.is_call() {
        // The connection that brings it is free again at once; its session's stream waits for the answer.
        let call = shared.calls.begin(caller.owner, None);
        parts.extensions.insert(call.map_err(|refusal| refusal.with_id(request_id.clone()))?);
    }
    if kind.is_answered() {
        parts.extensions.insert(shared.sessions.begin(&id, caller.owner, &request_id)?);
    }
    let mut message: ClientJsonRpcMessage =
        serde_json::from_slice(&text).map_err(|_| message::unreadable(request_id))?;
    if let Some(arguments) = arguments {
        parts.extensions.insert(arguments);
    }
    if let Some(place) = owed.note(&message) {
        parts.extensions.insert(place);
    }
    message.insert_extension(parts);
    let sent = to_server.send_timeout(message, ENTRY).await;
    sent.map_err(|error| match error {
        mpsc::error::SendTimeoutError::Closed(_) => Refusal::no_session(),
        mpsc::error::SendTimeoutError::Timeout(_) => {
            Refusal::busy("this session takes in no more messages", Duration::from_secs(1))
        }
    })
}
