//! Taking connections, serving them within their deadlines, and their end.

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
use scope3_mcp_gateway::measure::bound_reached;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    time::{Instant, Sleep, sleep},
};
use tokio_io_timeout::TimeoutWriter;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{
    Deadlines, Shared,
    auth::Owner,
    connections::{Connection, ConnectionSlot, Connections},
    guarded_body::with_guard,
    sockets,
};

/// Where a request came from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) std::net::SocketAddr);

/// How long to wait when no connection can be taken, most often since all file descriptors are in use.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(200);

/// The same where another connection has just been closed for it.
const ACCEPT_RETRY: Duration = Duration::from_millis(5);

/// The least that is left, at the end, for closing connections whose streams have just been ended.
const MIN_CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The longest head of a request, and what is read ahead of a body or held back of an answer, in bytes.
const MAX_BUFFER_BYTES: usize = 64 * 1024;

/// Takes connections until `stop`, then answers what was accepted, within its time.
pub(super) async fn run(
    listener: TcpListener,
    router: Router,
    shared: &Shared,
    stop: CancellationToken,
) -> io::Result<()> {
    let graceful = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    // Only HTTP/1.1: proxies speak it to servers, and clients to this machine. `Connection` closes idle connections
    // after this time; `DeadlineIo` has the deadline of a head that has begun.
    http.timer(TokioTimer::new()).header_read_timeout(shared.deadlines.idle).max_buf_size(MAX_BUFFER_BYTES);
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    sleep(accept_backoff(&error, &shared.connections)).await;
                    continue;
                }
            },
            () = stop.cancelled() => break,
        };
        let Some(slot) = shared.connections.add() else {
            reject_connection(&stream);
            continue;
        };
        let connection = build_connection(stream, Peer(peer), &slot, &http, router.clone(), shared.deadlines);
        let connection = graceful.watch(connection);
        tokio::spawn(serve_connection(connection, slot));
    }
    drop(listener);
    shut_down(shared, graceful).await;
    Ok(())
}

/// How long to wait until the next try. Where the file descriptors are used up, a silent connection gives back its
/// own: it must not keep others out.
fn accept_backoff(error: &io::Error, connections: &Connections) -> Duration {
    if sockets::are_descriptors_used_up(error) {
        bound_reached("file_descriptors");
        if connections.make_room() {
            return ACCEPT_RETRY;
        }
    }
    tracing::warn!(%error, "no connection can be accepted");
    ACCEPT_BACKOFF
}

/// Turns a connection away: all others have a call or an open stream.
fn reject_connection(stream: &TcpStream) {
    let answer = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    // A socket that is new has room for so much.
    if let Err(error) = stream.try_write(answer) {
        tracing::debug!(%error, "a connection was not told why it is closed");
    }
}

/// Serves a connection until its end, or until it must make room for another.
async fn serve_connection(connection: impl Future<Output = hyper::Result<()>>, slot: ConnectionSlot) {
    tokio::select! {
        ended = connection => if let Err(error) = ended {
            tracing::debug!(%error, "a connection broke off");
        },
        () = slot.connection().wait_for_eviction() => {
            tracing::debug!("a connection was closed to make room");
        }
    }
}

async fn shut_down(shared: &Shared, graceful: GracefulShutdown) {
    shared.gateway.end_waits();
    let Deadlines { end, .. } = shared.deadlines;
    let asked = Instant::now();
    tracing::info!(calls = shared.calls.running_calls(), "no more connections are taken");
    let mut closed = pin!(graceful.shutdown());
    let answered = async {
        tokio::select! {
            // Where no stream is open, that is all there is.
            () = &mut closed => true,
            () = shared.calls.wait_until_idle() => false,
        }
    };
    match tokio::time::timeout(end, answered).await {
        Ok(true) => return shared.sessions.close_all(),
        Ok(false) => {}
        Err(_) => {
            tracing::warn!(calls = shared.calls.running_calls(), "these calls were not answered in time")
        }
    }
    shared.ending.cancel();
    shared.sessions.close_all();
    // The last answers of open streams may still be on their way.
    let left = end.saturating_sub(asked.elapsed()).max(MIN_CLOSE_TIMEOUT);
    if tokio::time::timeout(left, closed).await.is_err() {
        tracing::warn!("connections are left that do not close");
    }
}

/// One connection.
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
        tracing::debug!(%error, "an option of a socket cannot be set");
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
        let (connection, answering) = (Arc::clone(&connection), Arc::clone(&head_state.answering));
        let answer = router.clone().oneshot(request.map(axum::body::Body::new) as Request);
        async move {
            answer.await.map(|response| {
                // Who is refused does nothing that must not be broken off.
                let owner = response.extensions().get::<Owner>().copied();
                let activity = response.status().is_success().then(|| connection.start_activity(owner));
                with_guard(response, (answering, activity))
            })
        }
    });
    http.serve_connection(TokioIo::new(io), service)
}

/// What a connection's service tells its reader.
#[derive(Debug, Default)]
struct HeadState {
    is_read: AtomicBool,
    /// Shared by the answer that is being made or sent.
    answering: Arc<()>,
}

/// A connection with a deadline for heads, that runs from the first byte of each, and one for writing.
///
/// hyper's own deadline runs from the end of the answer before: it would close connections that a proxy keeps.
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
            let is_idle = Arc::strong_count(&self.head_state.answering) == 1;
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
