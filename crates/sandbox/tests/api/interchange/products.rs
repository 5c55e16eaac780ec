//! Products of a seller (Quill Books, with the storefront Cirrus Publishing) and what a buyer finds of them.

use serde_json::{Value, json};

use super::Api;

const PRODUCTS: &str = "/api/v2/storefront/esa/5031/products";

/// The products of Cirrus that a new search of the buyer finds, by name.
async fn found(buyer: &Api) -> Vec<(String, Value)> {
    let search =
        json!({ "advertiserId": 12_345_001, "brief": "Banners beside a garden", "storefrontIds": ["503"] });
    let found = buyer.post("/discovery/discover-products", search).await;
    let products = found["productGroups"][0]["products"].as_array().cloned().unwrap_or_default();
    products.into_iter().map(|product| (product["name"].as_str().unwrap().to_owned(), product)).collect()
}

async fn find(buyer: &Api, name: &str) -> Option<Value> {
    found(buyer).await.into_iter().find(|(other, _)| other == name).map(|(_, product)| product)
}

fn garden() -> Value {
    json!({
        "wholesale_product_id": "Garden Display", "name": "Garden Stories", "description": "Banners on garden pages.",
        "status": "active", "delivery_type": "non_guaranteed", "channels": ["display"],
        "format_options": [{ "format_kind": "image", "params": {} }],
        "pricing_options": [{ "pricing_model": "cpm", "currency": "USD", "fixed_price": 9.5 }],
    })
}

#[tokio::test]
async fn a_product_appears_to_buyers_with_its_price_and_disappears_again() {
    let buyer = Api::start().await;
    let seller = buyer.other();
    assert_eq!(find(&buyer, "Garden Stories").await, None);
    let checked = seller.post(&format!("{PRODUCTS}:validate"), garden()).await;
    assert_eq!((&checked["valid"], &checked["errors"]), (&json!(true), &json!([])));
    let (status, created) = seller.call("POST", PRODUCTS, garden()).await;
    assert_eq!((status, &created["data"]["productId"]), (201, &json!("garden-display")), "{created}");
    let one = format!("{PRODUCTS}/garden-display");
    let shown = find(&buyer, "Garden Stories").await.unwrap();
    assert_eq!(
        (&shown["productId"], &shown["cpm"], &shown["storefrontName"]),
        (&json!("sf1:503:garden-display"), &json!(9.5), &json!("Cirrus Publishing"))
    );
    assert_eq!(found(&buyer).await[0].0, "Garden Stories", "it fits the brief best");
    let own = seller.get("/api/v2/storefront/products").await;
    let is_it = |row: &&Value| row["productId"] == "garden-display";
    assert_eq!(own.as_array().unwrap().iter().filter(is_it).count(), 1, "{own}");

    // A change of the price reaches buyers at once, and null keeps a member.
    let price = json!([{ "pricing_model": "cpm", "currency": "USD", "fixed_price": 11 }]);
    seller.data("PATCH", &one, json!({ "pricing_options": price, "name": null })).await;
    assert_eq!(find(&buyer, "Garden Stories").await.unwrap()["cpm"], 11.0);
    seller.data("PATCH", &one, json!({ "name": "Garden Tales" })).await;
    assert_eq!(find(&buyer, "Garden Tales").await.unwrap()["cpm"], 11.0);
    // A full replacement without prices is incomplete, so buyers do not see it.
    let mut bare = garden();
    bare.as_object_mut().unwrap().remove("pricing_options");
    let replaced = seller.data("PUT", &one, bare.clone()).await;
    assert_eq!(replaced["incomplete"], json!(["pricing_options"]));
    assert_eq!(find(&buyer, "Garden Stories").await, None);
    let checked = seller.post(&format!("{PRODUCTS}:validate"), bare).await;
    assert_eq!(
        (&checked["valid"], &checked["errors"][0]["field"]),
        (&json!(false), &json!("pricing_options"))
    );
    seller.data("PUT", &one, garden()).await;
    assert!(find(&buyer, "Garden Stories").await.is_some());
    seller.data("PATCH", &one, json!({ "status": "archived" })).await;
    assert_eq!(find(&buyer, "Garden Stories").await, None);
    assert_eq!(seller.get(&one).await["status"], "archived");
    seller.data("DELETE", &one, Value::Null).await;
    assert_eq!(seller.error("GET", &one, Value::Null).await, "404 NOT_FOUND");
}

