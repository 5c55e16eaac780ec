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
    admission::Owner,
    bodies::hold,
    connections::{Connection, Connections, Place},
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
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    shared: &Shared,
    stop: CancellationToken,
) -> io::Result<()> {
    let graceful = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    // Only HTTP/1.1: proxies speak it to servers, and clients to this machine. `Connection` closes idle connections
    // after this time; `Guarded` has the deadline of a head that has begun.
    http.timer(TokioTimer::new()).header_read_timeout(shared.deadlines.idle).max_buf_size(MAX_BUFFER_BYTES);
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    sleep(after_failed_accept(&error, &shared.connections)).await;
                    continue;
                }
            },
            () = stop.cancelled() => break,
        };
        let Some(place) = shared.connections.add() else {
            refuse(&stream);
            continue;
        };
        let connection = connect(stream, Peer(peer), &place, &http, router.clone(), shared.deadlines);
        let connection = graceful.watch(connection);
        tokio::spawn(run(connection, place));
    }
    drop(listener);
    finish(shared, graceful).await;
    Ok(())
}

/// How long to wait until the next try. Where the file descriptors are used up, a silent connection gives back its
/// own: it must not keep others out.
fn after_failed_accept(error: &io::Error, connections: &Connections) -> Duration {
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
fn refuse(stream: &TcpStream) {
    let answer = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    // A socket that is new has room for so much.
    if let Err(error) = stream.try_write(answer) {
        tracing::debug!(%error, "a connection was not told why it is closed");
    }
}

/// Serves a connection until its end, or until it must make room for another.
async fn run(connection: impl Future<Output = hyper::Result<()>>, place: Place) {
    tokio::select! {
        ended = connection => if let Err(error) = ended {
            tracing::debug!(%error, "a connection broke off");
        },
        () = place.connection().must_close() => {
            tracing::debug!("a connection was closed to make room");
        }
    }
}

async fn finish(shared: &Shared, graceful: GracefulShutdown) {
    shared.gateway.end_waits();
    let Deadlines { end, .. } = shared.deadlines;
    let asked = Instant::now();
    tracing::info!(calls = shared.calls.running(), "no more connections are taken");
    let mut closed = pin!(graceful.shutdown());
    let answered = async {
        tokio::select! {
            // Where no stream is open, that is all there is.
            () = &mut closed => true,
            () = shared.calls.all_answered() => false,
        }
    };
    match tokio::time::timeout(end, answered).await {
        Ok(true) => return shared.sessions.close_all(),
        Ok(false) => {}
        Err(_) => tracing::warn!(calls = shared.calls.running(), "these calls were not answered in time"),
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
fn connect(
    stream: TcpStream,
    peer: Peer,
    place: &Place,
    http: &http1::Builder,
    router: Router,
    deadlines: Deadlines,
) -> http1::Connection<
    TokioIo<Guarded>,
    impl hyper::service::Service<http::Request<Incoming>, Response = Response, Error = Infallible, Future: Send>
    + use<>,
> {
    if let Err(error) = sockets::prepare(&stream, deadlines.write) {
        tracing::debug!(%error, "an option of a socket cannot be set");
    }
    let mut writer = TimeoutWriter::new(stream);
    writer.set_timeout(Some(deadlines.write));
    let progress = Arc::new(Progress::default());
    let io = Guarded {
        stream: Box::pin(writer),
        connection: Arc::clone(place.connection()),
        progress: Arc::clone(&progress),
        limit: deadlines.head,
        head: Box::pin(sleep(deadlines.head)),
        reading_head: true,
    };
    let connection = Arc::clone(place.connection());
    let service = service_fn(move |mut request: http::Request<Incoming>| {
        progress.head_is_read.store(true, Ordering::Relaxed);
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(Arc::clone(&connection));
        let (connection, answering) = (Arc::clone(&connection), Arc::clone(&progress.answering));
        let answer = router.clone().oneshot(request.map(axum::body::Body::new) as Request);
        async move {
            answer.await.map(|response| {
                // Who is refused does nothing that must not be broken off.
                let owner = response.extensions().get::<Owner>().copied();
                let work = response.status().is_success().then(|| connection.work(owner));
                hold(response, (answering, work))
            })
        }
    });
    http.serve_connection(TokioIo::new(io), service)
}

/// What a connection's service tells its reader.
#[derive(Debug, Default)]
struct Progress {
    head_is_read: AtomicBool,
    /// Shared by the answer that is being made or sent.
    answering: Arc<()>,
}

/// A connection with a deadline for heads, that runs from the first byte of each, and one for writing.
///
/// hyper's own deadline runs from the end of the answer before: it would close connections that a proxy keeps.
struct Guarded {
    stream: Pin<Box<TimeoutWriter<TcpStream>>>,
    connection: Arc<Connection>,
    progress: Arc<Progress>,
    limit: Duration,
    head: Pin<Box<Sleep>>,
    reading_head: bool,
}

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.progress.head_is_read.swap(false, Ordering::Relaxed) {
            self.reading_head = false;
        }
        let before = buf.filled().len();
        if self.stream.as_mut().poll_read(cx, buf)?.is_ready() {
            self.connection.heard();
            let idle = Arc::strong_count(&self.progress.answering) == 1;
            if !self.reading_head && idle && buf.filled().len() > before {
                self.reading_head = true;
                let deadline = Instant::now() + self.limit;
                self.head.as_mut().reset(deadline);
            }
            return Poll::Ready(Ok(()));
        }
        if self.reading_head {
            ready!(self.head.as_mut().poll(cx));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }
}

impl AsyncWrite for Guarded {
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
