//! The delivery of a tactic per day, by a fixed formula.

use jiff::civil::Date;

use crate::objects::{Delivery, Tactic};

/// The weight of each weekday, from Monday, in tenths of an even share.
const WEEKDAY_TENTHS: [u64; 7] = [10, 11, 11, 10, 9, 8, 11];

/// The rows from the first day of a flight to `until`. Each row is the difference of two cumulative sums, so rounding
/// errors do not add up: the whole flight spends exactly the tactic's amount times the pace.
pub(super) fn spread(tactic: &Tactic, flight: (Date, Date), until: Date, pace: u64) -> Vec<Delivery> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the initial amounts are small"
    )]
    let [amount, cpm] =
        [tactic.allocation.amount, tactic.total_cpm()].map(|units| (units * 100.0).round() as u64);
    let (first, last) = flight;
    let weight = |date: &Date| {
        WEEKDAY_TENTHS[usize::try_from(date.weekday().to_monday_zero_offset()).unwrap_or_default()]
    };
    let days = |until: Date| first.series(jiff::Span::new().days(1)).take_while(move |date| *date <= until);
    let whole: u64 = days(last).map(|date| weight(&date)).sum();
    let mut passed = 0;
    let mut spent = 0;
    days(until.min(last))
        .map(|date| {
            passed += weight(&date);
            let sum = amount * pace * passed / (whole * 100);
            let spend_cents = sum - spent;
            spent = sum;
            Delivery {
                campaign_id: tactic.campaign_id.clone(),
                tactic_id: tactic.id.clone(),
                date,
                spend_cents,
                impressions: spend_cents * 1000 / cpm.max(1),
            }
        })
        .collect()
}
