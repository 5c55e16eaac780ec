//! The number of calls, collected here and added to the state once a second, so that no call waits for it.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use scope3_mcp_client::credentials::Fingerprint;

use crate::{
    Gateway,
    state::{CallCount, State, StateError},
};

/// How long calls are collected before they are written.
const WRITE_INTERVAL: Duration = Duration::from_secs(1);

/// The maximum number of rows that are kept for a state that is unavailable. There is one for each key, hour, tool and
/// outcome.
const MAX_ROWS: usize = 10_000;

/// Calls that the state does not know yet.
#[derive(Debug)]
pub(super) struct Tally {
    state: Arc<dyn State>,
    pending: Mutex<Pending>,
}

type Row = (Option<Fingerprint>, Timestamp, String, String);

#[derive(Debug, Default)]
struct Pending {
    rows: HashMap<Row, u64>,
    is_scheduled: bool,
}

impl Gateway {
    /// Counts a call, and writes the numbers soon.
    pub(super) fn count_call(&self, key: Option<Fingerprint>, count: CallCount) {
        if self.tally.add(key, count) {
            let (tally, ending) = (Arc::clone(&self.tally), self.ending.clone());
            self.changes.spawn(async move {
                let _ended = tokio::time::timeout(WRITE_INTERVAL, ending.cancelled()).await;
                if let Err(error) = tally.write().await {
                    tracing::debug!(%error, "the usage statistics cannot be written now");
                }
            });
        }
    }
}

impl Tally {
    pub(super) fn new(state: Arc<dyn State>) -> Self {
        Self { state, pending: Mutex::default() }
    }

    /// Adds calls. If this returns true, the caller must see to it that they are written after [`WRITE_INTERVAL`].
    pub(super) fn add(&self, key: Option<Fingerprint>, calls: CallCount) -> bool {
        let mut pending = self.lock();
        pending.add(key, calls);
        !mem::replace(&mut pending.is_scheduled, true)
    }

    /// Adds all calls to the state. If that fails, they are kept for the next time. Do not cancel this: calls would be
    /// lost.
    ///
    /// # Errors
    /// If the state is unavailable.
    pub(super) async fn write(&self) -> Result<(), StateError> {
        let rows = mem::take(&mut *self.lock()).rows;
        if rows.is_empty() {
            return Ok(());
        }
        let count = |((key, hour, tool, outcome), calls)| (key, CallCount { hour, tool, outcome, calls });
        let counts: Vec<_> = rows.into_iter().map(count).collect();
        let written = self.state.count(counts.clone()).await;
        if written.is_err() {
            let mut pending = self.lock();
            for (key, calls) in counts {
                pending.add(key, calls);
            }
        }
        written
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        // Each change is a single step, so a panic elsewhere leaves the rows consistent.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending {
    fn add(&mut self, key: Option<Fingerprint>, calls: CallCount) {
        let CallCount { hour, tool, outcome, calls } = calls;
        let row = (key, hour, tool, outcome);
        if self.rows.len() < MAX_ROWS || self.rows.contains_key(&row) {
            *self.rows.entry(row).or_default() += calls;
        }
    }
}
