//! A running sandbox, and requests to it.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]

use std::sync::Arc;

use reqwest::Client;
use scope3_mcp_catalog::Catalog;
use scope3_mcp_sandbox::{Options, Sandbox};
use serde_json::Value;

/// Options with the clock fixed at noon on 15 June 2026.
pub(crate) fn june() -> Options {
    Options { now: Some("2026-06-15T12:00:00Z".parse().unwrap()), ..Options::default() }
}

/// One customer's view of a sandbox.
#[derive(Clone)]
pub(crate) struct Api {
    sandbox: Arc<Sandbox>,
    client: Client,
    key: &'static str,
}

impl Api {
    /// A new sandbox as customer 12345 sees it, at noon on 15 June 2026.
    pub(crate) async fn start() -> Self {
        Self::with(june()).await
    }

    /// A new sandbox with these options.
    pub(crate) async fn with(options: Options) -> Self {
        let catalog = Catalog::embedded();
        let sandbox = Sandbox::start(options, catalog).await.unwrap();
        Self { sandbox: Arc::new(sandbox), client: Client::new(), key: Sandbox::keys()[0] }
    }

    /// The same sandbox as customer 67890 sees it.
    pub(crate) fn other(&self) -> Self {
        Self { key: Sandbox::keys()[1], ..self.clone() }
    }

    /// Sends a POST. Returns the status and the body of the response.
    pub(crate) async fn post(&self, operation: &str, body: Value) -> (u16, Value) {
        let url = format!("{}/{operation}", self.sandbox.url());
        let request = self.client.post(url).header("x-scope3-api-key", self.key).json(&body);
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    /// The data of a response that must be a success.
    pub(crate) async fn data(&self, operation: &str, body: Value) -> Value {
        let (status, body) = self.post(operation, body).await;
        assert_eq!(status, 200, "{operation}: {body}");
        assert_eq!(body["success"], true, "{operation}: {body}");
        assert!(body["message"].is_string(), "{operation}: {body}");
        body["data"].clone()
    }

    /// Sends a GET. Returns the status and the body of the response.
    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        let url = format!("{}/{path}", self.sandbox.url());
        let response = self.client.get(url).header("x-scope3-api-key", self.key).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }
}
