//! The checks of every request to the sandbox: keys, limits, faults and invalid requests.

use std::time::{Duration, Instant};

use reqwest::{Client, Response, StatusCode};
use scope3_mcp_catalog::Catalog;
use scope3_mcp_sandbox::{Options, Sandbox};
use serde_json::{Value, json};

use crate::support::june;

async fn start(options: Options) -> Sandbox {
    Sandbox::start(options, Catalog::embedded()).await.unwrap()
}

async fn post(sandbox: &Sandbox, key: usize, path: &str, body: Value) -> Response {
    let url = format!("{}{path}", sandbox.url());
    Client::new().post(url).header("x-scope3-api-key", Sandbox::keys()[key]).json(&body).send().await.unwrap()
}

async fn json_of(response: Response) -> Value {
    response.json().await.unwrap()
}

#[tokio::test]
async fn a_key_authenticates_its_customer() {
    let sandbox = start(june()).await;
    assert!(sandbox.url().starts_with("http://127.0.0.1:"));
    assert!(sandbox.url().ends_with("/rest/v1"));
    let response = post(&sandbox, 0, "/auth-check", json!({})).await;
    assert_eq!(response.headers()["x-scope3-sandbox"], "true");
    let body = json_of(response).await;
    assert_eq!(body["success"], true);
    assert_eq!(body["data"]["customerId"], 12345);
    assert_eq!(body["data"]["email"], "dana@acme-outdoor.example");
    assert_eq!(body["data"]["timestamp"], "2026-06-15T12:00:00.000Z");
    let url = format!("{}/auth-check", sandbox.url());
    let bearer = Client::new().post(url).bearer_auth(Sandbox::keys()[1]).send().await.unwrap();
    assert_eq!(json_of(bearer).await["data"]["customerId"], 67890);
}

