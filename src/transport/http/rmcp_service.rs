//! rmcp's Streamable HTTP service, which implements the protocol, set up for one caller.

use std::sync::{Arc, OnceLock};

use axum::{
    body::Body,
    extract::Request,
    response::{IntoResponse, Response},
};
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};

use super::{
    auth::HttpCaller, negotiation::Accepted, rejection::Rejection, request_body::MAX_BODY_BYTES,
    session_manager::OwnerSessions, state::ServerState,
};
use crate::mcp::Server;

/// rmcp's service, limited to the sessions of one caller.
pub(super) struct CallerService {
    service: StreamableHttpService<Server, OwnerSessions>,
    rejection: Arc<OnceLock<Rejection>>,
}

impl CallerService {
    /// Handles a request.
    pub(super) async fn handle(&self, request: Request) -> Response {
        let response = self.service.handle(request).await;
        match self.rejection.get() {
            Some(rejection) => rejection.clone().into_response(),
            None => response.map(Body::new),
        }
    }
}

impl ServerState {
    /// rmcp's service for this caller.
    pub(super) fn rmcp(&self, caller: &HttpCaller) -> CallerService {
        self.rmcp_accepting(caller, Accepted::ANY)
    }

    /// rmcp's service for this caller, which accepts responses in these forms.
    pub(super) fn rmcp_accepting(&self, caller: &HttpCaller, accepted: Accepted) -> CallerService {
        let rejection = Arc::new(OnceLock::new());
        let sessions = Arc::clone(&self.sessions);
        let manager = OwnerSessions::new(sessions, caller.owner, Arc::clone(&rejection));
        let server = self.server.for_session();
        let service = StreamableHttpService::new(
            move || Ok(server.clone()),
            Arc::new(manager),
            rmcp_config(self, accepted),
        );
        CallerService { service, rejection }
    }
}

/// rmcp's configuration. Replaces every default that is not safe.
fn rmcp_config(state: &ServerState, accepted: Accepted) -> StreamableHttpServerConfig {
    let mut config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(true)
        // Applies to requests of 2026-07-28, and to older versions without a session.
        .with_json_response(accepted.json)
        .with_max_request_body_bytes(MAX_BODY_BYTES)
        .with_stateless_protocol_metadata_required(false)
        .with_cancellation_token(state.end_streams.clone());
    config.sse_keep_alive = Some(state.deadlines.keep_alive);
    // With a retry time, a stream begins with an event without data, which clients of older versions treat as an error.
    config.sse_retry = None;
    config.session_store = None;
    // `origin` has checked both, on all routes; rmcp's check of hosts ignores the port that the server listens on.
    config.allowed_hosts = Vec::new();
    config.allowed_origins = Vec::new();
    config
}
