//! Brand agents, and the stories and standards of their campaigns.

use serde::Serialize;
use serde_json::{Value, json};

use crate::clock::Moment;

/// An advertiser account.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BrandAgent {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) customer_id: u32,
    pub(crate) created_at: Moment,
    pub(crate) updated_at: Moment,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) external_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) nickname: Option<String>,
    pub(crate) advertiser_domains: Vec<String>,
    pub(crate) dsp_seats: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tactic_seed_data_coop: Option<bool>,
}

/// A brand story or brand standards. Both have a prompt with versions, and a scope. An empty list in the scope means no
/// restriction.
#[derive(Debug, Clone)]
pub(crate) struct Guide {
    pub(crate) id: String,
    pub(crate) brand_agent_id: String,
    pub(crate) name: String,
    pub(crate) scope: Scope,
    /// The versions, oldest first. The last one is PRIMARY.
    pub(crate) models: Vec<Model>,
    pub(crate) created_at: Moment,
    pub(crate) updated_at: Moment,
    /// The time of archiving. Archived guides are not listed.
    pub(crate) archived_at: Option<Moment>,
}

/// Where a guide applies.
#[derive(Debug, Clone, Default, Serialize, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Scope {
    pub(crate) brands: Vec<String>,
    pub(crate) channels: Vec<String>,
    pub(crate) countries: Vec<String>,
    pub(crate) languages: Vec<String>,
}

/// A version of a prompt.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) prompt: String,
    pub(crate) created_at: Moment,
}

impl Guide {
    /// The current version.
    pub(crate) fn primary(&self) -> Option<&Model> {
        self.models.last()
    }

    /// The JSON in lists: only the current version, without a status.
    pub(crate) fn listed(&self) -> Value {
        self.to_json(|model| {
            json!({
                "id": model.id, "name": model.name, "prompt": model.prompt,
                "createdAt": model.created_at, "updatedAt": model.created_at,
            })
        })
    }

    /// The JSON in the response to its creation.
    pub(crate) fn created(&self) -> Value {
        self.to_json(|model| {
            json!({
                "id": model.id, "name": model.name, "prompt": model.prompt, "status": "PRIMARY",
                "createdAt": model.created_at, "updatedAt": model.created_at,
            })
        })
    }

    fn to_json(&self, model: impl Fn(&Model) -> Value) -> Value {
        let Scope { brands, channels, countries, languages } = &self.scope;
        json!({
            "id": self.id, "name": self.name,
            "brands": brands, "channels": channels, "countries": countries, "languages": languages,
            "models": self.primary().map(model).into_iter().collect::<Vec<_>>(),
            "createdAt": self.created_at, "updatedAt": self.updated_at,
        })
    }
}
