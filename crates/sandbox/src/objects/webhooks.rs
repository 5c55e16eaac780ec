//! The webhooks of one customer.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::clock::Moment;

/// All webhooks, in the order of creation.
#[derive(Debug, Default)]
pub(crate) struct Webhooks {
    pub(crate) items: Vec<Webhook>,
}

/// The receiver of a brand agent's events.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Webhook {
    pub(crate) id: String,
    pub(crate) brand_agent_id: String,
    pub(crate) endpoint: Endpoint,
    pub(crate) event_types: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) filters: Option<Filters>,
    /// `active`, `paused` or `failing`.
    pub(crate) status: &'static str,
    pub(crate) created_at: Moment,
    pub(crate) updated_at: Moment,
    pub(crate) retry_policy: RetryPolicy,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) consecutive_failures: Option<u32>,
}

/// The endpoint of a webhook. Credentials and header values are not stored, because the sandbox sends no events.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Endpoint {
    pub(crate) url: String,
    pub(crate) method: String,
    /// The header names, with masked values.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(crate) headers: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) authentication: Option<Authentication>,
}

/// How the receiver authenticates the sender.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Authentication {
    /// `bearer`, `basic` or `hmac`.
    pub(crate) r#type: String,
}

/// Which events are sent.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Filters {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) campaigns: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) metrics: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) min_severity: Option<String>,
}

/// How often and how soon a failed delivery is retried.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct RetryPolicy {
    pub(crate) max_retries: u32,
    pub(crate) backoff_multiplier: f64,
    pub(crate) max_backoff_seconds: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { max_retries: 25, backoff_multiplier: 2.0, max_backoff_seconds: 3600 }
    }
}

impl Webhooks {
    /// Removes the webhooks of a brand agent.
    pub(crate) fn remove_brand_agent(&mut self, id: &str) {
        self.items.retain(|item| item.brand_agent_id != id);
    }
}
