//! The permits of this process that still count, for a server that has lost them.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use scope3_mcp_client::{Class, credentials::Fingerprint};

use crate::state::Window;

/// The maximum number of permits that are kept.
const MAX_PERMITS: usize = 100_000;

/// A permit of this process.
#[derive(Debug, Clone)]
pub(super) struct Permit {
    /// Its name in Redis. A permit that is recorded twice counts once.
    pub(super) id: String,
    pub(super) key: Fingerprint,
    pub(super) class: Class,
    /// When it was taken, by this process's monotonic clock.
    pub(super) at: Duration,
    span: Duration,
}

#[derive(Debug)]
pub(super) struct Recent {
    process: String,
    next: AtomicU64,
    permits: Mutex<VecDeque<Permit>>,
}

impl Recent {
    pub(super) fn new(process: String) -> Self {
        Self { process, next: AtomicU64::new(0), permits: Mutex::default() }
    }

    /// A permit with a new name.
    pub(super) fn permit(&self, key: Fingerprint, window: Window, at: Duration) -> Permit {
        let id = format!("{}.{}", self.process, self.next.fetch_add(1, Ordering::Relaxed));
        Permit { id, key, class: window.class, at, span: window.limit.per.duration() }
    }

    /// Keeps permits that the server has recorded.
    pub(super) fn keep(&self, taken: Vec<Permit>, now: Duration) {
        let mut permits = self.lock();
        permits.extend(taken);
        let is_over = |oldest: &Permit| oldest.at + oldest.span <= now;
        while permits.len() > MAX_PERMITS || permits.front().is_some_and(is_over) {
            permits.pop_front();
        }
    }

    /// The permits that still count at `now`.
    pub(super) fn all(&self, now: Duration) -> Vec<Permit> {
        self.lock().iter().filter(|permit| permit.at + permit.span > now).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Permit>> {
        // Permits are whole, so a panic elsewhere leaves them consistent.
        self.permits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
