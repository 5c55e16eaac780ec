//! The money that a call commits: its amounts, less what they replace.

use serde_json::{Map, Value};

use super::{
    Effect, Money, Spends, Tool,
    checks::split_at_shared_list,
    contradictions::values,
    money::{default_currency, sum},
};

/// The money that a call commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commitment {
    /// In hundredths of the currency unit, whatever the currency. 0 if the call commits nothing more than before.
    pub hundredths: i64,
    /// The ISO 4217 currency.
    pub currency: String,
    /// What was committed before, in hundredths, if the call replaces an amount.
    pub before: Option<i64>,
}

/// Why nobody can tell before a call what it commits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unmeasured {
    /// The tool can commit money, and its arguments have no amount.
    #[error("its arguments do not say how much it commits")]
    NoAmount,
    /// An argument changes the amount in a way that only Scope3 can compute.
    #[error("only Scope3 can compute how much `{0}` commits")]
    Argument(String),
    /// The object whose amount is replaced was not found.
    #[error("the amount that it replaces cannot be read")]
    NotRead,
    /// Neither the arguments nor the object name a currency.
    #[error("neither its arguments nor Scope3 name the currency")]
    NoCurrency,
    /// The amounts are in several currencies.
    #[error("its amounts are in several currencies")]
    Currencies,
}

/// Whether a call with these arguments needs the objects of [`Money::replaces`] to be read, to tell what it commits.
#[must_use]
pub fn replaces_amount(money: &Money, arguments: &Map<String, Value>) -> bool {
    let given = Value::Object(arguments.clone());
    money.replaces.is_some() && (starts(money, &given) || sum(&given, &money.amount, money.unit).is_some())
}

/// The money that a call commits by what a read tells.
///
/// # Errors
/// If the data of the read has no amount or no currency.
pub fn commitment_in(spends: &Spends, data: &Map<String, Value>) -> Result<Commitment, Unmeasured> {
    let data = Value::Object(data.clone());
    let hundredths = sum(&data, &spends.amount, spends.unit).ok_or(Unmeasured::NotRead)?;
    let currency = spends.currency.as_ref().and_then(|path| values(&data, path).first()?.as_str());
    let currency = currency.ok_or(Unmeasured::NoCurrency)?.to_owned();
    Ok(Commitment { hundredths, currency, before: None })
}

/// Whether two ids are the same. Scope3 writes the same id as a number here and as a text there.
#[must_use]
pub fn same_id(one: &Value, other: &Value) -> bool {
    let text = |id: &Value| id.as_str().map_or_else(|| id.to_string(), str::to_owned);
    one == other || (one.is_number() || other.is_number()) && text(one) == text(other)
}

/// The money that a call commits. `replaced` are the objects of [`Money::replaces`]; without them, the whole amount counts.
///
/// # Errors
/// If the call commits money, and nobody can tell how much.
pub fn commitment(
    tool: &Tool,
    arguments: &Map<String, Value>,
    replaced: Option<&[Value]>,
) -> Result<Option<Commitment>, Unmeasured> {
    let Some(money) = &tool.money else {
        return if tool.effect == Effect::Spend { Err(Unmeasured::NoAmount) } else { Ok(None) };
    };
    let given = Value::Object(arguments.clone());
    for path in money.unmeasured.iter() {
        if values(&given, path).iter().any(|value| !value.is_null()) {
            return Err(Unmeasured::Argument(path.to_string()));
        }
    }
    let id = money.replaces.as_ref().map_or("", |replaces| &replaces.id);
    let (list, amount, id) = split_at_shared_list(&money.amount, id);
    let mut total: Option<Commitment> = None;
    for item in values(&given, list) {
        let new = sum(item, amount, money.unit);
        let starts = starts(money, &given);
        if new.is_none() && !starts {
            continue;
        }
        let old = match (&money.replaces, replaced) {
            (Some(old), Some(objects)) => {
                let wanted = values(item, id);
                let is_it = |object: &&Value| match &old.from.key {
                    Some(key) => values(object, key)
                        .first()
                        .zip(wanted.first())
                        .is_some_and(|(its, wanted)| same_id(its, wanted)),
                    None => true,
                };
                Some(objects.iter().find(is_it).ok_or(Unmeasured::NotRead)?)
            }
            _ => None,
        };
        let part = one(tool, money, &given, new, old)?;
        total = Some(match total {
            None => part,
            Some(total) if total.currency != part.currency => return Err(Unmeasured::Currencies),
            Some(total) => Commitment {
                hundredths: total.hundredths.saturating_add(part.hundredths),
                before: total.before.zip(part.before).map(|(total, part)| total.saturating_add(part)),
                ..total
            },
        });
    }
    if total.is_none() && tool.effect == Effect::Spend && !tool.effect_when.is_empty() {
        // It is an argument other than an amount that makes this call spend.
        return Err(Unmeasured::NoAmount);
    }
    Ok(total)
}

