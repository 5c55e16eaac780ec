//! The exact sliding window: a log of the times at which requests were sent.
//!
//! The methods are `async` because a database shared by several processes will replace the log.
#![expect(clippy::unused_async, reason = "a log in memory never waits")]

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
            rows.row(who, class, limit, now).sent_at.push_back(now);
        }
        Ok(())
    }

    /// Checks whether a class has a free permit at `now`.
    pub(super) async fn check(
        &self,
        who: Fingerprint,
        class: Class,
        limit: Rate,
        now: Duration,
    ) -> Result<(), Exhausted> {
        self.lock().check(who, class, limit, now)
    }

    /// The number of requests of a class within the last span, and how long until the oldest of them no longer counts.
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
        row.expire(now);
        (u32::try_from(row.sent_at.len()).unwrap_or(u32::MAX), row.next_in(now))
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
    fn row(&mut self, who: Fingerprint, class: Class, limit: Rate, now: Duration) -> &mut Row {
        let row = self.rows.entry((who, class)).or_default();
        row.span = limit.per.duration();
        row.expire(now);
        row
    }

    fn check(&mut self, who: Fingerprint, class: Class, limit: Rate, now: Duration) -> Result<(), Exhausted> {
        let row = self.row(who, class, limit, now);
        if row.sent_at.len() < limit.count.get() as usize {
            return Ok(());
        }
        Err(Exhausted { class, limit, next_in: row.next_in(now).unwrap_or_default() })
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
