//! The sessions that hear when the list of tools changes.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rmcp::{Peer, RoleServer};
use tokio::time::timeout;

/// How long one client may take to accept a notification.
const PATIENCE: Duration = Duration::from_secs(5);

/// The sessions of all clients. Clones share them.
#[derive(Clone, Default)]
pub struct Listeners(Arc<Mutex<Vec<Peer<RoleServer>>>>);

impl Listeners {
    /// Adds a session.
    pub(super) fn add(&self, peer: Peer<RoleServer>) {
        let mut peers = self.peers();
        // Sessions that ended are forgotten here, so the list is never longer than the most sessions at once.
        peers.retain(|peer| !peer.is_transport_closed());
        peers.push(peer);
    }

    /// Tells all sessions that the list of tools has changed.
    pub fn tell(&self) {
        let peers = self.peers().clone();
        for peer in peers.into_iter().filter(|peer| !peer.is_transport_closed()) {
            // A client that does not read must not keep the others waiting.
            tokio::spawn(async move {
                if !matches!(timeout(PATIENCE, peer.notify_tool_list_changed()).await, Ok(Ok(()))) {
                    tracing::debug!(
                        "a client did not accept the notification that the list of tools changed"
                    );
                }
            });
        }
    }

    fn peers(&self) -> MutexGuard<'_, Vec<Peer<RoleServer>>> {
        // The list is only ever extended or filtered, so a panic cannot leave it inconsistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Listeners {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listeners").field("sessions", &self.peers().len()).finish()
    }
}
