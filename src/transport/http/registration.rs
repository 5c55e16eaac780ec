//! The session that a request to `/mcp` names, and the registration of the request with the limits and that session.

use http::{HeaderMap, request::Parts};
use rmcp::model::ProtocolVersion;
use serde_json::Value;

use super::{auth::HttpCaller, message::Kind, rejection::Rejection, sessions::StreamId, state::ServerState};

const SESSION_HEADER: &str = "mcp-session-id";
const VERSION_HEADER: &str = "mcp-protocol-version";
const LAST_EVENT_HEADER: &str = "last-event-id";

/// The id of the session that a request names.
pub(super) fn session_id(headers: &HeaderMap) -> Option<&str> {
    headers.get(SESSION_HEADER)?.to_str().ok()
}

/// Whether a request names a version of the protocol without sessions.
pub(super) fn is_stateless(headers: &HeaderMap) -> bool {
    let version = headers.get(VERSION_HEADER).and_then(|version| version.to_str().ok());
    version.is_some_and(|version| version >= ProtocolVersion::V_2026_07_28.as_str())
}

/// The stream that a GET asks for: the stream of the last event that the client received, or the common stream.
pub(super) fn requested_stream(headers: &HeaderMap) -> StreamId {
    let event = headers.get(LAST_EVENT_HEADER)?.to_str().ok()?;
    event.split_once('/')?.1.parse().ok()
}

/// Rejects a request that names a session the caller does not have.
pub(super) fn require_session(
    state: &ServerState,
    caller: &HttpCaller,
    headers: &HeaderMap,
) -> Result<(), Rejection> {
    match session_id(headers) {
        Some(id) if !is_stateless(headers) && state.sessions.channel(id, caller.owner).is_none() => {
            Err(Rejection::no_session())
        }
        _ => Ok(()),
    }
}

/// Counts a request against the limits and marks its id as in use in its session. The guards are stored in the
/// request's extensions, which live as long as the work does.
pub(super) fn register_request(
    state: &ServerState,
    caller: &HttpCaller,
    parts: &mut Parts,
    kind: Kind,
    id: &Value,
) -> Result<(), Rejection> {
    if kind.is_call() {
        let permit = state.calls.acquire(caller.owner, parts.extensions.get());
        parts.extensions.insert(permit.map_err(|rejection| rejection.with_id(id.clone()))?);
    }
    if kind.expects_response()
        && let Some(session) = session_id(&parts.headers)
        && !is_stateless(&parts.headers)
    {
        let in_flight = state.sessions.start_request(session, caller.owner, id);
        parts.extensions.insert(in_flight.map_err(|rejection| rejection.with_id(id.clone()))?);
    }
    Ok(())
}
