//! The amount that a call would spend, in words that a person can check.

use serde_json::{Map, Value};

use super::{MoneyUnit, Tool, contradictions::values, suggest::shortened, walk::Schemas};

/// Maximum number of amounts to list. The rest is counted.
const MAX_AMOUNTS: usize = 10;

/// The money that a call with these arguments would move: the amounts in decimal notation, separated by ` + `, and their
/// currency, if the arguments or the schema name one. Returns `None` if the tool moves no money, or if the arguments contain
/// no amount.
#[must_use]
pub fn money(tool: &Tool, arguments: &Map<String, Value>) -> Option<(String, Option<String>)> {
    let (amounts, currency) = amounts(tool, arguments)?;
    (!amounts.is_empty()).then(|| (amounts.join(" + ").replace(',', ""), currency))
}

/// The same money in hundredths of the currency unit, whatever the currency: the sum of all amounts, each rounded up. An
/// amount that is too large for the type is its maximum, so that a comparison with a limit still finds it too large.
#[must_use]
pub fn hundredths(tool: &Tool, arguments: &Map<String, Value>) -> Option<(i64, Option<String>)> {
    let money = tool.money.as_ref()?;
    let sum = sum(&Value::Object(arguments.clone()), &money.amount, money.unit)?;
    Some((sum, amounts(tool, arguments)?.1))
}

/// The sum of all amounts at a path, in hundredths of the currency unit.
pub(crate) fn sum(value: &Value, path: &str, unit: MoneyUnit) -> Option<i64> {
    let found = values(value, path).into_iter().filter(|amount| amount.is_number());
    found
        .map(|amount| decimal(amount, unit).and_then(|text| in_hundredths(&text)).unwrap_or(i64::MAX))
        .reduce(i64::saturating_add)
}

/// An amount in hundredths of its currency unit, such as `50,000.00 USD`.
#[must_use]
pub fn in_words(hundredths: i64, currency: &str) -> String {
    let amount = decimal(&hundredths.into(), MoneyUnit::Hundredths).unwrap_or_default();
    format!("{amount} {}", shortened(currency))
}

/// An amount with at least two decimals in hundredths, rounded up. `None` if it is too large.
fn in_hundredths(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.')?;
    let (hundredths, rest) = fraction.split_at_checked(2)?;
    let digits = format!("{}{hundredths}", whole.replace(',', ""));
    let is_exact = rest.bytes().all(|digit| digit == b'0');
    let rounded_up = i64::from(!is_exact && !whole.starts_with('-'));
    digits.parse::<i64>().ok()?.checked_add(rounded_up)
}

/// Describes the money that a call with these arguments would move, such as `50,000.00 USD`. Returns `None` if the tool
/// moves no money, or if the arguments contain no amount.
#[must_use]
pub fn money_in_words(tool: &Tool, arguments: &Map<String, Value>) -> Option<String> {
    money_in_words_of(tool, arguments, None)
}

/// The same in this currency, if neither the arguments nor the schema name one.
#[must_use]
pub fn money_in_words_of(
    tool: &Tool,
    arguments: &Map<String, Value>,
    already_set: Option<&str>,
) -> Option<String> {
    let (amounts, currency) = amounts(tool, arguments)?;
    let currency = currency.or_else(|| already_set.map(str::to_owned));
    let more = amounts.len().saturating_sub(MAX_AMOUNTS);
    let mut words = match amounts.get(..amounts.len().min(MAX_AMOUNTS)) {
        None | Some([]) => return None,
        Some([one]) => one.clone(),
        Some([first @ .., last]) => format!("{} and {last}", first.join(", ")),
    };
    if more > 0 {
        words = format!("{words} and {more} more");
    }
    Some(match currency {
        Some(currency) => format!("{words} {}", shortened(&currency)),
        None => format!("{words} in the currency already set"),
    })
}

/// All amounts in the arguments, and their currency.
fn amounts(tool: &Tool, arguments: &Map<String, Value>) -> Option<(Vec<String>, Option<String>)> {
    let money = tool.money.as_ref()?;
    let arguments = Value::Object(arguments.clone());
    let amounts: Vec<String> = values(&arguments, &money.amount)
        .into_iter()
        .filter_map(|amount| decimal(amount, money.unit))
        .collect();
    let currency = money.currency.as_ref().and_then(|path| {
        let given =
            values(&arguments, path).first().and_then(|currency| currency.as_str().map(str::to_owned));
        given.or_else(|| default_currency(tool))
    });
    Some((amounts, currency))
}

/// The currency that the schema of the arguments sets.
pub(crate) fn default_currency(tool: &Tool) -> Option<String> {
    let path = tool.money.as_ref()?.currency.as_ref()?;
    let schemas = Schemas::of(tool.input.object()).at(path)?;
    schemas.iter().find_map(|part| part.get("default")?.as_str().map(str::to_owned))
}

