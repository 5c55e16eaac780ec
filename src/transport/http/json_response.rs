//! Answers for clients that take JSON and no stream: what a stream of events brings, gathered into one text.

use std::mem;

use axum::{body::Body, response::Response};
use futures_util::StreamExt;
use http::{HeaderValue, StatusCode, header};
use serde_json::Value;
use sse_stream::SseStream;

use super::rejection::Rejection;

/// The answer to one request. What else its stream brings, such as progress, has no place in JSON.
pub(super) async fn single(response: Response, id: Value) -> Result<Response, Rejection> {
    if !is_stream(&response) {
        return Ok(response);
    }
    let (mut response, mut responses) = collect_responses(response).await;
    let none = || {
        Rejection::new(StatusCode::INTERNAL_SERVER_ERROR, "the request ended without an answer").with_id(id)
    };
    *response.body_mut() = Body::from(responses.pop().ok_or_else(none)?);
    Ok(response)
}

/// The responses to a batch, as a list.
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

/// Reads a stream to its end: the responses in it, and the response without its body and as JSON.
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

/// Whether a message responses a request. Notifications and requests of the server have a method.
fn is_response(message: &str) -> bool {
    #[derive(serde::Deserialize)]
    struct Shape {
        method: Option<serde::de::IgnoredAny>,
    }
    serde_json::from_str::<Shape>(message).is_ok_and(|shape| shape.method.is_none())
}
