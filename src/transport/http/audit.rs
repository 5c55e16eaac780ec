//! The security events of the HTTP transport.

use scope3_mcp_gateway::audit::{self, Details, Event};

use super::{auth::Owner, ids::session_digest};

/// A caller named a session of another owner. It looks to the caller as if it did not exist, so there is no result.
pub(super) fn session_foreign<T>(id: &str, caller: Owner) -> Option<T> {
    let session = session_digest(id.as_bytes());
    let details = Details { key: key(caller), session: session.as_deref(), ..Details::default() };
    audit::write(Event::SessionForeign, &details);
    None
}

/// A request had no valid key or token. `code` says which of the two was expected and what was wrong.
pub(super) fn auth_failed(code: Option<&str>) {
    audit::write(Event::AuthFailed, &Details { code, ..Details::default() });
}

fn key(owner: Owner) -> Option<scope3_mcp_gateway::credentials::Fingerprint> {
    match owner {
        Owner::Key(key) => Some(key),
        Owner::All => None,
    }
}
