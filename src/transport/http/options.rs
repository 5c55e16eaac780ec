//! The options of the HTTP server.

use std::time::Duration;

use scope3_mcp_gateway::deadlines;

use super::{
    auth::{Auth, Token},
    concurrency::CallLimits,
    origin::Allowlist,
    sessions::SessionLimits,
};

/// How long each part of an exchange may take, and how often open streams send a keep-alive.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// For the headers of a request, from its first byte.
    pub head: Duration,
    /// For the body of a request.
    pub body: Duration,
    /// Between two requests on a connection. Keep it longer than the idle timeout of a proxy in front, which could
    /// otherwise reuse a connection that is about to close.
    pub idle: Duration,
    /// For the client to accept more bytes of a response.
    pub write: Duration,
    /// The interval between keep-alives on an open stream.
    pub keep_alive: Duration,
    /// At shutdown, for responses to the requests that were accepted.
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

/// The options of the HTTP server.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// How requests authenticate.
    pub auth: Auth,
    /// The token that `/metrics` requires. Without one, `/metrics` is served only to this machine.
    pub metrics_token: Option<Token>,
    /// The hosts that the server answers to, and the origins of the web pages that may use it.
    pub allowlist: Allowlist,
    /// How many sessions may be open.
    pub sessions: SessionLimits,
    /// How many calls may run at once.
    pub calls: CallLimits,
    /// How many connections may be open. When all are in use, an idle one is closed to make room.
    pub max_connections: usize,
    /// How many bytes of request bodies may be in memory at once. Never less than one body of the maximum size.
    pub max_request_bytes: usize,
    /// How long clients may take.
    pub deadlines: Deadlines,
    /// The kind of the state, which `/readyz` shows.
    pub state_kind: &'static str,
}
