//! MCP over HTTP: Streamable HTTP at `/mcp`, and HTTP with SSE, its predecessor, at `/sse` and `/messages`.
//!
//! A request passes, from the outside in: `listen` (deadlines of a connection), `hosts` (is it for this server, and
//! from a page that may talk to it), `admission` (who sent it), `message` (is it a message at all), and `calls` (is
//! there room for one more). Behind that stand `streamable` and `legacy`, which share the table of `sessions`.

mod admission;
mod bodies;
mod calls;
mod hosts;
mod listen;
mod message;
mod random;
mod refusal;
mod sessions;
mod streamable;

use std::{io, sync::Arc, time::Duration};

use axum::{Router, middleware::from_fn_with_state, routing::any};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use self::{
    admission::{Auth, Token},
    hosts::{EntryError, Host, Hosts, Origin},
    random::token,
    sessions::Caps,
};
use self::{calls::Calls, sessions::Sessions};
use crate::{
    app::App,
    mcp::{Keys, Server},
};

/// How often an open stream shows that it is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How soon a client should come back whose stream broke off.
const RETRY: Duration = Duration::from_secs(3);

/// How long a client may take.
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
    /// At the end of the server: for the answers to what was accepted.
    pub end: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            body: Duration::from_secs(30),
            idle: Duration::from_secs(120),
            write: Duration::from_secs(30),
            end: Duration::from_secs(25),
        }
    }
}

/// How the server behaves to those who come.
#[derive(Debug, Clone)]
pub struct Options {
    /// Who may come in.
    pub auth: Auth,
    /// The names it answers to, and the pages that may talk to it.
    pub hosts: Hosts,
    /// How many sessions there may be.
    pub caps: Caps,
    /// How many calls may run at once.
    pub calls: u32,
    /// How long clients may take.
    pub deadlines: Deadlines,
}

/// What all requests share.
struct Shared {
    server: Server,
    sessions: Arc<Sessions>,
    calls: Calls,
    deadlines: Deadlines,
    /// Cancelled when all that was accepted is answered, or the time for it is over: it ends open streams.
    ending: CancellationToken,
}

/// Serves until `stop` is cancelled, and then answers what was accepted by then.
///
/// # Errors
/// When the listener breaks.
pub async fn serve(listener: TcpListener, app: &App, options: Options, stop: CancellationToken) -> io::Result<()> {
    let Options { auth, hosts, caps, calls, deadlines } = options;
    let server = match auth {
        Auth::Key => Server::new(Arc::clone(&app.gateway), Keys::OfRequest(admission::keys_of)),
        Auth::Token(_) | Auth::None => app.server(),
    };
    let shared = Arc::new(Shared {
        server,
        sessions: Arc::new(Sessions::new(caps)),
        calls: Calls::new(calls),
        deadlines,
        ending: CancellationToken::new(),
    });
    let expiry = tokio::spawn(Arc::clone(&shared.sessions).expire());
    let router = router(&shared, auth, hosts);
    let outcome = listen::serve(listener, router, &shared, stop).await;
    expiry.abort();
    outcome
}

fn router(shared: &Arc<Shared>, auth: Auth, hosts: Hosts) -> Router {
    let hosts = Arc::new(hosts);
    Router::new()
        .route("/mcp", any(streamable::serve))
        .route_layer(from_fn_with_state(auth, admission::check))
        .with_state(Arc::clone(shared))
        .layer(from_fn_with_state(hosts, hosts::check))
}
