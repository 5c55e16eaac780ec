//! `/healthz`: the process answers. `/readyz`: it can do its work.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use scope3_mcp_gateway::Contact;
use serde_json::json;

use super::Shared;

/// How long failed connections to Scope3 make a server unready. No longer: a server that gets no calls never finds out
/// that Scope3 is back.
const UNREADY_AFTER_FAILURE: Duration = Duration::from_secs(30);

/// How many connections in a row must fail. One that fails, or an answer that is late, says little about the next.
const MIN_FAILURES: u32 = 3;

fn is_unreachable(contact: &Contact) -> bool {
    contact.failures >= MIN_FAILURES
        && contact.failed_at.is_some_and(|at| at.elapsed() < UNREADY_AFTER_FAILURE)
}

pub(super) fn live() -> std::future::Ready<&'static str> {
    std::future::ready("ok\n")
}

/// Whether requests should be sent here: not while the server ends, nor just after Scope3 could not be reached. That
/// Scope3 was not asked yet, or long ago, is told and counts for nothing.
pub(super) async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    let contacts: Vec<Contact> = shared.gateway.contacts().collect();
    let unreachable = !contacts.is_empty() && contacts.iter().all(is_unreachable);
    let answered_at = contacts.iter().filter_map(|contact| contact.answered_at).max();
    let upstream = match answered_at {
        None if contacts.iter().all(|contact| contact.failures == 0) => json!({ "seen": "never" }),
        _ if unreachable => json!({ "seen": "unreachable" }),
        None => json!({ "seen": "failing" }),
        Some(at) => json!({ "seen": "answered", "secondsAgo": at.elapsed().as_secs() }),
    };
    let ready = !shared.stop.is_cancelled() && !unreachable;
    let body = json!({
        "ready": ready,
        "ending": shared.stop.is_cancelled(),
        "catalog": { "tools": shared.gateway.catalog().entries().count() },
        // In the process, and so always at hand.
        "state": "memory",
        "upstream": upstream,
    });
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn only_several_failed_connections_in_a_row_make_it_unready_and_only_for_a_while() {
        let failed = |failures, ago: Duration| Contact {
            answered_at: None,
            failed_at: Instant::now().checked_sub(ago),
            failures,
        };
        let now = Duration::ZERO;
        assert!(!is_unreachable(&Contact::default()), "nothing is known");
        assert!(!is_unreachable(&failed(2, now)));
        assert!(is_unreachable(&failed(3, now)));
        assert!(!is_unreachable(&failed(3, UNREADY_AFTER_FAILURE)));
    }
}
