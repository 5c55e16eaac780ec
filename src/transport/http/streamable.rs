//! Streamable HTTP at `/mcp`: sessions for the versions up to 2025-11-25, none for 2026-07-28.
//!
//! rmcp speaks the protocol. It is given, for each request, a session manager that knows who sent it: to that
//! manager the sessions of others are not there.

use std::{
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use axum::{
    body::Body,
    extract::{Extension, Request, State},
    response::{IntoResponse, Response},
};
use futures_util::Stream;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};
use rmcp::{
    model::{ClientJsonRpcMessage, JsonRpcMessage, ProtocolVersion, ServerJsonRpcMessage, ServerResult},
    transport::{
        StreamableHttpServerConfig, StreamableHttpService, WorkerTransport,
        streamable_http_server::{
            SessionManager,
            session::{
                ServerSseMessage, SessionId,
                local::{
                    EventId, EventIdParseError, LocalSessionHandle, LocalSessionWorker, SessionConfig,
                    SessionError, create_local_session,
                },
            },
        },
    },
};
use scope3_mcp_gateway::AnswerPlace;
use serde_json::Value;
use tokio_stream::wrappers::ReceiverStream;

use super::{
    Shared,
    admission::{Caller, Owner},
    batch,
    bodies::{hold, hold_until},
    collected,
    message::{self, Kind, Message},
    negotiation::Accepted,
    refusal::Refusal,
    sessions::{Claim, Link, Sessions, Stream as StreamName},
};

const SESSION: &str = "mcp-session-id";
const VERSION: &str = "mcp-protocol-version";
const LAST_EVENT: &str = "last-event-id";

/// Answers a request to `/mcp`.
pub(super) async fn serve(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Response {
    let answer = match *request.method() {
        Method::POST => post(&shared, &caller, request).await,
        Method::GET => get(&shared, &caller, request).await,
        Method::DELETE if !is_stateless(request.headers()) => delete(&shared, &caller, request.headers()),
        _ => Ok(shared.rmcp(&caller).answer(request).await),
    };
    answer.unwrap_or_else(IntoResponse::into_response)
}

async fn post(shared: &Shared, caller: &Caller, request: Request) -> Result<Response, Refusal> {
    let (mut parts, body) = request.into_parts();
    let accepted = Accepted::of(&parts.headers);
    if !(accepted.json || accepted.events) {
        return Err(Refusal::not_acceptable("application/json or text/event-stream"));
    }
    let Message { text, kind, id, arguments } =
        message::read(&parts.headers, body, &shared.bodies, shared.deadlines.body).await?;
    speak_plainly(&mut parts.headers);
    if kind == Kind::Batch {
        let answers = batch::answer(shared, caller, parts, &text).await?;
        return Ok(if accepted.events { answers } else { collected::all(answers).await });
    }
    if !kind.is_answered() {
        find(shared, caller, &parts.headers)?;
    }
    begin(shared, caller, &mut parts, kind, &id)?;
    if let Some(arguments) = arguments {
        parts.extensions.insert(arguments);
    }
    let place = AnswerPlace::default();
    parts.extensions.insert(place.clone());
    let answer = shared.calls.answer();
    let rmcp = shared.rmcp_for(caller, accepted);
    let response = rmcp.answer(Request::from_parts(parts, Body::from(text))).await;
    if response.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        // The type was right, so rmcp could not read the message; it says so by this status.
        return Err(message::unreadable(id));
    }
    let response = if accepted.events { response } else { collected::one(response, id).await? };
    if is_whole(&response) {
        place.written();
    }
    Ok(hold(response, (answer, place)))
}

/// Whether an answer is written out, and not a stream that begins.
fn is_whole(response: &Response) -> bool {
    response.headers().get(header::CONTENT_TYPE).is_none_or(|kind| kind != "text/event-stream")
}

