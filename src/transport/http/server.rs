//! Accepts connections, serves them within their deadlines, and shuts down.

use std::{
    convert::Infallible,
    io,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{Router, extract::Request, response::Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use scope3_mcp_gateway::instruments::bound_reached;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    time::{Instant, Sleep, sleep},
};
use tokio_io_timeout::TimeoutWriter;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{
    auth::Owner,
    connections::{Connection, ConnectionSlot, Connections, Peer},
    guarded_body::with_guard,
    options::Deadlines,
    sockets,
    state::ServerState,
};

/// How long to wait after a failure to accept a connection, most often because all file descriptors are in use.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(200);

/// How long to wait if another connection was just closed to make room.
const ACCEPT_RETRY: Duration = Duration::from_millis(5);

/// At shutdown, the minimum time for connections to close after their streams have ended.
const MIN_CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The size of a connection's buffers, in bytes. It limits the head of a request, the part of a body that is read
/// ahead, and the part of a response that is held back.
const MAX_BUFFER_BYTES: usize = 64 * 1024;

/// Accepts connections until `stop` is cancelled, then responds to the accepted requests within the deadline for that.
pub(super) async fn run(
    listener: TcpListener,
    router: Router,
    state: &ServerState,
    stop: CancellationToken,
) -> io::Result<()> {
    let graceful = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    // Only HTTP/1.1, which proxies use with servers and clients use with this machine. This timeout closes idle
    // connections; `DeadlineIo` has the deadline for a head that has begun.
    http.timer(TokioTimer::new()).header_read_timeout(state.deadlines.idle).max_buf_size(MAX_BUFFER_BYTES);
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    sleep(accept_backoff(&error, &state.connections)).await;
                    continue;
                }
            },
            () = stop.cancelled() => break,
        };
        let Some(slot) = state.connections.add() else {
            reject_connection(&stream);
            continue;
        };
        let connection = build_connection(stream, Peer(peer), &slot, &http, router.clone(), state.deadlines);
        let connection = graceful.watch(connection);
        tokio::spawn(serve_connection(connection, slot));
    }
    drop(listener);
    shut_down(state, graceful).await;
    Ok(())
}

/// How long to wait after a failure to accept a connection. If no file descriptors are left, closes an idle connection
/// so that it does not keep new ones out.
fn accept_backoff(error: &io::Error, connections: &Connections) -> Duration {
    if sockets::are_descriptors_used_up(error) {
        bound_reached("file_descriptors");
        if connections.make_room() {
            return ACCEPT_RETRY;
        }
    }
    tracing::warn!(%error, "cannot accept a connection");
    ACCEPT_BACKOFF
}

/// Rejects a connection because all others have a call or an open stream.
fn reject_connection(stream: &TcpStream) {
    let response = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    // The buffer of a new socket has room for this response.
    if let Err(error) = stream.try_write(response) {
        tracing::debug!(%error, "cannot send the reason for closing a connection");
    }
}

/// Serves a connection until it ends or must make room for another.
async fn serve_connection(connection: impl Future<Output = hyper::Result<()>>, slot: ConnectionSlot) {
    tokio::select! {
        ended = connection => if let Err(error) = ended {
            tracing::debug!(%error, "a connection failed");
        },
        () = slot.connection().wait_for_eviction() => {
            tracing::debug!("a connection was closed to make room");
        }
    }
}

