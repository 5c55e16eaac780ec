//! The number of requests to Scope3 that invented keys can cause is bounded.

use futures_util::future::join_all;

use crate::support::{Server, message, text, upstream::Upstream};

fn key(name: usize) -> String {
    format!("scope3_{}_invented{name}", "a".repeat(32))
}

fn before(upstream: &Upstream) -> Server {
    Server::start(&["http", "--bind", "127.0.0.1:0", "--api-url", &upstream.url, "--auth", "key"], &[])
}

#[tokio::test]
async fn a_key_that_scope3_rejected_is_rejected_from_memory() {
    let upstream = Upstream::rejecting_keys().await;
    let server = before(&upstream);
    let client = server.with_key(&key(1));
    let calls = (0..40).map(|_| client.stateless("check_auth_status").send());
    for batch in join_all(calls).await {
        let response = batch.unwrap();
        // Of forty concurrent calls, a few exceed the limit and are rejected.
        if response.status() == 200 {
            assert!(text(&message(response).await).contains("AUTH_INVALID_KEY"));
        }
    }
    let late = text(&message(client.stateless("check_auth_status").send().await.unwrap()).await);
    assert!(late.contains("AUTH_INVALID_KEY") && late.contains("retryAfterSeconds"), "{late}");
    assert!(upstream.seen().len() <= 2, "{} requests upstream", upstream.seen().len());
    assert!(server.metric(r#"scope3_mcp_bounds_reached_total{bound="rejected_keys"}"#).await > Some(0.0));
}

#[tokio::test]
async fn two_hundred_invented_keys_cause_sixty_requests_to_scope3_a_minute() {
    let upstream = Upstream::rejecting_keys().await;
    let server = before(&upstream);
    let started = std::time::Instant::now();
    let mut limited = 0;
    for name in 0..200 {
        let response = server.with_key(&key(name)).stateless("check_auth_status").send().await.unwrap();
        limited += usize::from(text(&message(response).await).contains("RATE_LIMIT_EXCEEDED"));
    }
    assert!(started.elapsed().as_secs() < 60, "too slow to measure");
    assert_eq!((upstream.seen().len(), limited), (60, 140));
}