/// What one amount commits: `new` instead of the amount of the object `old`.
fn one(
    tool: &Tool,
    money: &Money,
    given: &Value,
    new: Option<i64>,
    old: Option<&Value>,
) -> Result<Commitment, Unmeasured> {
    let text = |value: &Value, path: &str| {
        values(value, path).first().and_then(|found| found.as_str()).map(str::to_owned)
    };
    let replaced = money.replaces.as_ref().zip(old);
    let before = replaced.and_then(|(replaces, old)| sum(old, &replaces.amount, money.unit));
    let old_currency = replaced.and_then(|(replaces, old)| text(old, &replaces.currency));
    let given_currency = money.currency.as_ref().and_then(|path| text(given, path));
    let currency = given_currency.or_else(|| old_currency.clone()).or_else(|| default_currency(tool));
    let currency = currency.ok_or(Unmeasured::NoCurrency)?;
    let runs = |start: &super::Start| {
        old.is_some_and(|old| text(old, &start.argument).as_deref() == Some(&*start.is))
    };
    let is_started = starts(money, given) && !money.starts.as_ref().is_some_and(runs);
    let hundredths = match (new, before) {
        (Some(new), _) if is_started => new,
        (None, Some(before)) if is_started => before,
        (None, None) if is_started => return Err(Unmeasured::NotRead),
        (Some(new), Some(before)) if old_currency.as_ref() == Some(&currency) => {
            new.saturating_sub(before).max(0)
        }
        (Some(new), _) => new,
        (None, _) => 0,
    };
    Ok(Commitment { hundredths, currency, before })
}

