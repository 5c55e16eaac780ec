//! Creatives, and their assignments to campaigns.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};

use crate::clock::Moment;

/// An ad of a brand agent.
#[derive(Debug, Clone, Serialize)]
#[expect(clippy::struct_field_names, reason = "the names are Scope3's")]
#[serde(rename_all = "camelCase")]
pub(crate) struct Creative {
    pub(crate) creative_id: String,
    pub(crate) creative_name: String,
    /// The brand agent that owns it.
    pub(crate) buyer_agent_id: String,
    pub(crate) customer_id: u32,
    pub(crate) status: CreativeStatus,
    /// The version, from 1. Responses show `1.0`.
    #[serde(serialize_with = "dotted")]
    pub(crate) version: u32,
    pub(crate) assembly_method: AssemblyMethod,
    pub(crate) format: FormatRef,
    pub(crate) content: Content,
    pub(crate) asset_ids: Vec<String>,
    pub(crate) content_categories: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) creative_description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) target_audience: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) external_id: Option<String>,
    /// The domains of landing pages. Only an update sets them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) advertiser_domains: Vec<String>,
    pub(crate) created_by: &'static str,
    pub(crate) created_date: Moment,
    pub(crate) last_modified_by: &'static str,
    pub(crate) last_modified_date: Moment,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) publisher_approvals: Vec<PublisherApproval>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) sales_agent_sync_status: Vec<SyncStatus>,
}

impl Creative {
    /// Creates a draft with only the required members.
    pub(crate) fn new(
        creative_id: String,
        creative_name: String,
        buyer_agent_id: String,
        customer_id: u32,
        format: FormatRef,
        content: Content,
        at: Moment,
    ) -> Self {
        Self {
            creative_id,
            creative_name,
            buyer_agent_id,
            customer_id,
            status: CreativeStatus::Draft,
            version: 1,
            assembly_method: AssemblyMethod::default(),
            format,
            asset_ids: content.asset_ids.clone().unwrap_or_default(),
            content,
            content_categories: Vec::new(),
            creative_description: None,
            target_audience: None,
            external_id: None,
            advertiser_domains: Vec::new(),
            created_by: "system",
            created_date: at,
            last_modified_by: "system",
            last_modified_date: at,
            publisher_approvals: Vec::new(),
            sales_agent_sync_status: Vec::new(),
        }
    }

    /// Replaces the whole content.
    pub(crate) fn replace_content(&mut self, content: Content) {
        self.asset_ids = content.asset_ids.clone().unwrap_or_default();
        self.content = content;
    }

    /// Records a change, which makes a new version.
    pub(crate) fn changed(&mut self, at: Moment) {
        self.version += 1;
        self.last_modified_date = at;
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn dotted<S: Serializer>(version: &u32, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{version}.0"))
}

/// The status of a creative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CreativeStatus {
    Draft,
    PendingReview,
    Active,
    Paused,
    Archived,
    Rejected,
}

/// Who assembles a creative.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AssemblyMethod {
    Publisher,
    CreativeAgent,
    #[default]
    PreAssembled,
}

/// The format of a creative, with the id from `format_list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FormatRef {
    /// `adcp`, `publisher` or `creative_agent`.
    pub(crate) r#type: String,
    pub(crate) format_id: String,
}

/// The content of a creative.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Content {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) asset_ids: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) html_snippet: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) javascript_tag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) vast_tag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) product_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) snippet: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) snippet_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) template_variables: Option<BTreeMap<String, String>>,
}

impl Content {
    /// Why the content is invalid, or `None` if it is valid.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        let assets = self.asset_ids.as_ref().is_some_and(|ids| !ids.is_empty());
        let sources =
            [&self.html_snippet, &self.javascript_tag, &self.vast_tag, &self.product_url, &self.snippet];
        if self.snippet.is_some() && self.snippet_type.is_none() {
            Some("snippetType is required with snippet")
        } else if !assets && sources.into_iter().all(Option::is_none) {
            Some("At least one content source is required")
        } else {
            None
        }
    }
}

/// A publisher's review of a creative.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PublisherApproval {
    pub(crate) publisher_id: String,
    pub(crate) publisher_name: String,
    /// `approved`, `auto_approved`, `changes_requested`, `pending` or `rejected`.
    pub(crate) approval_status: &'static str,
    /// The status of sending it to the publisher: `synced`, `pending` or `failed`.
    pub(crate) status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rejection_reason: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) requested_changes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) approved_at: Option<Moment>,
}

/// The status of sending a creative to a seller.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SyncStatus {
    pub(crate) sales_agent_id: String,
    pub(crate) sales_agent_name: String,
    /// `syncing`, `pending`, `synced`, `failed` or `not_applicable`.
    pub(crate) status: &'static str,
    /// `pending`, `approved`, `rejected` or `changes_requested`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) approval_status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_sync_attempt: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rejection_reason: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) requested_changes: Vec<String>,
}

/// The assignment of a creative to a campaign.
#[derive(Debug, Clone)]
pub(crate) struct Assignment {
    pub(crate) creative_id: String,
    pub(crate) campaign_id: String,
    pub(crate) assigned_date: Moment,
}
