//! Media buys after the launch.

use serde_json::{Value, json};

use crate::clock::Moment;

use super::{
    super::{
        arguments::cents,
        objects::media_buy::{BuyStatus, MediaBuy, Package},
    },
    Answer, Call, Handler, Refusal, Reply,
};

pub(super) fn handler(operation: &str) -> Option<Handler> {
    match operation {
        "getMediaBuy" => Some(get),
        "getMediaBuyPackages" => Some(packages),
        "updateMediaBuy" => Some(update),
        "pauseMediaBuy" => Some(pause),
        "reactivateMediaBuy" => Some(reactivate),
        _ => None,
    }
}

fn get(call: &mut Call<'_>) -> Answer {
    let buy = call.account.media_buy(&call.id("mediaBuyId")?)?;
    Ok(Reply::of(json!({ "mediaBuy": buy.to_json(call.account.now()) })))
}

fn packages(call: &mut Call<'_>) -> Answer {
    let (buy, now) = (call.account.media_buy(&call.id("mediaBuyId")?)?, call.account.now());
    let rows: Vec<Value> = buy.packages.iter().map(|package| package.to_json(buy, now)).collect();
    Ok(Reply::of(json!({
        "mediaBuyId": buy.id, "isPaced": false, "packageCount": rows.len(), "packages": rows,
    })))
}

fn update(call: &mut Call<'_>) -> Answer {
    let id = call.id("mediaBuyId")?;
    let now = call.account.tick();
    let holds = |buy: &MediaBuy| buy.id == id;
    let owner = call.account.campaigns.iter_mut().find(|campaign| campaign.buys.iter().any(holds));
    let campaign = owner.ok_or_else(|| Refusal::not_found("Media buy", &id))?;
    let mut changed = campaign.clone();
    let (start, end) = (changed.start, changed.end);
    let Some(buy) = changed.buys.iter_mut().find(|buy| buy.id == id) else {
        return Err(Refusal::not_found("Media buy", &id));
    };
    if !buy.is_open(now) {
        return Err(Refusal::invalid_state(format!("Media buy {id} is {}", buy.status(now))));
    }
    let mut warnings = change(buy, &call.arguments.body().into(), now)?;
    let (first, last) = (buy.start.min(start), buy.end.max(end));
    if (first, last) != (start, end) {
        warnings.push("The campaign's flight was widened to the dates of the media buy.".to_owned());
        (changed.start, changed.end) = (first, last);
    }
    if changed.allocated(now) > changed.total_cents {
        return Err(Refusal::insufficient_budget("The media buys have more budget than the campaign"));
    }
    changed.touch(now);
    *campaign = changed;
    let mut answer = json!({ "mediaBuy": call.account.media_buy(&id)?.to_json(now) });
    if !warnings.is_empty() {
        answer["warnings"] = json!(warnings);
    }
    Ok(Reply::of(answer))
}

/// Changes a media buy as the members of an update say. Returns warnings.
pub(super) fn change(buy: &mut MediaBuy, change: &Value, now: Moment) -> Answer<Vec<String>> {
    let mut warnings = Vec::new();
    if let Some(name) = change["name"].as_str() {
        name.clone_into(&mut buy.name);
    }
    let date = |name: &str| match change[name].as_str() {
        Some("asap") => Some(now),
        other => other.and_then(Moment::parse),
    };
    buy.start = date("start_time").unwrap_or(buy.start);
    buy.end = date("end_time").unwrap_or(buy.end);
    if buy.start >= buy.end {
        return Err(Refusal::invalid_value("end_time", "must be after start_time"));
    }
    for (list, name) in [("packages", "packageId"), ("products", "productId")] {
        for wanted in change[list].as_array().into_iter().flatten() {
            let id = wanted[name].as_str().unwrap_or_default();
            let is_it = |package: &&mut Package| {
                if list == "packages" { package.id == id } else { package.offer.id() == id }
            };
            let package = buy.packages.iter_mut().find(is_it);
            let package = package.ok_or_else(|| {
                Refusal::not_found(if list == "packages" { "Package" } else { "Product" }, id)
            })?;
            change_package(package, wanted, now, &mut warnings)?;
        }
    }
    if let Some(goals) = change.get("optimization_goals").filter(|goals| !goals.is_null()) {
        buy.goals = Some(goals.clone());
    }
    if let Some(creatives) = change["creative_ids"].as_array() {
        let ids = creatives.iter().filter_map(Value::as_str).map(str::to_owned);
        buy.creatives = Some(ids.collect());
    }
    buy.apply(now);
    buy.touch(now);
    Ok(warnings)
}

fn change_package(
    package: &mut Package,
    wanted: &Value,
    now: Moment,
    warnings: &mut Vec<String>,
) -> Answer<()> {
    if wanted["remove"] == true {
        package.is_canceled = true;
    }
    if let Some(budget) = cents(&wanted["budget"]) {
        let spent = package.ledger.spent(now);
        if budget < spent {
            return Err(Refusal::invalid_value("packages.budget", "must not be below what is spent already"));
        }
        if budget < package.offer.product.minimum_cents {
            warnings.push(format!("The budget of {} is below the seller's minimum.", package.id));
        }
        package.budget_cents = budget;
    }
    if let Some(bid) = cents(&wanted["bidPrice"]) {
        package.cpm_cents = bid.max(1);
    }
    if let Some(pacing) = wanted["pacing"].as_str() {
        package.pacing = Some(pacing.to_owned());
    }
    let date = |name: &str| wanted[name].as_str().and_then(Moment::parse);
    package.start = date("startTime").or(package.start);
    package.end = date("endTime").or(package.end);
    Ok(())
}

fn pause(call: &mut Call<'_>) -> Answer {
    switch(call, BuyStatus::Active, BuyStatus::Paused)
}

fn reactivate(call: &mut Call<'_>) -> Answer {
    switch(call, BuyStatus::Paused, BuyStatus::Active)
}

fn switch(call: &mut Call<'_>, from: BuyStatus, to: BuyStatus) -> Answer {
    let id = call.id("mediaBuyId")?;
    let now = call.account.tick();
    let buy = call.account.media_buy_mut(&id)?;
    let previous = buy.status(now);
    if buy.status != from || !buy.is_open(now) {
        return Err(Refusal::invalid_state(format!("Media buy {id} is {previous}")));
    }
    buy.status = to;
    buy.apply(now);
    buy.touch(now);
    Ok(Reply::of(json!({
        "mediaBuyId": id, "name": buy.name, "previousStatus": previous, "newStatus": buy.status(now), "success": true,
    })))
}
