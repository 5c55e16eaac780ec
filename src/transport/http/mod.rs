//! MCP over HTTP: Streamable HTTP at `/mcp`, and its predecessor HTTP+SSE at `/sse` and `/messages`.
//!
//! A request passes, from the outside in: `connections` (is there room for another connection), `server` (the
//! connection's deadlines), `access_log`, `origin` (`Host` and `Origin`), `auth` (who sent it), `narrowing` (which tools
//! its headers leave), `request_body` (is there memory for it), `message` (is it a valid message) and `concurrency` (may
//! another call run). `streamable` and `sse` then handle it; they share the table of `sessions`.
//!
//! # Layers
//!
//! A module uses modules of the layers below its own, and earlier modules of its own layer. Nothing uses a layer above.
//!
//! 1. Parts: `rejection`, `negotiation`, `ids`, `sockets`, `guarded_body`, `json_response`, `handshake`.
//! 2. Checks and tables: `recent_keys`, `auth`, `audit`, `origin`, `request_body`, `message`, `connections`, `concurrency`,
//!    `sessions`.
//! 3. Shared state: `options`, `state`, `extensions`.
//! 4. rmcp's service: `session_manager`, `rmcp_service`, `registration`.
//! 5. Endpoints: `narrowing`, `batch`, `streamable`, `sse`, `guide`, `health`, `metrics`.
//! 6. The server: `access_log`, `server`, and this module, which connects them.
//!
//! Below them all are `transport::message` and `transport::pending`.

mod access_log;
mod audit;
mod auth;
mod batch;
mod concurrency;
mod connections;
mod extensions;
mod guarded_body;
mod guide;
mod handshake;
mod health;
mod ids;
mod json_response;
mod message;
mod metrics;
mod narrowing;
mod negotiation;
mod options;
mod origin;
mod recent_keys;
mod registration;
mod rejection;
mod request_body;
mod rmcp_service;
mod server;
mod session_manager;
mod sessions;
mod sockets;
mod sse;
mod state;
mod streamable;

use std::{io, sync::Arc, time::Duration};

use axum::{
    Router,
    middleware::{from_fn, from_fn_with_state},
    routing::{any, get, post},
};
use http::{HeaderName, Method, header};
use scope3_mcp_gateway::{Gateway, credentials::KeyRing};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::{
    cors::{AllowHeaders, AllowOrigin, CorsLayer},
    normalize_path::NormalizePath,
};

pub use self::{
    auth::{Auth, Token},
    concurrency::CallLimits,
    ids::random_token,
    options::{Deadlines, HttpOptions},
    origin::{Allowlist, AllowlistError, Host, Origin},
    sessions::SessionLimits,
};
use self::{
    auth::{AuthState, IsProven},
    concurrency::CallLimiter,
    connections::Connections,
    recent_keys::RecentKeys,
    request_body::{BodyBudget, MAX_BODY_BYTES},
    sessions::Sessions,
    state::ServerState,
};
use crate::mcp::{Keys, Server};

/// Serves until `stop` is cancelled, then responds to the requests accepted so far.
///
/// `server` creates the MCP server, which uses `own_keys` unless callers send theirs.
///
/// # Errors
/// If the listener fails.
pub async fn serve(
    listener: TcpListener,
    gateway: Arc<Gateway>,
    own_keys: Arc<KeyRing>,
    server: impl FnOnce(Keys) -> Server,
    options: HttpOptions,
    stop: CancellationToken,
) -> io::Result<()> {
    let HttpOptions {
        auth,
        metrics_token,
        allowlist,
        sessions,
        calls,
        max_connections,
        max_request_bytes,
        deadlines,
        state_kind,
    } = options;
    let is_proven = auth::is_proven(&gateway);
    let max_connections = sockets::available_connections(max_connections);
    let server = server(match auth {
        Auth::Key => Keys::OfRequest(extensions::keys),
        Auth::Token(_) | Auth::None => Keys::Own(Arc::clone(&own_keys)),
    });
    let state = Arc::new(ServerState {
        gateway,
        server: server
            .with_traceparent(extensions::traceparent)
            .with_session(extensions::session)
            .with_narrowing(extensions::narrowing)
            .with_call_slot(extensions::call_slot)
            .with_reachability(extensions::is_reachable)
            .with_large_arguments(extensions::large_arguments)
            .with_memory_holder(extensions::memory_holder),
        connections: Arc::new(Connections::new(max_connections, Arc::clone(&is_proven))),
        bodies: Arc::new(BodyBudget::new(max_request_bytes.max(MAX_BODY_BYTES))),
        sessions: Arc::new(Sessions::new(sessions, Arc::clone(&is_proven))),
        calls: CallLimiter::new(calls),
        keys: Arc::default(),
        metrics_token,
        deadlines,
        state_kind,
        stop: stop.clone(),
        end_streams: CancellationToken::new(),
    });
    let own_keys = (!matches!(auth, Auth::Key)).then_some(own_keys);
    let background_tasks = [
        tokio::spawn(Arc::clone(&state.sessions).run_expiry()),
        tokio::spawn(metrics::run_upkeep()),
        tokio::spawn(record_own_keys(own_keys, Arc::clone(&state.keys))),
    ];
    let router = router(&state, auth, allowlist, is_proven);
    let outcome = server::run(listener, router, &state, stop).await;
    state.gateway.finish_changes().await;
    background_tasks.iter().for_each(tokio::task::JoinHandle::abort);
    outcome
}

/// Records the server's own keys as in use, if calls are made with them.
async fn record_own_keys(own_keys: Option<Arc<KeyRing>>, recent_keys: Arc<RecentKeys>) {
    // Keys that cannot be read are reported elsewhere.
    if let Some(own_keys) = own_keys
        && let Ok(own_keys) = own_keys.keys().await
    {
        for key in own_keys {
            recent_keys.record(key.fingerprint());
        }
    }
}

/// The routes and their layers. The last layer is the outermost.
fn router(state: &Arc<ServerState>, auth: Auth, allowlist: Allowlist, is_proven: IsProven) -> Router {
    let allowlist = Arc::new(allowlist);
    let guide = guide::routes(&auth);
    let auth_state = AuthState::new(auth, Arc::clone(&state.keys), is_proven);
    let authenticated = Router::new()
        .route("/mcp", any(streamable::handle))
        .route("/sse", get(sse::open_stream))
        .route("/messages", post(sse::post_message))
        .route_layer(from_fn_with_state(Arc::clone(state), narrowing::narrow))
        .route_layer(from_fn_with_state(auth_state, auth::authenticate));
    let routes = Router::new()
        .merge(guide)
        .merge(authenticated)
        .route("/metrics", get(metrics::handle))
        .route("/readyz", get(health::ready))
        .route("/healthz", get(health::live))
        .with_state(Arc::clone(state))
        .layer(cors(Arc::clone(&allowlist)))
        .layer(from_fn_with_state(allowlist, origin::check_source))
        .layer(from_fn(access_log::log_request));
    // Wraps the whole router, because a layer inside it runs after routing.
    Router::new().fallback_service(NormalizePath::trim_trailing_slash(routes))
}

/// Lets pages of allowed origins send any request of a client, and read the headers that clients need.
fn cors(allowlist: Arc<Allowlist>) -> CorsLayer {
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(move |origin, _| allowlist.allows_origin(origin)))
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        // Tools may define headers for their arguments.
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([
            HeaderName::from_static("mcp-session-id"),
            header::WWW_AUTHENTICATE,
            header::RETRY_AFTER,
        ])
        .max_age(Duration::from_mins(10))
}
