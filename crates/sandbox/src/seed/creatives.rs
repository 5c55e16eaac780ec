//! The initial creatives: approved ones, one for which a publisher requests changes, and one that is not assigned.

use crate::{
    objects::{
        Creative, Market,
        creative::{AssemblyMethod, Content, CreativeStatus, FormatRef, PublisherApproval, SyncStatus},
    },
    store::Account,
};

/// Adds the initial data to an account.
pub(super) fn fill(account: &mut Account, market: &Market) {
    let agents: Vec<String> = account.brand_agents.iter().map(|agent| agent.id.clone()).collect();
    match agents.as_slice() {
        [north, lumen, harbor] => {
            banner(account, market, north, "Ridge at dawn 728x90", "display_banner_728x90");
            banner(account, market, north, "Ridge at dawn 320x50", "display_banner_320x50");
            let film = banner(account, market, north, "Two boots, one trail 15s", "video_vast_preroll");
            film.content = Content {
                vast_tag: Some("https://ads.northwind.example/vast/two-boots.xml".to_owned()),
                ..Content::default()
            };
            banner(account, market, lumen, "First cup 320x50", "display_banner_320x50");
            let steam = banner(account, market, lumen, "Steam 728x90", "display_banner_728x90");
            request_changes(steam);
            let guide = banner(account, market, harbor, "Ten questions before you buy", "native_article");
            guide.status = CreativeStatus::Draft;
            guide.sales_agent_sync_status.clear();
            guide.publisher_approvals.clear();
        }
        [quill] => {
            banner(account, market, quill, "One more chapter 728x90", "display_banner_728x90");
        }
        _ => {}
    }
}

/// An active creative that the first seller has approved.
fn banner<'a>(
    account: &'a mut Account,
    market: &Market,
    owner: &str,
    name: &str,
    format: &str,
) -> &'a mut Creative {
    let created =
        account.clock.day(-74).plus_hours(i64::try_from(account.creatives.len()).unwrap_or_default());
    let seller = market.sellers(account.customer_id).into_iter().next();
    let creative = Creative {
        creative_id: account.ids.short("creative"),
        creative_name: name.to_owned(),
        buyer_agent_id: owner.to_owned(),
        customer_id: account.customer_id,
        status: CreativeStatus::Active,
        version: 1,
        assembly_method: AssemblyMethod::PreAssembled,
        format: FormatRef { r#type: "adcp".to_owned(), format_id: format.to_owned() },
        content: Content {
            html_snippet: Some(format!("<a href=\"https://example.com\">{name}</a>")),
            ..Content::default()
        },
        asset_ids: Vec::new(),
        content_categories: vec!["IAB1".to_owned()],
        creative_description: Some(format!("{name}, made up by the sandbox")),
        target_audience: None,
        external_id: None,
        advertiser_domains: Vec::new(),
        created_by: "system",
        created_date: created,
        last_modified_by: "system",
        last_modified_date: created,
        publisher_approvals: seller
            .map(|seller| PublisherApproval {
                publisher_id: seller.organization.clone(),
                publisher_name: seller.name.clone(),
                approval_status: "approved",
                status: "synced",
                rejection_reason: None,
                requested_changes: Vec::new(),
                approved_at: Some(created.plus_hours(24)),
            })
            .into_iter()
            .collect(),
        sales_agent_sync_status: seller
            .map(|seller| SyncStatus {
                sales_agent_id: seller.id.clone(),
                sales_agent_name: seller.name.clone(),
                status: "synced",
                approval_status: Some("approved"),
                last_sync_attempt: Some(created),
                rejection_reason: None,
                requested_changes: Vec::new(),
            })
            .into_iter()
            .collect(),
    };
    account.creatives.push(creative);
    let last = account.creatives.len() - 1;
    &mut account.creatives[last]
}

/// Replaces the approval with a request for changes, so that `creative_revise` can be tried.
fn request_changes(creative: &mut Creative) {
    const REASON: &str = "The steam hides the name of the brand";
    for approval in &mut creative.publisher_approvals {
        approval.approval_status = "changes_requested";
        approval.rejection_reason = Some(REASON.to_owned());
        approval.requested_changes = vec!["Move the name above the cup".to_owned()];
        approval.approved_at = None;
    }
    for sync in &mut creative.sales_agent_sync_status {
        sync.approval_status = Some("rejected");
        sync.rejection_reason = Some(REASON.to_owned());
    }
}
