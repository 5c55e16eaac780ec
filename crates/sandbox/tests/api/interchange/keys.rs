//! Keys, customers and the isolation of their data.

use serde_json::{Value, json};

use super::{Api, draft, every_operation::known};

#[tokio::test]
async fn each_key_sees_the_account_of_its_customer_alone() {
    let api = Api::start().await;
    let account = api.get("/api/v2/accounts/current").await;
    assert_eq!(
        (&account["id"], &account["company"], &account["role"]),
        (&json!(12345), &json!("Acme Outdoor"), &json!("ADMIN"))
    );
    let other = api.other();
    assert_eq!(other.get("/api/v2/accounts/current").await["id"], 67890);

    let known = known(&api).await;
    let text = |name: &str| known[name].as_str().unwrap().to_owned();
    for path in [
        format!("/advertisers/{}", text("advertiserId")),
        format!("/advertisers/{}/test-cohorts", text("advertiserId")),
        format!("/campaigns/{}", text("campaignId")),
        format!("/media-buys/{}", text("mediaBuyId")),
        format!("/discovery/{}/products", text("discoveryId")),
        format!("/advertisers/{}/audiences", text("advertiserId")),
    ] {
        api.get(&path).await;
        assert_eq!(other.refused("GET", &path, Value::Null).await, (404, "NOT_FOUND".to_owned()), "{path}");
    }
    let hook = json!({ "url": "https://hooks.example/a", "secret": "a-secret-of-some-length-for-a-hook", "events": ["x"] });
    let (status, created) = api.call("POST", "/webhook-subscriptions", hook).await;
    if status < 300 {
        assert!(!created.to_string().contains("a-secret"), "{created}");
        let listed = other.get("/webhook-subscriptions").await;
        assert_eq!(listed["total"], 1, "the hook at the start, and not the other customer's");
    }
}

#[tokio::test]
async fn a_key_that_sees_several_customers_names_one_to_change_something() {
    let api = Api::start().await;
    let holding = api.holding(None);
    let accounts = holding.get("/api/v2/accounts").await;
    assert_eq!(accounts["accounts"].as_array().unwrap().len(), 2);
    let body = draft(&json!(12_345_001), "For one of them");
    let (status, refused) = holding.call("POST", "/campaigns", body.clone()).await;
    assert_eq!((status, &refused["error"]["code"]), (403, &json!("CUSTOMER_SCOPE_REQUIRED")));
    assert_eq!(
        refused["error"]["details"]["availableCustomers"],
        json!([{ "id": 12345, "name": "Acme Outdoor" }, { "id": 67890, "name": "Quill Books" }])
    );
    let created = api.holding(Some("12345")).post("/campaigns", body.clone()).await;
    let path = format!("/campaigns/{}", created["campaign"]["campaignId"].as_str().unwrap());
    assert_eq!(api.get(&path).await["campaign"]["name"], "For one of them");
    assert_eq!(api.holding(Some("67890")).refused("GET", &path, Value::Null).await.0, 404);
    let denied = (403, "ACCESS_DENIED".to_owned());
    assert_eq!(api.holding(Some("1")).refused("POST", "/campaigns", body).await, denied);
}
