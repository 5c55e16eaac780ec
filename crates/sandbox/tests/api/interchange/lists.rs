//! Collections: paging in each style, filters, and the life of an object.

use serde_json::{Value, json};

use super::{Api, draft};

#[tokio::test]
async fn lists_are_paged_in_the_style_of_their_operation() {
    let api = Api::start().await;
    for at in 0..7 {
        api.post("/campaigns", draft(&json!(12_345_001), &format!("Campaign {at}"))).await;
        let cohort = json!({ "name": format!("Cohort {at}"), "cohortType": "geo" });
        let (status, body) = api.call("POST", "/advertisers/12345001/test-cohorts", cohort).await;
        assert!(status == 201 || status == 400, "{body}");
        let advertiser =
            json!({ "name": format!("Brand {at}"), "brand": "brand.example", "primaryCurrency": "usd" });
        api.post("/advertisers", advertiser).await;
    }
    // Take and skip.
    let (_, first) = api.call("GET", "/campaigns?take=2&skip=1", Value::Null).await;
    let page = &first["meta"]["pagination"];
    assert_eq!((&page["skip"], &page["take"], &page["hasMore"]), (&json!(1), &json!(2), &json!(true)));
    assert_eq!(first["data"]["campaigns"].as_array().unwrap().len(), 2);
    // Cursor, which wins over skip.
    let cursor = first["data"]["nextCursor"].as_str().unwrap();
    let second = api.get(&format!("/campaigns?take=2&skip=0&cursor={cursor}")).await;
    let all = api.get("/campaigns?take=250").await;
    assert_eq!(second["campaigns"][0], all["campaigns"][3]);
    assert_eq!((&all["hasMore"], &all["total"]), (&json!(false), &page["total"]));
    // Limit and offset.
    let (_, third) = api.call("GET", "/advertisers?limit=3&offset=3", Value::Null).await;
    assert_eq!(
        (third["data"]["items"].as_array().unwrap().len(), &third["data"]["nextOffset"]),
        (3, &json!(6))
    );
    // Limit and cursor, of a list without rules of its own.
    let (_, calls) = api.call("GET", "/api/v2/activity/calls?limit=1", Value::Null).await;
    assert_eq!(
        (calls["data"]["items"].as_array().unwrap().len(), &calls["data"]["hasMore"]),
        (1, &json!(false))
    );
}

#[tokio::test]
async fn an_object_lives_from_its_creation_to_its_removal() {
    let api = Api::start().await;
    let origin = json!({ "origin": "https://a.example", "label": "A" });
    let (status, created) = api.call("POST", "/api/v2/browser-origins", origin).await;
    assert_eq!(status, 201, "{created}");
    let id = created["data"]["id"].as_str().unwrap();
    assert!(id.chars().all(|c| c.is_ascii_digit()) && created["data"]["createdAt"].is_string(), "{created}");
    let listed = api.get("/api/v2/browser-origins").await;
    assert_eq!(listed["origins"].as_array().unwrap().len(), 2);
    let path = format!("/api/v2/browser-origins/{id}");
    assert_eq!(api.call("DELETE", &path, Value::Null).await, (204, Value::Null));
    assert_eq!(api.refused("DELETE", &path, Value::Null).await, (404, "NOT_FOUND".to_owned()));

    let info = json!({ "contactName": "Dana", "city": "Oslo" });
    api.data("PUT", "/billing/info", info).await;
    let changed = api.data("PUT", "/billing/info", json!({ "city": null })).await;
    assert_eq!(
        (&changed["billingInfo"]["contactName"], changed["billingInfo"].get("city")),
        (&json!("Dana"), None)
    );
    assert_eq!(api.get("/billing/info").await["billingInfo"]["contactName"], "Dana");
}

#[tokio::test]
async fn a_filter_keeps_what_equals_a_stored_member() {
    let api = Api::start().await;
    for (name, currency) in [("One", "USD"), ("Two", "EUR")] {
        let entity = json!({ "entityName": name, "currency": currency });
        api.call("POST", "/api/v2/billing/media-entities", entity).await;
    }
    let lists = api.get("/advertisers/12345001/property-lists?purpose=exclude").await;
    assert_eq!(
        (lists["propertyLists"].as_array().unwrap().len(), &lists["propertyLists"][0]["name"]),
        (1, &json!("Never here"))
    );
    let archived = api.get("/advertisers?status=ARCHIVED").await;
    assert_eq!(
        (archived["items"].as_array().unwrap().len(), &archived["items"][0]["name"]),
        (1, &json!("Acme Skis"))
    );
    let two = api.get("/campaigns?status=DRAFT&status=PAUSED").await;
    assert_eq!(two["campaigns"].as_array().unwrap().len(), 2);
    assert_eq!(api.get("/storefronts?channel=ctv").await["items"][0]["name"], "Borealis Streaming");
}

#[tokio::test]
async fn an_id_is_accepted_as_text_or_number() {
    let api = Api::start().await;
    for advertiser in [json!("12345001"), json!(12_345_001)] {
        let created = api.post("/campaigns", draft(&advertiser, "Either")).await;
        assert_eq!(created["campaign"]["advertiserId"], "12345001");
    }
    assert_eq!(api.refused("GET", "/advertisers/1/property-lists", Value::Null).await.0, 404);
    assert_eq!(api.refused("GET", "/advertisers/1/event-sources", Value::Null).await.0, 404);
}
