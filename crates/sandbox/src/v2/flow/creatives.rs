//! Creatives of a campaign, and the library of an advertiser.

use serde_json::{Map, Value, json};

use crate::clock::Moment;

use super::{super::objects::creative::Creative, Answer, Call, Handler, Refusal, Reply};

pub(super) fn handler(operation: &str) -> Option<Handler> {
    match operation {
        "listCreatives" | "listCreativeManifests" | "listAdvertiserCreatives" => Some(list),
        "getCreativeManifest" => Some(get),
        "createCreativeManifest" | "createAdvertiserCreative" => Some(create),
        "updateCreativeManifest" => Some(update),
        "deleteCreativeManifest" | "archiveCreative" => Some(remove),
        "assignCreativeToCampaign" => Some(assign),
        "unassignCreativeFromCampaign" => Some(unassign),
        "previewCreative" => Some(preview),
        "duplicateCreative" => Some(duplicate),
        "bulkUpdateCreatives" => Some(bulk_update),
        "listCreativeTemplates" => Some(templates),
        _ => None,
    }
}

/// The campaign or the advertiser in the path.
fn owner(call: &Call<'_>) -> Answer<(Option<String>, String)> {
    match call.arguments.id("campaignId") {
        Some(id) => {
            let campaign = call.account.campaign(&id)?;
            Ok((Some(id), campaign.advertiser.clone()))
        }
        None => Ok((None, call.account.advertiser(&call.id("advertiserId")?)?.id.clone())),
    }
}

/// The creative in the path, if the campaign or advertiser there has it.
fn found(call: &Call<'_>) -> Answer<Creative> {
    let (campaign, advertiser) = owner(call)?;
    let id = call.id("creativeId")?;
    let creative = call.account.creative(&id)?;
    let is_its = creative.advertiser == advertiser
        && campaign.as_ref().is_none_or(|campaign| creative.campaigns.contains(campaign));
    if is_its { Ok(creative.clone()) } else { Err(Refusal::not_found("Creative", &id)) }
}

fn list(call: &mut Call<'_>) -> Answer {
    let (campaign, advertiser) = owner(call)?;
    let arguments = &call.arguments;
    let search = arguments.text("search").unwrap_or_default().to_lowercase();
    let (format, kind) = (arguments.text("format_kind"), arguments.text("asset_type"));
    let fits = |creative: &&Creative| {
        creative.advertiser == advertiser
            && campaign.as_ref().is_none_or(|campaign| creative.campaigns.contains(campaign))
            && creative.name.to_lowercase().contains(&search)
            && format.is_none_or(|format| creative.format == format)
            && kind.is_none_or(|kind| creative.assets.iter().any(|asset| asset["asset_type"] == kind))
    };
    let row = |creative: &Creative| creative.row(campaign.as_deref());
    let rows = call.account.creatives.iter().filter(fits).map(row).collect();
    Ok(call.list("manifests", rows))
}

fn get(call: &mut Call<'_>) -> Answer {
    Ok(Reply::of(found(call)?.to_json(call.arguments.text("campaignId"))))
}

fn create(call: &mut Call<'_>) -> Answer {
    let (campaign, advertiser) = owner(call)?;
    let count = call.account.creatives.len() + 1;
    let name = call.arguments.text("name").map_or_else(|| format!("Creative {count}"), str::to_owned);
    let same = call.account.creatives.iter().find(|creative| {
        creative.name == name
            && campaign.as_ref().is_some_and(|campaign| creative.campaigns.contains(campaign))
    });
    if let Some(same) = same {
        let mut answer = same.to_json(campaign.as_deref());
        answer["already_exists"] = true.into();
        answer["ignored_files"] = call.arguments.list("linked_assets").len().into();
        return Ok(Reply::created(answer));
    }
    let now = call.account.tick();
    let mut creative = Creative {
        id: call.account.ids.short("cr"),
        name,
        advertiser,
        campaigns: campaign.clone().into_iter().collect(),
        format: String::new(),
        assets: Vec::new(),
        others: Map::new(),
        created: now,
        updated: now,
    };
    change(call, &mut creative, now);
    if creative.format.is_empty() {
        let kind = creative.assets.first().and_then(|asset| asset["asset_type"].as_str()).unwrap_or("IMAGE");
        creative.format = Creative::format_of(kind).into();
    }
    let answer = creative.to_json(campaign.as_deref());
    call.account.creatives.push(creative);
    Ok(Reply::created(answer))
}

/// Members of the body that are stored as they were sent.
const STORED: [&str; 7] = [
    "message",
    "format_id",
    "format_option_ref",
    "template_id",
    "target_format_ids",
    "industry_identifiers",
    "frequencyCaps",
];

/// Applies the members of the body.
fn change(call: &mut Call<'_>, creative: &mut Creative, now: Moment) {
    let arguments = call.arguments.clone();
    if let Some(name) = arguments.text("name") {
        name.clone_into(&mut creative.name);
    }
    if let Some(format) = arguments.text("format_kind") {
        format.clone_into(&mut creative.format);
    }
    let removed = arguments.ids("delete_asset_ids");
    creative
        .assets
        .retain(|asset| asset["asset_id"].as_str().is_none_or(|id| !removed.iter().any(|other| other == id)));
    for linked in arguments.list("linked_assets").into_iter().chain(arguments.list("new_linked_assets")) {
        let id = call.account.ids.short("asset");
        let name = linked["label"].as_str().unwrap_or("Asset").to_owned();
        let kind = linked["asset_type"].as_str().unwrap_or("IMAGE").to_owned();
        creative.assets.push(json!({
            "asset_id": id, "name": name, "original_filename": name, "asset_type": kind,
            "content_type": "application/octet-stream", "file_size": 1024, "asset_source": "USER_UPLOADED",
            "public_url": linked["url"].as_str().map_or_else(|| format!("https://sandbox.example/assets/{id}"), str::to_owned),
            "created_at": now,
        }));
    }
    let kept = arguments.body().into_iter().filter(|(name, _)| STORED.contains(&name.as_str()));
    creative.others.extend(kept);
    creative.updated = now;
}

