//! The context of a call: its arguments and the facts that every rule can read, as Cedar values.

use cedar_policy::RestrictedExpression;
use scope3_mcp_catalog::{Member, Shape};
use serde_json::{Map, Number, Value};

/// The largest decimal of Cedar: 64 bits with four digits after the point.
const MAX_DECIMAL: f64 = 922_337_203_685_477.0;

/// The arguments as a record. `None` if a value does not have the type that its schema promises.
pub(super) fn record(members: &[Member], arguments: &Map<String, Value>) -> Option<RestrictedExpression> {
    let mut pairs = Vec::with_capacity(arguments.len());
    for Member { name, shape, required } in members {
        match arguments.get(name) {
            None | Some(Value::Null) if *required => return None,
            None | Some(Value::Null) => {}
            Some(given) => pairs.push((name.clone(), value(shape, given)?)),
        }
    }
    RestrictedExpression::new_record(pairs).ok()
}

fn value(shape: &Shape, given: &Value) -> Option<RestrictedExpression> {
    Some(match (shape, given) {
        (Shape::Boolean, Value::Bool(truth)) => RestrictedExpression::new_bool(*truth),
        (Shape::Integer, Value::Number(number)) => RestrictedExpression::new_long(long(number)),
        (Shape::Number, Value::Number(number)) => RestrictedExpression::new_decimal(decimal(number)?),
        (Shape::Text, Value::String(text)) => RestrictedExpression::new_string(text.clone()),
        (Shape::List(item), Value::Array(items)) => {
            let items = items.iter().map(|given| value(item, given)).collect::<Option<Vec<_>>>();
            RestrictedExpression::new_set(items?)
        }
        (Shape::Object(members), Value::Object(given)) => record(members, given)?,
        _ => return None,
    })
}

/// A whole number. One that is too large is the largest: a comparison with a limit still finds it too large.
fn long(number: &Number) -> i64 {
    let is_negative = number.to_string().starts_with('-');
    let nearest = || if is_negative { i64::MIN } else { i64::MAX };
    let whole = |number: f64| format!("{number:.0}").parse().ok();
    number.as_i64().or_else(|| number.as_f64().and_then(whole)).unwrap_or_else(nearest)
}

/// A number with four digits after the point, which is all that Cedar has. It is rounded, and one that is too large is the
/// largest.
fn decimal(number: &Number) -> Option<String> {
    let is_negative = number.to_string().starts_with('-');
    let nearest = if is_negative { -MAX_DECIMAL } else { MAX_DECIMAL };
    let number = number.as_f64().unwrap_or(nearest).clamp(-MAX_DECIMAL, MAX_DECIMAL);
    number.is_finite().then(|| format!("{number:.4}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_too_large_stays_large() {
        let number = |text: &str| -> Number { serde_json::from_str(text).unwrap() };
        for (text, expected) in [
            ("5", 5),
            ("5.0", 5),
            ("-5", -5),
            ("9223372036854775807", i64::MAX),
            ("9223372036854775808", i64::MAX),
            ("1e300", i64::MAX),
            ("1e999", i64::MAX),
            ("-1e999", i64::MIN),
        ] {
            assert_eq!(long(&number(text)), expected, "{text}");
        }
        for (text, expected) in [
            ("1.5", "1.5000"),
            ("0.00006", "0.0001"),
            ("-2", "-2.0000"),
            ("1e999", "922337203685477.0000"),
            ("-1e300", "-922337203685477.0000"),
        ] {
            assert_eq!(decimal(&number(text)).as_deref(), Some(expected), "{text}");
        }
    }
}
