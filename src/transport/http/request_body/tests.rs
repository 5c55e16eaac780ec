use axum::response::IntoResponse;
use futures_util::{StreamExt, stream};

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

fn budget(max_bytes: usize) -> Arc<BodyBudget> {
    Arc::new(BodyBudget::new(max_bytes))
}

/// A body of this length, in chunks, that ends.
fn complete_body(length: usize) -> Body {
    let pieces = vec![Bytes::from(vec![b'x'; 1000]); length / 1000];
    Body::from_stream(stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>)))
}

/// A body that stays open after its last byte.
fn endless_body(length: usize) -> Body {
    Body::from_stream(complete_body(length).into_data_stream().chain(stream::pending()))
}

fn status(rejected: Result<Bytes, Rejection>) -> u16 {
    rejected.unwrap_err().into_response().status().as_u16()
}

async fn until_reserved(budget: &BodyBudget, bytes: usize) {
    for _ in 0..1000 {
        if budget.lock().reserved == bytes {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("{} bytes are reserved, not {bytes}", budget.lock().reserved);
}

fn spawn(
    budget: &Arc<BodyBudget>,
    body: Body,
    within: Duration,
) -> tokio::task::JoinHandle<Result<Bytes, Rejection>> {
    let budget = Arc::clone(budget);
    tokio::spawn(async move { budget.collect(body, within).await })
}

#[tokio::test]
async fn bytes_are_reserved_from_their_arrival_until_the_body_is_dropped() {
    let budget = budget(1024 * 1024);
    let text = budget.collect(complete_body(100_000), MINUTE).await.unwrap();
    assert_eq!(text.len(), 100_000);
    assert_eq!(budget.lock().reserved, 128 * 1024, "the capacity counts");
    let part = text.slice(5..10);
    drop(text);
    assert_eq!(budget.lock().reserved, 128 * 1024);
    drop(part);
    assert_eq!(budget.lock().reserved, 0);
    assert!(budget.collect(Body::empty(), MINUTE).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_body_that_exceeds_the_budget_is_rejected_with_a_retry_after() {
    let budget = budget(128 * 1024);
    let holder = spawn(&budget, endless_body(100_000), MINUTE);
    until_reserved(&budget, 128 * 1024).await;
    let rejected = budget.collect(complete_body(1000), MINUTE).await.unwrap_err().into_response();
    assert_eq!(rejected.status(), 503);
    assert!(rejected.headers().contains_key("retry-after"));
    assert!(!holder.is_finished(), "a body that has just begun is not displaced");
    holder.abort();
    until_reserved(&budget, 0).await;
    assert!(budget.collect(complete_body(100_000), MINUTE).await.is_ok());
}

#[tokio::test]
async fn a_rejected_body_gets_a_response_even_if_it_never_ends() {
    let budget = budget(4096);
    assert_eq!(
        status(budget.collect(endless_body(100_000), MINUTE).await),
        503,
        "the deadline would be a 408"
    );
    assert_eq!(budget.lock().reserved, 0);
}

#[tokio::test]
async fn a_slow_body_can_be_displaced_and_a_complete_one_cannot() {
    let budget = budget(128 * 1024);
    let whole_text = budget.collect(complete_body(60_000), MINUTE).await.unwrap();
    let slow = spawn(&budget, endless_body(60_000), MINUTE);
    until_reserved(&budget, 128 * 1024).await;
    tokio::time::sleep(MAX_PROTECTED_AGE).await;
    let newcomer = budget.collect(complete_body(60_000), MINUTE).await.unwrap();
    assert_eq!(status(slow.await.unwrap()), 503);
    assert_eq!(status(budget.collect(complete_body(1000), MINUTE).await), 503, "complete bodies stay");
    drop((whole_text, newcomer));
    assert_eq!(budget.lock().reserved, 0);
}

#[tokio::test]
async fn a_body_that_is_late_or_too_long_frees_its_reservation() {
    let budget = budget(16 * 1024 * 1024);
    assert_eq!(status(budget.collect(endless_body(100_000), Duration::from_millis(50)).await), 408);
    assert_eq!(budget.lock().reserved, 0);
    let long = spawn(&budget, endless_body(MAX_BODY_BYTES + 5000), 2 * SECOND);
    tokio::time::sleep(Duration::from_millis(200)).await;
    until_reserved(&budget, 0).await;
    assert_eq!(status(long.await.unwrap()), 408);
    assert_eq!(status(budget.collect(complete_body(MAX_BODY_BYTES + 5000), MINUTE).await), 413);
    assert_eq!(
        status(budget.collect(endless_body(MAX_DISCARDED_BYTES + 5000), MINUTE).await),
        413,
        "it never ends"
    );
    let broken = stream::iter([Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("gone"))]);
    assert_eq!(status(budget.collect(Body::from_stream(broken), MINUTE).await), 400);
    assert_eq!(budget.lock().reserved, 0);
    assert!(budget.lock().incoming.is_empty());
}
