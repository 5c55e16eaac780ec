//! The Interchange over real HTTP.

mod another_surface;
mod errors;
mod every_operation;
mod flow;
mod keys;
mod lists;
mod measurement;
mod orders;
mod paths;
mod products;
mod sample;

use std::sync::Arc;

use reqwest::{Client, Method, Response};
use scope3_mcp_catalog::{Catalog, Surface};
use scope3_mcp_sandbox::{Options, Sandbox};
use serde_json::{Value, json};

use crate::support::june;

/// A caller's view of the Interchange.
#[derive(Clone)]
pub(crate) struct Api {
    sandbox: Arc<Sandbox>,
    client: Client,
    key: &'static str,
    customer: Option<&'static str>,
}

impl Api {
    /// A new sandbox as customer 12345 sees it, at noon on 15 June 2026.
    pub(crate) async fn start() -> Self {
        Self::with(june()).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let sandbox = Sandbox::start(options, Catalog::embedded()).await.unwrap();
        Self { sandbox: Arc::new(sandbox), client: Client::new(), key: Sandbox::keys()[0], customer: None }
    }

    /// The same sandbox as customer 67890 sees it.
    pub(crate) fn other(&self) -> Self {
        Self { key: Sandbox::keys()[1], ..self.clone() }
    }

    /// The same sandbox as the holding sees it, with or without a customer.
    pub(crate) fn holding(&self, customer: Option<&'static str>) -> Self {
        Self { key: Sandbox::holding_key(), customer, ..self.clone() }
    }

    /// Sends a request. Paths below `/api`, `/auth` and `/v2` are those of the host, others those of the buyer's API.
    pub(crate) async fn send(&self, method: &str, path: &str, body: Option<Value>) -> Response {
        let buyer = self.sandbox.url_of(Surface::Buyer).unwrap();
        let host = buyer.strip_suffix("/api/v2/buyer").unwrap();
        let is_whole = ["/api/", "/auth/", "/v2/"].iter().any(|root| path.starts_with(root));
        let url = if is_whole { format!("{host}{path}") } else { format!("{buyer}{path}") };
        let mut request = self.client.request(Method::from_bytes(method.as_bytes()).unwrap(), url);
        request = request.bearer_auth(self.key);
        if let Some(customer) = self.customer {
            request = request.header("x-scope3-customer-id", customer);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        request.send().await.unwrap()
    }

    /// The status and the body of a response.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let body = (!body.is_null()).then_some(body);
        let response = self.send(method, path, body).await;
        let status = response.status().as_u16();
        let bytes = response.bytes().await.unwrap();
        (status, if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() })
    }

    /// The data of a response that must be a success.
    pub(crate) async fn data(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, body) = self.call(method, path, body).await;
        assert!(status < 300 && body["error"].is_null(), "{method} {path}: {status} {body}");
        body["data"].clone()
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.data("GET", path, Value::Null).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        self.data("POST", path, body).await
    }

    /// The status and the code of a response that must be an error in the envelope.
    pub(crate) async fn refused(&self, method: &str, path: &str, body: Value) -> (u16, String) {
        let (status, body) = self.call(method, path, body).await;
        assert!(status >= 400 && body["data"].is_null(), "{method} {path}: {status} {body}");
        assert!(!body["error"]["message"].as_str().unwrap().is_empty(), "{body}");
        (status, body["error"]["code"].as_str().unwrap().to_owned())
    }

    /// The status and the code of an error, as in `404 NOT_FOUND`.
    pub(crate) async fn error(&self, method: &str, path: &str, body: Value) -> String {
        let (status, code) = self.refused(method, path, body).await;
        format!("{status} {code}")
    }

    /// The first advertiser, and the first campaign in a status.
    pub(crate) async fn campaign(&self, status: &str) -> Value {
        let listed = self.get(&format!("/campaigns?status={status}")).await;
        listed["campaigns"][0].clone()
    }
}

/// A draft of 20,000 for this advertiser, which starts tomorrow.
pub(crate) fn draft(advertiser: &Value, name: &str) -> Value {
    json!({
        "advertiserId": advertiser, "name": name, "mode": "discovery",
        "flightDates": { "startDate": "2026-06-16T00:00:00Z", "endDate": "2026-07-16T00:00:00Z" },
        "budget": { "total": 20_000 },
        "brief": "Hiking boots for families who travel.",
    })
}
