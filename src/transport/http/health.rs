//! `/healthz`: the process responds. `/readyz`: it can handle calls.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use scope3_mcp_gateway::LastContact;
use serde_json::json;

use super::state::ServerState;

/// How long failed connections to Scope3 make a server unready. The time is limited because a server without calls
/// would never notice that Scope3 is back.
const UNREADY_AFTER_FAILURE: Duration = Duration::from_secs(30);

/// How many connections in a row must fail. A single failure or late response says little about the next one.
const MIN_FAILURES: u32 = 3;

fn is_unreachable(contact: &LastContact) -> bool {
    contact.failures >= MIN_FAILURES
        && contact.failed_at.is_some_and(|at| at.elapsed() < UNREADY_AFTER_FAILURE)
}

pub(super) fn live() -> std::future::Ready<&'static str> {
    std::future::ready("ok\n")
}

/// Handles a request to `/readyz`. The server is not ready while it shuts down, or just after Scope3 could not be
/// reached. Having had no recent contact with Scope3 is reported, but does not make it unready.
pub(super) async fn ready(State(state): State<Arc<ServerState>>) -> Response {
    let contacts: Vec<LastContact> = state.gateway.last_contacts().collect();
    let unreachable = !contacts.is_empty() && contacts.iter().all(is_unreachable);
    let answered_at = contacts.iter().filter_map(|contact| contact.answered_at).max();
    let upstream = match answered_at {
        None if contacts.iter().all(|contact| contact.failures == 0) => json!({ "seen": "never" }),
        _ if unreachable => json!({ "seen": "unreachable" }),
        None => json!({ "seen": "failing" }),
        Some(at) => json!({ "seen": "answered", "secondsAgo": at.elapsed().as_secs() }),
    };
    let ready = !state.stop.is_cancelled() && !unreachable;
    let body = json!({
        "ready": ready,
        "ending": state.stop.is_cancelled(),
        "catalog": { "tools": state.gateway.catalog().entries().count() },
        "state": state.state_kind,
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
    fn only_several_failed_connections_in_a_row_make_the_server_unready_and_only_for_a_while() {
        let failed = |failures, ago: Duration| LastContact {
            answered_at: None,
            failed_at: Instant::now().checked_sub(ago),
            failures,
        };
        let now = Duration::ZERO;
        assert!(!is_unreachable(&LastContact::default()), "nothing is known");
        assert!(!is_unreachable(&failed(2, now)));
        assert!(is_unreachable(&failed(3, now)));
        assert!(!is_unreachable(&failed(3, UNREADY_AFTER_FAILURE)));
    }
}
