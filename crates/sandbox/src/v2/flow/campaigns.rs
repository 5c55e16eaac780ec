//! Campaigns, from the draft on.

use serde_json::{Map, Value, json};

use crate::clock::Moment;

use super::{
    super::{
        arguments::Arguments,
        market::Storefront,
        objects::{
            campaign::{Campaign, Phase},
            media_buy::{BuyStatus, MediaBuy},
            search::Line,
        },
    },
    Answer, Call, Handler, Refusal, Reply, media_buys, moderation,
};

pub(super) fn handler(operation: &str) -> Option<Handler> {
    match operation {
        "listCampaigns" => Some(list),
        "getCampaign" => Some(get),
        "createCampaign" => Some(create),
        "updateCampaign" => Some(update),
        "deleteCampaign" => Some(archive),
        "pauseCampaign" => Some(pause),
        "reactivateCampaign" => Some(reactivate),
        _ => None,
    }
}

/// Members of the body that are stored as they were sent.
const STORED: [&str; 9] = [
    "mode",
    "constraints",
    "performanceConfig",
    "optimizationApplyMode",
    "catalogId",
    "pacingPeriods",
    "dataDelivery",
    "frequencyCaps",
    "utmConfig",
];

fn list(call: &mut Call<'_>) -> Answer {
    let arguments = &call.arguments;
    let now = call.account.now();
    let statuses = arguments.ids("status");
    let name = arguments.text("name").unwrap_or_default().to_lowercase();
    let advertiser = arguments.id("advertiserId");
    let buy_statuses = arguments.ids("mediaBuyStatus");
    let fits = |campaign: &&Campaign| {
        let status = campaign.status(now);
        let is_wanted = match statuses.as_slice() {
            [] => matches!(status, "DRAFT" | "ACTIVE" | "PAUSED"),
            wanted => wanted.iter().any(|word| word == "ALL" || word == status),
        };
        let has_buy = |word: &String| campaign.buys.iter().any(|buy| buy.status(now) == word);
        is_wanted
            && campaign.name.to_lowercase().contains(&name)
            && advertiser.as_ref().is_none_or(|id| campaign.advertiser == *id)
            && (buy_statuses.is_empty() || buy_statuses.iter().any(has_buy))
    };
    let account = &call.account;
    let row = |campaign: &Campaign| campaign.row(now, account.around(campaign).products.len());
    let found = account.campaigns.iter().filter(fits).map(row).collect();
    Ok(call.list("campaigns", found))
}

fn get(call: &mut Call<'_>) -> Answer {
    let id = call.id("campaignId")?;
    let (account, arguments) = (&call.account, &call.arguments);
    let campaign = account.campaign(&id)?;
    let with_details =
        arguments.get("includeProductDetails").is_none_or(|value| *value != false && *value != "false");
    let only = arguments.ids("mediaBuyId");
    let shown = campaign.to_json(account.now(), &account.around(campaign), &only, with_details);
    Ok(Reply::of(json!({ "campaign": shown })))
}

/// A campaign from the arguments at a pointer: those of `createCampaign`, or those in a batch of media buys.
pub(super) fn draft(call: &mut Call<'_>, prefix: &str) -> Answer<String> {
    let at = |name: &str| format!("{prefix}{name}");
    let advertiser_id = call.id(&at("advertiserId"))?;
    let arguments = &call.arguments;
    let name = call.text(&at("name"))?;
    let brief = arguments.text(&at("brief")).map(str::to_owned);
    moderation::check("name", Some(&name))?;
    moderation::check("brief", brief.as_deref())?;
    let advertiser = call.account.advertiser(&advertiser_id)?;
    if advertiser.is_archived {
        return Err(Refusal::invalid_state(format!("Advertiser {advertiser_id} is archived")));
    }
    let currency = advertiser.currency.clone();
    check_currency(arguments, &at("budget/currency"), &currency)?;
    let (start, end) =
        flight(arguments, &at("flightDates"))?.unwrap_or((call.account.now(), call.account.now()));
    let discovery = arguments.id(&at("discoveryId"));
    if let Some(id) = &discovery {
        call.account.search(id)?;
    }
    let body = match prefix {
        "" => arguments.body(),
        _ => arguments
            .get(prefix.trim_end_matches('/'))
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default(),
    };
    let total_cents = arguments.cents(&at("budget/total")).unwrap_or_default();
    let daily_cap_cents = arguments.cents(&at("budget/dailyCap"));
    let pacing = arguments.text(&at("budget/pacing")).map(str::to_owned);
    let storefronts = arguments.ids(&at("storefrontIds"));
    if let Some(unknown) = storefronts.iter().find(|id| Storefront::by_id(id).is_none()) {
        return Err(Refusal::not_found("Storefront", unknown));
    }
    let preselected = arguments.ids(&at("productIds"));
    let now = call.account.tick();
    let campaign = Campaign {
        id: call.account.ids.short("cmp"),
        advertiser: advertiser_id,
        name,
        phase: Phase::Draft,
        brief,
        start,
        end,
        total_cents,
        currency,
        daily_cap_cents,
        pacing,
        storefronts,
        discovery: discovery.clone(),
        buys: Vec::new(),
        others: stored(Map::new(), body),
        created: now,
        updated: now,
        revision: 1,
    };
    let id = campaign.id.clone();
    if let Some(discovery) = discovery {
        preselect(call, &discovery, &preselected, now)?;
    } else if !preselected.is_empty() {
        return Err(Refusal::invalid_value("productIds", "needs discoveryId"));
    }
    call.account.campaigns.push(campaign);
    Ok(id)
}

