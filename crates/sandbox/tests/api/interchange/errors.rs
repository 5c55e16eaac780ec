//! The envelope of errors, rate limits and faults.

use reqwest::Client;
use scope3_mcp_catalog::{Catalog, Surface};
use scope3_mcp_sandbox::{Fault, Options, Sandbox};
use serde_json::{Value, json};

use super::Api;
use crate::support::june;

#[tokio::test]
async fn all_problems_are_listed_with_dotted_paths() {
    let api = Api::start().await;
    let wrong = json!({
        "advertiserId": 12_345_001, "mode": "discovery", "budget": { "total": "a lot" },
        "flightDates": { "startDate": "2026-06-16T00:00:00+02:00" },
    });
    let (status, body) = api.call("POST", "/campaigns", wrong).await;
    assert_eq!((status, &body["error"]["code"]), (400, &json!("VALIDATION_ERROR")));
    let issues = body["error"]["details"]["issues"].as_array().unwrap();
    let paths: Vec<&str> = issues.iter().map(|issue| issue["path"].as_str().unwrap()).collect();
    for path in ["name", "budget.total", "flightDates.endDate", "flightDates.startDate"] {
        assert!(paths.contains(&path), "{path} in {paths:?}");
    }
    let products = json!({ "products": [{ "productId": 7, "budget": "low" }] });
    let discovery = api.campaign("DRAFT").await;
    let id = discovery["campaignId"].as_str().unwrap();
    let discovery = api.get(&format!("/campaigns/{id}")).await["campaign"]["discoveryId"].clone();
    let path = format!("/discovery/{}/products", discovery.as_str().unwrap());
    let (_, body) = api.call("POST", &path, products).await;
    assert_eq!(body["error"]["field"], "products.0.budget", "{body}");
}

#[tokio::test]
async fn keys_paths_and_methods_are_checked() {
    let sandbox = Sandbox::start(june(), Catalog::embedded()).await.unwrap();
    let url = sandbox.url_of(Surface::Buyer).unwrap();
    let code = async |request: reqwest::RequestBuilder| {
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["ratelimit-limit"], "100");
        assert_eq!(response.headers()["x-scope3-sandbox"], "true");
        let status = response.status().as_u16();
        let body: Value = response.json().await.unwrap();
        (status, body["error"]["code"].as_str().unwrap_or_default().to_owned())
    };
    let client = Client::new();
    let expected = |status, code: &str| (status, code.to_owned());
    assert_eq!(code(client.get(format!("{url}/advertisers"))).await, expected(401, "UNAUTHORIZED"));
    let wrong = client.get(format!("{url}/advertisers")).bearer_auth("scope3_x_y");
    assert_eq!(code(wrong).await, expected(401, "UNAUTHORIZED"));
    let header = client.get(format!("{url}/advertisers")).header("x-scope3-api-key", Sandbox::keys()[0]);
    assert_eq!(code(header).await, expected(401, "UNAUTHORIZED"), "v2 takes a key as Bearer only");
    let key = Sandbox::keys()[0];
    let nothing = client.get(format!("{url}/nothing")).bearer_auth(key);
    assert_eq!(code(nothing).await, expected(404, "NOT_FOUND"));
    let method = client.delete(format!("{url}/advertisers")).bearer_auth(key);
    assert_eq!(code(method).await.0, 405);
    let broken = client.post(format!("{url}/campaigns")).bearer_auth(key).body("{");
    assert_eq!(code(broken).await, expected(400, "BAD_REQUEST"));
}

#[tokio::test]
async fn a_rate_limit_is_counted_down_and_says_when_to_come_back() {
    let options = Options { rate_limit: Some("2/m".parse().unwrap()), ..june() };
    let api = Api::with(options).await;
    for (remaining, status) in [("1", 200), ("0", 200), ("0", 429)] {
        let response = api.send("GET", "/advertisers", None).await;
        assert_eq!(response.status().as_u16(), status);
        let headers = response.headers().clone();
        assert_eq!(
            (&headers["ratelimit-limit"], &headers["ratelimit-remaining"]),
            (&"2".parse().unwrap(), &remaining.parse().unwrap())
        );
        let reset: u64 = headers["ratelimit-reset"].to_str().unwrap().parse().unwrap();
        assert!((1..=60).contains(&reset), "{reset}");
        if status == 429 {
            assert!(headers.contains_key("retry-after"));
            let body: Value = response.json().await.unwrap();
            assert_eq!(body["error"]["code"], "RATE_LIMITED");
        }
    }
    assert_eq!(api.other().send("GET", "/advertisers", None).await.status(), 200);
}

#[tokio::test]
async fn faults_are_worded_as_the_interchange_does() {
    for (status, code) in [
        (503, "SERVICE_UNAVAILABLE"),
        (500, "INTERNAL_ERROR"),
        (429, "RATE_LIMITED"),
        (402, "CREDIT_LIMIT_EXCEEDED"),
    ] {
        let api = Api::with(Options { faults: vec![Fault { status, share: 1.0 }], ..june() }).await;
        assert_eq!(api.refused("GET", "/advertisers", Value::Null).await, (status, code.to_owned()));
    }
    let api = Api::with(Options { faults: vec![Fault { status: 502, share: 1.0 }], ..june() }).await;
    assert!(api.send("GET", "/advertisers", None).await.text().await.unwrap().starts_with("<html>"));
}