/// Puts the types of a request as rmcp expects them. What the client said of them was heeded before.
fn speak_plainly(headers: &mut HeaderMap) {
    const BOTH: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");
    headers.insert(header::ACCEPT, BOTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
}

/// Looks for the session that a request names, if it names one.
fn find(shared: &Shared, caller: &Caller, headers: &HeaderMap) -> Result<(), Refusal> {
    match session(headers) {
        Some(id) if !is_stateless(headers) && shared.sessions.link(id, caller.owner).is_none() => {
            Err(Refusal::no_session())
        }
        _ => Ok(()),
    }
}

/// Marks that a request is worked on. The marks ride in its extensions, which live as long as the work does.
pub(super) fn begin(
    shared: &Shared,
    caller: &Caller,
    parts: &mut Parts,
    kind: Kind,
    id: &Value,
) -> Result<(), Refusal> {
    if kind.is_call() {
        let call = shared.calls.begin(caller.owner, parts.extensions.get());
        parts.extensions.insert(call.map_err(|refusal| refusal.with_id(id.clone()))?);
    }
    if kind.is_answered()
        && let Some(session) = session(&parts.headers)
        && !is_stateless(&parts.headers)
    {
        let busy = shared.sessions.begin(session, caller.owner, id);
        let busy = busy.map_err(|refusal| refusal.with_id(id.clone()))?;
        parts.extensions.insert(busy);
    }
    Ok(())
}

async fn get(shared: &Shared, caller: &Caller, mut request: Request) -> Result<Response, Refusal> {
    if !Accepted::of(request.headers()).events {
        return Err(Refusal::not_acceptable("text/event-stream"));
    }
    speak_plainly(request.headers_mut());
    let Some(id) = session(request.headers()).filter(|_| !is_stateless(request.headers())) else {
        return Ok(shared.rmcp(caller).answer(request).await);
    };
    if !matches!(shared.sessions.link(id, caller.owner), Some(Link::Streamable(_))) {
        return Err(Refusal::no_session());
    }
    let claim = shared.sessions.claim(id, caller.owner, stream_name(request.headers()))?;
    claim.wait_for_predecessor().await?;
    let response = shared.rmcp(caller).answer(request).await;
    Ok(hold_until(response, claim.superseded(), claim))
}

fn delete(shared: &Shared, caller: &Caller, headers: &HeaderMap) -> Result<Response, Refusal> {
    let Some(id) = session(headers) else {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "Mcp-Session-Id is missing"));
    };
    if !shared.sessions.close(id, caller.owner) {
        return Err(Refusal::no_session());
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(super) fn session(headers: &HeaderMap) -> Option<&str> {
    headers.get(SESSION)?.to_str().ok()
}

/// Whether a request names a version that has no sessions.
fn is_stateless(headers: &HeaderMap) -> bool {
    let version = headers.get(VERSION).and_then(|version| version.to_str().ok());
    version.is_some_and(|version| version >= ProtocolVersion::V_2026_07_28.as_str())
}

/// The stream that a GET asks for: that of the event it saw last, or the common one.
fn stream_name(headers: &HeaderMap) -> StreamName {
    let event = headers.get(LAST_EVENT)?.to_str().ok()?;
    event.split_once('/')?.1.parse().ok()
}

/// What rmcp is told. Every default that is not safe is set.
fn config(shared: &Shared, accepted: Accepted) -> StreamableHttpServerConfig {
    let mut config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(true)
        // For the requests of 2026-07-28, and of older versions without a session.
        .with_json_response(accepted.json)
        .with_max_request_body_bytes(message::LONGEST)
        .with_stateless_protocol_metadata_required(false)
        .with_cancellation_token(shared.ending.clone());
    config.sse_keep_alive = Some(shared.deadlines.keep_alive);
    // An event without data, by which a stream would begin, is an error to clients of the older versions.
    config.sse_retry = None;
    config.session_store = None;
    // Both are checked before, on all routes; rmcp's check of hosts knows nothing of the port that is listened at.
    config.allowed_hosts = Vec::new();
    config.allowed_origins = Vec::new();
    config
}

impl Shared {
    /// rmcp's server as this caller sees it.
    pub(super) fn rmcp(&self, caller: &Caller) -> OneCaller {
        self.rmcp_for(caller, Accepted::ANY)
    }

    fn rmcp_for(&self, caller: &Caller, accepted: Accepted) -> OneCaller {
        let full = Arc::new(OnceLock::new());
        let (sessions, owner) = (Arc::clone(&self.sessions), caller.owner);
        let manager = Owned { sessions, owner, full: Arc::clone(&full) };
        let server = self.server.clone();
        let service =
            StreamableHttpService::new(move || Ok(server.clone()), Arc::new(manager), config(self, accepted));
        OneCaller { service, full }
    }
}

pub(super) struct OneCaller {
    service: StreamableHttpService<crate::mcp::Server, Owned>,
    full: Arc<OnceLock<Refusal>>,
}

impl OneCaller {
    pub(super) async fn answer(&self, request: Request) -> Response {
        let response = self.service.handle(request).await;
        match self.full.get() {
            Some(refusal) => refusal.clone().into_response(),
            None => response.map(Body::new),
        }
    }
}

/// The sessions of one caller.
struct Owned {
    sessions: Arc<Sessions>,
    owner: Owner,
    /// Why no session could be opened; rmcp would answer that this server is broken.
    full: Arc<OnceLock<Refusal>>,
}

/// Why something cannot be done with a session.
#[derive(Debug, thiserror::Error)]
enum OwnedError {
    #[error("there is no such session")]
    Gone,
    #[error("there is no room for another session")]
    Full,
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error(transparent)]
    Event(#[from] EventIdParseError),
}

impl Owned {
    fn handle(&self, id: &SessionId) -> Result<LocalSessionHandle, OwnedError> {
        match self.sessions.link(id, self.owner) {
            Some(Link::Streamable(handle)) => Ok(handle),
            _ => Err(OwnedError::Gone),
        }
    }
}

impl SessionManager for Owned {
    type Error = OwnedError;
    type Transport = WorkerTransport<LocalSessionWorker>;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), OwnedError> {
        let mut worker = None;
        let opened = self.sessions.open(self.owner, |id| {
            let (handle, made) = create_local_session(Arc::clone(id), session_config());
            worker = Some(made);
            Link::Streamable(handle)
        });
        match (opened, worker) {
            (Ok((id, stop)), Some(worker)) => Ok((id, WorkerTransport::spawn_with_ct(worker, stop))),
            (Err(refusal), _) => {
                self.full.get_or_init(|| refusal);
                Err(OwnedError::Full)
            }
            (Ok(_), None) => Err(OwnedError::Gone),
        }
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, OwnedError> {
        let response = self.handle(id)?.initialize(message).await?;
        if let JsonRpcMessage::Response(response) = &response
            && let ServerResult::InitializeResult(result) = &response.result
        {
            self.sessions.speaks(id, self.owner, result.protocol_version.clone());
        }
        Ok(response)
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, OwnedError> {
        Ok(self.handle(id).is_ok())
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), OwnedError> {
        self.sessions.close(id, self.owner);
        Ok(())
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, OwnedError> {
        let handle = self.handle(id)?;
        let receiver = handle.establish_request_wise_channel().await?;
        let claim = self.sessions.claim(id, self.owner, receiver.http_request_id).ok();
        handle.push_message(message, receiver.http_request_id).await?;
        Ok(Claimed { stream: ReceiverStream::new(receiver.inner), _claim: claim })
    }

    async fn accept_message(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Result<(), OwnedError> {
        Ok(self.handle(id)?.push_message(message, None).await?)
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, OwnedError> {
        Ok(ReceiverStream::new(self.handle(id)?.establish_common_channel().await?.inner))
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, OwnedError> {
        let event: EventId = last_event_id.parse()?;
        Ok(ReceiverStream::new(self.handle(id)?.resume(event).await?.inner))
    }
}

fn session_config() -> SessionConfig {
    let mut config = SessionConfig::default();
    // The expiry of `Sessions` knows of open streams and calls under way; this one does not.
    config.keep_alive = None;
    config.sse_retry = None;
    config
}

/// The stream of a request, which nobody takes over while it is read.
struct Claimed {
    stream: ReceiverStream<ServerSseMessage>,
    _claim: Option<Claim>,
}

impl Stream for Claimed {
    type Item = ServerSseMessage;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ServerSseMessage>> {
        let event = Pin::new(&mut self.stream).poll_next(cx);
        // An id invites a client to ask again after the stream's end. npm's SDK (1.32.2) does so whenever the answer
        // was an error, and takes the refusal for a fault.
        event.map(|event| {
            event.map(|mut event| {
                event.event_id = None;
                event
            })
        })
    }
}
