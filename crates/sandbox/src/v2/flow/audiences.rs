//! Audiences and property lists, and the tasks that a sync of audiences starts.

use serde_json::{Map, Value, json};

use super::{super::generic::Things, Answer, Call, Handler, Refusal, Reply};

pub(super) fn handler(operation: &str) -> Option<Handler> {
    match operation {
        "listAudiences" => Some(list_audiences),
        "syncAudiences" => Some(sync_audiences),
        "getTask" => Some(task),
        "listPropertyLists" => Some(list_property_lists),
        "getPropertyList" => Some(property_list),
        "createPropertyList" | "updatePropertyList" => Some(save_property_list),
        "attachPropertyListToCampaign" => Some(attach),
        "getCampaignPropertyLists" => Some(attached),
        _ => None,
    }
}

/// Fewer members are too few to be matched.
const SMALLEST_AUDIENCE: u64 = 100;

fn audiences(advertiser: &str) -> String {
    format!("audiences/{advertiser}")
}

fn property_lists(advertiser: &str) -> String {
    format!("api/v2/buyer/advertisers/{advertiser}/property-lists")
}

fn list_audiences(call: &mut Call<'_>) -> Answer {
    let id = call.id("advertiserId")?;
    call.account.advertiser(&id)?;
    let rows = call.account.things.all(&audiences(&id)).cloned().map(Value::Object).collect();
    let mut reply = call.list("audiences", rows);
    if let Some(page) = reply.page {
        (reply.data["take"], reply.data["skip"]) = (page.take.into(), page.skip.into());
    }
    Ok(reply)
}

fn sync_audiences(call: &mut Call<'_>) -> Answer {
    let advertiser = call.id("advertiserId")?;
    call.account.advertiser(&advertiser)?;
    let now = call.account.tick();
    let collection = audiences(&advertiser);
    let given = call.arguments.list("audiences");
    if call.arguments.is_true("deleteMissing") {
        let named: Vec<&str> = given.iter().filter_map(|audience| audience["audienceId"].as_str()).collect();
        call.account.things.retain(&collection, |id| named.contains(&id));
    }
    for audience in &given {
        let id = audience["audienceId"].as_str().unwrap_or_default();
        if audience["delete"] == true {
            call.account.things.retain(&collection, |other| other != id);
            continue;
        }
        let counted = |name: &str| audience[name].as_array().map_or(0, Vec::len) as u64;
        let old = call.account.things.get(&collection, id).cloned().unwrap_or_default();
        let before = old.get("uploadedCount").and_then(Value::as_u64).unwrap_or_default();
        let count = (before + counted("add")).saturating_sub(counted("remove"));
        let name = audience.get("name").or_else(|| old.get("name")).cloned().unwrap_or_default();
        let created = old.get("createdAt").cloned().unwrap_or_else(|| json!(now));
        let is_small = count < SMALLEST_AUDIENCE;
        call.account.things.put(
            &collection,
            id,
            object(json!({
                "audienceId": id, "name": name, "accountId": advertiser,
                "status": if is_small { "TOO_SMALL" } else { "READY" }, "deleted": false,
                "uploadedCount": count, "matchedCount": if is_small { 0 } else { count * 8 / 10 },
                "createdAt": created, "updatedAt": now,
            })),
        );
    }
    let (operation, id) = (call.account.ids.uuid(), call.account.ids.uuid());
    call.account.things.put(
        TASKS,
        &id,
        object(json!({
            "taskId": id, "taskType": "audience_sync", "resourceType": "advertiser", "resourceId": advertiser,
            "createdAt": now, "updatedAt": now,
        })),
    );
    Ok(Reply::of(json!({ "success": true, "accountId": advertiser, "operationId": operation, "taskId": id })))
}

const TASKS: &str = "tasks";

/// A task is at work when it is first read, and done when it is read again.
fn task(call: &mut Call<'_>) -> Answer {
    let id = call.id("taskId")?;
    let task = call.account.things.get(TASKS, &id).cloned();
    let mut task = Value::Object(task.ok_or_else(|| Refusal::not_found("Task", &id))?);
    let reads = call.account.tasks_read.entry(id).or_default();
    *reads += 1;
    let is_done = *reads > 1;
    for name in ["error", "response", "metadata"] {
        task[name] = Value::Null;
    }
    task["status"] = if is_done { "completed" } else { "working" }.into();
    task["retryAfterSeconds"] = if is_done { Value::Null } else { 1.into() };
    Ok(Reply::of(json!({ "task": task })))
}

fn object(value: Value) -> Map<String, Value> {
    if let Value::Object(members) = value { members } else { Map::new() }
}

