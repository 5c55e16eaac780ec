//! Rate limits: in any hour, at most a fixed number of requests is sent, and all of them may be sent at once.
//!
//! A token bucket of 500 per hour lets almost 1,000 requests through in its first hour. So the limit is an exact sliding
//! window, kept as a log of times. All processes share the log in the [state](crate::state). Each also keeps one of its own
//! (`window`), which decides while the state is unavailable. A [`governor`] limiter with the same rate runs first (`gate`).
//!
//! Every request goes through [`Limits::acquire`].

mod gate;
mod shared;
mod window;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use governor::clock::{Clock, MonotonicClock, Reference};
use scope3_mcp_catalog::rate::Rate;
use scope3_mcp_client::credentials::Fingerprint;

use self::{gate::Gate, shared::Shared, window::Log};
use crate::{
    journal::EntryId,
    state::{Exhausted, Request, State, StateError, Window},
};
pub use scope3_mcp_client::{Class, Counts, Quota};

/// A rate limit is used up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.sentence())]
pub struct LimitExceeded {
    /// The class without a free permit.
    pub class: Class,
    /// Its limit.
    pub limit: Rate,
    /// How long until the next permit is free. Never zero.
    pub wait: Duration,
    /// Whether Scope3 asked for the wait. If not, the local limit is used up.
    pub by_scope3: bool,
}

impl LimitExceeded {
    fn sentence(&self) -> String {
        let Self { class, limit, wait, by_scope3 } = self;
        let seconds = whole_seconds(*wait);
        if *by_scope3 {
            format!("Scope3 asks this key to wait {seconds} s before its next request")
        } else {
            let Rate { count, per } = limit;
            format!(
                "all {count} {class} requests of the {} are used; the next is free in {seconds} s",
                per.word()
            )
        }
    }
}

/// Whole seconds, rounded up, so that a caller who waits that long is not early.
#[must_use]
pub fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0))
}

/// How much of a rate limit a key has used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// The class.
    pub class: Class,
    /// Its limit.
    pub limit: Rate,
    /// Requests sent within the last span.
    pub used: u32,
    /// Requests that may be sent now.
    pub left: u32,
    /// How long until one more permit is free, if any is used.
    pub next_in: Option<Duration>,
}