#[tokio::test]
async fn a_product_that_is_gone_cannot_be_bought_and_what_was_bought_keeps_its_price() {
    let buyer = Api::start().await;
    let seller = buyer.other();
    seller.post(PRODUCTS, garden()).await;
    let search = json!({ "advertiserId": 12_345_001, "brief": "Gardens", "storefrontIds": ["503"] });
    let discovery = buyer.post("/discovery/discover-products", search).await["discoveryId"].clone();
    let cart = format!("/discovery/{}/products", discovery.as_str().unwrap());
    let line = json!({ "products": [{ "productId": "sf1:503:garden-display", "budget": 1_000 }] });
    assert_eq!(buyer.post(&cart, line.clone()).await["totalProducts"], 1);
    let mut body = super::draft(&json!(12_345_001), "Gardens");
    body["discoveryId"] = discovery;
    let campaign = buyer.post("/campaigns", body).await["campaign"]["campaignId"].clone();
    let campaign = format!("/campaigns/{}", campaign.as_str().unwrap());
    let assets = json!([{ "url": "https://cdn.example/a", "asset_type": "IMAGE" }]);
    buyer.post(&format!("{campaign}/creatives/create"), json!({ "linked_assets": assets })).await;

    seller.data("DELETE", &format!("{PRODUCTS}/garden-display"), Value::Null).await;
    assert_eq!(buyer.error("POST", &cart, line.clone()).await, "404 NOT_FOUND");
    let refused = buyer.post(&format!("{campaign}/execute"), json!({})).await;
    assert_eq!((&refused["success"], &refused["mediaBuysExecuted"]), (&json!(false), &json!(0)));
    let why = refused["errors"][0]["message"].as_str().unwrap();
    assert_eq!(why, "Cirrus Publishing no longer sells Garden Stories");

    seller.post(PRODUCTS, garden()).await;
    assert_eq!(buyer.post(&format!("{campaign}/execute"), json!({})).await["mediaBuysExecuted"], 1);
    let price = json!([{ "fixed_price": 40, "currency": "USD" }]);
    seller.data("PATCH", &format!("{PRODUCTS}/garden-display"), json!({ "pricing_options": price })).await;
    let bought = buyer.get(&campaign).await["campaign"]["mediaBuys"][0]["packages"][0].clone();
    assert_eq!(bought["bidPrice"], 9.5);
}

#[tokio::test]
async fn a_storefront_that_takes_no_orders_is_not_found() {
    let buyer = Api::start().await;
    let seller = buyer.other();
    assert!(!found(&buyer).await.is_empty());
    let paused = seller.data("PUT", "/api/v2/storefront", json!({ "isPaused": true })).await;
    assert_eq!((&paused["transacting"], &paused["displayStatus"]), (&json!(false), &json!("paused")));
    assert!(found(&buyer).await.is_empty());
    seller.data("PUT", "/api/v2/storefront", json!({ "isPaused": false })).await;
    assert!(!found(&buyer).await.is_empty());
}

#[tokio::test]
async fn products_belong_to_their_seller_and_wrong_ones_are_rejected() {
    let buyer = Api::start().await;
    let seller = buyer.other();
    let servers = seller.get("/api/v2/storefront/esa").await;
    assert_eq!((&servers[0]["id"], &servers[1]), (&json!("5031"), &Value::Null));
    let sources = seller.get("/api/v2/storefront/inventory-sources").await;
    assert_eq!(sources[0]["managedSa"]["connectionId"], "5031");
    assert_eq!(seller.get("/api/v2/storefront/inventory-sources/503").await["status"], "ACTIVE");
    // The ad server of another customer does not exist for this one.
    assert_eq!(buyer.error("GET", PRODUCTS, Value::Null).await, "404 NOT_FOUND");
    assert_eq!(buyer.error("POST", PRODUCTS, garden()).await, "404 NOT_FOUND");
    let one = format!("{PRODUCTS}/books-display");
    assert_eq!(buyer.error("DELETE", &one, Value::Null).await, "404 NOT_FOUND");
    assert_eq!(seller.get(&one).await["pricing_options"][0]["fixed_price"], 7.2);

    let mut nameless = garden();
    nameless["name"] = json!("");
    for (body, expected) in [
        (json!({}), "400 VALIDATION_ERROR"),
        (nameless, "400 VALIDATION_ERROR"),
        (json!({ "name": "A", "format_options": "image" }), "400 VALIDATION_ERROR"),
        (json!({ "name": "Again", "wholesale_product_id": "books-display" }), "409 CONFLICT"),
    ] {
        assert_eq!(seller.error("POST", PRODUCTS, body.clone()).await, expected, "{body}");
    }
    let unknown = format!("{PRODUCTS}/nothing");
    for (method, body) in
        [("GET", Value::Null), ("PATCH", json!({})), ("PUT", garden()), ("DELETE", Value::Null)]
    {
        assert_eq!(seller.error(method, &unknown, body).await, "404 NOT_FOUND", "{method}");
    }
    // A price that nobody can pay is no price.
    let mut odd = garden();
    odd["pricing_options"] = json!([{ "fixed_price": -3 }, { "fixed_price": "9" }, 7, { "currency": "XXX", "fixed_price": 9 }, { "fixed_price": 1e300 }]);
    let (status, created) = seller.call("POST", PRODUCTS, odd).await;
    assert_eq!((status, &created["data"]["incomplete"]), (201, &json!(["pricing_options"])), "{created}");
    assert_eq!(find(&buyer, "Garden Stories").await, None);
}
