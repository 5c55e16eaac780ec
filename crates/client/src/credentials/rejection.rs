//! How long a rejection of a key by Scope3 counts.

use std::time::{Duration, Instant};

/// How long the first rejection counts. Each further one in a row doubles it.
const FIRST_DURATION: Duration = Duration::from_mins(1);

/// The longest time that a rejection counts.
pub(super) const MAX_DURATION: Duration = Duration::from_mins(15);

/// A rejection of a key by Scope3, with the number of rejections in a row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rejection {
    until: Instant,
    in_a_row: u32,
}

impl Rejection {
    /// The state after a rejection at `now`, where `previous` is the state before it.
    ///
    /// While the previous rejection still counts, the new one is not counted again: it comes from a request that was in
    /// progress at the same time.
    pub(super) fn after(previous: Option<Self>, now: Instant) -> Self {
        match previous {
            Some(previous) if previous.until > now => previous,
            previous => {
                let in_a_row = previous.map_or(0, |previous| previous.in_a_row).saturating_add(1);
                let length =
                    FIRST_DURATION.saturating_mul(2u32.saturating_pow(in_a_row - 1)).min(MAX_DURATION);
                Self { until: now + length, in_a_row }
            }
        }
    }

    /// How long it still counts, or `None` when it no longer counts.
    pub(super) fn remaining(self, now: Instant) -> Option<Duration> {
        let remaining = self.until.saturating_duration_since(now);
        (!remaining.is_zero()).then_some(remaining)
    }

    /// Whether it still counts, or counted within the last `time`.
    pub(super) fn ended_within(self, time: Duration, now: Instant) -> bool {
        now.saturating_duration_since(self.until) < time
    }

    /// The number of rejections in a row.
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
