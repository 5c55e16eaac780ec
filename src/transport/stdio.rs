//! MCP over standard input and output.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use rmcp::{ServiceExt, service::ServerInitializeError, transport::io::stdio_pipes};
use tokio::io::{AsyncRead, ReadBuf};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{deadlines, mcp::Server};

/// A request that was read just before the end has begun by then.
const JUST_READ: Duration = Duration::from_millis(20);

/// Serves one client until its input ends or `stop` is cancelled. What was accepted by then is answered.
///
/// # Errors
/// When the client breaks the protocol before the session begins.
pub async fn serve(server: Server, stop: CancellationToken) -> Result<(), Box<ServerInitializeError>> {
    let (input, output) = stdio_pipes();
    serve_on(server, stop, input, output).await
}

async fn serve_on(
    server: Server,
    stop: CancellationToken,
    input: impl AsyncRead + Send + Unpin + 'static,
    output: impl tokio::io::AsyncWrite + Send + Unpin + 'static,
) -> Result<(), Box<ServerInitializeError>> {
    let input = UntilAnswered::new(input, stop, server.calls());
    match server.serve((input, output)).await {
        Ok(running) => {
            if let Err(error) = running.waiting().await {
                tracing::error!(%error, "the session ended badly");
            }
            Ok(())
        }
        // Nobody said hello: a client that only looked whether the program starts.
        Err(ServerInitializeError::ConnectionClosed(_)) => Ok(()),
        Err(error) => Err(Box::new(error)),
    }
}

/// An input whose end comes, when it is stopped or ends by itself, only once the calls under way are answered.
///
/// rmcp gives calls five seconds after the end of the input; a request to Scope3 may take longer.
struct UntilAnswered<R> {
    input: R,
    stop: Pin<Box<dyn Future<Output = ()> + Send>>,
    calls: TaskTracker,
    last_calls: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl<R> UntilAnswered<R> {
    fn new(input: R, stop: CancellationToken, calls: TaskTracker) -> Self {
        Self { input, stop: Box::pin(stop.cancelled_owned()), calls, last_calls: None }
    }

    fn end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let calls = &self.calls;
        let last_calls = self.last_calls.get_or_insert_with(|| Box::pin(finish(calls.clone())));
        last_calls.as_mut().poll(cx).map(Ok)
    }
}

async fn finish(calls: TaskTracker) {
    tokio::time::sleep(JUST_READ).await;
    calls.close();
    if tokio::time::timeout(deadlines::SHUTDOWN, calls.wait()).await.is_err() {
        tracing::warn!(calls = calls.len(), "the input has ended; these calls did not end in time");
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for UntilAnswered<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.last_calls.is_some() || self.stop.as_mut().poll(cx).is_ready() {
            return self.end(cx);
        }
        let before = buf.filled().len();
        match Pin::new(&mut self.input).poll_read(cx, buf) {
            Poll::Ready(Ok(())) if buf.filled().len() == before => self.end(cx),
            other => other,
        }
    }
}
