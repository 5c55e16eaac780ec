//! A stand-in for Scope3 that responds after a delay and records its requests.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, extract::Request};
use bytes::Bytes;
use reqwest::{StatusCode, header::HeaderMap};
use serde_json::{Value, json};

pub struct Upstream {
    pub url: String,
    seen: Arc<Mutex<Vec<HeaderMap>>>,
}

impl Upstream {
    /// An upstream that waits for `delay` before each response.
    pub async fn start(delay: Duration) -> Self {
        Self::with_data(delay, json!({ "authenticated": true, "customerId": 12345 })).await
    }

    /// An upstream that responds with this data.
    pub async fn with_data(delay: Duration, data: Value) -> Self {
        Self::with(delay, StatusCode::OK, json!({ "success": true, "data": data })).await
    }

    /// An upstream that accepts no key.
    pub async fn rejecting_keys() -> Self {
        let refusal = json!({ "error": "Invalid or expired API key", "code": "AUTH_INVALID_KEY" });
        Self::with(Duration::ZERO, StatusCode::UNAUTHORIZED, refusal).await
    }

    async fn with(delay: Duration, status: StatusCode, body: Value) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&seen);
        let body = Bytes::from(body.to_string());
        let response = move |request: Request| {
            sink.lock().unwrap().push(request.headers().clone());
            let body = body.clone();
            async move {
                tokio::time::sleep(delay).await;
                (status, [("content-type", "application/json")], body)
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/rest/v1", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(response)).await });
        Self { url, seen }
    }

    /// The headers of the requests so far.
    pub fn seen(&self) -> Vec<HeaderMap> {
        self.seen.lock().unwrap().clone()
    }

    /// Waits until it has received this many requests.
    pub async fn wait_for_requests(&self, times: usize) {
        let waiting = async {
            while self.seen.lock().unwrap().len() < times {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("too few requests");
    }
}
