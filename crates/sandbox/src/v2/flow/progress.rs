//! What became of a campaign's products and media buys.

use serde_json::{Value, json};

use super::{
    super::objects::{media_buy::MediaBuy, search::Line, units},
    Answer, Call, Handler, Reply,
};

pub(super) fn handler(operation: &str) -> Option<Handler> {
    match operation {
        "getCampaignProducts" => Some(products),
        "getMediaBuyAdcpStatus" => Some(status),
        _ => None,
    }
}

fn products(call: &mut Call<'_>) -> Answer {
    let id = call.id("campaignId")?;
    let account = &call.account;
    let (campaign, now) = (account.campaign(&id)?, account.now());
    let search = campaign.discovery.as_deref().and_then(|id| account.search(id).ok());
    let row = |line: &Line| {
        let holds = |buy: &&MediaBuy| buy.packages.iter().any(|package| package.selection == line.selection);
        let reference = |buy: &MediaBuy| {
            let mut shown = buy.reference(now);
            let own = buy.packages.iter().filter(|package| package.selection == line.selection);
            shown["name"] = buy.name.clone().into();
            shown["packageIds"] = own.map(|package| package.id.as_str()).collect();
            shown
        };
        let buys: Vec<Value> = campaign.buys.iter().filter(holds).map(reference).collect();
        let storefront = line.offer.storefront;
        json!({
            "productId": line.offer.id(), "productName": line.offer.product.name,
            "salesAgentId": storefront.sales_agent(), "salesAgentName": storefront.name,
            "publisherDomain": storefront.domain(), "pricingModel": "cpm",
            "budget": line.budget_cents.map(units),
            "selectedAt": line.selected, "mediaBuys": buys,
        })
    };
    let rows: Vec<Value> = search.into_iter().flat_map(|search| &search.cart).map(row).collect();
    let bought =
        rows.iter().filter(|row| row["mediaBuys"].as_array().is_some_and(|buys| !buys.is_empty())).count();
    let contexts: Vec<Value> = search
        .into_iter()
        .map(|search| {
            json!({
                "id": search.id, "brief": search.wanted.brief, "channels": search.wanted.channels,
                "countries": search.wanted.countries, "createdAt": campaign.created,
                "productCount": search.cart.len(),
            })
        })
        .collect();
    Ok(Reply::of(json!({
        "campaignId": id,
        "discoveryId": campaign.discovery,
        "summary": {
            "totalProducts": rows.len(), "productsOnMediaBuys": bought, "productsPending": rows.len() - bought,
        },
        "products": rows,
        "searchContexts": contexts,
    })))
}

/// Members that say why a media buy does not deliver, and their names in the answers of media buys.
const WHY: [(&str, &str); 6] = [
    ("pending_reason", "pendingReason"),
    ("pending_since", "pendingSince"),
    ("error_code", "errorCode"),
    ("error_owner", "errorOwner"),
    ("source_message", "sourceMessage"),
    ("forwarded_at", "forwardedAt"),
];

fn status(call: &mut Call<'_>) -> Answer {
    let id = call.id("campaignId")?;
    let (campaign, now) = (call.account.campaign(&id)?, call.account.now());
    let row = |buy: &MediaBuy| {
        let status = buy.status(now);
        let operational = match status {
            "DRAFT" => "not_submitted",
            "PENDING_APPROVAL" => "pending_start",
            "REJECTED" => "attention_required",
            "ACTIVE" if now < buy.start => "pending_start",
            "ACTIVE" => "active",
            "PAUSED" => "paused",
            _ => "completed",
        };
        let mut row = json!({
            "media_buy_id": buy.id, "adcp_media_buy_id": null, "internal_status": status,
            "adcp_status": operational, "operational_status": operational, "previous_internal_status": status,
            "previous_adcp_status": operational, "updated": false, "status_refresh_source": "direct_agent",
            "blockers": [],
        });
        let shown = buy.to_json(now);
        for (name, from) in WHY {
            if let Some(value) = shown.get(from) {
                row[name] = value.clone();
            }
        }
        row
    };
    let rows: Vec<Value> = campaign.buys.iter().map(row).collect();
    let operational = match campaign.status(now) {
        _ if rows.is_empty() => "no_media_buys",
        "DRAFT" => "draft",
        "ACTIVE" => "active",
        "PAUSED" => "paused",
        _ => "completed",
    };
    Ok(Reply::of(json!({
        "campaign_id": id, "campaign_status": campaign.status(now), "operational_status": operational,
        "agents_queried": rows.len(), "media_buys": rows, "errors": [], "blockers": [],
        "pending_creative_reviews": 0,
        "has_upstream_media_buy": campaign.buys.iter().any(|buy| buy.forwarded.is_some()),
        "has_delivery": campaign.delivered(now).spend_cents > 0,
    })))
}