/// Responds to the accepted requests, then ends streams and sessions and closes connections.
async fn shut_down(state: &ServerState, graceful: GracefulShutdown) {
    state.gateway.end_waits();
    let Deadlines { end, .. } = state.deadlines;
    let started = Instant::now();
    tracing::info!(calls = state.calls.running_calls(), "no longer accepting connections");
    let mut closed = pin!(graceful.shutdown());
    let done = async {
        tokio::select! {
            // Without open streams, all connections close by themselves.
            () = &mut closed => true,
            () = state.calls.wait_until_idle() => false,
        }
    };
    match tokio::time::timeout(end, done).await {
        Ok(true) => return state.sessions.close_all(),
        Ok(false) => {}
        Err(_) => {
            tracing::warn!(
                calls = state.calls.running_calls(),
                "calls did not finish before the shutdown deadline"
            );
        }
    }
    state.end_streams.cancel();
    state.sessions.close_all();
    // The last responses of open streams may still be in transit.
    let left = end.saturating_sub(started.elapsed()).max(MIN_CLOSE_TIMEOUT);
    if tokio::time::timeout(left, closed).await.is_err() {
        tracing::warn!("some connections did not close before the shutdown deadline");
    }
}

/// Sets up the serving of one connection.
fn build_connection(
    stream: TcpStream,
    peer: Peer,
    slot: &ConnectionSlot,
    http: &http1::Builder,
    router: Router,
    deadlines: Deadlines,
) -> http1::Connection<
    TokioIo<DeadlineIo>,
    impl hyper::service::Service<http::Request<Incoming>, Response = Response, Error = Infallible, Future: Send>
    + use<>,
> {
    if let Err(error) = sockets::set_options(&stream, deadlines.write) {
        tracing::debug!(%error, "cannot set the options of a socket");
    }
    let mut writer = TimeoutWriter::new(stream);
    writer.set_timeout(Some(deadlines.write));
    let head_state = Arc::new(HeadState::default());
    let io = DeadlineIo {
        stream: Box::pin(writer),
        connection: Arc::clone(slot.connection()),
        head_state: Arc::clone(&head_state),
        head_timeout: deadlines.head,
        head_deadline: Box::pin(sleep(deadlines.head)),
        is_reading_head: true,
    };
    let connection = Arc::clone(slot.connection());
    let service = service_fn(move |mut request: http::Request<Incoming>| {
        head_state.is_read.store(true, Ordering::Relaxed);
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(Arc::clone(&connection));
        let (connection, responding) = (Arc::clone(&connection), Arc::clone(&head_state.responding));
        let response = router.clone().oneshot(request.map(axum::body::Body::new) as Request);
        async move {
            response.await.map(|response| {
                // The connection of a rejected request can be closed at any time.
                let owner = response.extensions().get::<Owner>().copied();
                let activity = response.status().is_success().then(|| connection.start_activity(owner));
                with_guard(response, (responding, activity))
            })
        }
    });
    http.serve_connection(TokioIo::new(io), service)
}

/// The state that a connection's service reports to its reader.
#[derive(Debug, Default)]
struct HeadState {
    is_read: AtomicBool,
    /// Held by the response that is being prepared or sent.
    responding: Arc<()>,
}

/// A connection with a deadline for writing and one for each request head, which runs from its first byte.
///
/// hyper's own deadline runs from the end of the previous response, so it would close connections that a proxy keeps
/// open.
struct DeadlineIo {
    stream: Pin<Box<TimeoutWriter<TcpStream>>>,
    connection: Arc<Connection>,
    head_state: Arc<HeadState>,
    head_timeout: Duration,
    head_deadline: Pin<Box<Sleep>>,
    is_reading_head: bool,
}

impl AsyncRead for DeadlineIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.head_state.is_read.swap(false, Ordering::Relaxed) {
            self.is_reading_head = false;
        }
        let before = buf.filled().len();
        if self.stream.as_mut().poll_read(cx, buf)?.is_ready() {
            self.connection.record_input();
            let is_idle = Arc::strong_count(&self.head_state.responding) == 1;
            if !self.is_reading_head && is_idle && buf.filled().len() > before {
                self.is_reading_head = true;
                let deadline = Instant::now() + self.head_timeout;
                self.head_deadline.as_mut().reset(deadline);
            }
            return Poll::Ready(Ok(()));
        }
        if self.is_reading_head {
            ready!(self.head_deadline.as_mut().poll(cx));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }
}

impl AsyncWrite for DeadlineIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.stream.as_mut().poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream.as_mut().poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
