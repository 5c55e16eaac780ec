//! The output of a session. One task writes it, so that lines are never split or interleaved.

use std::io;

use scope3_mcp_gateway::MemoryHolder;
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;

/// The maximum number of lines that wait to be written.
const MAX_QUEUED_LINES: usize = 64;

/// Sends lines to the client. Clones send to the same client.
#[derive(Debug, Clone)]
pub(super) struct Output {
    lines: mpsc::Sender<QueuedLine>,
}

/// A line that waits to be written, and the holder of its memory.
type QueuedLine = (Vec<u8>, Option<MemoryHolder>);

impl Output {
    /// Sends a line. `line` has no line feed.
    ///
    /// # Errors
    /// If the client no longer reads.
    pub(super) async fn send(&self, line: Vec<u8>) -> io::Result<()> {
        self.send_response(line, None).await
    }

    /// Sends a response, and holds its memory until the line is written.
    ///
    /// # Errors
    /// If the client no longer reads.
    pub(super) async fn send_response(
        &self,
        mut line: Vec<u8>,
        holder: Option<MemoryHolder>,
    ) -> io::Result<()> {
        line.push(b'\n');
        if let Some(holder) = &holder {
            holder.written();
        }
        self.lines.send((line, holder)).await.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// Returns an [`Output`], and a task that writes its lines to `output` until all clones of it are dropped. The task
/// cancels `client_gone` when the client no longer reads.
pub(super) fn channel<W: AsyncWrite + Unpin>(
    output: W,
    client_gone: CancellationToken,
) -> (Output, impl Future<Output = ()>) {
    let (lines, mut queued) = mpsc::channel(MAX_QUEUED_LINES);
    let writer = async move {
        let written = client_gone.run_until_cancelled(write_lines(output, &mut queued)).await;
        if let Some(Err(error)) = written {
            tracing::debug!(%error, "cannot write the output");
        }
        client_gone.cancel();
    };
    (Output { lines }, writer)
}

async fn write_lines<W: AsyncWrite + Unpin>(
    mut output: W,
    queued: &mut mpsc::Receiver<QueuedLine>,
) -> io::Result<()> {
    while let Some((line, _holder)) = queued.recv().await {
        output.write_all(&line).await?;
        // Flushes once for all lines that wait.
        if queued.is_empty() {
            output.flush().await?;
        }
    }
    output.flush().await
}

/// Waits until the reader closes standard output. Waits forever if the system does not report that; then the next write
/// fails.
#[cfg(unix)]
pub(super) async fn wait_until_closed() {
    // Files cannot be watched, and are never closed by a reader.
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
#[expect(deprecated, reason = "its replacement is unsafe because it accepts more than an OwnedFd")]
fn watchable_stdout() -> io::Result<tokio::io::unix::AsyncFd<std::os::fd::OwnedFd>> {
    use std::os::fd::AsFd;

    let output = io::stdout().as_fd().try_clone_to_owned()?;
    tokio::io::unix::AsyncFd::with_interest(output, tokio::io::Interest::WRITABLE)
}

/// Waits forever: on this system, only a failing write shows that the reader is gone.
#[cfg(not(unix))]
pub(super) async fn wait_until_closed() {
    std::future::pending::<()>().await;
}