/// An amount with at least two decimals, and commas between thousands.
fn decimal(amount: &Value, unit: MoneyUnit) -> Option<String> {
    let digits = amount.as_number()?.to_string();
    let plain = if digits.contains(['e', 'E']) { amount.as_f64()?.to_string() } else { digits };
    let (sign, plain) = plain.strip_prefix('-').map_or(("", &*plain), |plain| ("-", plain));
    let (whole, fraction) = plain.split_once('.').unwrap_or((plain, ""));
    let (whole, fraction) = match unit {
        MoneyUnit::Major => (whole.to_owned(), format!("{fraction:0<2}")),
        MoneyUnit::Hundredths => {
            let padded = format!("{whole:0>3}");
            let (whole, hundredths) = padded.split_at(padded.len() - 2);
            (whole.to_owned(), format!("{hundredths}{}", fraction.trim_end_matches('0')))
        }
    };
    let grouped: Vec<&str> =
        whole.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    Some(format!("{sign}{}.{fraction}", grouped.join(",")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Catalog;

    fn words(tool: &str, arguments: Value) -> Option<String> {
        money_in_words(&Catalog::embedded().get(tool).unwrap().tool, arguments.as_object().unwrap())
    }

    #[test]
    fn an_amount_is_shown_in_its_unit_and_currency() {
        for (budget, expected) in [
            (json!({ "total": 5_000_000, "currency": "USD" }), "50,000.00 USD"),
            (json!({ "total": 5_000_000 }), "50,000.00 USD"),
            (json!({ "total": 500_000, "currency": "JPY" }), "5,000.00 JPY"),
            (json!({ "total": 123_456_789, "currency": "KWD" }), "1,234,567.89 KWD"),
            (json!({ "total": 5, "currency": "EUR" }), "0.05 EUR"),
        ] {
            assert_eq!(words("campaign_create", json!({ "budget": budget })).as_deref(), Some(expected));
        }
        let tactic = |allocation: Value| words("tactic_update", json!({ "budgetAllocation": allocation }));
        assert_eq!(tactic(json!({ "amount": 500, "currency": "EUR" })).as_deref(), Some("500.00 EUR"));
        assert_eq!(
            tactic(json!({ "amount": 1_234.5 })).as_deref(),
            Some("1,234.50 in the currency already set")
        );
        assert_eq!(tactic(json!({ "dailyCap": 5 })), None);
        assert_eq!(words("campaign_list", json!({ "budget": { "total": 5 } })), None);
    }

    #[test]
    fn several_amounts_are_listed() {
        let adjust = |amounts: &[u64]| {
            let adjustments: Vec<Value> =
                amounts.iter().map(|amount| json!({ "budgetAllocation": { "amount": amount } })).collect();
            words("campaign_update", json!({ "tacticAdjustments": adjustments }))
        };
        assert_eq!(adjust(&[]), None);
        assert_eq!(
            adjust(&[500, 1_000_000]).as_deref(),
            Some("500.00 and 1,000,000.00 in the currency already set")
        );
        assert!(adjust(&[1; 15]).unwrap().contains(" and 5 more in"));
    }

    #[test]
    fn an_amount_in_hundredths_is_never_less_than_the_amount() {
        let of = |tool: &str, arguments: Value| {
            hundredths(&Catalog::embedded().get(tool).unwrap().tool, arguments.as_object().unwrap())
        };
        let create = |total: Value| of("campaign_create", json!({ "budget": { "total": total } }));
        let usd = |amount| Some((amount, Some("USD".to_owned())));
        assert_eq!(create(json!(5_000_000)), usd(5_000_000));
        assert_eq!(create(serde_json::from_str("5.5").unwrap()), usd(6));
        for large in ["1e30", "1e999", "9223372036854775808", "99999999999999999999999"] {
            assert_eq!(create(serde_json::from_str(large).unwrap()), usd(i64::MAX), "{large}");
        }
        assert_eq!(of("campaign_create", json!({ "budget": {} })), None);
        assert_eq!(of("campaign_list", json!({ "budget": { "total": 5 } })), None);
        let update = |amounts: &[f64]| {
            let parts: Vec<Value> =
                amounts.iter().map(|amount| json!({ "budgetAllocation": { "amount": amount } })).collect();
            of("campaign_update", json!({ "tacticAdjustments": parts }))
        };
        assert_eq!(update(&[]), None);
        assert_eq!(update(&[500.0, 0.25, 1.001]), Some((50_126, None)));
        assert_eq!(update(&[1e300, 1e300]), Some((i64::MAX, None)));
    }
}
