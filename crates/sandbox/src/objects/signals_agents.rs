//! The signals agents of one customer, with their activities.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::clock::Moment;

/// All agents and activities, in the order of creation.
#[derive(Debug, Default)]
pub(crate) struct SignalsAgents {
    pub(crate) items: Vec<SignalsAgent>,
    pub(crate) activities: Vec<Activity>,
}

/// A third party that recommends signals for a brand agent.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SignalsAgent {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) brand_agent_id: String,
    pub(crate) endpoint_url: String,
    pub(crate) status: AgentStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) config: Option<Map<String, Value>>,
    /// The customer who registered it.
    pub(crate) registered_by: String,
    pub(crate) registered_at: Moment,
    pub(crate) created_at: Moment,
    pub(crate) updated_at: Moment,
}

/// The status of a signals agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AgentStatus {
    Active,
    Inactive,
    Suspended,
}

impl AgentStatus {
    /// The word in responses.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Suspended => "suspended",
        }
    }
}

/// A request to a signals agent, or something that the agent did.
#[derive(Debug, Clone, Serialize)]
#[expect(clippy::struct_field_names, reason = "the names are Scope3's")]
#[serde(rename_all = "camelCase")]
pub(crate) struct Activity {
    pub(crate) id: String,
    pub(crate) signals_agent_id: String,
    pub(crate) brand_agent_id: String,
    /// `get_signals`, `activate_signal` or `segment_created`; Scope3 also has `segment_updated` and
    /// `segment_deleted`.
    pub(crate) activity_type: &'static str,
    /// `success`, `failed` or `timeout`.
    pub(crate) status: &'static str,
    pub(crate) executed_at: Moment,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) response: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) response_time_ms: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) segment_ids: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error_details: Option<String>,
}

impl SignalsAgents {
    /// The agent with this id.
    pub(crate) fn get(&self, id: &str) -> Option<&SignalsAgent> {
        self.items.iter().find(|agent| agent.id == id)
    }

    /// Removes the agents and activities of a brand agent.
    pub(crate) fn remove_brand_agent(&mut self, id: &str) {
        self.items.retain(|item| item.brand_agent_id != id);
        self.activities.retain(|activity| activity.brand_agent_id != id);
    }
}