#[tokio::test]
async fn missing_and_unknown_keys_get_the_documented_errors() {
    let sandbox = start(Options::default()).await;
    let url = format!("{}/brand-agent-list", sandbox.url());
    let without_key = Client::new().post(&url).json(&json!({})).send().await.unwrap();
    assert_eq!(without_key.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(without_key.headers()["x-scope3-sandbox"], "true");
    assert_eq!(
        json_of(without_key).await,
        json!({"error": "Missing authentication", "code": "AUTH_MISSING"})
    );
    let unknown_key =
        Client::new().post(&url).bearer_auth("scope3_x_y").json(&json!({})).send().await.unwrap();
    assert_eq!(unknown_key.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(
        json_of(unknown_key).await,
        json!({"error": "Invalid or expired API key", "code": "AUTH_INVALID_KEY"})
    );
}

#[tokio::test]
async fn the_rate_limit_is_exact_and_per_key() {
    let sandbox = start(Options { rate_limit: Some("3/h".parse().unwrap()), ..Options::default() }).await;
    for _ in 0..3 {
        assert_eq!(post(&sandbox, 0, "/auth-check", json!({})).await.status(), StatusCode::OK);
    }
    let rejected = post(&sandbox, 0, "/auth-check", json!({})).await;
    assert_eq!(rejected.status(), StatusCode::TOO_MANY_REQUESTS);
    let wait: u64 = rejected.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((3590..=3600).contains(&wait), "{wait}");
    let body = json_of(rejected).await;
    assert_eq!(body["error"], "Rate limit exceeded");
    assert_eq!(body["code"], "RATE_LIMIT_EXCEEDED");
    let reset: jiff::Timestamp = body["resetTime"].as_str().unwrap().parse().unwrap();
    assert!((3580..=3600).contains(&reset.duration_since(jiff::Timestamp::now()).as_secs()));
    assert_eq!(post(&sandbox, 1, "/auth-check", json!({})).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn the_clock_shows_the_system_time_by_default() {
    let sandbox = start(Options::default()).await;
    let before = jiff::Timestamp::now();
    let response = post(&sandbox, 0, "/auth-check", json!({})).await;
    let date = response.headers()["date"].to_str().unwrap().to_owned();
    let timestamp: jiff::Timestamp =
        json_of(response).await["data"]["timestamp"].as_str().unwrap().parse().unwrap();
    assert!((-1..10).contains(&timestamp.duration_since(before).as_secs()), "{timestamp}");
    let sent = jiff::fmt::rfc2822::parse(&date).unwrap().timestamp();
    assert!((-1..=1).contains(&sent.duration_since(timestamp).as_secs()), "{date} {timestamp}");

    let created = post(
        &sandbox,
        0,
        "/brand-agent-create",
        json!({"name": "New", "advertiserDomains": ["new.example"]}),
    )
    .await;
    let created: jiff::Timestamp =
        json_of(created).await["data"]["brandAgent"]["createdAt"].as_str().unwrap().parse().unwrap();
    assert!(timestamp <= created && created.duration_since(before).as_secs() < 10, "{created}");
}

#[tokio::test]
async fn a_fixed_clock_sets_all_times() {
    let sandbox = start(Options { rate_limit: Some("1/h".parse().unwrap()), ..june() }).await;
    let response = post(&sandbox, 0, "/auth-check", json!({})).await;
    assert_eq!(response.headers()["date"], "Mon, 15 Jun 2026 12:00:00 GMT");
    assert_eq!(json_of(response).await["data"]["timestamp"], "2026-06-15T12:00:00.000Z");
    let rejected = post(&sandbox, 0, "/auth-check", json!({})).await;
    assert_eq!(rejected.headers()["date"], "Mon, 15 Jun 2026 12:00:00 GMT");
    let reset: jiff::Timestamp = json_of(rejected).await["resetTime"].as_str().unwrap().parse().unwrap();
    let wait = reset.duration_since("2026-06-15T12:00:00Z".parse().unwrap()).as_secs();
    assert!((3580..=3600).contains(&wait), "{wait}");
}

#[tokio::test]
async fn faults_are_spread_evenly_and_have_realistic_bodies() {
    let faults = vec!["503:0.25".parse().unwrap(), "502:0.25".parse().unwrap()];
    let sandbox = start(Options { faults, ..Options::default() }).await;
    let mut statuses = Vec::new();
    for _ in 0..8 {
        let response = post(&sandbox, 0, "/auth-check", json!({})).await;
        assert_eq!(response.headers()["x-scope3-sandbox"], "true");
        let status = response.status().as_u16();
        let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
        assert_eq!(kind.starts_with("text/html"), status == 502, "{status} {kind}");
        statuses.push(status);
    }
    assert_eq!(statuses, [200, 200, 200, 503, 502, 200, 200, 503]);
}

#[tokio::test]
async fn a_simulated_rate_limit_has_the_same_form_as_a_real_one() {
    let faults = vec!["429:1".parse().unwrap()];
    let sandbox = start(Options { faults, ..Options::default() }).await;
    let rejected = post(&sandbox, 0, "/auth-check", json!({})).await;
    assert_eq!(rejected.headers()["retry-after"], "1");
    let body = json_of(rejected).await;
    assert_eq!(body["code"], "RATE_LIMIT_EXCEEDED");
    assert!(body["resetTime"].is_string());
}

#[tokio::test]
async fn responses_are_delayed_by_the_latency() {
    let latency = Duration::from_millis(120);
    let sandbox = start(Options { latency, ..Options::default() }).await;
    let before = Instant::now();
    post(&sandbox, 0, "/auth-check", json!({})).await;
    assert!(before.elapsed() >= latency);
}

#[tokio::test]
async fn invalid_requests_are_rejected() {
    let sandbox = start(Options::default()).await;
    let unknown_path = post(&sandbox, 0, "/unknown_path", json!({})).await;
    assert_eq!(unknown_path.status(), StatusCode::NOT_FOUND);
    assert_eq!(json_of(unknown_path).await["code"], "NOT_FOUND");

    let url = format!("{}/auth-check", sandbox.url());
    let client = Client::new();
    let method = client.get(&url).bearer_auth(Sandbox::keys()[0]).send().await.unwrap();
    assert_eq!(method.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(json_of(method).await["code"], "METHOD_NOT_ALLOWED");

    let broken = client.post(&url).bearer_auth(Sandbox::keys()[0]).body("{").send().await.unwrap();
    assert_eq!(broken.status(), StatusCode::BAD_REQUEST);
    let body = json_of(broken).await;
    assert!(body["error"].is_string() && body["details"].is_object());

    let long = client.post(&url).bearer_auth(Sandbox::keys()[0]).body(" ".repeat(1024 * 1024 + 1));
    assert_eq!(long.send().await.unwrap().status(), StatusCode::PAYLOAD_TOO_LARGE);

    let not_utf8 = client.get(format!("{}/prebid-segmentss/%FF", sandbox.url()));
    let not_utf8 = not_utf8.bearer_auth(Sandbox::keys()[0]).send().await.unwrap();
    assert_eq!(not_utf8.status(), StatusCode::NOT_FOUND);
    assert_eq!(json_of(not_utf8).await["code"], "NOT_FOUND");

    let root = json_of(client.get(sandbox.url()).send().await.unwrap()).await;
    assert_eq!(root["name"], "scope3-mcp sandbox");
}

#[tokio::test]
async fn arguments_are_checked_and_unknown_ones_are_dropped() {
    let sandbox = start(Options::default()).await;
    let wrong = post(&sandbox, 0, "/brand-agent-create", json!({"name": 7, "typo": 1})).await;
    assert_eq!(wrong.status(), StatusCode::BAD_REQUEST);
    let issues = json_of(wrong).await["details"]["issues"].clone();
    let mut paths: Vec<&str> =
        issues.as_array().unwrap().iter().map(|i| i["path"].as_str().unwrap()).collect();
    paths.sort_unstable();
    assert_eq!(paths, ["advertiserDomains", "name"]);
    let fine = post(&sandbox, 0, "/brand-agent-list", json!({"typo": 1})).await;
    assert_eq!(fine.status(), StatusCode::OK);
}

#[tokio::test]
async fn the_sandbox_stops_on_shutdown_and_on_drop() {
    let stopped = start(Options::default()).await;
    let url = stopped.url().to_owned();
    stopped.shutdown().await.unwrap();
    assert!(Client::new().get(&url).send().await.unwrap_err().is_connect());

    let dropped = start(Options::default()).await;
    let url = dropped.url().to_owned();
    drop(dropped);
    let gone = async {
        while Client::new().get(&url).send().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), gone).await.unwrap();
}

#[tokio::test]
async fn two_sandboxes_return_the_same_responses() {
    let mut responses = Vec::new();
    for _ in 0..2 {
        let sandbox = start(june()).await;
        let body = json!({"name": "Twice", "advertiserDomains": ["twice.example"]});
        let created = json_of(post(&sandbox, 0, "/brand-agent-create", body).await).await;
        let listed = json_of(post(&sandbox, 0, "/brand-agent-list", json!({})).await).await;
        responses.push((created, listed));
    }
    assert_eq!(responses[0], responses[1]);
}
