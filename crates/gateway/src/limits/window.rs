//! The exact sliding window of this process: a log of the times at which requests were sent.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use scope3_mcp_client::credentials::Fingerprint;

use super::{Class, Exhausted, Window};
use crate::state::Used;

/// When the requests of each key and class were sent, oldest first, as time since the start of [`super::Limits`].
#[derive(Debug, Default)]
pub(super) struct Log(Mutex<Rows>);

#[derive(Debug, Default)]
struct Rows {
    rows: HashMap<(Fingerprint, Class), Row>,
    sweep_at: usize,
}

#[derive(Debug, Default)]
struct Row {
    sent_at: VecDeque<Duration>,
    span: Duration,
}

/// Rows without a request in their span are dropped once there are this many rows.
const MIN_ROWS_TO_SWEEP: usize = 1024;

impl Log {
    /// Records a request sent at `now` in each class, or in none if a class has no free permit.
    pub(super) fn acquire(
        &self,
        who: Fingerprint,
        windows: &[Window],
        now: Duration,
    ) -> Result<(), Exhausted> {
        let mut rows = self.lock();
        rows.sweep(now);
        for &window in windows {
            rows.check(who, window, now)?;
        }
        rows.record(who, windows, now);
        Ok(())
    }

    /// Records a request sent at `now` that another log admitted.
    pub(super) fn record(&self, who: Fingerprint, windows: &[Window], now: Duration) {
        let mut rows = self.lock();
        rows.sweep(now);
        rows.record(who, windows, now);
    }

    /// Checks whether a class has a free permit at `now`.
    pub(super) fn check(&self, who: Fingerprint, window: Window, now: Duration) -> Result<(), Exhausted> {
        self.lock().check(who, window, now)
    }

    /// How much of a limit is used at `now`.
    pub(super) fn used(&self, who: Fingerprint, window: Window, now: Duration) -> Used {
        let mut rows = self.lock();
        let Some(row) = rows.rows.get_mut(&(who, window.class)) else { return Used::default() };
        row.span = window.limit.per.duration();
        row.expire(now);
        let permits = u32::try_from(row.sent_at.len()).unwrap_or(u32::MAX);
        Used { permits, next_in: row.next_in(now), cooldown: None }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().rows.len()
    }

    fn lock(&self) -> MutexGuard<'_, Rows> {
        // Each change is a single push or pop, so a panic elsewhere leaves the rows consistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rows {
    fn row(&mut self, who: Fingerprint, window: Window, now: Duration) -> &mut Row {
        let row = self.rows.entry((who, window.class)).or_default();
        row.span = window.limit.per.duration();
        row.expire(now);
        row
    }

    fn record(&mut self, who: Fingerprint, windows: &[Window], now: Duration) {
        for &window in windows {
            self.row(who, window, now).sent_at.push_back(now);
        }
    }

    fn check(&mut self, who: Fingerprint, window: Window, now: Duration) -> Result<(), Exhausted> {
        let row = self.row(who, window, now);
        if row.sent_at.len() < window.limit.count.get() as usize {
            return Ok(());
        }
        Err(Exhausted { window, next_in: row.next_in(now).unwrap_or_default(), by_scope3: false })
    }

    /// Occasionally drops rows without a request in their span, so that a stream of unknown keys does not fill memory.
    fn sweep(&mut self, now: Duration) {
        if self.rows.len() >= self.sweep_at.max(MIN_ROWS_TO_SWEEP) {
            self.rows.retain(|_, row| {
                row.expire(now);
                !row.sent_at.is_empty()
            });
            self.sweep_at = 2 * self.rows.len();
        }
    }
}

impl Row {
    fn expire(&mut self, now: Duration) {
        while self.sent_at.front().is_some_and(|at| *at + self.span <= now) {
            self.sent_at.pop_front();
        }
    }

    fn next_in(&self, now: Duration) -> Option<Duration> {
        self.sent_at.front().map(|at| (*at + self.span).saturating_sub(now))
    }
}
