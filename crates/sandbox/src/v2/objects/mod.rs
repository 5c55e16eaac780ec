//! What a customer of the Interchange has.

pub(super) mod advertiser;
pub(super) mod campaign;
pub(super) mod creative;
pub(super) mod ledger;
pub(super) mod media_buy;
pub(super) mod session;

use serde_json::{Value, json};

/// Cents as currency units.
pub(super) fn units(cents: u64) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "exact below 9 * 10^15 cents")]
    let cents = cents as f64;
    json!(cents / 100.0)
}
