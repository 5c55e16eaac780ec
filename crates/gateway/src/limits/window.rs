//! The exact sliding window: a log of the times at which permits were taken.
//!
//! The log is async, because a database that several processes share will take its place.
#![expect(clippy::unused_async, reason = "in the memory of this process, nothing waits")]

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use scope3_mcp_client::credentials::Fingerprint;

use super::{Class, Rate};

/// A class without a free permit, and how long until one is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exhausted {
    pub(super) class: Class,
    pub(super) limit: Rate,
    pub(super) next_in: Duration,
}

/// The times at which each key took permits of each class, oldest first, on the clock of [`super::Limits`].
#[derive(Debug, Default)]
pub(super) struct Log(Mutex<Rows>);

#[derive(Debug, Default)]
struct Rows {
    rows: HashMap<(Fingerprint, Class), Row>,
    sweep_at: usize,
}

#[derive(Debug, Default)]
struct Row {
    taken_at: VecDeque<Duration>,
    span: Duration,
}

/// Above this number, rows without a permit in their span are dropped.
const MIN_ROWS_TO_SWEEP: usize = 1024;

impl Log {
    /// Takes a permit of each class at `now`: all of them, or none if a class has no free permit.
    pub(super) async fn acquire(
        &self,
        who: Fingerprint,
        windows: &[(Class, Rate)],
        now: Duration,
    ) -> Result<(), Exhausted> {
        let mut rows = self.lock();
        rows.sweep(now);
        for &(class, limit) in windows {
            rows.check(who, class, limit, now)?;
        }
        for &(class, limit) in windows {
            rows.row(who, class, limit, now).taken_at.push_back(now);
        }
        Ok(())
    }

    /// Whether a permit of a class is free at `now`.
    pub(super) async fn check(
        &self,
        who: Fingerprint,
        class: Class,
        limit: Rate,
        now: Duration,
    ) -> Result<(), Exhausted> {
        self.lock().check(who, class, limit, now)
    }

    /// How many permits of a class were taken within the last span, and how long until the oldest is free again.
    pub(super) async fn used(
        &self,
        who: Fingerprint,
        class: Class,
        limit: Rate,
        now: Duration,
    ) -> (u32, Option<Duration>) {
        let mut rows = self.lock();
        let Some(row) = rows.rows.get_mut(&(who, class)) else { return (0, None) };
        row.span = limit.per.duration();
        row.forget(now);
        (u32::try_from(row.taken_at.len()).unwrap_or(u32::MAX), row.next_in(now))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().rows.len()
    }

    fn lock(&self) -> MutexGuard<'_, Rows> {
        // Each change is one push or pop, so a panic elsewhere leaves none half-done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rows {
    fn row(&mut self, who: Fingerprint, class: Class, limit: Rate, now: Duration) -> &mut Row {
        let row = self.rows.entry((who, class)).or_default();
        row.span = limit.per.duration();
        row.forget(now);
        row
    }

    fn check(&mut self, who: Fingerprint, class: Class, limit: Rate, now: Duration) -> Result<(), Exhausted> {
        let row = self.row(who, class, limit, now);
        if row.taken_at.len() < limit.count.get() as usize {
            return Ok(());
        }
        Err(Exhausted { class, limit, next_in: row.next_in(now).unwrap_or_default() })
    }

    /// Drops keys without a permit in their span from time to time, so that a stream of unknown keys does not pile up.
    fn sweep(&mut self, now: Duration) {
        if self.rows.len() >= self.sweep_at.max(MIN_ROWS_TO_SWEEP) {
            self.rows.retain(|_, row| {
                row.forget(now);
                !row.taken_at.is_empty()
            });
            self.sweep_at = 2 * self.rows.len();
        }
    }
}

impl Row {
    fn forget(&mut self, now: Duration) {
        while self.taken_at.front().is_some_and(|at| *at + self.span <= now) {
            self.taken_at.pop_front();
        }
    }

    fn next_in(&self, now: Duration) -> Option<Duration> {
        self.taken_at.front().map(|at| (*at + self.span).saturating_sub(now))
    }
}
