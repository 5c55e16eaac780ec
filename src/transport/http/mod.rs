//! MCP over HTTP: Streamable HTTP at `/mcp`, and HTTP with SSE, its predecessor, at `/sse` and `/messages`.
//!
//! A request passes, from the outside in: `connections` (is there room for one more), `listen` (deadlines of a
//! connection), `hosts` (is it for this server, and from a page that may talk to it), `admission` (who sent it),
//! `request_body` (is there memory for it), `message` (is it a message at all), and `calls` (may one more run).
//! Behind that stand `streamable` and `legacy`, which share the table of `sessions`.

mod access_log;
mod auth;
mod batch;
mod concurrency;
mod connections;
mod guarded_body;
mod guide;
mod handshake;
mod health;
mod ids;
mod json_response;
mod message;
mod metrics;
mod negotiation;
mod origin;
mod rejection;
mod request_body;
mod server;
mod sessions;
mod sockets;
mod sse;
mod streamable;

use std::{io, sync::Arc, time::Duration};

use axum::{
    Router,
    middleware::{from_fn, from_fn_with_state},
    routing::{any, get, post},
};
use http::{HeaderName, Method, header};
use scope3_mcp_gateway::{Gateway, credentials::KeyRing, deadlines};
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
    origin::{Allowlist, AllowlistError, Host, Origin},
    sessions::SessionLimits,
};
use self::{
    auth::{AuthState, Owner},
    concurrency::{CallLimiter, CallPermit},
    connections::Connections,
    request_body::BodyBudget,
    sessions::Sessions,
};
use crate::{
    app::App,
    mcp::{Keys, Server},
};

/// How long a client may take, and how often it hears from the server.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// For the head of a request, from its first byte on.
    pub head: Duration,
    /// For the body of a request.
    pub body: Duration,
    /// Between two requests on a connection. Longer than proxies keep theirs, or they would use one that closes.
    pub idle: Duration,
    /// For taking in some of an answer.
    pub write: Duration,
    /// How often an open stream shows that it is alive.
    pub keep_alive: Duration,
    /// At the end of the server: for the answers to what was accepted.
    pub end: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            body: Duration::from_secs(30),
            idle: Duration::from_mins(2),
            write: Duration::from_secs(30),
            keep_alive: Duration::from_secs(15),
            end: deadlines::SHUTDOWN,
        }
    }
}

/// How the server behaves to those who come.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// Who may come in.
    pub auth: Auth,
    /// What must be sent to read `/metrics`; without it they answer this machine alone.
    pub metrics_token: Option<Token>,
    /// The names it answers to, and the pages that may talk to it.
    pub allowlist: Allowlist,
    /// How many sessions there may be.
    pub sessions: SessionLimits,
    /// How many calls may run at once.
    pub calls: CallLimits,
    /// How many connections there may be. One that is silent makes room.
    pub max_connections: usize,
    /// How many bytes the bodies of requests may have in memory together. The longest body of one request
    /// always has room.
    pub max_request_bytes: usize,
    /// How long clients may take.
    pub deadlines: Deadlines,
}

/// Whether Scope3 has accepted the key of an owner. One whose key it has not makes room for those whose key it has.
type IsProven = Arc<dyn Fn(Owner) -> bool + Send + Sync>;

fn is_proven(gateway: &Arc<Gateway>) -> IsProven {
    let gateway = Arc::clone(gateway);
    Arc::new(move |owner| match owner {
        Owner::Key(key) => gateway.is_proven(key),
        Owner::All => true,
    })
}

/// What all requests share.
struct Shared {
    gateway: Arc<Gateway>,
    server: Server,
    connections: Arc<Connections>,
    bodies: Arc<BodyBudget>,
    sessions: Arc<Sessions>,
    calls: CallLimiter,
    keys: Arc<metrics::RecentKeys>,
    metrics_token: Option<Token>,
    deadlines: Deadlines,
    /// Cancelled when the server is asked to end.
    stop: CancellationToken,
    /// Cancelled when all that was accepted is answered, or the time for it is over: it ends open streams.
    ending: CancellationToken,
}

