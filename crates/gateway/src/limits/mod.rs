//! Rate limits: in any hour, at most a fixed number of requests is sent, and all of them may be sent at once.
//!
//! A token bucket of 500 per hour lets almost 1,000 requests through in its first hour. So the limit is an exact sliding
//! window, kept as a log of times (`window`). A [`governor`] limiter with the same rate runs before it (`gate`).
//!
//! Every request goes through [`Limits::acquire`].

mod gate;
mod window;

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use governor::clock::{Clock, MonotonicClock, Reference};
use scope3_mcp_catalog::rate::Rate;
use scope3_mcp_client::credentials::Fingerprint;

use self::{gate::Gate, window::Log};
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

/// The rate limits of every key in this process.
pub struct Limits<C: Clock = MonotonicClock> {
    classes: Vec<(Class, Rate, Gate<C>)>,
    log: Log,
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
    /// Creates limits on the system's clock. If several quotas name a class, the first one sets its rate.
    #[must_use]
    pub fn new(quotas: impl IntoIterator<Item = Quota>) -> Self {
        // governor's default clock calibrates the CPU counter at each start, which takes milliseconds.
        Self::with_clock(quotas, MonotonicClock)
    }
}

impl<C: Clock + Clone> Limits<C> {
    /// Creates limits on the given clock.
    pub fn with_clock(quotas: impl IntoIterator<Item = Quota>, clock: C) -> Self {
        let mut classes: Vec<(Class, Rate, Gate<C>)> = Vec::new();
        for Quota { class, rate, .. } in quotas {
            if classes.iter().all(|(other, ..)| *other != class) {
                classes.push((class, rate, Gate::new(rate, clock.clone())));
            }
        }
        let started = clock.now();
        Self { classes, log: Log::default(), cooldowns: Mutex::default(), clock, started }
    }

    /// Takes one permit of each class for a request that is sent now: all of them, or none. Classes without a limit need
    /// no permit.
    ///
    /// # Errors
    /// If a class has no free permit, or if Scope3 asked the key to wait.
    pub async fn acquire(&self, who: Fingerprint, classes: &[Class]) -> Result<(), LimitExceeded> {
        let limited: Vec<_> = self.classes.iter().filter(|(class, ..)| classes.contains(class)).collect();
        for (class, limit, _) in &limited {
            self.check_cooldown(who, *class, *limit)?;
        }
        for (class, limit, gate) in &limited {
            if !gate.admits(who) {
                // The gate also counts requests that the window refused afterwards. So the log decides, and it knows the
                // wait.
                self.log
                    .check(who, *class, *limit, self.now())
                    .await
                    .map_err(|exhausted| self.exceeded(who, exhausted))?;
            }
        }
        let windows: Vec<_> = limited.iter().map(|(class, limit, _)| (*class, *limit)).collect();
        self.log.acquire(who, &windows, self.now()).await.map_err(|exhausted| self.exceeded(who, exhausted))
    }

    /// Starts a cooldown for a class whose window has no free permit.
    fn exceeded(&self, who: Fingerprint, exhausted: window::Exhausted) -> LimitExceeded {
        let window::Exhausted { class, limit, next_in } = exhausted;
        let wait = nonzero(next_in);
        self.start_cooldown(who, class, wait, false);
        LimitExceeded { class, limit, wait, by_scope3: false }
    }

    /// Starts a cooldown that Scope3 asked for. It never lasts longer than the span of the limit.
    pub fn cool_down(&self, who: Fingerprint, class: Class, wait: Duration) {
        let limit = self.classes.iter().find(|(other, ..)| *other == class).map(|(_, limit, _)| limit);
        if let Some(limit) = limit {
            self.start_cooldown(who, class, nonzero(wait).min(limit.per.duration()), true);
        }
    }

    /// How much of each rate limit a key has used.
    pub async fn usage(&self, who: Fingerprint) -> Vec<Usage> {
        let mut usage = Vec::with_capacity(self.classes.len());
        for &(class, limit, _) in &self.classes {
            let (used, next_in) = self.log.used(who, class, limit, self.now()).await;
            let cooldown = self.check_cooldown(who, class, limit).err().map(|exceeded| exceeded.wait);
            let left = if cooldown.is_some() { 0 } else { limit.count.get().saturating_sub(used) };
            usage.push(Usage { class, limit, used, left, next_in: cooldown.or(next_in) });
        }
        usage
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
