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
    auth::{HttpCaller, Owner},
    batch,
    guarded_body::{with_guard, with_guard_until},
    json_response,
    message::{self, Kind, PostedMessage},
    negotiation::Accepted,
    rejection::Rejection,
    sessions::{Channel, Sessions, StreamId, StreamLease},
};

const SESSION_HEADER: &str = "mcp-session-id";
const VERSION_HEADER: &str = "mcp-protocol-version";
const LAST_EVENT_HEADER: &str = "last-event-id";

/// Answers a request to `/mcp`.
pub(super) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<HttpCaller>,
    request: Request,
) -> Response {
    let answer = match *request.method() {
        Method::POST => post(&shared, &caller, request).await,
        Method::GET => get(&shared, &caller, request).await,
        Method::DELETE if !is_stateless(request.headers()) => delete(&shared, &caller, request.headers()),
        _ => Ok(shared.rmcp(&caller).handle(request).await),
    };
    answer.unwrap_or_else(IntoResponse::into_response)
}

async fn post(shared: &Shared, caller: &HttpCaller, request: Request) -> Result<Response, Rejection> {
    let (mut parts, body) = request.into_parts();
    let accepted = Accepted::of(&parts.headers);
    if !(accepted.json || accepted.events) {
        return Err(Rejection::not_acceptable("application/json or text/event-stream"));
    }
    let PostedMessage { text, kind, id, arguments } =
        message::read(&parts.headers, body, &shared.bodies, shared.deadlines.body).await?;
    set_rmcp_headers(&mut parts.headers);
    if kind == Kind::Batch {
        let answers = batch::answer(shared, caller, parts, &text).await?;
        return Ok(if accepted.events { answers } else { json_response::batch(answers).await });
    }
    if !kind.expects_response() {
        require_session(shared, caller, &parts.headers)?;
    }
    register_request(shared, caller, &mut parts, kind, &id)?;
    if let Some(arguments) = arguments {
        parts.extensions.insert(arguments);
    }
    let place = AnswerPlace::default();
    parts.extensions.insert(place.clone());
    let response_guard = shared.calls.track_response();
    let rmcp = shared.rmcp_accepting(caller, accepted);
    let response = rmcp.handle(Request::from_parts(parts, Body::from(text))).await;
    if response.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        // The type was right, so rmcp could not read the message; it says so by this status.
        return Err(message::unreadable(id));
    }
    let response = if accepted.events { response } else { json_response::single(response, id).await? };
    if is_complete(&response) {
        place.written();
    }
    Ok(with_guard(response, (response_guard, place)))
}

/// Whether an answer is written out, and not a stream that begins.
fn is_complete(response: &Response) -> bool {
    response.headers().get(header::CONTENT_TYPE).is_none_or(|kind| kind != "text/event-stream")
}

