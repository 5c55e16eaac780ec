//! Finds contradictions between the arguments of a call.

use std::collections::HashMap;

use iso_currency::Currency;
use jiff::{
    SignedDuration, Timestamp,
    civil::{Date, Time},
    tz::Offset,
};
use serde_json::Value;

use super::{
    checks::{Check, split_at_shared_list},
    problem::{Problem, Problems, counted},
    suggest::shortened,
};

/// Reports what contradicts a check. The validator reports values of unexpected types.
pub(super) fn find(checks: &[Check], arguments: &Value, now: Timestamp, problems: &mut Problems) {
    for check in checks {
        match check {
            Check::LessOrEqual(first, second) => for_each_pair(arguments, first, second, |first, second| {
                if let Some(words) = describe_excess(first.value, second.value) {
                    problems.add(|| {
                        first.problem(format!(
                            "{words} `{}`, which is {}",
                            second.path,
                            shortened_value(second.value)
                        ))
                    });
                }
            }),
            Check::Before(first, second) => for_each_pair(arguments, first, second, |first, second| {
                if let (Some(start), Some(end)) = (parse_time(first.value), parse_time(second.value))
                    && start >= end
                {
                    problems.add(|| {
                        first.problem(format!(
                            "is not before `{}`, which is {}",
                            second.path,
                            shortened_value(second.value)
                        ))
                    });
                }
            }),
            Check::Needs(first, second) => for_each_pair(arguments, first, second, |first, second| {
                if !first.value.is_null() && second.value.is_null() {
                    problems.add(|| {
                        Problem::at(
                            &first.path,
                            format!("has no effect without `{}`; give both", second.path),
                        )
                    });
                }
            }),
            Check::NotPast { date, days } => for_each(arguments, date, |found| {
                let latest = now.checked_sub(SignedDuration::from_hours(24 * i64::from(*days)));
                if let (Some(date), Ok(latest)) = (parse_time(found.value), latest)
                    && date < latest
                {
                    problems
                        .add(|| found.problem(format!("is more than {} in the past", counted(*days, "day"))));
                }
            }),
            Check::Currency(path) => for_each(arguments, path, |found| {
                if let Some(code) = found.value.as_str()
                    && Currency::from_code(code).is_none()
                {
                    problems.add(|| found.problem("is not an ISO 4217 currency code such as USD".to_owned()));
                }
            }),
            Check::Unique(path) => {
                let mut seen: HashMap<String, String> = HashMap::new();
                for_each(arguments, path, |found| {
                    let key = found.value.to_string();
                    match seen.get(&key) {
                        Some(earlier) => {
                            problems.add(|| found.problem(format!("has the same value as `{earlier}`")));
                        }
                        None => drop(seen.insert(key, found.path.clone())),
                    }
                });
            }
        }
    }
}

/// The value of an argument, and its path.
struct Found<'a> {
    path: String,
    value: &'a Value,
}

impl Found<'_> {
    fn problem(&self, words: String) -> Problem {
        Problem::at(&self.path, format!("({}) {words}", shortened_value(self.value)))
    }
}

/// Collects every value at a path.
pub(super) fn values<'a>(arguments: &'a Value, path: &str) -> Vec<&'a Value> {
    let mut values = Vec::new();
    for_each(arguments, path, |found| values.push(found.value));
    values
}

fn for_each<'a>(value: &'a Value, path: &str, mut visit: impl FnMut(Found<'a>)) {
    walk(value, path, String::new(), &mut visit);
}

fn walk<'a>(value: &'a Value, rest: &str, at: String, visit: &mut dyn FnMut(Found<'a>)) {
    if rest.is_empty() {
        return visit(Found { path: at, value });
    }
    let (step, rest) = rest.split_once('.').unwrap_or((rest, ""));
    let (name, is_list) = step.strip_suffix("[]").map_or((step, false), |name| (name, true));
    let Some(member) = value.get(name) else { return };
    let at = if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
    match member {
        Value::Array(items) if is_list => {
            for (position, item) in items.iter().enumerate() {
                walk(item, rest, format!("{at}[{position}]"), visit);
            }
        }
        member if !is_list => walk(member, rest, at, visit),
        _ => {}
    }
}

/// The values at two paths, paired item by item if both paths pass through one list. The second value is `null` if it
/// is missing.
fn for_each_pair<'a>(
    arguments: &'a Value,
    first: &str,
    second: &str,
    mut visit: impl FnMut(Found<'a>, Found<'a>),
) {
    let (list, first, second) = split_at_shared_list(first, second);
    for_each(arguments, list, |item| {
        let full =
            |rest: &str| if item.path.is_empty() { rest.to_owned() } else { format!("{}.{rest}", item.path) };
        let get = |path: &str| path.split('.').try_fold(item.value, |value, name| value.get(name));
        if let Some(value) = get(first) {
            let other = get(second).unwrap_or(&Value::Null);
            visit(Found { path: full(first), value }, Found { path: full(second), value: other });
        }
    });
}

/// Describes how the first value exceeds the second. `None` if it does not.
fn describe_excess(first: &Value, second: &Value) -> Option<&'static str> {
    match (first, second) {
        (Value::Number(first), Value::Number(second)) => {
            let more = match (first.as_i64(), second.as_i64()) {
                (Some(first), Some(second)) => first > second,
                _ => first.as_f64()? > second.as_f64()?,
            };
            more.then_some("is more than")
        }
        _ => (parse_time(first)? > parse_time(second)?).then_some("is later than"),
    }
}

/// Reads a date or a time. A date starts at midnight UTC.
fn parse_time(value: &Value) -> Option<Timestamp> {
    let text = value.as_str()?;
    let of_date = || Offset::UTC.to_timestamp(text.parse::<Date>().ok()?.to_datetime(Time::midnight())).ok();
    text.parse().ok().or_else(of_date)
}

/// A value, shortened for an error message.
fn shortened_value(value: &Value) -> String {
    match value {
        Value::String(text) => shortened(text).into_owned(),
        other => shortened(&other.to_string()).into_owned(),
    }
}
