//! Creatives, which the documents call manifests.

use serde_json::{Map, Value, json};

use crate::clock::Moment;

/// A creative of an advertiser.
#[derive(Debug, Clone)]
pub(in crate::v2) struct Creative {
    pub(in crate::v2) id: String,
    pub(in crate::v2) name: String,
    pub(in crate::v2) advertiser: String,
    /// The campaigns that use it.
    pub(in crate::v2) campaigns: Vec<String>,
    /// The kind of format, such as `image`.
    pub(in crate::v2) format: String,
    pub(in crate::v2) assets: Vec<Value>,
    /// Members that are stored as they were sent.
    pub(in crate::v2) others: Map<String, Value>,
    pub(in crate::v2) created: Moment,
    pub(in crate::v2) updated: Moment,
}

impl Creative {
    /// The kind of format that an asset of this type makes.
    pub(in crate::v2) fn format_of(asset_type: &str) -> &'static str {
        match asset_type {
            "VIDEO" => "video_hosted",
            "VAST" => "video_vast",
            "AUDIO" => "audio_hosted",
            "HTML" => "html5",
            "JAVASCRIPT" => "display_tag",
            _ => "image",
        }
    }

    fn common(&self, campaign: Option<&str>) -> Map<String, Value> {
        let shown = json!({
            "creative_id": self.id,
            "name": self.name,
            "campaign_id": campaign.or(self.campaigns.first().map(String::as_str)),
            "advertiser_id": self.advertiser,
            "format_kind": self.format,
            "reuse_count": self.campaigns.len(),
            "creative_role": "evergreen",
            "creative_source": "uploaded",
            "preview_url": format!("https://sandbox.example/previews/{}", self.id),
            "created_at": self.created,
            "updated_at": self.updated,
        });
        let Value::Object(mut shown) = shown else { return Map::new() };
        shown.retain(|_, value| !value.is_null());
        shown
    }

    /// The JSON of one creative.
    pub(in crate::v2) fn to_json(&self, campaign: Option<&str>) -> Value {
        let mut shown = self.common(campaign);
        shown.extend(self.others.clone());
        if let Some(caps) = shown.get_mut("frequencyCaps") {
            *caps = super::caps(caps, "CREATIVE", &self.id, self.updated);
        }
        shown.insert("assets".to_owned(), self.assets.clone().into());
        shown.into()
    }

    /// The JSON in a list.
    pub(in crate::v2) fn row(&self, campaign: Option<&str>) -> Value {
        let mut shown = self.common(campaign);
        shown.shift_remove("advertiser_id");
        shown.insert("asset_count".to_owned(), self.assets.len().into());
        if let Some(first) = self.assets.first() {
            shown.insert("primary_asset_type".to_owned(), first["asset_type"].clone());
        }
        shown.into()
    }
}
