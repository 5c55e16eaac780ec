//! `healthcheck` tells a container engine whether the server responds. It is quick and makes no other connections.

use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::path};

use crate::support::{Outcome, command, run};

async fn check(arguments: &[&str], environment: &[(&str, &str)]) -> Outcome {
    let outcome = run(command(&["healthcheck"]).args(arguments).envs(environment.iter().copied())).await;
    assert_eq!(outcome.stdout, "");
    outcome
}

#[tokio::test]
async fn a_server_that_responds_with_success_is_healthy() {
    let server = MockServer::start().await;
    Mock::given(path("/healthz")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    let all_addresses = format!("0.0.0.0:{}", server.address().port());
    // A proxy that is set for requests to Scope3 cannot reach this machine.
    let proxy = ("http_proxy", "http://127.0.0.1:9");
    let outcome = check(&[], &[("SCOPE3_BIND", &all_addresses), proxy]).await;
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
    assert_eq!(check(&[&format!("{}/healthz", server.uri())], &[]).await.code, Some(0));
}

#[tokio::test]
async fn an_error_or_a_redirect_is_unhealthy() {
    let server = MockServer::start().await;
    Mock::given(path("/healthz")).respond_with(ResponseTemplate::new(503)).mount(&server).await;
    let elsewhere = ResponseTemplate::new(307).insert_header("location", "/healthy");
    Mock::given(path("/moved")).respond_with(elsewhere).mount(&server).await;
    Mock::given(path("/healthy")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    let outcome = check(&["--bind", &server.address().to_string()], &[]).await;
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.contains("503"), "{}", outcome.stderr);
    let outcome = check(&[&format!("{}/moved", server.uri())], &[]).await;
    assert!(outcome.code == Some(1) && outcome.stderr.contains("307"), "{}", outcome.stderr);
}

#[tokio::test]
async fn a_server_that_does_not_respond_is_reported_in_time() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let started = Instant::now();
    let outcome = check(&[], &[("SCOPE3_BIND", &address)]).await;
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
    assert!((2..8).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
    drop(silent);
    let started = Instant::now();
    let outcome = check(&[], &[("SCOPE3_BIND", &address)]).await;
    assert!(outcome.code == Some(1) && outcome.stderr.contains(&address), "{}", outcome.stderr);
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

#[tokio::test]
async fn an_invalid_url_or_address_is_wrong_usage() {
    for arguments in [["https://127.0.0.1/healthz"].as_slice(), &["127.0.0.1:8080"], &["--bind", "0.0.0.0:0"]]
    {
        assert_eq!(check(arguments, &[]).await.code, Some(2), "{arguments:?}");
    }
}
