//! Connections: taking them, their deadlines, and their end.

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
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    time::{Instant, Sleep, sleep},
};
use tokio_io_timeout::TimeoutWriter;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{Deadlines, Shared, bodies::hold};

/// Where a request came from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) std::net::SocketAddr);

/// How long to wait when no connection can be taken, most often since all file descriptors are in use.
const BREATH: Duration = Duration::from_millis(200);

/// What is left, at the end, for closing connections whose streams have just been ended.
const FAREWELL: Duration = Duration::from_secs(2);

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
    http.timer(TokioTimer::new()).header_read_timeout(shared.deadlines.idle);
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "no connection can be taken");
                    sleep(BREATH).await;
                    continue;
                }
            },
            () = stop.cancelled() => break,
        };
        let connection = connect(stream, Peer(peer), &http, router.clone(), shared.deadlines);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection broke off");
            }
        });
    }
    drop(listener);
    finish(shared, graceful).await;
    Ok(())
}

async fn finish(shared: &Shared, graceful: GracefulShutdown) {
    let Deadlines { end, .. } = shared.deadlines;
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
    if tokio::time::timeout(FAREWELL, closed).await.is_err() {
        tracing::warn!("connections are left that do not close");
    }
}

/// One connection.
fn connect(
    stream: TcpStream,
    peer: Peer,
    http: &http1::Builder,
    router: Router,
    deadlines: Deadlines,
) -> http1::Connection<
    TokioIo<Guarded>,
    impl hyper::service::Service<http::Request<Incoming>, Response = Response, Error = Infallible, Future: Send>
    + use<>,
> {
    // Answers are written in parts; without this the last part waits for the client's word about those before.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY cannot be set");
    }
    let mut writer = TimeoutWriter::new(stream);
    writer.set_timeout(Some(deadlines.write));
    let progress = Arc::new(Progress::default());
    let io = Guarded {
        stream: Box::pin(writer),
        progress: Arc::clone(&progress),
        limit: deadlines.head,
        head: Box::pin(sleep(deadlines.head)),
        reading_head: true,
    };
    let service = service_fn(move |mut request: http::Request<Incoming>| {
        progress.head_is_read.store(true, Ordering::Relaxed);
        request.extensions_mut().insert(peer);
        let answering = Arc::clone(&progress.answering);
        let answer = router.clone().oneshot(request.map(axum::body::Body::new) as Request);
        async move { answer.await.map(|response| hold(response, answering)) }
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
