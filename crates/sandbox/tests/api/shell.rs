//! What holds for every request to the sandbox: who may come in, limits, faults, and what is refused.

use std::time::{Duration, Instant};

use reqwest::{Client, Response, StatusCode};
use scope3_mcp_catalog::Catalog;
use scope3_mcp_sandbox::{Options, Sandbox};
use serde_json::{Value, json};

use crate::support::june;

async fn started(options: Options) -> Sandbox {
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
async fn a_key_opens_its_customer() {
    let sandbox = started(june()).await;
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
async fn strangers_get_the_documented_bodies() {
    let sandbox = started(Options::default()).await;
    let url = format!("{}/brand-agent-list", sandbox.url());
    let nobody = Client::new().post(&url).json(&json!({})).send().await.unwrap();
    assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(nobody.headers()["x-scope3-sandbox"], "true");
    assert_eq!(json_of(nobody).await, json!({"error": "Missing authentication", "code": "AUTH_MISSING"}));
    let stranger = Client::new().post(&url).bearer_auth("scope3_x_y").json(&json!({})).send().await.unwrap();
    assert_eq!(stranger.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(
        json_of(stranger).await,
        json!({"error": "Invalid or expired API key", "code": "AUTH_INVALID_KEY"})
    );
}

#[tokio::test]
async fn the_limit_is_exact_and_belongs_to_the_key() {
    let sandbox = started(Options { rate_limit: Some("3/h".parse().unwrap()), ..Options::default() }).await;
    for _ in 0..3 {
        assert_eq!(post(&sandbox, 0, "/auth-check", json!({})).await.status(), StatusCode::OK);
    }
    let refused = post(&sandbox, 0, "/auth-check", json!({})).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let wait: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((3590..=3600).contains(&wait), "{wait}");
    let body = json_of(refused).await;
    assert_eq!(body["error"], "Rate limit exceeded");
    assert_eq!(body["code"], "RATE_LIMIT_EXCEEDED");
    let reset: jiff::Timestamp = body["resetTime"].as_str().unwrap().parse().unwrap();
    assert!((3580..=3600).contains(&reset.duration_since(jiff::Timestamp::now()).as_secs()));
    assert_eq!(post(&sandbox, 1, "/auth-check", json!({})).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn the_clock_tells_the_true_time() {
    let sandbox = started(Options::default()).await;
    let before = jiff::Timestamp::now();
    let response = post(&sandbox, 0, "/auth-check", json!({})).await;
    let date = response.headers()["date"].to_str().unwrap().to_owned();
    let told: jiff::Timestamp =
        json_of(response).await["data"]["timestamp"].as_str().unwrap().parse().unwrap();
    assert!((-1..10).contains(&told.duration_since(before).as_secs()), "{told}");
    let sent = jiff::fmt::rfc2822::parse(&date).unwrap().timestamp();
    assert!((-1..=1).contains(&sent.duration_since(told).as_secs()), "{date} {told}");

    let made = post(
        &sandbox,
        0,
        "/brand-agent-create",
        json!({"name": "New", "advertiserDomains": ["new.example"]}),
    )
    .await;
    let made: jiff::Timestamp =
        json_of(made).await["data"]["brandAgent"]["createdAt"].as_str().unwrap().parse().unwrap();
    assert!(told <= made && made.duration_since(before).as_secs() < 10, "{made}");
}

#[tokio::test]
async fn a_clock_that_was_set_is_the_clock_of_everything() {
    let sandbox = started(Options { rate_limit: Some("1/h".parse().unwrap()), ..june() }).await;
    let response = post(&sandbox, 0, "/auth-check", json!({})).await;
    assert_eq!(response.headers()["date"], "Mon, 15 Jun 2026 12:00:00 GMT");
    assert_eq!(json_of(response).await["data"]["timestamp"], "2026-06-15T12:00:00.000Z");
    let refused = post(&sandbox, 0, "/auth-check", json!({})).await;
    assert_eq!(refused.headers()["date"], "Mon, 15 Jun 2026 12:00:00 GMT");
    let reset: jiff::Timestamp = json_of(refused).await["resetTime"].as_str().unwrap().parse().unwrap();
    let wait = reset.duration_since("2026-06-15T12:00:00Z".parse().unwrap()).as_secs();
    assert!((3580..=3600).contains(&wait), "{wait}");
}

#[tokio::test]
async fn faults_come_evenly_and_in_the_form_of_who_sends_them() {
    let faults = vec!["503:0.25".parse().unwrap(), "502:0.25".parse().unwrap()];
    let sandbox = started(Options { faults, ..Options::default() }).await;
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
async fn an_ordered_limit_looks_like_a_real_one() {
    let faults = vec!["429:1".parse().unwrap()];
    let sandbox = started(Options { faults, ..Options::default() }).await;
    let refused = post(&sandbox, 0, "/auth-check", json!({})).await;
    assert_eq!(refused.headers()["retry-after"], "1");
    let body = json_of(refused).await;
    assert_eq!(body["code"], "RATE_LIMIT_EXCEEDED");
    assert!(body["resetTime"].is_string());
}

#[tokio::test]
async fn the_latency_is_waited() {
    let latency = Duration::from_millis(120);
    let sandbox = started(Options { latency, ..Options::default() }).await;
    let before = Instant::now();
    post(&sandbox, 0, "/auth-check", json!({})).await;
    assert!(before.elapsed() >= latency);
}

#[tokio::test]
async fn what_is_no_request_is_told() {
    let sandbox = started(Options::default()).await;
    let nowhere = post(&sandbox, 0, "/nowhere", json!({})).await;
    assert_eq!(nowhere.status(), StatusCode::NOT_FOUND);
    assert_eq!(json_of(nowhere).await["code"], "NOT_FOUND");

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

    let no_text = client.get(format!("{}/prebid-segmentss/%FF", sandbox.url()));
    let no_text = no_text.bearer_auth(Sandbox::keys()[0]).send().await.unwrap();
    assert_eq!(no_text.status(), StatusCode::NOT_FOUND);
    assert_eq!(json_of(no_text).await["code"], "NOT_FOUND");

    let root = json_of(client.get(sandbox.url()).send().await.unwrap()).await;
    assert_eq!(root["name"], "scope3-mcp sandbox");
}

#[tokio::test]
async fn arguments_are_checked_and_unknown_ones_dropped() {
    let sandbox = started(Options::default()).await;
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
async fn it_stops_when_told_and_when_dropped() {
    let stopped = started(Options::default()).await;
    let url = stopped.url().to_owned();
    stopped.shutdown().await.unwrap();
    assert!(Client::new().get(&url).send().await.unwrap_err().is_connect());

    let dropped = started(Options::default()).await;
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
async fn two_sandboxes_answer_the_same() {
    let mut answers = Vec::new();
    for _ in 0..2 {
        let sandbox = started(june()).await;
        let body = json!({"name": "Twice", "advertiserDomains": ["twice.example"]});
        let created = json_of(post(&sandbox, 0, "/brand-agent-create", body).await).await;
        let listed = json_of(post(&sandbox, 0, "/brand-agent-list", json!({})).await).await;
        answers.push((created, listed));
    }
    assert_eq!(answers[0], answers[1]);
}
