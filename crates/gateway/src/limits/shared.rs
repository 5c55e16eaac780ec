//! The shared state as the limits see it: whether it is available, and what it has missed.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use scope3_mcp_client::{credentials::Fingerprint, instruments};

use crate::state::{State, StateError, Taken, Window};

/// How long reads do not ask a state that has just failed.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// The maximum number of permits that are kept for a state that is unavailable.
const MAX_BACKLOG: usize = 100_000;

pub(super) struct Shared {
    pub(super) state: Arc<dyn State>,
    failure: Mutex<Option<(StateError, Instant)>>,
    /// Permits that the state does not know, with the time of this process at which they were taken.
    backlog: Mutex<Vec<(Fingerprint, Window, Duration)>>,
}

impl Shared {
    pub(super) fn new(state: Arc<dyn State>) -> Self {
        Self { state, failure: Mutex::default(), backlog: Mutex::default() }
    }

    /// Whether the state failed a moment ago.
    pub(super) fn is_paused(&self) -> bool {
        lock(&self.failure).as_ref().is_some_and(|(_, at)| at.elapsed() < PAUSE_AFTER_FAILURE)
    }

    /// Notes whether an operation reached the state, and logs each change between available and unavailable.
    pub(super) fn observe<T>(&self, outcome: Result<T, StateError>) -> Result<T, StateError> {
        let mut failure = lock(&self.failure);
        match &outcome {
            Ok(_) => {
                if failure.take().is_some() {
                    tracing::info!("the state is available again");
                }
            }
            Err(error) => {
                if failure.is_none() {
                    tracing::warn!(
                        %error,
                        "the state is unavailable: reads continue under the limits of this process alone, changes and \
                         exports are refused"
                    );
                }
                *failure = Some((error.clone(), Instant::now()));
            }
        }
        instruments::state_available(failure.is_none());
        outcome
    }

    pub(super) fn add_to_backlog(&self, key: Fingerprint, windows: &[Window], now: Duration) {
        let mut backlog = lock(&self.backlog);
        backlog.extend(windows.iter().map(|&window| (key, window, now)));
        if backlog.len() > MAX_BACKLOG {
            let expired =
                |(_, window, at): &(Fingerprint, Window, Duration)| *at + window.limit.per.duration() <= now;
            backlog.retain(|permit| !expired(permit));
            let excess = backlog.len().saturating_sub(MAX_BACKLOG);
            backlog.drain(..excess);
        }
    }

    /// Takes the permits that the state does not know. They come back unless the state has recorded them.
    pub(super) fn take_backlog(&self, now: Duration) -> Backlog<'_> {
        Backlog { shared: self, permits: std::mem::take(&mut *lock(&self.backlog)), now }
    }
}

/// Permits that are on their way to the state.
pub(super) struct Backlog<'a> {
    shared: &'a Shared,
    permits: Vec<(Fingerprint, Window, Duration)>,
    now: Duration,
}

impl Backlog<'_> {
    pub(super) fn permits(&self) -> Vec<Taken> {
        let taken = |&(key, window, at)| Taken { key, window, ago: self.now.saturating_sub(at) };
        self.permits.iter().map(taken).collect()
    }

    /// The state has recorded them.
    pub(super) fn recorded(mut self) {
        self.permits.clear();
    }
}

impl Drop for Backlog<'_> {
    fn drop(&mut self) {
        if !self.permits.is_empty() {
            lock(&self.shared.backlog).append(&mut self.permits);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change is a single step, so a panic elsewhere leaves the value consistent.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