fn update(call: &mut Call<'_>) -> Answer {
    let mut creative = found(call)?;
    let now = call.account.tick();
    change(call, &mut creative, now);
    let answer = creative.to_json(call.arguments.text("campaignId"));
    let id = creative.id.clone();
    *call.account.creative_mut(&id)? = creative;
    Ok(Reply::of(answer))
}

fn remove(call: &mut Call<'_>) -> Answer {
    let id = found(call)?.id;
    call.account.tick();
    call.account.creatives.retain(|creative| creative.id != id);
    Ok(Reply::nothing())
}

fn assign(call: &mut Call<'_>) -> Answer {
    let (advertiser, id) = (call.id("advertiserId")?, call.id("creativeId")?);
    let campaign = call.id("campaignId")?;
    if call.account.campaign(&campaign)?.advertiser != advertiser {
        return Err(Refusal::not_found("Campaign", &campaign));
    }
    let now = call.account.tick();
    let creative = call.account.creative_mut(&id)?;
    if creative.advertiser != advertiser {
        return Err(Refusal::not_found("Creative", &id));
    }
    if !creative.campaigns.contains(&campaign) {
        creative.campaigns.push(campaign.clone());
    }
    creative.updated = now;
    Ok(Reply::of(json!({ "manifest_id": id, "campaign_id": campaign })))
}

fn unassign(call: &mut Call<'_>) -> Answer {
    let mut creative = found(call)?;
    let campaign = call.id("campaignId")?;
    call.account.tick();
    creative.campaigns.retain(|other| *other != campaign);
    let id = creative.id.clone();
    *call.account.creative_mut(&id)? = creative;
    Ok(Reply::nothing())
}

fn preview(call: &mut Call<'_>) -> Answer {
    let creative = found(call)?;
    let expires = call.account.now().plus_hours(1);
    let url = format!("https://sandbox.example/previews/{}", creative.id);
    Ok(Reply::of(json!({
        "response_type": "single", "previews": [{ "preview_id": creative.id, "preview_url": url }],
        "interactive_url": url, "expires_at": expires,
    })))
}

fn duplicate(call: &mut Call<'_>) -> Answer {
    let creative = found(call)?;
    let now = call.account.tick();
    let copy = Creative {
        id: call.account.ids.short("cr"),
        name: format!("{} (copy)", creative.name),
        campaigns: call.arguments.id("campaignId").into_iter().collect(),
        created: now,
        updated: now,
        ..creative
    };
    let answer = copy.to_json(call.arguments.text("campaignId"));
    call.account.creatives.push(copy);
    Ok(Reply::created(answer))
}

fn bulk_update(call: &mut Call<'_>) -> Answer {
    let id = call.id("campaignId")?;
    call.account.campaign(&id)?;
    let is_dry = call.arguments.get("dry_run").is_none_or(|value| *value != false);
    let only = call.arguments.ids("selection/creative_ids");
    let now = call.account.tick();
    let url = call.arguments.get("update/click_url").cloned();
    let mut rows = Vec::new();
    for creative in call.account.creatives.iter_mut().filter(|creative| {
        creative.campaigns.contains(&id) && (only.is_empty() || only.contains(&creative.id))
    }) {
        if let Some(url) = url.as_ref().filter(|_| !is_dry) {
            creative.others.insert("click_url".to_owned(), url.clone());
            creative.updated = now;
        }
        let mut row = creative.row(Some(&id));
        row["status"] = if is_dry { "matched" } else { "updated" }.into();
        rows.push(row);
    }
    Ok(Reply::of(json!({
        "dry_run": is_dry, "matched_count": rows.len(), "total_matches": rows.len(), "returned_count": rows.len(),
        "selection": call.arguments.get("selection"), "updates": call.arguments.get("update"),
        "limit": call.arguments.count("limit").unwrap_or(100), "truncated": false, "updated_count": if is_dry { 0 } else { rows.len() }, "creatives": rows,
    })))
}

fn templates(call: &mut Call<'_>) -> Answer {
    let account = &call.account;
    let campaign = account.campaign(&call.id("campaignId")?)?;
    let around = account.around(campaign);
    let template = |kind: &String| {
        json!({
            "template_id": kind, "name": kind, "description": format!("A creative of the format {kind}"),
            "category": "standard", "assets_required": [], "expects_html_wrapper": false, "supports_tag_input": false,
        })
    };
    let option = |kind: &String| json!({ "format_option_id": kind, "format_kind": kind });
    let format = |kind: &String| json!({ "id": kind, "agent_url": "https://formats.example/adcp" });
    let product = |id: &String| {
        let offer = account.market.offer(id);
        let kinds: Vec<String> = offer.map(|offer| offer.product.format.clone()).into_iter().collect();
        json!({
            "product_id": id, "formats": kinds.iter().map(format).collect::<Vec<_>>(),
            "format_options": kinds.iter().map(option).collect::<Vec<_>>(),
        })
    };
    Ok(Reply::of(json!({
        "campaign_format_ids": around.required.iter().map(format).collect::<Vec<_>>(),
        "campaign_products": around.products.iter().map(product).collect::<Vec<_>>(),
        "templates": around.required.iter().map(template).collect::<Vec<_>>(),
        "campaign_format_options": around.required.iter().map(option).collect::<Vec<Value>>(),
    })))
}
