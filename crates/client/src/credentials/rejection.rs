//! How long it is remembered that Scope3 rejected a key.

use std::time::{Duration, Instant};

/// How long the first rejection counts. Each further one in a row doubles it.
const FIRST: Duration = Duration::from_mins(1);

/// The longest time that a rejection counts.
pub(super) const MAX: Duration = Duration::from_mins(15);

/// Scope3 rejected a key, this often in a row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rejection {
    until: Instant,
    in_a_row: u32,
}

impl Rejection {
    /// A key was rejected now, and before as `before` says.
    ///
    /// While the one before still counts, this is the same one: requests that were under way together found out the
    /// same thing.
    pub(super) fn after(before: Option<Self>, now: Instant) -> Self {
        match before {
            Some(before) if before.until > now => before,
            before => {
                let in_a_row = before.map_or(0, |before| before.in_a_row).saturating_add(1);
                let length = FIRST.saturating_mul(2u32.saturating_pow(in_a_row - 1)).min(MAX);
                Self { until: now + length, in_a_row }
            }
        }
    }

    /// How long it still counts; nothing when it no longer does.
    pub(super) fn remaining(self, now: Instant) -> Option<Duration> {
        let remaining = self.until.saturating_duration_since(now);
        (!remaining.is_zero()).then_some(remaining)
    }

    /// Whether it still counts, or did within the last `time`.
    pub(super) fn ended_within(self, time: Duration, now: Instant) -> bool {
        now.saturating_duration_since(self.until) < time
    }

    /// How often in a row.
    pub(super) fn in_a_row(self) -> u32 {
        self.in_a_row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_further_rejection_counts_twice_as_long_up_to_fifteen_minutes() {
        let mut now = Instant::now();
        let mut rejection = None;
        for (at, seconds) in [60, 120, 240, 480, 900, 900].into_iter().enumerate() {
            let next = Rejection::after(rejection, now);
            assert_eq!(next.in_a_row() as usize, at + 1);
            assert_eq!(next.remaining(now), Some(Duration::from_secs(seconds)));
            let moment_before = now + Duration::from_secs(seconds - 1);
            assert_eq!(next.remaining(moment_before), Some(Duration::from_secs(1)));
            assert_eq!(Rejection::after(Some(next), moment_before).in_a_row(), next.in_a_row());
            now += Duration::from_secs(seconds);
            assert_eq!(next.remaining(now), None);
            rejection = Some(next);
        }
    }
}