/// Puts the types of a request as rmcp expects them. What the client said of them was heeded before.
fn set_rmcp_headers(headers: &mut HeaderMap) {
    const BOTH: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");
    headers.insert(header::ACCEPT, BOTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
}

/// Looks for the session that a request names, if it names one.
fn require_session(shared: &Shared, caller: &HttpCaller, headers: &HeaderMap) -> Result<(), Rejection> {
    match session_id(headers) {
        Some(id) if !is_stateless(headers) && shared.sessions.channel(id, caller.owner).is_none() => {
            Err(Rejection::no_session())
        }
        _ => Ok(()),
    }
}

/// Marks that a request is worked on. The marks ride in its extensions, which live as long as the work does.
pub(super) fn register_request(
    shared: &Shared,
    caller: &HttpCaller,
    parts: &mut Parts,
    kind: Kind,
    id: &Value,
) -> Result<(), Rejection> {
    if kind.is_call() {
        let call = shared.calls.acquire(caller.owner, parts.extensions.get());
        parts.extensions.insert(call.map_err(|refusal| refusal.with_id(id.clone()))?);
    }
    if kind.expects_response()
        && let Some(session) = session_id(&parts.headers)
        && !is_stateless(&parts.headers)
    {
        let busy = shared.sessions.start_request(session, caller.owner, id);
        let busy = busy.map_err(|refusal| refusal.with_id(id.clone()))?;
        parts.extensions.insert(busy);
    }
    Ok(())
}

async fn get(shared: &Shared, caller: &HttpCaller, mut request: Request) -> Result<Response, Rejection> {
    if !Accepted::of(request.headers()).events {
        return Err(Rejection::not_acceptable("text/event-stream"));
    }
    set_rmcp_headers(request.headers_mut());
    let Some(id) = session_id(request.headers()).filter(|_| !is_stateless(request.headers())) else {
        return Ok(shared.rmcp(caller).handle(request).await);
    };
    if !matches!(shared.sessions.channel(id, caller.owner), Some(Channel::Streamable(_))) {
        return Err(Rejection::no_session());
    }
    let lease = shared.sessions.lease_stream(id, caller.owner, requested_stream(request.headers()))?;
    lease.wait_for_predecessor().await?;
    let response = shared.rmcp(caller).handle(request).await;
    Ok(with_guard_until(response, lease.superseded(), lease))
}

fn delete(shared: &Shared, caller: &HttpCaller, headers: &HeaderMap) -> Result<Response, Rejection> {
    let Some(id) = session_id(headers) else {
        return Err(Rejection::new(StatusCode::BAD_REQUEST, "Mcp-Session-Id is missing"));
    };
    if !shared.sessions.close(id, caller.owner) {
        return Err(Rejection::no_session());
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(super) fn session_id(headers: &HeaderMap) -> Option<&str> {
    headers.get(SESSION_HEADER)?.to_str().ok()
}

/// Whether a request names a version that has no sessions.
fn is_stateless(headers: &HeaderMap) -> bool {
    let version = headers.get(VERSION_HEADER).and_then(|version| version.to_str().ok());
    version.is_some_and(|version| version >= ProtocolVersion::V_2026_07_28.as_str())
}

/// The stream that a GET asks for: that of the event it saw last, or the common one.
fn requested_stream(headers: &HeaderMap) -> StreamId {
    let event = headers.get(LAST_EVENT_HEADER)?.to_str().ok()?;
    event.split_once('/')?.1.parse().ok()
}

/// What rmcp is told. Every default that is not safe is set.
fn rmcp_config(shared: &Shared, accepted: Accepted) -> StreamableHttpServerConfig {
    let mut config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(true)
        // For the requests of 2026-07-28, and of older versions without a session.
        .with_json_response(accepted.json)
        .with_max_request_body_bytes(message::MAX_BODY_BYTES)
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
    pub(super) fn rmcp(&self, caller: &HttpCaller) -> CallerService {
        self.rmcp_accepting(caller, Accepted::ANY)
    }

    fn rmcp_accepting(&self, caller: &HttpCaller, accepted: Accepted) -> CallerService {
        let rejection = Arc::new(OnceLock::new());
        let (sessions, owner) = (Arc::clone(&self.sessions), caller.owner);
        let manager = OwnerSessions { sessions, owner, rejection: Arc::clone(&rejection) };
        let server = self.server.clone();
        let service = StreamableHttpService::new(
            move || Ok(server.clone()),
            Arc::new(manager),
            rmcp_config(self, accepted),
        );
        CallerService { service, rejection }
    }
}

pub(super) struct CallerService {
    service: StreamableHttpService<crate::mcp::Server, OwnerSessions>,
    rejection: Arc<OnceLock<Rejection>>,
}

impl CallerService {
    pub(super) async fn handle(&self, request: Request) -> Response {
        let response = self.service.handle(request).await;
        match self.rejection.get() {
            Some(refusal) => refusal.clone().into_response(),
            None => response.map(Body::new),
        }
    }
}

/// The sessions of one caller.
struct OwnerSessions {
    sessions: Arc<Sessions>,
    owner: Owner,
    /// Why no session could be opened; rmcp would answer that this server is broken.
    rejection: Arc<OnceLock<Rejection>>,
}

/// Why something cannot be done with a session.
#[derive(Debug, thiserror::Error)]
enum SessionAccessError {
    #[error("there is no such session")]
    NotFound,
    #[error("there is no room for another session")]
    LimitReached,
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error(transparent)]
    Event(#[from] EventIdParseError),
}

impl OwnerSessions {
    fn handle(&self, id: &SessionId) -> Result<LocalSessionHandle, SessionAccessError> {
        match self.sessions.channel(id, self.owner) {
            Some(Channel::Streamable(handle)) => Ok(handle),
            _ => Err(SessionAccessError::NotFound),
        }
    }
}

impl SessionManager for OwnerSessions {
    type Error = SessionAccessError;
    type Transport = WorkerTransport<LocalSessionWorker>;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), SessionAccessError> {
        let mut worker = None;
        let opened = self.sessions.open(self.owner, |id| {
            let (handle, made) = create_local_session(Arc::clone(id), session_config());
            worker = Some(made);
            Channel::Streamable(handle)
        });
        match (opened, worker) {
            (Ok((id, stop)), Some(worker)) => Ok((id, WorkerTransport::spawn_with_ct(worker, stop))),
            (Err(refusal), _) => {
                self.rejection.get_or_init(|| refusal);
                Err(SessionAccessError::LimitReached)
            }
            (Ok(_), None) => Err(SessionAccessError::NotFound),
        }
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, SessionAccessError> {
        let response = self.handle(id)?.initialize(message).await?;
        if let JsonRpcMessage::Response(response) = &response
            && let ServerResult::InitializeResult(result) = &response.result
        {
            self.sessions.set_version(id, self.owner, result.protocol_version.clone());
        }
        Ok(response)
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, SessionAccessError> {
        Ok(self.handle(id).is_ok())
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), SessionAccessError> {
        self.sessions.close(id, self.owner);
        Ok(())
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionAccessError> {
        let handle = self.handle(id)?;
        let receiver = handle.establish_request_wise_channel().await?;
        let lease = self.sessions.lease_stream(id, self.owner, receiver.http_request_id).ok();
        handle.push_message(message, receiver.http_request_id).await?;
        Ok(ExclusiveStream { stream: ReceiverStream::new(receiver.inner), _lease: lease })
    }

    async fn accept_message(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<(), SessionAccessError> {
        Ok(self.handle(id)?.push_message(message, None).await?)
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionAccessError> {
        Ok(ReceiverStream::new(self.handle(id)?.establish_common_channel().await?.inner))
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionAccessError> {
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
struct ExclusiveStream {
    stream: ReceiverStream<ServerSseMessage>,
    _lease: Option<StreamLease>,
}

impl Stream for ExclusiveStream {
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