/// Why there is no permit.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AcquireError {
    /// A rate limit is used up.
    #[error(transparent)]
    Limit(#[from] LimitExceeded),
    /// The state is unavailable, and the request must not be sent without it.
    #[error(transparent)]
    State(#[from] StateError),
}

/// What a request needs besides its permits.
#[derive(Debug, Clone, Copy, Default)]
pub struct Needs {
    /// Whether the permits must come from the shared state: for changes and exports.
    pub state: bool,
    /// The journal entry of the change that is sent.
    pub entry: Option<EntryId>,
}

/// The rate limits of every key.
pub struct Limits<C: Clock = MonotonicClock> {
    classes: Vec<(Class, Rate, Gate<C>)>,
    log: Log,
    shared: Option<Shared>,
    cooldowns: Mutex<Cooldowns>,
    clock: C,
    started: C::Instant,
}

/// Until when a key may send no request of a class. Repeated calls are refused from here, without a look at the log.
type Cooldowns = HashMap<(Fingerprint, Class), Cooldown>;

#[derive(Debug, Clone, Copy)]
struct Cooldown {
    /// Time since the start of [`Limits`].
    until: Duration,
    by_scope3: bool,
}

impl Limits {
    /// Creates limits on the system's clock, shared through a state. If several quotas name a class, the first one sets its
    /// rate.
    #[must_use]
    pub fn new(quotas: impl IntoIterator<Item = Quota>, state: Arc<dyn State>) -> Self {
        // governor's default clock calibrates the CPU counter at each start, which takes milliseconds.
        Self { shared: Some(Shared::new(state)), ..Self::with_clock(quotas, MonotonicClock) }
    }
}

impl<C: Clock + Clone> Limits<C> {
    /// Creates limits of this process alone, on the given clock.
    pub fn with_clock(quotas: impl IntoIterator<Item = Quota>, clock: C) -> Self {
        let mut classes: Vec<(Class, Rate, Gate<C>)> = Vec::new();
        for Quota { class, rate, .. } in quotas {
            if classes.iter().all(|(other, ..)| *other != class) {
                classes.push((class, rate, Gate::new(rate, clock.clone())));
            }
        }
        let started = clock.now();
        Self { classes, log: Log::default(), shared: None, cooldowns: Mutex::default(), clock, started }
    }

    /// Takes one permit of each class for a request that is sent now: all of them, or none. Classes without a limit need
    /// no permit.
    ///
    /// # Errors
    /// If a class has no free permit, if Scope3 asked the key to wait, or if the request needs the state and it is
    /// unavailable.
    pub async fn acquire(
        &self,
        who: Fingerprint,
        classes: &[Class],
        needs: Needs,
    ) -> Result<(), AcquireError> {
        let limited: Vec<_> = self.classes.iter().filter(|(class, ..)| classes.contains(class)).collect();
        for (class, limit, _) in &limited {
            self.check_cooldown(who, *class, *limit)?;
        }
        let windows: Vec<_> =
            limited.iter().map(|(class, limit, _)| Window { class: *class, limit: *limit }).collect();
        for ((.., gate), window) in limited.iter().zip(&windows) {
            if !gate.admits(who) {
                // The gate also counts requests that the window refused afterwards. So the log decides, and it knows the
                // wait.
                self.log
                    .check(who, *window, self.now())
                    .map_err(|exhausted| self.exceeded(who, exhausted))?;
            }
        }
        let Some(shared) = self.shared.as_ref().filter(|shared| needs.state || !shared.is_paused()) else {
            return self.acquire_alone(who, &windows);
        };
        let backlog = shared.take_backlog(self.now());
        let request =
            Request { key: who, windows: windows.clone(), taken: backlog.permits(), sends: needs.entry };
        match shared.observe(shared.state.acquire(request).await) {
            Ok(outcome) => {
                backlog.recorded();
                outcome.map_err(|exhausted| self.exceeded(who, exhausted))?;
                self.log.record(who, &windows, self.now());
                Ok(())
            }
            Err(error) if needs.state => Err(error.into()),
            Err(_) => {
                drop(backlog);
                self.acquire_alone(who, &windows)
            }
        }
    }

    /// Takes permits of this process's own windows.
    fn acquire_alone(&self, who: Fingerprint, windows: &[Window]) -> Result<(), AcquireError> {
        let now = self.now();
        self.log.acquire(who, windows, now).map_err(|exhausted| self.exceeded(who, exhausted))?;
        if let Some(shared) = &self.shared {
            shared.add_to_backlog(who, windows, now);
        }
        Ok(())
    }

    /// Starts a cooldown for a class without a free permit.
    fn exceeded(&self, who: Fingerprint, exhausted: Exhausted) -> LimitExceeded {
        let Exhausted { window: Window { class, limit }, next_in, by_scope3 } = exhausted;
        let wait = nonzero(next_in);
        self.start_cooldown(who, class, wait, by_scope3);
        LimitExceeded { class, limit, wait, by_scope3 }
    }

    /// Starts a cooldown that Scope3 asked for, in all processes. It never lasts longer than the span of the limit.
    pub async fn cool_down(&self, who: Fingerprint, class: Class, wait: Duration) {
        let limit = self.classes.iter().find(|(other, ..)| *other == class).map(|(_, limit, _)| limit);
        let Some(limit) = limit else { return };
        let wait = nonzero(wait).min(limit.per.duration());
        self.start_cooldown(who, class, wait, true);
        if let Some(shared) = &self.shared {
            // This process keeps the cooldown, even if the others do not learn of it.
            let _told = shared.observe(shared.state.cool_down(who, class, wait).await);
        }
    }

    /// How much of each rate limit a key has used: in all processes, or in this one while the state is unavailable.
    pub async fn usage(&self, who: Fingerprint) -> Vec<Usage> {
        let windows: Vec<Window> =
            self.classes.iter().map(|&(class, limit, _)| Window { class, limit }).collect();
        let shared = match &self.shared {
            Some(shared) => shared.observe(shared.state.used(who, windows.clone()).await).ok(),
            None => None,
        };
        let now = self.now();
        let used =
            shared.unwrap_or_else(|| windows.iter().map(|window| self.log.used(who, *window, now)).collect());
        let usage = windows.into_iter().zip(used).map(|(Window { class, limit }, used)| {
            let known = self.check_cooldown(who, class, limit).err().map(|exceeded| exceeded.wait);
            let cooldown = known.max(used.cooldown);
            let left = if cooldown.is_some() { 0 } else { limit.count.get().saturating_sub(used.permits) };
            Usage { class, limit, used: used.permits, left, next_in: cooldown.or(used.next_in) }
        });
        usage.collect()
    }

    /// Notes the outcome of an operation on the shared state.
    pub(crate) fn observe<T>(&self, outcome: Result<T, StateError>) -> Result<T, StateError> {
        match &self.shared {
            Some(shared) => shared.observe(outcome),
            None => outcome,
        }
    }

    /// The longest span of any limit. No wait is longer.
    #[must_use]
    pub fn longest_span(&self) -> Duration {
        self.classes.iter().map(|(_, limit, _)| limit.per.duration()).max().unwrap_or_default()
    }

    fn check_cooldown(&self, who: Fingerprint, class: Class, limit: Rate) -> Result<(), LimitExceeded> {
        let Some(&Cooldown { until, by_scope3 }) = self.lock().get(&(who, class)) else { return Ok(()) };
        match until.checked_sub(self.now()) {
            Some(wait) if !wait.is_zero() => Err(LimitExceeded { class, limit, wait, by_scope3 }),
            _ => Ok(()),
        }
    }

    fn start_cooldown(&self, who: Fingerprint, class: Class, wait: Duration, by_scope3: bool) {
        let now = self.now();
        let mut cooldowns = self.lock();
        cooldowns.retain(|_, cooldown| cooldown.until > now);
        cooldowns.insert((who, class), Cooldown { until: now + wait, by_scope3 });
    }

    fn now(&self) -> Duration {
        self.clock.now().duration_since(self.started).into()
    }

    fn lock(&self) -> MutexGuard<'_, Cooldowns> {
        // Entries are inserted whole, so a panic elsewhere leaves the map consistent.
        self.cooldowns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Clock> fmt::Debug for Limits<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rates: Vec<_> = self.classes.iter().map(|(class, rate, _)| (class, rate)).collect();
        f.debug_struct("Limits").field("rates", &rates).finish_non_exhaustive()
    }
}

fn nonzero(wait: Duration) -> Duration {
    wait.max(Duration::from_millis(1))
}

#[cfg(test)]
mod tests;
