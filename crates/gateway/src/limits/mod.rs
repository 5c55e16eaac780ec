//! The limits: at most so many requests in any hour, and all of them at once if needed.
//!
//! A token bucket of 500 an hour lets almost 1,000 through in its first hour. So the rule is an exact sliding window,
//! kept as a log of times (`window`). In front of it is a [`governor`] limiter with the same rate (`gate`).
//!
//! [`Limits::acquire`] is the only way to take a permit.

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

/// No permit is free.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.sentence())]
pub struct LimitExceeded {
    /// The class without a free permit.
    pub class: Class,
    /// Its limit.
    pub limit: Rate,
    /// How long until the next permit is free. Never zero.
    pub wait: Duration,
    /// Whether Scope3 asked for the wait. If not, all permits are used.
    pub by_scope3: bool,
}

impl LimitExceeded {
    fn sentence(&self) -> String {
        let Self { class, limit, wait, by_scope3 } = self;
        let seconds = whole_seconds(*wait);
        if *by_scope3 {
            format!("Scope3 asked this key to wait {seconds} s before its next request")
        } else {
            let Rate { count, per } = limit;
            format!(
                "all {count} {class} requests of the {} are used; the next is free in {seconds} s",
                per.word()
            )
        }
    }
}

/// Seconds, rounded up, so that waiting this long is enough.
#[must_use]
pub fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0))
}

/// How much of a limit is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// The class.
    pub class: Class,
    /// Its limit.
    pub limit: Rate,
    /// Permits taken within the last span.
    pub used: u32,
    /// Permits that are free now.
    pub left: u32,
    /// How long until one more permit is free, if some are used.
    pub next_in: Option<Duration>,
}

/// The limits of every key in this process.
pub struct Limits<C: Clock = MonotonicClock> {
    classes: Vec<(Class, Rate, Gate<C>)>,
    log: Log,
    cooldowns: Mutex<Cooldowns>,
    clock: C,
    started: C::Instant,
}

/// Until when a key may send nothing of a class, on the clock of [`Limits`]. With it, a runaway is refused from memory.
type Cooldowns = HashMap<(Fingerprint, Class), Cooldown>;

#[derive(Debug, Clone, Copy)]
struct Cooldown {
    until: Duration,
    by_scope3: bool,
}

impl Limits {
    /// Limits by the system's clock. If several surfaces name a class, the first rate counts.
    #[must_use]
    pub fn new(quotas: impl IntoIterator<Item = Quota>) -> Self {
        // governor's default clock calibrates itself at each start, which takes milliseconds.
        Self::with_clock(quotas, MonotonicClock)
    }
}

impl<C: Clock + Clone> Limits<C> {
    /// Limits by another clock.
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

    /// Takes a permit of each class for a request that is sent now: all of them, or none. A class without a limit needs no
    /// permit.
    ///
    /// # Errors
    /// When a class has no free permit, or Scope3 asked the key to wait.
    pub async fn acquire(&self, who: Fingerprint, classes: &[Class]) -> Result<(), LimitExceeded> {
        let wanted: Vec<_> = self.classes.iter().filter(|(class, ..)| classes.contains(class)).collect();
        for (class, limit, _) in &wanted {
            self.check_cooldown(who, *class, *limit)?;
        }
        for (class, limit, gate) in &wanted {
            if !gate.admits(who) {
                // The gate also counts requests that the window refused. So the log decides, and knows the wait.
                self.log
                    .check(who, *class, *limit, self.now())
                    .await
                    .map_err(|exhausted| self.exceeded(who, exhausted))?;
            }
        }
        let windows: Vec<_> = wanted.iter().map(|(class, limit, _)| (*class, *limit)).collect();
        self.log.acquire(who, &windows, self.now()).await.map_err(|exhausted| self.exceeded(who, exhausted))
    }

    fn exceeded(&self, who: Fingerprint, exhausted: window::Exhausted) -> LimitExceeded {
        let window::Exhausted { class, limit, next_in } = exhausted;
        let wait = at_least_a_moment(next_in);
        self.start_cooldown(who, class, wait, false);
        LimitExceeded { class, limit, wait, by_scope3: false }
    }

    /// Remembers that Scope3 asked a key to wait, for at most the span of the limit.
    pub fn cool_down(&self, who: Fingerprint, class: Class, wait: Duration) {
        let limit = self.classes.iter().find(|(other, ..)| *other == class).map(|(_, limit, _)| limit);
        if let Some(limit) = limit {
            self.start_cooldown(who, class, at_least_a_moment(wait).min(limit.per.duration()), true);
        }
    }

    /// How much of each limit a key has used.
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

    /// The longest span of any limit: no wait is longer.
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
        // Each entry is written in one step, so a panic elsewhere leaves none half-done.
        self.cooldowns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Clock> fmt::Debug for Limits<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rates: Vec<_> = self.classes.iter().map(|(class, rate, _)| (class, rate)).collect();
        f.debug_struct("Limits").field("rates", &rates).finish_non_exhaustive()
    }
}

fn at_least_a_moment(wait: Duration) -> Duration {
    wait.max(Duration::from_millis(1))
}

#[cfg(test)]
mod tests;
