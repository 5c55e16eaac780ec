//! The paths in answers that the catalog's entries rely on.

use std::collections::BTreeMap;

use scope3_mcp_catalog::{Catalog, Effect, Entry, Surface, values_at};
use serde_json::{Value, json};

use super::{Api, every_operation};

/// The data of an operation's answer to a sample.
async fn answer(api: &Api, entry: &Entry, known: &super::sample::Known) -> Value {
    let request = entry.tool.request.as_ref().unwrap();
    let (path, body) = every_operation::request(entry, known);
    api.call(request.method.as_str(), &path, body.map_or(Value::Null, Value::Object)).await.1["data"].clone()
}

#[tokio::test]
async fn amounts_are_where_the_entries_look_for_them() {
    let api = Api::start().await;
    let known = every_operation::known(&api).await;
    let catalog = Catalog::embedded();
    let mut found = BTreeMap::new();
    for entry in catalog.entries().filter(|entry| entry.surface == Surface::Buyer) {
        let Some(spends) = &entry.tool.spends else { continue };
        let read = catalog.get(&spends.tool).unwrap();
        let data = answer(&api, read, &known).await;
        for path in [Some(&spends.amount), spends.currency.as_ref()].into_iter().flatten() {
            let values = values_at(&data, path);
            assert!(!values.is_empty(), "{}: {path} in {data}", entry.tool.name);
            found.insert(format!("{} {path}", spends.tool), values.len());
        }
    }
    assert!(found.len() >= 4, "{found:?}");
}

#[tokio::test]
async fn what_entries_drop_is_in_the_answers_of_the_default_tools() {
    let api = Api::start().await;
    let known = every_operation::known(&api).await;
    let catalog = Catalog::embedded();
    let mut present = 0;
    for entry in catalog.entries().filter(|entry| entry.surface == Surface::Buyer && entry.tool.default) {
        if entry.tool.effect != Effect::Read || entry.tool.drop.is_empty() {
            continue;
        }
        let data = answer(&api, entry, &known).await;
        present += entry.tool.drop.iter().filter(|path| !values_at(&data, path).is_empty()).count();
        // The list of an entry's `empty` has data, or the agent would be told that there is none.
        let is_empty = |value: &Value| value.as_array().is_some_and(Vec::is_empty);
        assert!(
            entry.tool.empty.is_none() || !data.as_object().unwrap().values().any(is_empty),
            "{}: {data}",
            entry.tool.name
        );
    }
    assert!(present >= 3, "{present}");
    let settled: Vec<&str> = catalog
        .entries()
        .filter(|entry| entry.surface == Surface::Buyer && entry.tool.default)
        .filter_map(|entry| entry.tool.settled_by.as_deref())
        .collect();
    for name in settled {
        let entry = catalog.get(name).unwrap();
        let data = answer(&api, entry, &known).await;
        assert!(data.is_object() && data != json!({}), "{name}: {data}");
    }
}

#[tokio::test]
async fn failures_inside_a_success_are_where_the_entries_look_for_them() {
    let api = Api::start().await;
    let catalog = Catalog::embedded();
    // A launch without creatives fails at every seller.
    let advertiser = api.get("/advertisers").await["items"][0]["id"].clone();
    let found = api
        .post("/discovery/discover-products", json!({ "advertiserId": advertiser, "brief": "Boots" }))
        .await;
    let mut body = super::draft(&advertiser, "Nothing to show");
    body["discoveryId"] = found["discoveryId"].clone();
    body["productIds"] = json!(["sf1:501:outdoor-display"]);
    let campaign = api.post("/campaigns", body).await["campaign"]["campaignId"].as_str().unwrap().to_owned();
    let data = api.post(&format!("/campaigns/{campaign}/execute"), json!({})).await;
    let failures = catalog.get("execute_campaign").unwrap().tool.failures_in(data.as_object().unwrap());
    assert!(failures.len() >= 2, "{failures:?}");
    let active = api.campaign("ACTIVE").await["campaignId"].as_str().unwrap().to_owned();
    let data = api.post(&format!("/campaigns/{active}/pause"), Value::Null).await;
    let failures = catalog.get("pause_campaign").unwrap().tool.failures_in(data.as_object().unwrap());
    assert!(failures.is_empty(), "{failures:?}");
    let domains = json!({ "name": "Unknown", "purpose": "include", "domains": ["a.example", "b.invalid"] });
    let path = format!("/advertisers/{}/property-lists", advertiser.as_str().unwrap());
    let data = api.post(&path, domains).await;
    let failures = catalog.get("create_property_list").unwrap().tool.failures_in(data.as_object().unwrap());
    assert!(!failures.is_empty(), "{data}");
}
