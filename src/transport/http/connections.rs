//! The open connections, and which of them to close when there are too many.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use scope3_mcp_gateway::instruments::bound_reached;
use tokio_util::sync::CancellationToken;

use super::auth::{IsProven, Owner};

/// The address that a request came from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) SocketAddr);

/// The open connections.
pub(super) struct Connections {
    max: usize,
    is_proven: IsProven,
    started: Instant,
    open: Mutex<OpenConnections>,
}

#[derive(Default)]
struct OpenConnections {
    next: u64,
    connections: HashMap<u64, Arc<Connection>>,
}

/// The state of a connection that decides whether it may be closed.
#[derive(Debug)]
pub(super) struct Connection {
    started: Instant,
    /// When its client last sent something, in microseconds since `started`.
    last_input_micros: AtomicU64,
    /// The owner of its last successful request.
    owner: Mutex<Option<Owner>>,
    active: Arc<()>,
    evicted: CancellationToken,
}

/// Keeps a connection marked as active while it has a call or an open stream.
#[derive(Debug, Clone)]
pub(super) struct Activity(#[expect(dead_code, reason = "only its reference count is read")] Arc<()>);

impl Connection {
    /// Records that the client sent something.
    pub(super) fn record_input(&self) {
        let now = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.last_input_micros.store(now, Ordering::Relaxed);
    }

    /// Marks the connection as active for a call or a stream of this owner.
    pub(super) fn start_activity(&self, owner: Option<Owner>) -> Activity {
        *self.owner.lock().unwrap_or_else(PoisonError::into_inner) = owner;
        Activity(Arc::clone(&self.active))
    }

    /// Waits until the connection must close to make room for another.
    pub(super) async fn wait_for_eviction(&self) {
        self.evicted.cancelled().await;
    }

    fn is_active(&self) -> bool {
        Arc::strong_count(&self.active) > 1
    }

    fn owner(&self) -> Option<Owner> {
        *self.owner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A slot among the open connections. Dropping it frees the slot.
pub(super) struct ConnectionSlot {
    connections: Arc<Connections>,
    number: u64,
    connection: Arc<Connection>,
}

impl ConnectionSlot {
    pub(super) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.connections.lock().connections.remove(&self.number);
    }
}

impl Connections {
    pub(super) fn new(max: usize, is_proven: IsProven) -> Self {
        Self { max, is_proven, started: Instant::now(), open: Mutex::default() }
    }

    /// Adds a connection, and closes another to make room for it if needed. Returns `None` if none can be closed.
    pub(super) fn add(self: &Arc<Self>) -> Option<ConnectionSlot> {
        let connection = Arc::new(Connection {
            started: self.started,
            last_input_micros: AtomicU64::default(),
            owner: Mutex::default(),
            active: Arc::default(),
            evicted: CancellationToken::new(),
        });
        connection.record_input();
        let mut open = self.lock();
        while open.connections.len() >= self.max {
            bound_reached("connections");
            if !self.evict_one(&mut open) {
                return None;
            }
        }
        let number = open.next;
        open.next += 1;
        open.connections.insert(number, Arc::clone(&connection));
        Some(ConnectionSlot { connections: Arc::clone(self), number, connection })
    }

    /// Closes a connection to make room. Returns whether there was one to close.
    pub(super) fn make_room(&self) -> bool {
        self.evict_one(&mut self.lock())
    }

    /// Closes the longest-idle connection without a call or an open stream. If there is none, closes the longest-idle
    /// one whose owner's key Scope3 has not accepted.
    fn evict_one(&self, open: &mut OpenConnections) -> bool {
        let rank = |connection: &Connection| {
            let is_active = connection.is_active();
            let is_kept = is_active && connection.owner().is_none_or(|owner| (self.is_proven)(owner));
            (!is_kept).then(|| (is_active, connection.last_input_micros.load(Ordering::Relaxed)))
        };
        let candidates = open.connections.iter();
        let closing = candidates.filter_map(|(number, connection)| Some((rank(connection)?, *number))).min();
        let Some(connection) = closing.and_then(|(_, number)| open.connections.remove(&number)) else {
            return false;
        };
        connection.evicted.cancel();
        true
    }

    fn lock(&self) -> MutexGuard<'_, OpenConnections> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::transport::http::auth::tests::key;

    fn connections(max: usize) -> Arc<Connections> {
        let proven = key("proven");
        Arc::new(Connections::new(max, Arc::new(move |owner| owner == Owner::All || owner == proven)))
    }

    fn is_closed(slot: &ConnectionSlot) -> bool {
        slot.connection().evicted.is_cancelled()
    }

    /// Lets the clock advance between two events.
    fn tick() {
        std::thread::sleep(Duration::from_millis(1));
    }

    #[test]
    fn the_longest_idle_connection_without_activity_is_closed() {
        let connections = connections(3);
        let first = connections.add().unwrap();
        tick();
        let second = connections.add().unwrap();
        let third = connections.add().unwrap();
        let _stream = second.connection().start_activity(Some(Owner::All));
        tick();
        first.connection().record_input();
        let fourth = connections.add().unwrap();
        assert!(is_closed(&third), "the first sent something later, and the second has a stream");
        assert!(!is_closed(&first) && !is_closed(&second) && !is_closed(&fourth));
        drop(fourth);
        let fifth = connections.add().unwrap();
        assert!(!is_closed(&first) && !is_closed(&fifth), "a closed connection freed its slot");
    }

    #[test]
    fn streams_of_unproven_keys_are_closed_last_and_others_stay() {
        let connections = connections(3);
        let slots = [(); 3].map(|()| connections.add().unwrap());
        let _accepted = slots[0].connection().start_activity(Some(key("proven")));
        let invented = slots[1].connection().start_activity(Some(key("invented")));
        let fourth = connections.add().unwrap();
        assert!(is_closed(&slots[2]), "the idle one is closed first");
        let _also_accepted = fourth.connection().start_activity(Some(Owner::All));
        let fifth = connections.add().unwrap();
        assert!(is_closed(&slots[1]), "then the stream of an unproven key");
        drop(invented);
        let _public = fifth.connection().start_activity(None);
        assert!(connections.add().is_none() && !connections.make_room(), "all are active");
        assert!(!is_closed(&slots[0]) && !is_closed(&fourth) && !is_closed(&fifth));
    }

    #[test]
    fn a_connection_can_be_closed_once_its_activity_ends() {
        let connections = connections(1);
        let slot = connections.add().unwrap();
        drop(slot.connection().start_activity(Some(Owner::All)));
        assert!(connections.make_room() && is_closed(&slot));
        assert!(connections.add().is_some());
    }
}
