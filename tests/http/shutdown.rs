//! At shutdown, the server responds to accepted requests, ends its streams and exits with 0.

use std::time::{Duration, Instant};

use crate::support::{Server, Sse, call, message, text, upstream::Upstream};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn accepted_requests_get_a_response_on_every_transport() {
    let upstream = Upstream::start(Duration::from_millis(1500)).await;
    let mut server = Server::before(&upstream.url, &[]);
    let client = server.client();
    let session = client.begin("2025-06-18").await;
    let mut stream = session.stream().await;
    let mut sse = Sse::begin(&client).await;

    let in_session = session.post(&call(1, "check_auth_status")).await;
    let stateless = tokio::spawn(client.stateless("check_auth_status").send());
    assert_eq!(sse.send(&call(1, "check_auth_status")).await, 202);
    upstream.wait_for_requests(3).await;
    server.terminate();
    let stopped_at = Instant::now();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(client.request(Method::GET, "/healthz").send().await.is_err(), "no new connection is accepted");

    assert!(text(&message(in_session).await).contains("12345"));
    assert!(text(&message(stateless.await.unwrap().unwrap()).await).contains("12345"));
    assert!(text(&sse.next_response().await).contains("12345"));
    assert_eq!(sse.next().await, None, "its stream ends");
    while stream.chunk().await.unwrap().is_some() {}
    assert_eq!(server.ended(Duration::from_secs(10)).await, Some(0));
    assert!(stopped_at.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn the_server_waits_for_a_call_over_sse() {
    // Longer than rmcp keeps the session open for running calls.
    let upstream = Upstream::start(Duration::from_secs(8)).await;
    let mut server = Server::before(&upstream.url, &[]);
    let mut sse = Sse::begin(&server.client()).await;
    assert_eq!(sse.send(&call(1, "check_auth_status")).await, 202);
    upstream.wait_for_requests(1).await;
    server.terminate();
    assert!(text(&sse.next_response().await).contains("12345"));
    assert_eq!(sse.next().await, None, "its stream ends");
    assert_eq!(server.ended(Duration::from_secs(5)).await, Some(0));
}

#[tokio::test]
async fn a_response_that_is_read_slowly_is_sent_completely() {
    let filler = "x".repeat(8_000_000);
    let data = json!({ "authenticated": true, "customerId": 12345, "filler": filler });
    let upstream = Upstream::with_data(Duration::ZERO, data).await;
    let mut server = Server::before(&upstream.url, &[]);
    // The parts are sent one by one, so some are not written yet when the calls are done.
    let session = server.client().begin("2025-03-26").await;
    let batch =
        json!([call(1, "check_auth_status"), call(2, "check_auth_status"), call(3, "check_auth_status")]);
    let mut response = session.post(&batch).await;
    let mut sse = Sse::begin(&server.client()).await;
    assert_eq!(sse.send(&call(1, "check_auth_status")).await, 202);
    upstream.wait_for_requests(4).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    server.terminate();
    tokio::time::sleep(Duration::from_secs(4)).await;
    let mut length = 0;
    while let Some(chunk) = response.chunk().await.expect("the response was cut off") {
        length += chunk.len();
    }
    assert!(length > 3 * filler.len(), "{length} bytes arrived");
    let by_sse = sse.next_response().await;
    assert!(by_sse.to_string().len() > filler.len());
    assert_eq!(server.ended(Duration::from_secs(10)).await, Some(0));
}

#[tokio::test]
async fn open_streams_do_not_delay_shutdown() {
    let mut server = Server::sandbox(&[]);
    let session = server.client().begin("2025-06-18").await;
    let mut stream = session.stream().await;
    let mut sse = Sse::begin(&server.client()).await;
    server.terminate();
    assert_eq!(server.ended(Duration::from_secs(5)).await, Some(0));
    while stream.chunk().await.unwrap().is_some() {}
    assert_eq!(sse.next().await, None);
}

#[tokio::test]
async fn idle_connections_do_not_delay_shutdown() {
    let mut server = Server::sandbox(&[]);
    let idle = server.client();
    assert_eq!(idle.request(Method::GET, "/healthz").send().await.unwrap().status(), 200);
    let _silent = std::net::TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    server.terminate();
    assert_eq!(server.ended(Duration::from_secs(10)).await, Some(0));
}

#[tokio::test]
async fn the_server_waits_for_a_running_call() {
    let upstream = Upstream::start(Duration::from_secs(8)).await;
    let mut server = Server::before(&upstream.url, &[]);
    let session = server.client().begin("2025-06-18").await;
    let _response = session.post(&call(1, "check_auth_status")).await;
    upstream.wait_for_requests(1).await;
    server.terminate();
    let stopped_at = Instant::now();
    assert_eq!(server.ended(Duration::from_secs(40)).await, Some(0));
    assert!(stopped_at.elapsed() > Duration::from_secs(6), "the server waits for Scope3's response");
}
