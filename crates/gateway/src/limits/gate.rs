//! The gate before the exact window: one keyed [`governor`] limiter per class.
//!
//! With the window's rate and burst, the gate admits every sequence that the exact window admits. The window admits at
//! most `N * ceil(L / h)` requests in a span of length `L`; the gate admits `N + N * L / h`, which is never less. So
//! requests that the gate refuses need not be recorded.

use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicUsize, Ordering},
};

use governor::{
    Quota, RateLimiter, clock::Clock, middleware::NoOpMiddleware, state::keyed::HashMapStateStore,
};
use scope3_mcp_client::credentials::Fingerprint;

use super::Rate;

/// Keys whose requests no longer count are dropped once there are this many keys.
const MIN_KEYS_TO_SWEEP: usize = 1024;

pub(super) struct Gate<C: Clock> {
    limiter:
        RateLimiter<Fingerprint, HashMapStateStore<Fingerprint>, C, NoOpMiddleware<<C as Clock>::Instant>>,
    sweep_at: AtomicUsize,
}

impl<C: Clock> Gate<C> {
    pub(super) fn new(rate: Rate, clock: C) -> Self {
        let cell = rate.per.duration() / rate.count.get();
        // `with_period` fails for a period of zero, which no rate has.
        let quota = Quota::with_period(cell).unwrap_or(Quota::per_hour(NonZeroU32::MIN));
        let limiter = RateLimiter::new(quota.allow_burst(rate.count), HashMapStateStore::default(), clock);
        Self { limiter, sweep_at: AtomicUsize::new(MIN_KEYS_TO_SWEEP) }
    }

    /// Whether the exact window may admit one more request with this key.
    pub(super) fn admits(&self, who: Fingerprint) -> bool {
        if self.limiter.len() >= self.sweep_at.load(Ordering::Relaxed) {
            self.limiter.retain_recent();
            self.sweep_at.store((2 * self.limiter.len()).max(MIN_KEYS_TO_SWEEP), Ordering::Relaxed);
        }
        self.limiter.check_key(&who).is_ok()
    }
}
