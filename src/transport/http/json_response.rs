//! Responses for clients that accept JSON but no streams: the messages of an event stream, collected into one body.

use std::mem;

use axum::{body::Body, response::Response};
use futures_util::StreamExt;
use http::{HeaderValue, StatusCode, header};
use serde_json::Value;
use sse_stream::SseStream;

use super::rejection::Rejection;

/// Collects the response to one request. Other messages of the stream, such as progress, are dropped.
pub(super) async fn single(response: Response, id: Value) -> Result<Response, Rejection> {
    if !is_stream(&response) {
        return Ok(response);
    }
    let (mut response, mut responses) = collect_responses(response).await;
    let missing = || {
        Rejection::new(StatusCode::INTERNAL_SERVER_ERROR, "the request ended without a response").with_id(id)
    };
    *response.body_mut() = Body::from(responses.pop().ok_or_else(missing)?);
    Ok(response)
}

/// Collects the responses to a batch into a list.
pub(super) async fn batch(response: Response) -> Response {
    if !is_stream(&response) {
        return response;
    }
    let (mut response, responses) = collect_responses(response).await;
    *response.body_mut() = Body::from(format!("[{}]", responses.join(",")));
    response
}

fn is_stream(response: &Response) -> bool {
    response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|sent| sent.as_bytes().starts_with(b"text/event-stream"))
}

/// Reads a stream to its end. Returns the HTTP response with JSON headers and without its body, and the messages in the
/// stream that respond to requests.
async fn collect_responses(mut response: Response) -> (Response, Vec<String>) {
    let mut events = SseStream::new(mem::take(response.body_mut()));
    let mut responses = Vec::new();
    while let Some(Ok(event)) = events.next().await {
        responses.extend(event.data.filter(|data| is_response(data)));
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.remove("x-accel-buffering");
    (response, responses)
}

/// Whether a message responds to a request. Notifications and requests of the server have a method.
fn is_response(message: &str) -> bool {
    #[derive(serde::Deserialize)]
    struct Shape {
        method: Option<serde::de::IgnoredAny>,
    }
    serde_json::from_str::<Shape>(message).is_ok_and(|shape| shape.method.is_none())
}
