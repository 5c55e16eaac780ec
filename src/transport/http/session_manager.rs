//! The sessions of one caller, as rmcp's session manager. It does not see the sessions of other callers.

use std::{
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use futures_util::Stream;
use rmcp::{
    model::{ClientJsonRpcMessage, JsonRpcMessage, ServerJsonRpcMessage, ServerResult},
    transport::{
        WorkerTransport,
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
use tokio_stream::wrappers::ReceiverStream;

use super::{
    auth::Owner,
    rejection::Rejection,
    sessions::{Channel, Sessions, StreamLease},
};

/// The sessions of one caller.
pub(super) struct OwnerSessions {
    sessions: Arc<Sessions>,
    owner: Owner,
    /// Why a session could not be opened. rmcp itself would respond with an internal error.
    rejection: Arc<OnceLock<Rejection>>,
}

/// Why an operation on a session failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionAccessError {
    #[error("no such session")]
    NotFound,
    #[error("session limit reached")]
    LimitReached,
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error(transparent)]
    Event(#[from] EventIdParseError),
}

impl OwnerSessions {
    /// The sessions of `owner`. If a session cannot be opened, the reason is stored in `rejection`.
    pub(super) fn new(sessions: Arc<Sessions>, owner: Owner, rejection: Arc<OnceLock<Rejection>>) -> Self {
        Self { sessions, owner, rejection }
    }

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
            let (handle, created) = create_local_session(Arc::clone(id), session_config());
            worker = Some(created);
            Channel::Streamable(handle)
        });
        match (opened, worker) {
            (Ok((id, stop)), Some(worker)) => Ok((id, WorkerTransport::spawn_with_ct(worker, stop))),
            (Err(rejection), _) => {
                self.rejection.get_or_init(|| rejection);
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
    // `Sessions` expires sessions itself, and accounts for open streams and running calls, which rmcp's expiry does
    // not.
    config.keep_alive = None;
    config.sse_retry = None;
    config
}

/// The stream of a request, which no other connection can take over while it is read.
struct ExclusiveStream {
    stream: ReceiverStream<ServerSseMessage>,
    _lease: Option<StreamLease>,
}

impl Stream for ExclusiveStream {
    type Item = ServerSseMessage;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ServerSseMessage>> {
        let event = Pin::new(&mut self.stream).poll_next(cx);
        // An event id makes a client resume the stream after it ends. The npm SDK (1.32.2) does so whenever the
        // response is an error, and reports the rejection as a failure.
        event.map(|event| {
            event.map(|mut event| {
                event.event_id = None;
                event
            })
        })
    }
}
