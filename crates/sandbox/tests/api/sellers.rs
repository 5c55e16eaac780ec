//! Sellers, their products and the creative formats in the sandbox.

use crate::support::Api;
use serde_json::{Value, json};

async fn sellers(api: &Api) -> Value {
    api.data("sales-agents-list", json!({"include_details": true})).await
}

fn seller<'a>(listed: &'a Value, account_type: &str) -> &'a Value {
    let sellers = listed["salesAgents"].as_array().unwrap();
    sellers.iter().find(|seller| seller["account_type"] == account_type).unwrap()
}

#[tokio::test]
async fn sellers_are_listed_with_the_kind_of_access() {
    let api = Api::start().await;
    let listed = sellers(&api).await;
    assert_eq!(listed["customerId"], 12345);
    for (count, number) in [
        ("totalAgents", 3),
        ("availableAgents", 2),
        ("yourAgents", 1),
        ("scope3Agents", 1),
        ("unavailableAgents", 1),
    ] {
        assert_eq!(listed[count], number, "{count}");
    }
    let own = seller(&listed, "your_account");
    assert_eq!(own["account"]["account_identifier"], "aurora-12345");
    assert!(own["description"].is_string());
    let available = api.data("sales-agents-list", json!({"filter_available": true})).await;
    assert_eq!((&available["totalAgents"], &available["unavailableAgents"]), (&json!(3), &json!(0)));
    assert_eq!(available["salesAgents"].as_array().unwrap().len(), 2);
    assert_eq!(available["salesAgents"][0].get("description"), None);
    assert_eq!(sellers(&api.other()).await["yourAgents"], 0);
}

#[tokio::test]
async fn accounts_with_sellers_are_registered_changed_and_removed() {
    let api = Api::start().await;
    let listed = sellers(&api).await;
    let shared = seller(&listed, "unavailable");
    let body = json!({
        "name": "My name for it", "endpoint_url": shared["endpoint_url"], "account_identifier": "me",
        "auth_config": {"token": "hush"},
    });
    let joined = api.data("sales-agents-register", body.clone()).await;
    assert_eq!(joined, json!({"agentId": shared["id"], "customerId": 12345, "isNewAgent": false}));
    let (_, again) = api.post("sales-agents-register", body.clone()).await;
    assert_eq!((&again["success"], &again["errorCode"]), (&json!(false), &json!("UNKNOWN_ERROR")));

    let listed = sellers(&api).await;
    let known = listed["salesAgents"].as_array().unwrap().iter().find(|s| s["id"] == shared["id"]).unwrap();
    assert_eq!(known["name"], shared["name"], "a known seller keeps its name");
    assert!(!listed.to_string().contains("hush"), "credentials are private");
    assert_eq!(seller(&sellers(&api.other()).await, "unavailable")["id"], shared["id"]);

    let id = &shared["id"];
    let off = api.data("sales-agents-update", json!({"sales_agent_id": id, "status": "inactive"})).await;
    assert_eq!(off["updatedFields"], json!(["status"]));
    assert_eq!(sellers(&api).await["yourAgents"], 1);
    assert_eq!(api.data("sales-agents-register", body).await["isNewAgent"], false);
    assert_eq!(sellers(&api).await["yourAgents"], 2, "registering again reactivates the account");

    let unconfirmed = api.data("sales-agents-unregister", json!({"sales_agent_id": id})).await;
    assert_eq!(
        unconfirmed,
        json!({"agentId": id, "agentName": shared["name"], "requiresConfirmation": true})
    );
    assert_eq!(sellers(&api).await["yourAgents"], 2);
    let left = api.data("sales-agents-unregister", json!({"sales_agent_id": id, "confirm": true})).await;
    assert_eq!(left["fallbackType"], "unavailable");
    let (_, none) = api.post("sales-agents-update", json!({"sales_agent_id": id, "status": "active"})).await;
    assert_eq!(none["success"], false);
}

