//! Valid arguments for any operation of the buyer's API, made from its schema. The tests of the gateway use this file too.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// Objects that exist at the start, by the names of arguments.
pub(crate) type Known = BTreeMap<&'static str, Value>;

/// The smallest value that a schema accepts, with ids that exist.
fn sample(root: &Value, schema: &Value, name: &str, known: &Known) -> Value {
    if let Some(value) = known.get(name) {
        let is_number = schema["type"] == "integer" || schema["type"] == "number";
        return match (value, is_number) {
            (Value::String(text), true) => text.parse::<u64>().map_or_else(|_| json!(1), Value::from),
            (value, _) => value.clone(),
        };
    }
    let inner = |schema: &Value| sample(root, schema, name, known);
    if let Some(target) = schema["$ref"].as_str() {
        return inner(root.pointer(target.trim_start_matches('#')).unwrap());
    }
    for keyword in ["anyOf", "oneOf"] {
        // An object may have both properties and alternatives.
        if let Some(first) = schema.get(keyword).and_then(|all| all.get(0))
            && schema.get("properties").is_none()
        {
            return inner(first);
        }
    }
    if let Some(value) = schema.get("const").or_else(|| schema["enum"].get(0)) {
        return value.clone();
    }
    match schema["type"].as_str().or_else(|| schema["type"][0].as_str()) {
        Some("array") => json!([inner(&schema["items"])]),
        Some("integer" | "number") => {
            let least =
                schema["minimum"].as_u64().or(schema["exclusiveMinimum"].as_u64().map(|least| least + 1));
            json!(least.unwrap_or(1).max(1))
        }
        Some("boolean") => json!(true),
        Some("string") => text(schema),
        _ => {
            let mut members = Map::new();
            let empty = Map::new();
            let properties = schema["properties"].as_object().unwrap_or(&empty);
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            for (name, property) in properties {
                if required.iter().any(|other| other == name) {
                    members.insert(name.clone(), sample(root, property, name, known));
                }
            }
            for part in ["allOf"].iter().flat_map(|keyword| schema[keyword].as_array().into_iter().flatten())
            {
                members.extend(inner(part).as_object().cloned().unwrap_or_default());
            }
            if let Some(first) = ["anyOf", "oneOf"].iter().find_map(|keyword| schema[keyword].get(0)) {
                members.extend(inner(first).as_object().cloned().unwrap_or_default());
            }
            members.into()
        }
    }
}

fn text(schema: &Value) -> Value {
    match (schema["format"].as_str(), schema["pattern"].as_str()) {
        (Some("uri"), _) => json!("https://example.com/"),
        (Some("email"), _) => json!("a@example.com"),
        (Some("uuid"), _) => json!("00000000-0000-4000-8000-000000000001"),
        (Some("date-time"), _) => json!("2026-06-20T00:00:00Z"),
        (Some("date"), _) => json!("2026-06-20"),
        (_, Some(pattern)) if pattern.contains("[A-Z]{3}") || pattern.contains("[A-Za-z]{3}") => json!("USD"),
        (_, Some(pattern)) if pattern.contains("[A-Z]{2}") => json!("US"),
        (_, Some(pattern)) if pattern.contains("sf1") => json!("sf1:501:outdoor-display"),
        (_, Some(pattern)) if pattern.contains("[^/?#@]") => json!("https://example.com"),
        (_, Some(pattern)) if pattern.contains("a-z0-9-]*[a-z0-9])?(\\.") => json!("example.com"),
        (_, Some(pattern)) if pattern.contains("https:") => json!("https://example.com/"),
        (_, Some(pattern)) if pattern.contains("T(?:") || pattern.contains("T([01]") => {
            json!("2026-06-20T00:00:00Z")
        }
        (_, Some(pattern)) if pattern.contains("\\d{4}-\\d{2}-\\d{2}") => json!("2026-06-20"),
        (_, Some(pattern)) if pattern.contains("\\d") => json!("1"),
        (_, Some(pattern)) if pattern.contains("v1:") => json!(format!("v1:{}", "a".repeat(64))),
        (_, Some(pattern)) if pattern.contains("{64}") => json!("a".repeat(64)),
        _ => json!("x".repeat(usize::try_from(schema["minLength"].as_u64().unwrap_or(1).max(8)).unwrap())),
    }
}