fn preselect(call: &mut Call<'_>, discovery: &str, products: &[String], now: Moment) -> Answer<()> {
    let market = call.account.market.clone();
    let search = call.account.search_mut(discovery)?;
    for id in products {
        let offer = market.offer(id).ok_or_else(|| Refusal::not_found("Product", id))?;
        if search.cart.iter().all(|line| line.offer != offer) {
            search.cart.push(Line {
                selection: id.clone(),
                offer,
                budget_cents: None,
                bid_cents: None,
                others: Map::new(),
                selected: now,
            });
        }
    }
    Ok(())
}

fn stored(mut others: Map<String, Value>, body: Map<String, Value>) -> Map<String, Value> {
    for (name, value) in body.into_iter().filter(|(name, _)| STORED.contains(&name.as_str())) {
        if value.is_null() {
            others.shift_remove(&name);
        } else {
            others.insert(name, value);
        }
    }
    others
}

fn check_currency(arguments: &Arguments, pointer: &str, expected: &str) -> Answer<()> {
    match arguments.text(pointer) {
        Some(given) if !given.eq_ignore_ascii_case(expected) => {
            Err(Refusal::currency_mismatch(given, expected))
        }
        _ => Ok(()),
    }
}

fn flight(arguments: &Arguments, pointer: &str) -> Answer<Option<(Moment, Moment)>> {
    let date = |name: &str| arguments.moment(&format!("{pointer}/{name}"));
    match (date("startDate"), date("endDate")) {
        (Some(start), Some(end)) if start >= end => {
            Err(Refusal::invalid_value("flightDates.endDate", "must be after startDate"))
        }
        (Some(start), Some(end)) => Ok(Some((start, end))),
        _ => Ok(None),
    }
}

fn create(call: &mut Call<'_>) -> Answer {
    let id = draft(call, "")?;
    Ok(Reply::created(json!({ "campaign": call.account.shown(&id)? })))
}

fn update(call: &mut Call<'_>) -> Answer {
    let id = call.id("campaignId")?;
    if call.arguments.has("refresh") {
        return Err(Refusal::invalid_state("The campaign is not tracked, so there is nothing to refresh"));
    }
    let now = call.account.tick();
    let arguments = call.arguments.clone();
    let mut campaign = call.account.campaign(&id)?.clone();
    if !campaign.is_open(now) {
        return Err(Refusal::invalid_state(format!("Campaign {id} is {}", campaign.status(now))));
    }
    moderation::check("name", arguments.text("name"))?;
    moderation::check("brief", arguments.text("brief"))?;
    check_currency(&arguments, "budget/currency", &campaign.currency)?;
    if campaign.phase != Phase::Draft && arguments.has("pacingPeriods") {
        return Err(
            Refusal::invalid_state("Only a DRAFT campaign can change pacingPeriods").at("pacingPeriods")
        );
    }
    if let Some(name) = arguments.text("name") {
        name.clone_into(&mut campaign.name);
    }
    if let Some(brief) = arguments.text("brief") {
        campaign.brief = Some(brief.to_owned());
    }
    if let Some((start, end)) = flight(&arguments, "flightDates")? {
        // Media buys that ended with the campaign end with it still.
        let old = campaign.end;
        (campaign.start, campaign.end) = (start, end);
        for buy in
            campaign.buys.iter_mut().filter(|buy| buy.is_open(now) && (buy.end == old || buy.end > end))
        {
            buy.end = end;
            buy.apply(now);
        }
    }
    campaign.total_cents = arguments.cents("budget/total").unwrap_or(campaign.total_cents);
    campaign.daily_cap_cents = arguments.cents("budget/dailyCap").or(campaign.daily_cap_cents);
    campaign.pacing = arguments.text("budget/pacing").map(str::to_owned).or(campaign.pacing);
    if arguments.has("storefrontIds") {
        campaign.storefronts = arguments.ids("storefrontIds");
    }
    if let Some(discovery) = arguments.id("discoveryId") {
        call.account.search(&discovery)?;
        campaign.discovery = Some(discovery);
    }
    campaign.others = stored(campaign.others, arguments.body());
    let mut warnings = Vec::new();
    for change in arguments.list("mediaBuys") {
        change_buy(&mut campaign, &change, now, &mut warnings)?;
    }
    if campaign.allocated(now) > campaign.total_cents {
        return Err(Refusal::insufficient_budget("The media buys have more budget than the campaign"));
    }
    campaign.touch(now);
    *call.account.campaign_mut(&id)? = campaign;
    let mut answer = json!({ "campaign": call.account.shown(&id)? });
    if !warnings.is_empty() {
        answer["warnings"] = json!(warnings);
    }
    Ok(Reply::of(answer))
}

