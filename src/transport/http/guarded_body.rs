//! Response bodies that keep a guard alive until they are sent or dropped.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Keeps `guard` alive until the body of the response is sent or dropped.
pub(super) fn with_guard<G: Send + Unpin + 'static, B>(response: http::Response<B>, guard: G) -> Response
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    response.map(|body| guarded(body, None, guard))
}

/// Like [`with_guard`], and ends the body when `stop` is cancelled.
pub(super) fn with_guard_until<G: Send + Unpin + 'static>(
    response: Response,
    stop: CancellationToken,
    guard: G,
) -> Response {
    response.map(|body| guarded(body, Some(Box::pin(stop.cancelled_owned())), guard))
}

fn guarded<G: Send + Unpin + 'static, B>(body: B, stop: Stop, guard: G) -> Body
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    Body::new(WithGuard { body: body.map_err(Into::into).boxed_unsync(), stop, _guard: guard })
}

type Stop = Option<Pin<Box<WaitForCancellationFutureOwned>>>;

struct WithGuard<G> {
    // Declared, and so dropped, before the guard: a dropped guard signals that the body is gone.
    body: http_body_util::combinators::UnsyncBoxBody<Bytes, axum::BoxError>,
    stop: Stop,
    _guard: G,
}

impl<G: Unpin> HttpBody for WithGuard<G> {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        if self.stop.as_mut().is_some_and(|stop| stop.as_mut().poll(cx).is_ready()) {
            return Poll::Ready(None);
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