/// What the arguments of some operations need beyond their schemas.
fn adjusted(operation: &str, known: &Known, mut arguments: Value) -> Value {
    match operation {
        "createPropertyList" | "checkPropertyList" => arguments["domains"] = json!(["news.example"]),
        "getMarketplaceProducts" => {
            arguments["buying_mode"] = json!("brief");
            arguments["brief"] = json!("boots");
            arguments["ext"] = json!({ "interchange": { "advertiser_id": known["advertiserId"] } });
        }
        "createCampaign" => {
            arguments["flightDates"] =
                json!({ "startDate": "2027-06-16T00:00:00Z", "endDate": "2027-07-16T00:00:00Z" });
        }
        "createMediaBuysBatch" => {
            arguments["selections"] = json!([{ "kind": "product", "productId": "sf1:501:outdoor-display" }]);
        }
        _ => {}
    }
    arguments
}

/// What exists at the start: the first advertiser, its first campaign, a creative of that, and the number of the customer.
pub(crate) fn known(campaign: &Value, creative: &Value, customer: &Value) -> Known {
    let advertiser = campaign["advertiserId"].clone();
    let id = campaign["campaignId"].clone();
    let tags = |prefix: &str| json!(format!("{prefix}_{customer}"));
    let uuid = json!(format!("00000000-0000-4000-8000-0000000{customer}"));
    Known::from([
        ("advertiserId", advertiser.clone()),
        ("advertiser_id", advertiser),
        ("campaignId", id),
        ("mediaBuyId", campaign["mediaBuys"][0]["mediaBuyId"].clone()),
        ("packageId", campaign["mediaBuys"][0]["packages"][0]["packageId"].clone()),
        ("discoveryId", campaign["discoveryId"].clone()),
        ("productQueryId", campaign["discoveryId"].clone()),
        ("productId", json!("sf1:501:outdoor-display")),
        ("creativeId", creative["creative_id"].clone()),
        ("storefrontId", json!("501")),
        ("sourceId", json!("501")),
        ("listId", json!("7001")),
        ("propertyListId", json!("7001")),
        ("cohortId", json!("8001")),
        ("catalogId", json!("9001")),
        ("linkId", json!("5001")),
        ("collectionId", json!("col_1")),
        ("sessionId", json!("cs_1")),
        ("suggestionId", uuid.clone()),
        ("reportId", tags("rep")),
        ("connectionId", json!("3001")),
        ("activityUid", uuid),
        ("invoiceNumber", json!("50011")),
        ("entityId", json!("601")),
        ("attachmentId", json!("611")),
        ("notificationId", tags("ntf")),
        ("token", json!(format!("sandbox-capture-link-of-customer-{customer}-0000"))),
        ("system", json!("nielsen_dma")),
        ("taskId", json!("00000000-0000-4000-8000-000000000001")),
        ("customerId", json!(format!("{customer}9"))),
    ])
}

/// Ids that mean different objects in different operations.
fn of_operation(operation: &str, known: &Known) -> Known {
    let mut known = known.clone();
    let customer = known["customerId"].as_str().unwrap().trim_end_matches('9').to_owned();
    let account = if operation == "getAdvertiserAccount" { "partner-1" } else { "3101" };
    known.insert("accountId", json!(account));
    if operation.ends_with("MeasurementSource") {
        known.insert("sourceId", json!("6001"));
    }
    let id = match operation {
        "removePaymentMethod" => format!("{customer}77"),
        "deleteBrowserOrigin" => "701".to_owned(),
        "getUpdateProposal" | "cancelUpdateProposal" => format!("up_{customer}"),
        "deleteWebhookSubscription" => "1001".to_owned(),
        "updateCreativeModelCredential" => "4001".to_owned(),
        _ => return known,
    };
    known.insert("id", json!(id));
    known
}

/// Valid arguments of an operation with this schema.
pub(crate) fn arguments(operation: &str, schema: &Map<String, Value>, known: &Known) -> Map<String, Value> {
    let mut known = of_operation(operation, known);
    if operation == "revalidateDataDeliveryCredential" {
        known.insert("name", json!("bucket"));
    }
    let schema = Value::Object(schema.clone());
    let made = adjusted(operation, &known, sample(&schema, &schema, "", &known));
    made.as_object().unwrap().clone()
}
