//! Summaries of results in a few lines.

use serde_json::Value;

use crate::cli::layout::{DEFAULT_COLUMNS, Sheet, cut, harmless, wrapped};

/// The indentation of the lines of a step after its heading.
pub(super) const INDENT: &str = "   ";

/// The maximum width of an argument's value.
const MAX_VALUE_COLUMNS: usize = 24;

/// A call in one line, in the syntax of `tools call`. Long values are truncated.
pub(super) fn short(tool: &str, arguments: &Value) -> String {
    let mut parts = vec![tool.to_owned()];
    flatten("", arguments, &mut parts);
    cut(&parts.join(" "), DEFAULT_COLUMNS - INDENT.len() - "> ".len())
}

fn flatten(name: &str, value: &Value, parts: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (member, value) in members {
                let name = if name.is_empty() { member.clone() } else { format!("{name}.{member}") };
                flatten(&name, value, parts);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| flatten(&format!("{name}[]"), item, parts)),
        Value::String(text) if text.contains(' ') => {
            parts.push(format!("{name}=\"{}\"", cut(text, MAX_VALUE_COLUMNS)));
        }
        Value::String(text) => parts.push(format!("{name}={text}")),
        value => parts.push(format!("{name}={value}")),
    }
}

/// The message of a result, without Markdown.
pub(super) fn message(result: &Value) -> Vec<String> {
    let summary = text(result, "/summary/textSummary");
    let message = if summary.is_empty() { text(result, "/message") } else { summary };
    let lines = message.replace("**", "");
    lines.lines().filter(|line| !line.is_empty()).flat_map(paragraph).collect()
}

/// The score of a rejected brief, and what the brief lacks.
pub(super) fn brief(result: &Value) -> Vec<String> {
    let number = |pointer: &str| result.pointer(pointer).map(ToString::to_string).unwrap_or_default();
    let verdict = format!(
        "No: {} of 100 points, and {} are needed. It lacks:",
        number("/validation/score"),
        number("/validation/threshold")
    );
    let missing = result.pointer("/validation/missingElements").and_then(Value::as_array);
    let missing = missing.into_iter().flatten().filter_map(Value::as_str).map(|what| format!("- {what}"));
    [verdict].into_iter().chain(missing).map(|line| cut(&line, DEFAULT_COLUMNS - INDENT.len())).collect()
}

/// A new campaign: its name, id, budget and dates.
pub(super) fn created(result: &Value) -> Vec<String> {
    let campaign = result.pointer("/campaign").unwrap_or(result);
    let (start, end) = (text(campaign, "/startDate"), text(campaign, "/endDate"));
    vec![
        format!("✅ {} ({})", text(campaign, "/name"), text(campaign, "/id")),
        format!(
            "{}, at most {} a day, from {} to {}",
            money(campaign, "/budget/total"),
            money(campaign, "/budget/dailyCap"),
            day(&start),
            day(&end)
        ),
    ]
}

/// The running campaigns, with their budgets and pacing.
pub(super) fn live(result: &Value) -> Vec<String> {
    let campaigns = result.pointer("/campaigns").and_then(Value::as_array);
    let row = |campaign: &Value| {
        let used = campaign.pointer("/deliverySummary/pacing/budgetUtilized").and_then(Value::as_f64);
        let used = used.map_or_else(String::new, |used| format!("{:.0}%", used * 100.0));
        let pacing = text(campaign, "/deliverySummary/pacing/status");
        vec![text(campaign, "/name"), money(campaign, "/budget/total"), used, pacing]
    };
    let rows = campaigns.into_iter().flatten().map(row).collect();
    lines(&Sheet::new(["NAME", "BUDGET", "USED", "PACING"], rows))
}

/// The delivery of each day.
pub(super) fn delivered(result: &Value) -> Vec<String> {
    let days = result.pointer("/data").and_then(Value::as_array);
    let row = |day: &Value| {
        let number = |pointer: &str| day.pointer(pointer).and_then(Value::as_f64).unwrap_or_default();
        let spend = format!("{} {}", grouped(number("/spend"), 2), text(day, "/currency"));
        vec![text(day, "/date"), spend, grouped(number("/units_delivered"), 0)]
    };
    let rows = days.into_iter().flatten().map(row).collect();
    lines(&Sheet::new(["DATE", "SPEND", "IMPRESSIONS"], rows))
}

/// A list in a result as a table. Each column is a heading and the JSON pointer of its cells in an item.
pub(super) fn table(result: &Value, list: &str, columns: &[(&str, &str)]) -> Vec<String> {
    let items = result.pointer(list).and_then(Value::as_array);
    let row = |item: &Value| columns.iter().map(|(_, pointer)| text(item, pointer)).collect();
    let rows = items.into_iter().flatten().map(row).collect();
    lines(&Sheet::new(columns.iter().map(|(heading, _)| *heading), rows))
}

fn lines(sheet: &Sheet) -> Vec<String> {
    let columns = DEFAULT_COLUMNS - INDENT.len();
    sheet.lines(None, &[]).iter().map(|line| cut(line, columns)).collect()
}

pub(super) fn paragraph(text: &str) -> Vec<String> {
    wrapped(&harmless(text), DEFAULT_COLUMNS - INDENT.len(), "", "")
}

/// A member as text; empty if it is absent or null.
pub(super) fn text(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}

/// An amount of a campaign, such as `50,000.00 USD`. Scope3 sends hundredths of the currency unit.
fn money(campaign: &Value, pointer: &str) -> String {
    let hundredths = campaign.pointer(pointer).and_then(Value::as_f64).unwrap_or_default();
    format!("{} {}", grouped(hundredths / 100.0, 2), text(campaign, "/budget/currency"))
}

/// A number with commas between groups of three digits.
fn grouped(number: f64, decimals: usize) -> String {
    let digits = format!("{number:.decimals$}");
    let (whole, rest) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + rest
}

/// The date part of an instant.
pub(super) fn day(instant: &str) -> &str {
    instant.split_once('T').map_or(instant, |(date, _)| date)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, decimals, expected) in [
            (0.0, 2, "0.00"),
            (999.0, 0, "999"),
            (1_000.0, 2, "1,000.00"),
            (50_000.0, 2, "50,000.00"),
            (-1_234_567.891, 1, "-1,234,567.9"),
            (-100.0, 0, "-100"),
        ] {
            assert_eq!(grouped(number, decimals), expected);
        }
    }

    #[test]
    fn a_call_is_printed_as_it_is_typed() {
        let arguments = json!({ "a": { "b": 1, "c": ["x", "y"] }, "d": "some words", "e": true });
        assert_eq!(short("tool", &arguments), "tool a.b=1 a.c[]=x a.c[]=y d=\"some words\" e=true");
        let long = json!({ "brief": "word ".repeat(30), "more": "x".repeat(90) });
        assert!(short("tool", &long).starts_with("tool brief=\"word word word word wor…\" more=xxx"));
        assert_eq!(short("tool", &long).chars().count(), 75);
    }
}