/// Whether the arguments start spending.
fn starts(money: &Money, given: &Value) -> bool {
    money.starts.as_ref().is_some_and(|start| {
        values(given, &start.argument).first().and_then(|value| value.as_str()) == Some(&*start.is)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Catalog;

    fn of(
        tool: &str,
        arguments: Value,
        replaced: Option<Value>,
    ) -> Result<Option<(i64, String)>, Unmeasured> {
        let catalog = Catalog::embedded();
        let replaced = replaced.map(|objects| objects.as_array().unwrap().clone());
        let found =
            commitment(&catalog.get(tool).unwrap().tool, arguments.as_object().unwrap(), replaced.as_deref());
        found.map(|found| found.map(|found| (found.hundredths, found.currency)))
    }

    #[expect(clippy::unnecessary_wraps, reason = "the form of what is compared")]
    fn usd(hundredths: i64) -> Result<Option<(i64, String)>, Unmeasured> {
        Ok(Some((hundredths, "USD".to_owned())))
    }

    fn tactic(id: &str, amount: u32, currency: &str, status: &str) -> Value {
        json!({ "id": id, "status": status, "budgetAllocation": { "amount": amount, "currency": currency } })
    }

    #[test]
    fn a_new_budget_is_committed_as_a_whole() {
        assert_eq!(of("campaign_create", json!({ "budget": { "total": 5_000_000 } }), None), usd(5_000_000));
        let buy = json!({ "budgetAllocation": { "amount": 500, "currency": "USD" } });
        assert_eq!(of("create_tactic", buy, None), usd(50_000));
        assert_eq!(of("campaign_list", json!({}), None), Ok(None));
    }

    #[test]
    fn only_the_increase_of_a_budget_is_committed() {
        let update = |amount: u32, old: Value| {
            let given = json!({ "tacticId": "t", "budgetAllocation": { "amount": amount } });
            of("tactic_update", given, Some(json!([old])))
        };
        assert_eq!(update(500, tactic("t", 300, "USD", "active")), usd(20_000));
        assert_eq!(update(200, tactic("t", 300, "USD", "active")), usd(0));
        assert_eq!(update(500, tactic("t", 300, "USD", "paused")), usd(20_000));
        assert_eq!(
            update(500, tactic("t", 300, "EUR", "active")),
            Ok(Some((20_000, "EUR".to_owned()))),
            "without a currency it is the one already set"
        );
        let other = json!({ "tacticId": "t", "budgetAllocation": { "amount": 500, "currency": "USD" } });
        assert_eq!(
            of("tactic_update", other, Some(json!([tactic("t", 300, "EUR", "active")]))),
            usd(50_000),
            "another currency replaces nothing"
        );
    }

    #[test]
    fn what_starts_is_committed_as_a_whole() {
        let start = |old: Value| {
            of("tactic_update", json!({ "tacticId": "t", "status": "active" }), Some(json!([old])))
        };
        assert_eq!(start(tactic("t", 300, "USD", "paused")), usd(30_000));
        assert_eq!(start(tactic("t", 300, "USD", "active")), usd(0), "it runs already");
        let pause = json!({ "tacticId": "t", "status": "paused" });
        assert_eq!(of("tactic_update", pause, Some(json!([]))), Ok(None));
    }

    #[test]
    fn each_item_of_a_list_replaces_its_own_amount() {
        let given = |ids: &[&str]| {
            let items: Vec<Value> = ids
                .iter()
                .map(|id| json!({ "tacticId": id, "budgetAllocation": { "amount": 500 } }))
                .collect();
            json!({ "campaignId": "c", "tacticAdjustments": items })
        };
        let tactics = json!([tactic("a", 100, "USD", "active"), tactic("b", 600, "USD", "active")]);
        assert_eq!(of("campaign_update", given(&["a", "b"]), Some(tactics.clone())), usd(40_000));
        assert_eq!(of("campaign_update", given(&["a", "x"]), Some(tactics)), Err(Unmeasured::NotRead));
        let mixed = json!([tactic("a", 100, "USD", "active"), tactic("b", 100, "EUR", "active")]);
        assert_eq!(of("campaign_update", given(&["a", "b"]), Some(mixed)), Err(Unmeasured::Currencies));
        assert_eq!(of("campaign_update", json!({ "campaignId": "c", "prompt": "x" }), None), Ok(None));
    }

    #[test]
    fn what_nobody_can_compute_is_an_error() {
        let share = json!({ "tacticId": "t", "budgetAllocation": { "percentage": 50 } });
        let expected = Unmeasured::Argument("budgetAllocation.percentage".to_owned());
        assert_eq!(of("tactic_update", share, Some(json!([]))), Err(expected));
        assert_eq!(of("pmp_create", json!({}), None), Err(Unmeasured::NoAmount));
        let gone = json!({ "tacticId": "t", "budgetAllocation": { "amount": 5 } });
        assert_eq!(of("tactic_update", gone.clone(), Some(json!([]))), Err(Unmeasured::NotRead));
        assert_eq!(of("tactic_update", gone, Some(json!([{ "id": "t" }]))), Err(Unmeasured::NoCurrency));
    }
}
