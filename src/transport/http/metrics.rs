//! `/metrics`, in the Prometheus format.
//!
//! If there is a token (from `SCOPE3_MCP_TOKEN`, or generated at startup), it is required. Without one, `/metrics` is
//! served only to this machine: it names no keys or sessions, but shows how much a team works.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::{
    Extension,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header};
use metrics::{describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use scope3_mcp_gateway::instruments::{
    AUDIT_FAILURES, BOUNDS, CALL_SECONDS, CALLS, UPSTREAM, UPSTREAM_SECONDS,
};

use super::{audit, connections::Peer, origin::has_loopback_host, rejection::Rejection, state::ServerState};

pub(super) const REQUESTS: &str = "scope3_mcp_http_requests_total";
pub(super) const REQUEST_SECONDS: &str = "scope3_mcp_http_request_duration_seconds";
const SESSIONS_OPEN: &str = "scope3_mcp_sessions_open";
const CALLS_IN_FLIGHT: &str = "scope3_mcp_calls_in_flight";
const PERMITS_LEFT: &str = "scope3_mcp_permits_left";

const BUCKETS_SECONDS: [f64; 13] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

/// How often recorded values are aggregated. Each value takes memory until then.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// The recorder of this process. Servers in the same process, as in tests, share it.
fn recorder() -> &'static PrometheusHandle {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    RECORDER.get_or_init(|| {
        let builder = PrometheusBuilder::new();
        let builder = builder
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &BUCKETS_SECONDS)
            .unwrap_or_else(|_| PrometheusBuilder::new());
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("another metrics recorder is installed; /metrics stays empty");
        }
        describe_counter!(CALLS, "Completed tool calls, by tool, limit class and outcome");
        describe_histogram!(CALL_SECONDS, "Duration of tool calls, by tool");
        describe_counter!(UPSTREAM, "HTTP requests to Scope3, by status or error");
        describe_histogram!(UPSTREAM_SECONDS, "Time until Scope3 begins a response");
        describe_counter!(REQUESTS, "HTTP requests to this server, by method, route and status");
        describe_histogram!(REQUEST_SECONDS, "Time until this server begins a response, by route");
        describe_counter!(BOUNDS, "How often a limit of this server was reached, by limit");
        describe_counter!(AUDIT_FAILURES, "Security events that could not be written to the audit log");
        describe_gauge!(SESSIONS_OPEN, "Open sessions, by transport");
        describe_gauge!(CALLS_IN_FLIGHT, "Running calls");
        describe_gauge!(PERMITS_LEFT, "Requests left to the key with the fewest left, by limit class");
        handle
    })
}

/// Installs the recorder, and aggregates its values as long as the future is polled.
pub(super) fn run_upkeep() -> impl Future<Output = ()> + Send + 'static {
    let recorder = recorder();
    async move {
        loop {
            tokio::time::sleep(UPKEEP_INTERVAL).await;
            recorder.run_upkeep();
        }
    }
}

/// Handles a request to `/metrics`.
pub(super) async fn handle(
    State(state): State<Arc<ServerState>>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
) -> Response {
    let is_local = peer.is_some_and(|Extension(Peer(peer))| peer.ip().to_canonical().is_loopback())
        && has_loopback_host(&headers);
    if let Err(rejection) = authorize(&state, is_local, &headers) {
        audit::auth_failed(rejection.server_code());
        return rejection.into_response();
    }
    let (streamable, sse) = state.sessions.count();
    gauge!(SESSIONS_OPEN, "transport" => "streamable-http").set(gauge_value(streamable));
    gauge!(SESSIONS_OPEN, "transport" => "sse").set(gauge_value(sse));
    gauge!(CALLS_IN_FLIGHT).set(gauge_value(state.calls.running_calls()));
    for (class, left) in state.keys.fewest_left(&state.gateway).await {
        gauge!(PERMITS_LEFT, "class" => class.as_str()).set(f64::from(left));
    }
    let text = recorder().render();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

/// A count as a Prometheus value.
fn gauge_value(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

/// Rejects a request that may not read the metrics.
fn authorize(state: &ServerState, is_local: bool, headers: &HeaderMap) -> Result<(), Rejection> {
    match &state.metrics_token {
        Some(token) => token.verify(headers),
        None if is_local => Ok(()),
        None => Err(Rejection::new(
            StatusCode::FORBIDDEN,
            "without a token, /metrics is only available from this machine",
        )),
    }
}
