//! What a package has delivered. It grows with the clock while the package runs, at a steady rate, and ends below the
//! budget. What was delivered until a moment never changes later, so the figures of any two reports agree.

use crate::clock::Moment;

/// The share of its budget that a package spends until its end, in percent.
const PACE_PERCENT: u64 = 97;

/// The runs of a package, in order. Only the last one can still go on.
#[derive(Debug, Clone, Default)]
pub(in crate::v2) struct Ledger(Vec<Run>);

/// A time in which a package delivers.
#[derive(Debug, Clone, Copy)]
struct Run {
    from: Moment,
    until: Moment,
    /// The spend of all runs before this one.
    before_cents: u64,
    /// The spend of this run until its end.
    cents: u64,
    /// The price of a thousand impressions.
    cpm_cents: u64,
}

impl Run {
    fn spent(&self, at: Moment) -> u64 {
        let millis = |moment: Moment| u128::try_from(moment.as_millisecond()).unwrap_or_default();
        let whole = millis(self.until).saturating_sub(millis(self.from));
        let passed = millis(at).saturating_sub(millis(self.from)).min(whole);
        if whole == 0 {
            return 0;
        }
        u64::try_from(u128::from(self.cents) * passed / whole).unwrap_or(self.cents)
    }
}

impl Ledger {
    /// The spend until a moment, in cents.
    pub(in crate::v2) fn spent(&self, at: Moment) -> u64 {
        let last = self.0.iter().rev().find(|run| run.from <= at);
        last.map_or(0, |run| run.before_cents + run.spent(at))
    }

    /// The impressions until a moment.
    pub(in crate::v2) fn impressions(&self, at: Moment) -> u64 {
        self.0.iter().map(|run| run.spent(at) * 1000 / run.cpm_cents.max(1)).sum()
    }

    /// Starts to deliver at `from`, so that most of the budget is spent at `until`.
    pub(in crate::v2) fn start(&mut self, from: Moment, until: Moment, budget_cents: u64, cpm_cents: u64) {
        self.stop(from);
        let before_cents = self.spent(from);
        let goal = budget_cents * PACE_PERCENT / 100;
        if from < until && goal > before_cents {
            self.0.push(Run { from, until, before_cents, cents: goal - before_cents, cpm_cents });
        }
    }

    /// Stops to deliver.
    pub(in crate::v2) fn stop(&mut self, at: Moment) {
        if let Some(run) = self.0.last_mut().filter(|run| at < run.until) {
            if at <= run.from {
                self.0.pop();
            } else {
                (run.cents, run.until) = (run.spent(at), at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::tests::june;

    #[test]
    fn delivery_grows_to_the_budget_and_keeps_what_was_reported() {
        let clock = june();
        let day = |days| clock.day(days);
        let mut ledger = Ledger::default();
        ledger.start(day(0), day(10), 100_000, 500);
        assert_eq!((ledger.spent(day(-1)), ledger.spent(day(0)), ledger.spent(day(5))), (0, 0, 48_500));
        assert_eq!(ledger.impressions(day(5)), 97_000);
        ledger.stop(day(5));
        assert_eq!(ledger.spent(day(9)), 48_500);
        ledger.start(day(7), day(10), 100_000, 1000);
        assert_eq!((ledger.spent(day(5)), ledger.spent(day(7))), (48_500, 48_500));
        assert_eq!((ledger.spent(day(10)), ledger.spent(day(99))), (97_000, 97_000));
        assert_eq!(ledger.impressions(day(99)), 97_000 + 48_500);
        // A budget below what is spent ends the delivery.
        ledger.start(day(8), day(10), 1_000, 1000);
        assert_eq!(ledger.spent(day(99)), ledger.spent(day(8)));
    }
}