/// Updates, cancels or archives one media buy.
fn change_buy(
    campaign: &mut Campaign,
    change: &Value,
    now: Moment,
    warnings: &mut Vec<String>,
) -> Answer<()> {
    let id = change["mediaBuyId"].as_str().unwrap_or_default();
    let (start, end) = (campaign.start, campaign.end);
    let buy = campaign.buys.iter_mut().find(|buy| buy.id == id);
    let buy = buy.ok_or_else(|| Refusal::not_found("Media buy", id))?;
    if !buy.is_open(now) {
        return Err(Refusal::invalid_state(format!("Media buy {id} is {}", buy.status(now))));
    }
    let packages: Vec<&str> =
        change["packageIds"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    match change["action"].as_str().unwrap_or("update") {
        "cancel" if !packages.is_empty() => {
            for package in buy.packages.iter_mut().filter(|package| packages.contains(&package.id.as_str())) {
                package.is_canceled = true;
            }
            buy.apply(now);
            buy.touch(now);
        }
        "cancel" => buy.end(BuyStatus::Canceled, now),
        "delete" => buy.end(BuyStatus::Archived, now),
        _ => {
            let dates = ["start_time", "end_time"].map(|name| change[name].as_str().and_then(Moment::parse));
            if dates.into_iter().flatten().any(|date| date < start || date > end) {
                return Err(Refusal::invalid_value("mediaBuys", "has dates outside the campaign's flight"));
            }
            warnings.extend(media_buys::change(buy, change, now)?);
        }
    }
    Ok(())
}

fn archive(call: &mut Call<'_>) -> Answer {
    let id = call.id("campaignId")?;
    let now = call.account.tick();
    let campaign = call.account.campaign_mut(&id)?;
    campaign.phase = Phase::Archived;
    for buy in campaign.buys.iter_mut().filter(|buy| buy.is_open(now)) {
        buy.end(BuyStatus::Archived, now);
    }
    campaign.touch(now);
    Ok(Reply::nothing())
}

fn pause(call: &mut Call<'_>) -> Answer {
    switch(call, BuyStatus::Active, BuyStatus::Paused, Phase::Paused)
}

fn reactivate(call: &mut Call<'_>) -> Answer {
    switch(call, BuyStatus::Paused, BuyStatus::Active, Phase::Active)
}

/// Takes a campaign and its media buys from one status to the other.
fn switch(call: &mut Call<'_>, from: BuyStatus, to: BuyStatus, phase: Phase) -> Answer {
    let id = call.id("campaignId")?;
    let now = call.account.tick();
    let campaign = call.account.campaign_mut(&id)?;
    let previous = campaign.status(now);
    if !matches!(previous, "ACTIVE" | "PAUSED") {
        return Err(Refusal::invalid_state(format!("Campaign {id} is {previous}")));
    }
    let change = |buy: &mut MediaBuy| {
        let before = buy.status(now);
        buy.status = to;
        buy.apply(now);
        buy.touch(now);
        json!({ "mediaBuyId": buy.id, "name": buy.name, "previousStatus": before, "success": true })
    };
    let changing = campaign.buys.iter_mut().filter(|buy| buy.status == from && buy.is_open(now));
    let results: Vec<Value> = changing.map(change).collect();
    campaign.phase = phase;
    campaign.touch(now);
    Ok(Reply::of(json!({
        "campaignId": id,
        "campaignName": campaign.name,
        "previousStatus": previous,
        "newStatus": campaign.status(now),
        "totalMediaBuys": results.len(),
        "successCount": results.len(),
        "failureCount": 0,
        "mediaBuyResults": results,
    })))
}