fn list_property_lists(call: &mut Call<'_>) -> Answer {
    let id = call.id("advertiserId")?;
    call.account.advertiser(&id)?;
    let purpose = call.arguments.get("purpose").cloned();
    let fits = |list: &&Map<String, Value>| purpose.is_none() || list.get("purpose") == purpose.as_ref();
    let row = |list: &Map<String, Value>| {
        let kept = ["listId", "name", "purpose", "propertyCount", "createdAt", "updatedAt"];
        list.iter()
            .filter(|(name, _)| kept.contains(&name.as_str()))
            .map(|(n, v)| (n.clone(), v.clone()))
            .collect()
    };
    let rows = call.account.things.all(&property_lists(&id)).filter(fits).map(row).collect();
    Ok(call.list("propertyLists", rows))
}

fn found(things: &Things, advertiser: &str, id: &str) -> Answer<Map<String, Value>> {
    let list = things.get(&property_lists(advertiser), id).cloned();
    list.ok_or_else(|| Refusal::not_found("Property list", id))
}

fn property_list(call: &mut Call<'_>) -> Answer {
    let list = found(&call.account.things, &call.id("advertiserId")?, &call.id("listId")?)?;
    Ok(Reply::of(json!({ "propertyList": list })))
}

/// Domains that end so are not known to the registry of properties.
const UNKNOWN: &str = ".invalid";

fn save_property_list(call: &mut Call<'_>) -> Answer {
    let advertiser = call.id("advertiserId")?;
    call.account.advertiser(&advertiser)?;
    let old = match call.arguments.id("listId") {
        Some(id) => found(&call.account.things, &advertiser, &id)?,
        None if ["domains", "identifiers"].iter().all(|name| call.arguments.list(name).is_empty()) => {
            return Err(Refusal::invalid_value("domains", "or identifiers must have an item"));
        }
        None => Map::new(),
    };
    let now = call.account.tick();
    let id = old.get("listId").and_then(Value::as_str).map(str::to_owned);
    let id = id.unwrap_or_else(|| call.account.ids.number());
    let mut list = old.clone();
    list.insert("listId".to_owned(), id.clone().into());
    for (name, value) in call.arguments.body() {
        list.insert(name, value);
    }
    let (unknown, known): (Vec<String>, Vec<String>) = list
        .get("domains")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .partition(|domain| domain.ends_with(UNKNOWN));
    let identifiers = list.get("identifiers").and_then(Value::as_array).cloned().unwrap_or_default();
    let total = unknown.len() + known.len() + identifiers.len();
    let resolved = total - unknown.len();
    let facts = json!({
        "domains": known, "unresolvedDomains": unknown, "registeredDomains": [],
        "identifiers": identifiers, "unresolvedIdentifiers": [], "registeredIdentifiers": [],
        "propertyCount": resolved,
        "resolutionSummary": {
            "totalRequested": total, "resolvedCount": resolved, "registeredCount": 0,
            "unresolvedCount": unknown.len(),
            "resolutionRate": ratio(resolved, total),
        },
        "status": "ready",
        "createdAt": old.get("createdAt").cloned().unwrap_or_else(|| json!(now)),
        "updatedAt": now,
    });
    list.extend(object(facts));
    call.account.things.put(&property_lists(&advertiser), &id, list.clone());
    Ok(Reply::of(json!({ "propertyList": list })))
}

/// The share of a part in a whole, which is not 0.
fn ratio(part: usize, whole: usize) -> f64 {
    let exact = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    exact(part) / exact(whole.max(1))
}

fn attach(call: &mut Call<'_>) -> Answer {
    let (campaign, id) = (call.id("campaignId")?, call.id("propertyListId")?);
    let advertiser = call.account.campaign(&campaign)?.advertiser.clone();
    let list = found(&call.account.things, &advertiser, &id)?;
    let now = call.account.tick();
    let buys = call.account.campaign(&campaign)?.buys.iter().filter(|buy| buy.is_open(now)).count();
    let mut list = list;
    list.insert("viaMediaBuys".to_owned(), json!([]));
    call.account.things.put(&format!("attached/{campaign}"), &id, list);
    Ok(Reply::of(json!({
        "campaignId": campaign, "propertyListId": id,
        "cascade": { "totalMediaBuys": buys, "updatedCount": buys, "failedCount": 0, "skippedCount": 0 },
    })))
}

fn attached(call: &mut Call<'_>) -> Answer {
    let campaign = call.id("campaignId")?;
    call.account.campaign(&campaign)?;
    let lists: Vec<Value> =
        call.account.things.all(&format!("attached/{campaign}")).cloned().map(Value::Object).collect();
    let count = |purpose: &str| lists.iter().filter(|list| list["purpose"] == purpose).count();
    let summary = json!({ "totalLists": lists.len(), "includeCount": count("include"), "excludeCount": count("exclude") });
    Ok(Reply::of(json!({ "campaignId": campaign, "propertyLists": lists, "summary": summary })))
}
