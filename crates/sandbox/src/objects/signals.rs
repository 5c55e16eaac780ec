//! The custom signals of one customer.

use serde::{Deserialize, Serialize};

use crate::{
    clock::Moment,
    response::{ApiResponse, ApiResult},
};

/// All signals, in the order of creation.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    pub(crate) items: Vec<Signal>,
}

/// A customer's data about keys such as device ids or domains, for targeting.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Signal {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    /// One key type, or several separated by commas. It never changes.
    pub(crate) key: String,
    pub(crate) clusters: Vec<Cluster>,
    pub(crate) created_at: Moment,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) updated_at: Option<Moment>,
}

/// Where a signal's data is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cluster {
    pub(crate) region: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) channel: Option<String>,
    #[serde(default)]
    pub(crate) gdpr: bool,
}

/// The existing key types (`src/types/custom-signals.ts` of `scope3data/activation-api`).
pub(crate) const KEY_TYPES: [&str; 11] = [
    "maid",
    "rampid",
    "id5",
    "coreid",
    "yahoo_connect",
    "postal_code",
    "lat_long",
    "uk_postal_district",
    "domain",
    "app_bundle",
    "property_id",
];

impl Signals {
    /// The signal with this id.
    pub(crate) fn get(&self, id: &str) -> ApiResult<&Signal> {
        self.items.iter().find(|signal| signal.id == id).ok_or_else(|| ApiResponse::not_found("Signal", id))
    }

    /// The signal with this id, for a change.
    pub(crate) fn get_mut(&mut self, id: &str) -> ApiResult<&mut Signal> {
        self.items
            .iter_mut()
            .find(|signal| signal.id == id)
            .ok_or_else(|| ApiResponse::not_found("Signal", id))
    }
}

impl Signal {
    /// The key types in the key.
    pub(crate) fn key_types(&self) -> Vec<&str> {
        self.key.split(',').map(str::trim).collect()
    }

    /// Whether the key has several key types.
    pub(crate) fn is_composite(&self) -> bool {
        self.key.contains(',')
    }

    /// The regions of its clusters, without duplicates.
    pub(crate) fn regions(&self) -> Vec<&str> {
        distinct(self.clusters.iter().map(|cluster| cluster.region.as_str()))
    }

    /// The channels of its clusters, without duplicates.
    pub(crate) fn channels(&self) -> Vec<&str> {
        distinct(self.clusters.iter().filter_map(|cluster| cluster.channel.as_deref()))
    }

    /// The number of clusters that comply with the GDPR.
    pub(crate) fn gdpr_clusters(&self) -> usize {
        self.clusters.iter().filter(|cluster| cluster.gdpr).count()
    }

    /// The number of clusters for a single channel.
    pub(crate) fn channel_clusters(&self) -> usize {
        self.clusters.iter().filter(|cluster| cluster.channel.is_some()).count()
    }
}

/// Removes duplicates, and keeps the order of first appearance.
pub(crate) fn distinct<'a>(items: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = Vec::new();
    for item in items {
        if !seen.contains(&item) {
            seen.push(item);
        }
    }
    seen
}
