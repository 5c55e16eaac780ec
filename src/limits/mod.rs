//! The hourly limits: in any span of an hour at most so many requests leave, and all of them at once if wanted.
//!
//! A token bucket of 500 an hour lets almost 1,000 through in its first hour. So each of the 500 requests has a seat
//! of its own, which [`governor`] gives out at most once an hour, and the seats are taken in turn: the next seat
//! is always the one that frees first. That is an exact sliding window.
//!
//! [`Limits::take`] is the one door. What it counts in is in this process alone; a store that processes share
//! goes behind the same door.

mod seats;

use std::{
    collections::HashMap,
    fmt,
    num::NonZeroU32,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, MonotonicClock, Reference},
    middleware::NoOpMiddleware,
};
use serde::Serialize;

use self::seats::{Seat, Seats};
use crate::{credentials::Fingerprint, rate::Rate};

/// What a request counts as. Each class has a limit of its own for each key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// A tool call that reaches Scope3.
    Mcp,
    /// An HTTP request to Scope3, retries included.
    Api,
    /// A data export.
    Export,
}

impl Class {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 3] = [Self::Mcp, Self::Api, Self::Export];

    /// The word for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mcp => "MCP",
            Self::Api => "API",
            Self::Export => "export",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The limit of each class.
#[derive(Debug, Clone, Copy)]
pub struct Rates {
    /// Tool calls that reach Scope3.
    pub mcp: Rate,
    /// HTTP requests to Scope3.
    pub api: Rate,
    /// Data exports.
    pub export: Rate,
}

impl Rates {
    /// The limit of one class.
    #[must_use]
    pub fn of(&self, class: Class) -> Rate {
        match class {
            Class::Mcp => self.mcp,
            Class::Api => self.api,
            Class::Export => self.export,
        }
    }
}

/// No seat is free.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.sentence())]
pub struct Full {
    /// The class that has none.
    pub class: Class,
    /// Its limit.
    pub limit: Rate,
    /// How long until the next seat is free. Never zero.
    pub wait: Duration,
    /// Whether Scope3 said so, and not the local count.
    pub told_by_scope3: bool,
}

impl Full {
    fn sentence(&self) -> String {
        let Self { class, limit, wait, told_by_scope3 } = self;
        let seconds = whole_seconds(*wait);
        if *told_by_scope3 {
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

/// Seconds, rounded up: who waits that long has waited enough.
#[must_use]
pub fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// How much of a limit is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// The class.
    pub class: Class,
    /// Its limit.
    pub limit: Rate,
    /// Requests that left within the last span.
    pub used: u32,
    /// Requests that may leave now.
    pub left: u32,
    /// How long until one more may leave, where some are used.
    pub more_in: Option<Duration>,
}

type Limiter<C> = RateLimiter<Seat, Seats, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// The limits of every key in this process.
pub struct Limits<C: Clock = MonotonicClock> {
    rates: Rates,
    seats: Seats,
    limiters: [Limiter<C>; 3],
    clock: C,
    started: C::Instant,
    // Held while seats are taken, so that a call gets all of its seats or none.
    turn: Mutex<Told<C>>,
}

/// Until when Scope3 itself asked a key to wait.
type Told<C> = HashMap<(Fingerprint, Class), <C as Clock>::Instant>;

impl Limits {
    /// Limits by the system's clock.
    #[must_use]
    pub fn new(rates: Rates) -> Self {
        // governor's own default measures the processor's counter at each start, which takes milliseconds.
        Self::with_clock(rates, MonotonicClock)
    }
}

impl<C: Clock + Clone> Limits<C> {
    /// Limits by a clock of the caller's.
    pub fn with_clock(rates: Rates, clock: C) -> Self {
        let seats = Seats::default();
        let started = clock.now();
        let limiters = Class::ALL.map(|class| {
            let per = rates.of(class).per.duration();
            // One cell a span: `with_period` fails for a span of zero only, which no rate has.
            let quota = Quota::with_period(per).unwrap_or(Quota::per_hour(NonZeroU32::MIN));
            RateLimiter::new(quota.allow_burst(NonZeroU32::MIN), seats.clone(), clock.clone())
        });
        Self { rates, seats, limiters, clock, started, turn: Mutex::default() }
    }

    /// Takes a seat of each class for a request that leaves now: all of them, or none.
    ///
    /// # Errors
    /// When a class has no free seat, or Scope3 asked the key to wait.
    pub fn take(&self, who: Fingerprint, classes: &[Class]) -> Result<(), Full> {
        let told = self.turn();
        let mut taken: Vec<Seat> = Vec::with_capacity(classes.len());
        for &class in classes {
            let result = self.still_told_to_wait(&told, who, class).and_then(|()| self.take_one(who, class));
            match result {
                Ok(seat) => taken.push(seat),
                Err(full) => {
                    for seat in &taken {
                        self.seats.give_back(seat);
                    }
                    return Err(full);
                }
            }
        }
        Ok(())
    }

    fn take_one(&self, who: Fingerprint, class: Class) -> Result<Seat, Full> {
        let limit = self.rates.of(class);
        let seat = self.seats.next(who, class, limit.count, self.now());
        self.limiters[class as usize].check_key(&seat).map(|()| seat).map_err(|not_until| {
            let wait = not_until.wait_time_from(self.clock.now());
            Full { class, limit, wait: at_least_a_moment(wait), told_by_scope3: false }
        })
    }

    fn still_told_to_wait(&self, told: &Told<C>, who: Fingerprint, class: Class) -> Result<(), Full> {
        let Some(&until) = told.get(&(who, class)) else { return Ok(()) };
        let now = self.clock.now();
        if now >= until {
            return Ok(());
        }
        let wait = until.duration_since(now).into();
        Err(Full { class, limit: self.rates.of(class), wait: at_least_a_moment(wait), told_by_scope3: true })
    }

    /// Learns from Scope3 that a key has to wait. The time is kept to the span of the limit: no answer can
    /// close a key for longer.
    pub fn learn(&self, who: Fingerprint, class: Class, wait: Duration) {
        let longest = self.rates.of(class).per.duration();
        let until = self.clock.now() + at_least_a_moment(wait).min(longest).into();
        let mut told = self.turn();
        told.retain(|_, until| *until > self.clock.now());
        told.insert((who, class), until);
    }

    /// How much of each limit a key has used.
    #[must_use]
    pub fn usage(&self, who: Fingerprint) -> Vec<Usage> {
        let told = self.turn();
        Class::ALL
            .into_iter()
            .map(|class| {
                let limit = self.rates.of(class);
                let (used, frees) = self.seats.used(who, class, self.now());
                let closed = self.still_told_to_wait(&told, who, class).err().map(|full| full.wait);
                let left = if closed.is_some() { 0 } else { limit.count.get().saturating_sub(used) };
                Usage { class, limit, used, left, more_in: closed.or(frees) }
            })
            .collect()
    }

    fn now(&self) -> Duration {
        self.clock.now().duration_since(self.started).into()
    }

    fn turn(&self) -> MutexGuard<'_, Told<C>> {
        // Seats are counted one by one: a panic elsewhere leaves at worst a seat that was taken for nothing.
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Clock> fmt::Debug for Limits<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limits").field("rates", &self.rates).finish_non_exhaustive()
    }
}

fn at_least_a_moment(wait: Duration) -> Duration {
    wait.max(Duration::from_millis(1))
}

#[cfg(test)]
mod tests;
