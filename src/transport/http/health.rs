//! `/healthz`: the process answers. `/readyz`: it can do its work.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde_json::json;

use super::Shared;

/// How long a failed connection to Scope3 makes a server unready. No longer: a server that gets no calls never
/// finds out that Scope3 is back.
const DOUBT: Duration = Duration::from_secs(30);

pub(super) fn live() -> std::future::Ready<&'static str> {
    std::future::ready("ok\n")
}

/// Whether requests should be sent here: not while the server ends, nor just after Scope3 could not be reached. That
/// Scope3 was not asked yet, or long ago, is told and counts for nothing.
pub(super) async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    let contact = shared.gateway.campaign.last_contact();
    let upstream = match contact {
        None => json!({ "seen": "never" }),
        Some(contact) => {
            let seen = if contact.answered { "answered" } else { "unreachable" };
            json!({ "seen": seen, "secondsAgo": contact.at.elapsed().as_secs() })
        }
    };
    let unreachable = contact.is_some_and(|contact| !contact.answered && contact.at.elapsed() < DOUBT);
    let ready = !shared.stop.is_cancelled() && !unreachable;
    let body = json!({
        "ready": ready,
        "ending": shared.stop.is_cancelled(),
        "catalog": { "tools": shared.gateway.catalog.entries().count() },
        // In the process, and so always at hand.
        "state": "memory",
        "upstream": upstream,
    });
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(body)).into_response()
}
