//! The state that all requests share.

use std::sync::Arc;

use scope3_mcp_gateway::Gateway;
use tokio_util::sync::CancellationToken;

use super::{
    auth::Token, concurrency::CallLimiter, connections::Connections, options::Deadlines,
    recent_keys::RecentKeys, request_body::BodyBudget, sessions::Sessions,
};
use crate::mcp::Server;

/// The state that all requests share.
pub(super) struct ServerState {
    pub(super) gateway: Arc<Gateway>,
    pub(super) server: Server,
    pub(super) connections: Arc<Connections>,
    pub(super) bodies: Arc<BodyBudget>,
    pub(super) sessions: Arc<Sessions>,
    pub(super) calls: CallLimiter,
    pub(super) keys: Arc<RecentKeys>,
    pub(super) metrics_token: Option<Token>,
    pub(super) deadlines: Deadlines,
    /// What `/readyz` says about the state.
    pub(super) state_kind: &'static str,
    /// Cancelled when the server is asked to shut down.
    pub(super) stop: CancellationToken,
    /// Cancelled when every accepted request has its response, or the deadline for that has passed. Ends open streams.
    pub(super) end_streams: CancellationToken,
}