#[tokio::test]
async fn a_new_seller_is_listed_for_all_customers_and_queried_only_for_its_own() {
    let api = Api::start().await;
    let body =
        json!({"name": "Borgo Ads", "endpoint_url": "https://ads.borgo.example/adcp", "protocol": "a2a"});
    let new = api.data("sales-agents-register", body).await;
    assert_eq!(new["isNewAgent"], true);
    let theirs = sellers(&api.other()).await;
    assert_eq!(theirs["totalAgents"], 4);
    let names: Vec<&str> =
        theirs["salesAgents"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert!(names.is_sorted(), "{names:?}");
    let found = |api: Api| async move {
        api.data("media-product-list", json!({"promoted_offering": "Boots"})).await["agentsQueried"].clone()
    };
    assert_eq!(found(api.clone()).await, 3);
    assert_eq!(found(api.other()).await, 2);
}

#[tokio::test]
async fn products_are_found_by_filters() {
    let api = Api::start().await;
    let all = api.data("media-product-list", json!({"promoted_offering": "Boots", "brief": "Autumn"})).await;
    assert_eq!(all["totalProducts"], 4);
    assert_eq!((&all["query"], &all["brief"]), (&json!("Boots"), &json!("Autumn")));
    assert_eq!(all["agentResponses"].as_array().unwrap().len(), 2);
    let product = &all["products"][0];
    assert_eq!(product["deliveryType"], product["delivery_type"]);
    assert_eq!(product["pricing"], json!({"model": "fixed_cpm", "fixed_cpm": 15}));
    assert_eq!(product["basePricing"], json!({"model": "fixed_cpm", "fixedCpm": 15}));
    assert_eq!(all["summary"]["priceRange"], json!({"minCpm": 8, "maxCpm": 25, "avgCpm": 15}));

    for (filter, count) in [
        (json!({"delivery_type": "guaranteed"}), 2),
        (json!({"inventory_type": "run_of_site"}), 1),
        (json!({"inventory_type": "targeted_package"}), 0),
        (json!({"formats": ["display", "audio"]}), 1),
        (json!({"min_cpm": 10, "max_cpm": 15}), 2),
        (json!({"publisher_ids": ["netflix"]}), 1),
        (json!({"customer_id": "12345"}), 4),
        (json!({"customer_id": "67890"}), 0),
    ] {
        let mut body = filter.clone();
        body["promoted_offering"] = json!("Boots");
        let found = api.data("media-product-list", body).await;
        assert_eq!(found["totalProducts"], count, "{filter}");
        if found["agentsQueried"] != 0 {
            assert_eq!(found["filters"], filter);
        }
    }
    assert_eq!(api.post("media-product-list", json!({"brief": "x"})).await.0, 400);
}

#[tokio::test]
async fn a_seller_that_does_not_respond_is_reported() {
    let api = Api::start().await;
    let body = json!({"name": "Mute", "endpoint_url": "https://mute.invalid/adcp"});
    let id = api.data("sales-agents-register", body).await["agentId"].clone();
    let found = api.data("media-product-list", json!({"promoted_offering": "Boots"})).await;
    assert_eq!((&found["successfulAgents"], &found["failedAgents"]), (&json!(2), &json!(1)));
    assert_eq!(found["failures"][0]["principalId"], id);
    assert_eq!(found["totalProducts"], 4);
}

#[tokio::test]
async fn formats_are_found_by_filters() {
    let api = Api::start().await;
    let all = api.data("format-list", json!({})).await;
    assert_eq!(
        all["summary"],
        json!({
            "totalFormats": 20, "adcpFormats": 16, "publisherFormats": 2, "creativeAgentFormats": 2,
            "assemblyCapable": 20, "thirdPartyTagCapable": 16,
        })
    );
    let banner = &all["formats"]["adcp_formats"][0];
    assert_eq!(banner["requirements"]["requiredAssets"][0]["specs"]["dimensions"], "320x50");
    for (filter, count) in [
        (json!({"type": "publisher"}), 2),
        (json!({"search": "LEADERBOARD"}), 2),
        (json!({"search": "300x250"}), 1),
        (json!({"acceptsThirdPartyTags": false}), 4),
        (json!({"assemblyCapable": false}), 0),
        (json!({"type": "adcp", "acceptsThirdPartyTags": true}), 15),
    ] {
        let found = api.data("format-list", filter.clone()).await;
        assert_eq!(found["summary"]["totalFormats"], count, "{filter}");
        assert_eq!(found["filters"], filter);
    }
}
