//! `healthcheck` tells a container's engine whether the server answers, soon and without help from outside.

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
async fn what_answers_well_is_healthy() {
    let server = MockServer::start().await;
    Mock::given(path("/healthz")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    let everywhere = format!("0.0.0.0:{}", server.address().port());
    // A proxy that is set for the way to Scope3 knows nothing of this machine.
    let proxy = ("http_proxy", "http://127.0.0.1:9");
    let outcome = check(&[], &[("SCOPE3_BIND", &everywhere), proxy]).await;
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
    assert_eq!(check(&[&format!("{}/healthz", server.uri())], &[]).await.code, Some(0));
}

#[tokio::test]
async fn what_answers_badly_is_not() {
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
async fn what_does_not_answer_is_not_and_that_is_said_in_time() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let began = Instant::now();
    let outcome = check(&[], &[("SCOPE3_BIND", &address)]).await;
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
    assert!((2..8).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    drop(silent);
    let began = Instant::now();
    let outcome = check(&[], &[("SCOPE3_BIND", &address)]).await;
    assert!(outcome.code == Some(1) && outcome.stderr.contains(&address), "{}", outcome.stderr);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test]
async fn what_cannot_be_asked_is_wrong_usage() {
    for arguments in [["https://127.0.0.1/healthz"].as_slice(), &["127.0.0.1:8080"], &["--bind", "0.0.0.0:0"]]
    {
        assert_eq!(check(arguments, &[]).await.code, Some(2), "{arguments:?}");
    }
}
