//! Which connections are open, and which of them closes when there are too many.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use scope3_mcp_gateway::measure::bound_reached;
use tokio_util::sync::CancellationToken;

use super::{IsProven, auth::Owner};

/// All open connections.
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

/// One connection, as far as it matters for whether it may be closed.
#[derive(Debug)]
pub(super) struct Connection {
    started: Instant,
    /// When its client last sent anything, in microseconds since the start.
    last_input_micros: AtomicU64,
    /// Who sent its last request that was let in.
    owner: Mutex<Option<Owner>>,
    active: Arc<()>,
    evicted: CancellationToken,
}

/// WithGuard while a connection has a call or an open stream.
#[derive(Debug, Clone)]
pub(super) struct Activity(#[expect(dead_code, reason = "its count is what counts")] Arc<()>);

impl Connection {
    /// Notes that the client sent something.
    pub(super) fn record_input(&self) {
        let now = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.last_input_micros.store(now, Ordering::Relaxed);
    }

    /// Begins a call or a stream of this owner.
    pub(super) fn start_activity(&self, owner: Option<Owner>) -> Activity {
        *self.owner.lock().unwrap_or_else(PoisonError::into_inner) = owner;
        Activity(Arc::clone(&self.active))
    }

    /// Waits until the connection must close to make room.
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

/// A slot among the open connections, until it is dropped.
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

    /// Takes in a connection. Where there are too many, another makes room; nothing if none can.
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

    /// Closes a connection so that another can be had. Says whether there was one to evicted.
    pub(super) fn make_room(&self) -> bool {
        self.evict_one(&mut self.lock())
    }

    /// Closes the connection that has been silent for longest, of those without a call or an open stream. If all
    /// have one, of those whose owner's key Scope3 has not accepted.
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
    use crate::transport::http::sessions::tests::key;

    fn connections(max: usize) -> Arc<Connections> {
        let proven = key("proven");
        Arc::new(Connections::new(max, Arc::new(move |owner| owner == Owner::All || owner == proven)))
    }

    fn is_closed(slot: &ConnectionSlot) -> bool {
        slot.connection().evicted.is_cancelled()
    }

    /// Time passes between two things that happen.
    fn tick() {
        std::thread::sleep(Duration::from_millis(1));
    }

    #[test]
    fn the_longest_silent_connection_without_work_makes_room() {
        let connections = connections(3);
        let first = connections.add().unwrap();
        tick();
        let second = connections.add().unwrap();
        let third = connections.add().unwrap();
        let _stream = second.connection().start_activity(Some(Owner::All));
        tick();
        first.connection().record_input();
        let fourth = connections.add().unwrap();
        assert!(is_closed(&third), "the first was last_input_micros of later, and the second has a stream");
        assert!(!is_closed(&first) && !is_closed(&second) && !is_closed(&fourth));
        drop(fourth);
        let fifth = connections.add().unwrap();
        assert!(!is_closed(&first) && !is_closed(&fifth), "one that ended has made room");
    }

    #[test]
    fn streams_of_keys_that_are_not_accepted_go_last_and_others_stay() {
        let connections = connections(3);
        let slots = [(); 3].map(|()| connections.add().unwrap());
        let _accepted = slots[0].connection().start_activity(Some(key("proven")));
        let invented = slots[1].connection().start_activity(Some(key("invented")));
        let fourth = connections.add().unwrap();
        assert!(is_closed(&slots[2]), "the idle one goes first");
        let _also_accepted = fourth.connection().start_activity(Some(Owner::All));
        let fifth = connections.add().unwrap();
        assert!(is_closed(&slots[1]), "then the stream of an invented key");
        drop(invented);
        let _public = fifth.connection().start_activity(None);
        assert!(connections.add().is_none() && !connections.make_room(), "everybody works");
        assert!(!is_closed(&slots[0]) && !is_closed(&fourth) && !is_closed(&fifth));
    }

    #[test]
    fn work_that_is_done_protects_no_longer() {
        let connections = connections(1);
        let slot = connections.add().unwrap();
        drop(slot.connection().start_activity(Some(Owner::All)));
        assert!(connections.make_room() && is_closed(&slot));
        assert!(connections.add().is_some());
    }
}