/// Serves until `stop` is cancelled, and then answers what was accepted by then.
///
/// # Errors
/// When the listener breaks.
pub async fn serve(
    listener: TcpListener,
    app: &App,
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
    } = options;
    let is_proven = is_proven(&app.gateway);
    let max_connections = sockets::available_connections(max_connections);
    let server = match auth {
        Auth::Key => Server::new(Arc::clone(&app.gateway), Keys::OfRequest(auth::keys_of)),
        Auth::Token(_) | Auth::None => app.server(),
    };
    let shared = Arc::new(Shared {
        gateway: Arc::clone(&app.gateway),
        server: server
            .with_traceparent(auth::traceparent_of)
            .with_place(CallPermit::place)
            .with_large_arguments(auth::arguments_of)
            .with_answer_place(auth::answer_place_of),
        connections: Arc::new(Connections::new(max_connections, Arc::clone(&is_proven))),
        bodies: Arc::new(BodyBudget::new(max_request_bytes.max(message::MAX_BODY_BYTES))),
        sessions: Arc::new(Sessions::new(sessions, Arc::clone(&is_proven))),
        calls: CallLimiter::new(calls),
        keys: Arc::default(),
        metrics_token,
        deadlines,
        stop: stop.clone(),
        ending: CancellationToken::new(),
    });
    let own_keys = (!matches!(auth, Auth::Key)).then(|| Arc::clone(&app.keys));
    let background = [
        tokio::spawn(Arc::clone(&shared.sessions).run_expiry()),
        tokio::spawn(metrics::run_upkeep_loop()),
        tokio::spawn(track_own_keys(own_keys, Arc::clone(&shared.keys))),
    ];
    let router = router(&shared, auth, allowlist, is_proven);
    let outcome = server::run(listener, router, &shared, stop).await;
    shared.gateway.finish_changes().await;
    background.iter().for_each(tokio::task::JoinHandle::abort);
    outcome
}

/// Remembers the server's own keys, where calls are made with them.
async fn track_own_keys(own: Option<Arc<KeyRing>>, keys: Arc<metrics::RecentKeys>) {
    // That there is none is told elsewhere.
    if let Some(own) = own
        && let Ok(own) = own.keys().await
    {
        for key in own {
            keys.record(key.fingerprint());
        }
    }
}

/// The routes, and what stands before each. The layer that is named last stands outermost.
fn router(shared: &Arc<Shared>, auth: Auth, allowlist: Allowlist, is_proven: IsProven) -> Router {
    let allowlist = Arc::new(allowlist);
    let guide = guide::routes(&auth);
    let auth_state = AuthState { auth, keys: Arc::clone(&shared.keys), is_proven };
    let for_callers = Router::new()
        .route("/mcp", any(streamable::handle))
        .route("/sse", get(sse::open_stream))
        .route("/messages", post(sse::post_message))
        .route_layer(from_fn_with_state(auth_state, auth::authenticate));
    let routes = Router::new()
        .merge(guide)
        .merge(for_callers)
        .route("/metrics", get(metrics::handle))
        .route("/readyz", get(health::ready))
        .route("/healthz", get(health::live))
        .with_state(Arc::clone(shared))
        .layer(cors(Arc::clone(&allowlist)))
        .layer(from_fn_with_state(allowlist, origin::check_source))
        .layer(from_fn(access_log::log_request));
    // Around the routes: a layer of theirs would come after the choice among them.
    Router::new().fallback_service(NormalizePath::trim_trailing_slash(routes))
}

/// Pages of the allowed origins may send what clients send, and read what they need of an answer.
fn cors(allowlist: Arc<Allowlist>) -> CorsLayer {
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(move |origin, _| allowlist.allows_origin(origin)))
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        // Tools may name headers of their own for their arguments.
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([
            HeaderName::from_static("mcp-session-id"),
            header::WWW_AUTHENTICATE,
            header::RETRY_AFTER,
        ])
        .max_age(Duration::from_mins(10))
}
