//! What a customer of the Interchange has.

pub(super) mod advertiser;
pub(super) mod campaign;
pub(super) mod creative;
pub(super) mod ledger;
pub(super) mod media_buy;
pub(super) mod search;

use serde_json::{Value, json};

use crate::clock::Moment;

/// Frequency caps as answers show them: each with an id and what it limits.
pub(super) fn caps(given: &Value, level: &str, target: &str, at: Moment) -> Value {
    let shown = given.as_array().into_iter().flatten().enumerate().map(|(position, cap)| {
        let mut cap = cap.clone();
        cap["id"] = format!("cap_{target}_{position}").into();
        (cap["targetLevel"], cap["targetId"]) = (level.into(), target.into());
        (cap["createdAt"], cap["updatedAt"]) = (json!(at), json!(at));
        cap
    });
    shown.collect()
}

/// Cents as currency units.
pub(super) fn units(cents: u64) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "exact below 9 * 10^15 cents")]
    let cents = cents as f64;
    json!(cents / 100.0)
}
