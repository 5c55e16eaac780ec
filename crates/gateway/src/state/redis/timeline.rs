//! What this process knows of the time in Redis.
//!
//! The clock of the server's machine can be set, but the time in Redis must neither go back nor leap, or permits would be
//! blocked or freed. So each process bounds it: since the last time that it received, as much has passed as its own
//! monotonic clock says.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::state::clock::micros;

/// How much more than this process's clock says may have passed, for the time that a request takes. Requests that take
/// longer have failed.
const TOLERANCE: Duration = Duration::from_secs(2);

/// The latest time that this process received, and when.
#[derive(Debug, Clone, Copy)]
struct Sample {
    time: i64,
    asked_at: Duration,
    received_at: Duration,
}

#[derive(Debug, Default)]
pub(super) struct Timeline(Mutex<Option<Sample>>);

impl Timeline {
    /// The earliest and the latest time that it can be in Redis, in microseconds, if this process knows.
    pub(super) fn bounds(&self, uptime: Duration) -> Option<(i64, i64)> {
        let sample = (*self.0.lock().unwrap_or_else(PoisonError::into_inner))?;
        let since = |at: Duration| uptime.saturating_sub(at);
        let lower = sample.time.saturating_add(micros(since(sample.received_at)));
        let upper = sample.time.saturating_add(micros(since(sample.asked_at) + TOLERANCE));
        Some((lower, upper))
    }

    /// Notes the time in Redis while a request was under way.
    pub(super) fn note(&self, time: i64, asked_at: Duration, received_at: Duration) {
        let mut sample = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if sample.is_none_or(|known| known.time <= time) {
            *sample = Some(Sample { time, asked_at, received_at });
        }
    }
}
