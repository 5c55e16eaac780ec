//! Where [`governor`] keeps when each seat is free again.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use governor::{nanos::Nanos, state::StateStore};

use super::Class;
use crate::credentials::Fingerprint;

/// One of the requests that a key may make in a span.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Seat {
    who: Fingerprint,
    class: Class,
    number: usize,
}

/// The seats of all keys. Only seats that were ever taken use memory.
#[derive(Debug, Clone, Default)]
pub(super) struct Seats(Arc<Mutex<Rows>>);

#[derive(Debug, Default)]
struct Rows {
    rows: HashMap<(Fingerprint, Class), Row>,
    sweep_at: usize,
}

#[derive(Debug, Default)]
struct Row {
    /// By seat number: when it is free again, in the limiter's time.
    free_at: Vec<Nanos>,
    /// The seat whose turn it is.
    next: usize,
}

/// Rows of keys that have been still for a whole span are dropped when there are more than this.
const FEW: usize = 1024;

impl Seats {
    /// The seat whose turn it is: the one that frees first.
    pub(super) fn next(&self, who: Fingerprint, class: Class, count: NonZeroU32, now: Duration) -> Seat {
        let mut rows = self.lock();
        rows.sweep(now);
        let row = rows.rows.entry((who, class)).or_default();
        row.next %= count.get() as usize;
        Seat { who, class, number: row.next }
    }

    /// Undoes a taking that nobody has seen.
    pub(super) fn give_back(&self, seat: &Seat) {
        if let Some(row) = self.lock().rows.get_mut(&(seat.who, seat.class)) {
            row.next = seat.number;
            if let Some(free_at) = row.free_at.get_mut(seat.number) {
                *free_at = Nanos::default();
            }
        }
    }

    /// How many seats are taken, and in how long the first of them frees.
    pub(super) fn used(&self, who: Fingerprint, class: Class, now: Duration) -> (u32, Option<Duration>) {
        let now = Nanos::from(now);
        let rows = self.lock();
        let taken =
            rows.rows.get(&(who, class)).into_iter().flat_map(|row| &row.free_at).filter(|at| **at > now);
        let first = taken.clone().min().map(|at| Duration::from_nanos(at.as_u64() - now.as_u64()));
        (u32::try_from(taken.count()).unwrap_or(u32::MAX), first)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().rows.len()
    }

    fn lock(&self) -> MutexGuard<'_, Rows> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rows {
    /// Forgets keys whose seats are all free, now and then, so that a stream of unknown keys does not pile up.
    fn sweep(&mut self, now: Duration) {
        if self.rows.len() >= self.sweep_at.max(FEW) {
            let now = Nanos::from(now);
            self.rows.retain(|_, row| row.free_at.iter().any(|at| *at > now));
            self.sweep_at = 2 * self.rows.len();
        }
    }
}

impl StateStore for Seats {
    type Key = Seat;

    fn measure_and_replace<T, F, E>(&self, seat: &Seat, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut rows = self.lock();
        let row = rows.rows.entry((seat.who, seat.class)).or_default();
        let before = row.free_at.get(seat.number).copied().filter(|at| *at != Nanos::default());
        let (outcome, free_at) = decide(before)?;
        if row.free_at.len() <= seat.number {
            row.free_at.resize(seat.number + 1, Nanos::default());
        }
        row.free_at[seat.number] = free_at;
        row.next = seat.number + 1;
        Ok(outcome)
    }
}
