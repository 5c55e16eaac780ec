//! Advertisers.

use serde_json::{Map, Value, json};

use super::{
    super::objects::advertiser::Advertiser, Answer, Call, Handler, Refusal, Reply, account::domain_of,
};

pub(super) fn handler(operation: &str) -> Option<Handler> {
    match operation {
        "listAdvertisers" => Some(list),
        "getAdvertiser" => Some(get),
        "createAdvertiser" => Some(create),
        "updateAdvertiser" => Some(update),
        "deleteAdvertiser" => Some(archive),
        "restoreAdvertiser" => Some(restore),
        "listAllAdvertisersHome" => Some(home),
        _ => None,
    }
}

/// Members of the body that are stored as they were sent.
const STORED: [&str; 5] =
    ["description", "optimizationApplyMode", "linkedAccounts", "utmConfig", "frequencyCaps"];

fn shown(call: &Call<'_>, id: &str) -> Answer<Value> {
    Ok(call.account.advertiser(id)?.to_json(call.account.has_campaigns(id)))
}

fn list(call: &mut Call<'_>) -> Answer {
    let status = call.arguments.text("status").unwrap_or("ACTIVE").to_owned();
    let name = call.arguments.text("name").unwrap_or_default().to_lowercase();
    let sandbox = call.arguments.get("sandbox").map(|_| call.arguments.is_true("sandbox"));
    let fits = |advertiser: &&Advertiser| {
        (status == "ALL" || (status == "ARCHIVED") == advertiser.is_archived)
            && advertiser.name.to_lowercase().contains(&name)
            && sandbox.is_none_or(|wanted| advertiser.is_sandbox == wanted)
    };
    let account = &call.account;
    let row = |advertiser: &Advertiser| advertiser.row(account.has_campaigns(&advertiser.id));
    let items = account.advertisers.iter().filter(fits).map(row).collect();
    Ok(call.list("items", items))
}

fn get(call: &mut Call<'_>) -> Answer {
    let id = call.id("advertiserId")?;
    shown(call, &id).map(Reply::of)
}

fn create(call: &mut Call<'_>) -> Answer {
    let (name, brand) = (call.text("name")?, call.text("brand")?);
    let now = call.account.tick();
    let advertiser = Advertiser {
        id: call.account.ids.number(),
        name,
        brand: domain_of(&brand),
        currency: call.text("primaryCurrency")?.to_uppercase(),
        is_archived: false,
        is_sandbox: call.arguments.is_true("sandbox"),
        others: stored(call, Map::new()),
        created: now,
        updated: now,
    };
    let mut answer = advertiser.to_json(false);
    if advertiser.brand.starts_with("unknown") {
        answer["brandWarning"] = "No profile of this brand was found.".into();
    }
    call.account.advertisers.push(advertiser);
    Ok(Reply::created(answer))
}

/// The stored members, with those of the body in their places. A list that links accounts only grows.
fn stored(call: &Call<'_>, mut others: Map<String, Value>) -> Map<String, Value> {
    for (name, value) in call.arguments.body() {
        match (name.as_str(), value) {
            (_, Value::Null) => drop(others.shift_remove(&name)),
            ("dataDelivery", value) => drop(others.insert(name, without_secrets(value))),
            ("linkedAccounts", Value::Array(added)) => {
                let linked = added.into_iter().enumerate().map(|(at, account)| {
                    json!({ "linkId": at.to_string(), "accountId": account["accountId"], "status": "ACTIVE" })
                });
                let mut all = others.get(&name).and_then(Value::as_array).cloned().unwrap_or_default();
                all.extend(linked);
                others.insert(name, all.into());
            }
            (other, value) if STORED.contains(&other) => drop(others.insert(name, value)),
            _ => {}
        }
    }
    others
}

/// The deliveries of data as answers show them: each credential with its status, and without its secret.
fn without_secrets(mut delivery: Value) -> Value {
    for credential in delivery["credentials"].as_array_mut().into_iter().flatten() {
        if let Some(auth) = credential.pointer_mut("/config/auth").and_then(Value::as_object_mut) {
            auth.shift_remove("sasToken");
        }
        credential["status"] = "VALIDATED".into();
    }
    delivery
}

fn update(call: &mut Call<'_>) -> Answer {
    let id = call.id("advertiserId")?;
    let is_locked = call.account.has_campaigns(&id);
    let others = stored(call, call.account.advertiser(&id)?.others.clone());
    let text = |name: &str| call.arguments.text(name).map(str::to_owned);
    let (name, brand, currency) = (text("name"), text("brand"), text("primaryCurrency"));
    let now = call.account.tick();
    let advertiser = call.account.advertiser_mut(&id)?;
    if let Some(currency) =
        currency.map(|currency| currency.to_uppercase()).filter(|c| *c != advertiser.currency)
    {
        if is_locked {
            return Err(Refusal::conflict("The first campaign has locked the currency").at("primaryCurrency"));
        }
        advertiser.currency = currency;
    }
    advertiser.name = name.unwrap_or_else(|| advertiser.name.clone());
    if let Some(brand) = brand {
        advertiser.brand = domain_of(&brand);
    }
    (advertiser.others, advertiser.updated) = (others, now);
    shown(call, &id).map(Reply::of)
}

fn archive(call: &mut Call<'_>) -> Answer {
    set_archived(call, true)?;
    Ok(Reply::nothing())
}

fn restore(call: &mut Call<'_>) -> Answer {
    let id = set_archived(call, false)?;
    shown(call, &id).map(Reply::of)
}

fn set_archived(call: &mut Call<'_>, is_archived: bool) -> Answer<String> {
    let id = call.id("advertiserId")?;
    let now = call.account.tick();
    let advertiser = call.account.advertiser_mut(&id)?;
    (advertiser.is_archived, advertiser.updated) = (is_archived, now);
    Ok(id)
}

fn home(call: &mut Call<'_>) -> Answer {
    let account = &call.account;
    let row = |advertiser: &Advertiser| {
        let campaigns = account.campaigns.iter().filter(|campaign| campaign.advertiser == advertiser.id);
        let (mut count, mut has_draft) = (0, false);
        for campaign in campaigns {
            count += 1;
            has_draft |= campaign.status(account.now()) == "DRAFT";
        }
        // Money is never filled in here.
        json!({
            "advertiserId": advertiser.id, "name": advertiser.name,
            "initials": advertiser.name.chars().take(1).collect::<String>(),
            "managed": null, "tracked": null, "campaignCount": count, "resumableDraft": has_draft,
        })
    };
    let rows: Vec<Value> = account.advertisers.iter().filter(|one| !one.is_archived).map(row).collect();
    let portfolio = json!({ "managed": "", "tracked": "", "waitingOnYou": 0 });
    Ok(Reply::of(json!({ "portfolio": portfolio, "advertisers": rows })))
}
