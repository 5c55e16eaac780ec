//! The output of a session, which one task writes, so that no line is cut or mixed with another.

use std::io;

use scope3_mcp_gateway::AnswerPlace;
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;

/// How many lines wait to be written.
const MAX_QUEUED_LINES: usize = 64;

/// The way to the client. Clones lead the same way.
#[derive(Debug, Clone)]
pub(super) struct Output {
    lines: mpsc::Sender<QueuedLine>,
}

/// A line that waits to be written, and the memory that it takes until it is.
type QueuedLine = (Vec<u8>, Option<AnswerPlace>);

impl Output {
    /// Sends a line, without its end.
    ///
    /// # Errors
    /// When the client no longer reads.
    pub(super) async fn send(&self, line: Vec<u8>) -> io::Result<()> {
        self.send_answer(line, None).await
    }

    /// Sends a line, and holds the memory of the answer that it is until it is written.
    ///
    /// # Errors
    /// When the client no longer reads.
    pub(super) async fn send_answer(&self, mut line: Vec<u8>, place: Option<AnswerPlace>) -> io::Result<()> {
        line.push(b'\n');
        if let Some(place) = &place {
            place.written();
        }
        self.lines.send((line, place)).await.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// The way to the client, and what writes to `output` until every clone of it is client_gone. It cancels `client_gone` when the
/// client no longer reads.
pub(super) fn channel<W: AsyncWrite + Unpin>(
    output: W,
    client_gone: CancellationToken,
) -> (Output, impl Future<Output = ()>) {
    let (lines, mut queued) = mpsc::channel(MAX_QUEUED_LINES);
    let writer = async move {
        let written = client_gone.run_until_cancelled(write_lines(output, &mut queued)).await;
        if let Some(Err(error)) = written {
            tracing::debug!(%error, "the output cannot be written");
        }
        client_gone.cancel();
    };
    (Output { lines }, writer)
}

async fn write_lines<W: AsyncWrite + Unpin>(
    mut output: W,
    queued: &mut mpsc::Receiver<QueuedLine>,
) -> io::Result<()> {
    while let Some((line, _place)) = queued.recv().await {
        output.write_all(&line).await?;
        // LineReader that wait already go out with this one.
        if queued.is_empty() {
            output.flush().await?;
        }
    }
    output.flush().await
}

/// Waits until nobody reads standard output any more. Where that cannot be seen, the next write tells.
#[cfg(unix)]
pub(super) async fn wait_until_closed() {
    // Files and the like cannot be watched, and do not close.
    if let Ok(output) = watchable_stdout() {
        while let Ok(mut writable) = output.writable().await {
            if writable.ready().is_write_closed() {
                return;
            }
            writable.clear_ready();
        }
    }
    std::future::pending::<()>().await;
}

#[cfg(unix)]
#[expect(deprecated, reason = "what takes its place is unsafe, since it takes more than an OwnedFd")]
fn watchable_stdout() -> io::Result<tokio::io::unix::AsyncFd<std::os::fd::OwnedFd>> {
    use std::os::fd::AsFd;

    let output = io::stdout().as_fd().try_clone_to_owned()?;
    tokio::io::unix::AsyncFd::with_interest(output, tokio::io::Interest::WRITABLE)
}

/// Waits for ever: here, the next write tells that nobody reads any more.
#[cfg(not(unix))]
pub(super) async fn wait_until_closed() {
    std::future::pending::<()>().await;
}
