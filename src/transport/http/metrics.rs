//! `/metrics`, in the format of Prometheus.
//!
//! Who may read it: with a token set (`SCOPE3_MCP_TOKEN`, or made at the start), those who send it; otherwise this
//! machine alone. It names no key and no session, but tells how much a team works.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Extension,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header};
use metrics::{describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use scope3_mcp_gateway::{
    Gateway,
    credentials::Fingerprint,
    limits::Class,
    measure::{BOUNDS, CALL_SECONDS, CALLS, UPSTREAM, UPSTREAM_SECONDS},
};

use super::{Shared, origin::has_loopback_host, rejection::Rejection, server::Peer};

pub(super) const REQUESTS: &str = "scope3_mcp_http_requests_total";
pub(super) const REQUEST_SECONDS: &str = "scope3_mcp_http_request_duration_seconds";
const SESSIONS_OPEN: &str = "scope3_mcp_sessions_open";
const CALLS_IN_FLIGHT: &str = "scope3_mcp_calls_in_flight";
const SEATS_LEFT: &str = "scope3_mcp_seats_left";

const BUCKETS_SECONDS: [f64; 13] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

/// How often what was measured is summed up: until then each value is kept.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// The recorder of this process. A second server in it, as in tests, shares it.
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
            tracing::warn!("something else measures already; /metrics stays empty");
        }
        describe_counter!(CALLS, "Tool calls that have ended, by tool, class of limit and outcome");
        describe_histogram!(CALL_SECONDS, "How long tool calls take, by tool");
        describe_counter!(UPSTREAM, "HTTP requests to Scope3, by status or what went wrong");
        describe_histogram!(UPSTREAM_SECONDS, "How long Scope3 takes to begin an answer");
        describe_counter!(REQUESTS, "HTTP requests to this server, by method, route and status");
        describe_histogram!(REQUEST_SECONDS, "How long this server takes to begin an answer, by route");
        describe_counter!(BOUNDS, "How often a bound of this server was reached, by bound");
        describe_gauge!(SESSIONS_OPEN, "Open sessions, by transport");
        describe_gauge!(CALLS_IN_FLIGHT, "Calls under way");
        describe_gauge!(
            SEATS_LEFT,
            "Requests that the key with the fewest left may still make, by class of limit"
        );
        handle
    })
}

/// Begins to measure, and sums up as long as the future is polled.
pub(super) fn run_upkeep_loop() -> impl Future<Output = ()> + Send + 'static {
    let recorder = recorder();
    async move {
        loop {
            tokio::time::sleep(UPKEEP_INTERVAL).await;
            recorder.run_upkeep();
        }
    }
}

/// Answers `/metrics`.
pub(super) async fn handle(
    State(shared): State<Arc<Shared>>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
) -> Response {
    let local = peer.is_some_and(|Extension(Peer(peer))| peer.ip().to_canonical().is_loopback())
        && has_loopback_host(&headers);
    if let Err(refusal) = authorize(&shared, local, &headers) {
        return refusal.into_response();
    }
    let (streamable, sse) = shared.sessions.count();
    gauge!(SESSIONS_OPEN, "transport" => "streamable-http").set(gauge_value(streamable));
    gauge!(SESSIONS_OPEN, "transport" => "sse").set(gauge_value(sse));
    gauge!(CALLS_IN_FLIGHT).set(gauge_value(shared.calls.running_calls()));
    for (class, left) in shared.keys.fewest_left(&shared.gateway).await {
        gauge!(SEATS_LEFT, "class" => class.as_str()).set(f64::from(left));
    }
    let text = recorder().render();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

/// A count as Prometheus has it.
fn gauge_value(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

fn authorize(shared: &Shared, local: bool, headers: &HeaderMap) -> Result<(), Rejection> {
    match &shared.metrics_token {
        Some(token) => token.verify(headers),
        None if local => Ok(()),
        None => Err(Rejection::new(
            StatusCode::FORBIDDEN,
            "without a token set, /metrics answers this machine alone",
        )),
    }
}

/// The keys that calls were made with lately, to tell how much their limits leave.
#[derive(Debug, Default)]
pub(super) struct RecentKeys(Mutex<HashMap<Fingerprint, Instant>>);

/// The longest span of a limit: a key that was still for that long has everything left.
const KEY_RETENTION: Duration = Duration::from_hours(1);

/// So many keys are remembered.
const MAX_TRACKED_KEYS: usize = 1024;

impl RecentKeys {
    /// Remembers a key.
    pub(super) fn record(&self, key: Fingerprint) {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= MAX_TRACKED_KEYS && !keys.contains_key(&key) {
            keys.retain(|_, used| used.elapsed() < KEY_RETENTION);
            if keys.len() >= MAX_TRACKED_KEYS {
                return;
            }
        }
        keys.insert(key, Instant::now());
    }

    /// What the limits leave to the key that has the least, class by class.
    async fn fewest_left(&self, gateway: &Gateway) -> Vec<(Class, u32)> {
        let keys: Vec<Fingerprint> =
            self.0.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect();
        let mut fewest: HashMap<Class, u32> = HashMap::new();
        for key in keys {
            for usage in gateway.usage(key).await {
                fewest
                    .entry(usage.class)
                    .and_modify(|least| *least = usage.left.min(*least))
                    .or_insert(usage.left);
            }
        }
        fewest.into_iter().collect()
    }
}
