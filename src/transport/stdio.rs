//! MCP over standard input and output, one message per line.
//!
//! One task reads and checks messages, rmcp handles the valid ones, and one task writes. A message that is not valid is
//! rejected here.

mod lines;
mod output;

use std::{borrow::Cow, io, time::Duration};

use bytes::Bytes;
use rmcp::{
    RoleServer, ServiceExt,
    model::{ClientJsonRpcMessage, ClientRequest, JsonRpcMessage, ServerJsonRpcMessage},
    service::ServerInitializeError,
    transport::{Transport, io::stdio_pipes},
};
use scope3_mcp_gateway::{deadlines, instruments};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::mpsc,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    lines::{Line, LineReader},
    output::Output,
};
use super::{
    message::{self, INVALID_REQUEST, Id, Kind, Malformed, TAIL_BYTES},
    pending::PendingResponses,
};
use crate::mcp::Server;

/// The maximum size of a message, in bytes.
const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024;

/// The maximum number of messages that wait for rmcp.
const MAX_QUEUED_MESSAGES: usize = 16;

/// The maximum time to write the last responses at the end of a session.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// Serves one client until its input ends, it stops reading, or `stop` is cancelled. Accepted requests still get their
/// responses. If the client no longer reads, they are cancelled instead, except changes already sent to Scope3.
///
/// # Errors
/// If the client violates the protocol before the session is initialized.
pub async fn serve(server: Server, stop: CancellationToken) -> Result<(), Box<ServerInitializeError>> {
    let (input, output) = stdio_pipes();
    let client_gone = CancellationToken::new();
    let session = serve_streams(server, stop, client_gone.clone(), input, output);
    let watch = async {
        output::wait_until_closed().await;
        client_gone.cancel();
        std::future::pending().await
    };
    tokio::select! {
        outcome = session => outcome,
        never = watch => never,
    }
}

async fn serve_streams(
    server: Server,
    stop: CancellationToken,
    client_gone: CancellationToken,
    input: impl AsyncRead + Send + Unpin + 'static,
    output: impl AsyncWrite + Send + Unpin + 'static,
) -> Result<(), Box<ServerInitializeError>> {
    let (output, writer) = output::channel(output, client_gone.clone());
    let writer = tokio::spawn(writer);
    let (to_server, messages) = mpsc::channel(MAX_QUEUED_MESSAGES);
    let calls = TaskTracker::new();
    let pending = PendingResponses::default();
    let end_of_answers = CancellationToken::new();
    let server = server.with_end_of_answers(end_of_answers.clone());
    let reader =
        Reader { to_server, output: output.clone(), calls, end_of_answers, pending: pending.clone() };
    let reader = tokio::spawn(reader.run(input, stop, client_gone.clone()));

    let cancelled = client_gone.child_token();
    let outcome = match server
        .serve_with_ct(StdioTransport { messages, output, pending, client_gone }, cancelled)
        .await
    {
        Ok(running) => {
            if let Err(error) = running.waiting().await {
                tracing::error!(%error, "the session failed");
            }
            Ok(())
        }
        // The client closed before `initialize`, for example to check that the program starts.
        Err(ServerInitializeError::ConnectionClosed(_) | ServerInitializeError::Cancelled) => Ok(()),
        Err(error) => Err(Box::new(error)),
    };
    reader.abort();
    drop(reader.await);
    if tokio::time::timeout(FLUSH_TIMEOUT, writer).await.is_err() {
        tracing::warn!("the client did not read its last responses in time");
    }
    outcome
}

/// rmcp's side of a session.
struct StdioTransport {
    messages: mpsc::Receiver<ClientJsonRpcMessage>,
    output: Output,
    pending: PendingResponses,
    client_gone: CancellationToken,
}

impl Transport<RoleServer> for StdioTransport {
    type Error = io::Error;

    fn name() -> Cow<'static, str> {
        "stdio".into()
    }

    fn send(
        &mut self,
        message: ServerJsonRpcMessage,
    ) -> impl Future<Output = Result<(), io::Error>> + Send + 'static {
        let output = self.output.clone();
        let holder = self.pending.take(&message);
        async move {
            let line = serde_json::to_vec(&message)?;
            drop(message);
            output.send_response(line, holder).await
        }
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        loop {
            let message = self.messages.recv().await?;
            // A client that no longer reads could not receive the response to a new message.
            if !self.client_gone.is_cancelled() {
                return Some(message);
            }
        }
    }

    async fn close(&mut self) -> Result<(), io::Error> {
        Ok(())
    }
}

/// Reads and checks the client's messages.
struct Reader {
    to_server: mpsc::Sender<ClientJsonRpcMessage>,
    output: Output,
    /// The running calls.
    calls: TaskTracker,
    /// Cancelled when nothing more is read: then questions to the user stay without an answer.
    end_of_answers: CancellationToken,
    pending: PendingResponses,
}

impl Reader {
    /// Passes messages to rmcp until the session ends, and then waits for the running calls before rmcp ends. rmcp
    /// itself waits only five seconds for them.
    async fn run(
        self,
        input: impl AsyncRead + Unpin,
        stop: CancellationToken,
        client_gone: CancellationToken,
    ) {
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = client_gone.cancelled() => return tracing::info!("the client stopped reading"),
            () = self.read(input) => {}
        }
        self.end_of_answers.cancel();
        self.calls.close();
        if tokio::time::timeout(deadlines::SHUTDOWN, self.calls.wait()).await.is_err() {
            tracing::warn!(calls = self.calls.len(), "the session ended, but calls did not finish in time");
        }
    }

    async fn read(&self, input: impl AsyncRead + Unpin) {
        let mut lines = LineReader::new(input, MAX_MESSAGE_BYTES, TAIL_BYTES);
        loop {
            let taken = match lines.next().await {
                Ok(Some(Line::Whole(text))) => self.handle_line(text).await,
                Ok(Some(Line::TooLong { head, tail })) => {
                    instruments::bound_reached("message_bytes");
                    let id = message::recover_id(&head, &tail);
                    self.reject(Malformed::new(id, INVALID_REQUEST, "expected a message of at most 16 MiB"))
                        .await
                }
                Ok(None) => return,
                Err(error) => return tracing::warn!(%error, "cannot read the input"),
            };
            // rmcp or the writer has ended.
            if taken.is_err() {
                return;
            }
        }
    }

    async fn handle_line(&self, text: Bytes) -> Result<(), SessionClosed> {
        if text.trim_ascii().is_empty() {
            return Ok(());
        }
        let message = match message::read(text.clone()) {
            Ok(message) => message,
            Err(malformed) if malformed.id.is_some() => return self.reject(malformed).await,
            Err(malformed) => return self.reject_batch(&text, malformed).await,
        };
        if message.kind == Kind::Batch {
            let reason = "expected one message; batches are not supported over stdio";
            return self.reject_batch(&message.text, Malformed::new(None, INVALID_REQUEST, reason)).await;
        }
        match serde_json::from_slice(&message.text) {
            Ok(parsed) => {
                let mut guarded = self.attach_guards(parsed);
                if let Some(arguments) = message.arguments {
                    guarded.insert_extension(arguments);
                }
                self.to_server.send(guarded).await.map_err(|_| SessionClosed)
            }
            Err(_) if message.kind == Kind::Other => {
                tracing::debug!("cannot read a notification or response");
                Ok(())
            }
            Err(_) => self.reject(Malformed::unreadable(message.id)).await,
        }
    }

    /// Stores guards in the extensions of a message, which live as long as the call does.
    fn attach_guards(&self, mut message: ClientJsonRpcMessage) -> ClientJsonRpcMessage {
        if let JsonRpcMessage::Request(request) = &message
            && matches!(request.request, ClientRequest::CallToolRequest(_))
        {
            message.insert_extension(self.calls.token());
        }
        if let Some(holder) = self.pending.track(&message) {
            message.insert_extension(holder);
        }
        message
    }

    /// Rejects a message. Sends an error response if the request's id is known.
    async fn reject(&self, malformed: Malformed) -> Result<(), SessionClosed> {
        if let Some(id) = &malformed.id {
            return self.send_error(&malformed, id).await;
        }
        tracing::warn!(reason = %malformed, "an input line is not a valid message");
        Ok(())
    }

    /// Rejects each request of a batch.
    async fn reject_batch(&self, batch: &[u8], malformed: Malformed) -> Result<(), SessionClosed> {
        let requests = message::requests_of_batch(batch);
        if requests.is_empty() {
            return self.reject(malformed).await;
        }
        for id in requests {
            self.send_error(&malformed, &id).await?;
        }
        Ok(())
    }

    async fn send_error(&self, malformed: &Malformed, id: &Id) -> Result<(), SessionClosed> {
        tracing::debug!(reason = %malformed, "a request was rejected");
        self.output.send(malformed.to_response(id).into_bytes()).await.map_err(|_| SessionClosed)
    }
}

/// The session has ended.
struct SessionClosed;
