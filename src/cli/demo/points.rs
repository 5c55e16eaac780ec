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

/// The note of this server in a result.
pub(super) fn note(result: &Value) -> Vec<String> {
    let found = result.pointer("/scope3Mcp/message").or_else(|| result.pointer("/message"));
    paragraph(found.and_then(Value::as_str).unwrap_or_default())
}

/// The sentence of `check_auth_status`.
pub(super) fn account(result: &Value) -> Vec<String> {
    paragraph(&text(result, "/message"))
}

/// The products of a search, with their sellers and prices.
pub(super) fn found(result: &Value) -> Vec<String> {
    let groups = result.pointer("/productGroups").and_then(Value::as_array).into_iter().flatten();
    let products = groups.filter_map(|group| group.pointer("/products")?.as_array()).flatten();
    let row = |product: &Value| {
        let price = format!("{} {}", grouped(number(product, "/cpm"), 2), text(product, "/currency"));
        vec![text(product, "/productId"), text(product, "/storefrontName"), price]
    };
    lines(&Sheet::new(["PRODUCT", "SELLER", "CPM"], products.map(row).collect()))
}

/// What a cart holds.
pub(super) fn added(result: &Value) -> Vec<String> {
    let allocated = grouped(number(result, "/budgetContext/allocatedBudget"), 2);
    vec![format!("{} products, {allocated} in all", text(result, "/totalProducts"))]
}

/// A campaign: its name, id, status, budget and dates.
pub(super) fn drafted(result: &Value) -> Vec<String> {
    let at = |name: &str| text(result, &format!("/campaign/{name}"));
    let budget = grouped(number(result, "/campaign/budget/total"), 2);
    let (start, end) = (at("flightDates/startDate"), at("flightDates/endDate"));
    vec![
        format!("✅ {} ({}), {}", at("name"), at("campaignId"), at("status")),
        format!("{budget} {}, from {} to {}", at("budget/currency"), day(&start), day(&end)),
    ]
}

/// The formats that a campaign needs and no creative has.
pub(super) fn missing(result: &Value) -> Vec<String> {
    let listed = result.pointer("/campaign/creativeFormats/missing").and_then(Value::as_array);
    let kinds: Vec<String> = listed.into_iter().flatten().map(|kind| text(kind, "/format_kind")).collect();
    vec![format!("Missing: {}", kinds.join(", "))]
}

/// What a launch did.
pub(super) fn launched(result: &Value) -> Vec<String> {
    let [sent, before, after] =
        ["/mediaBuysExecuted", "/previousStatus", "/newStatus"].map(|pointer| text(result, pointer));
    vec![format!("✅ {sent} media buys went out; the campaign was {before} and is {after}")]
}

/// The delivery of each product on each day.
pub(super) fn delivered(result: &Value) -> Vec<String> {
    let days = result.pointer("/timeseries").and_then(Value::as_array);
    let row = |day: &Value| {
        let spend = format!("{} {}", grouped(number(day, "/metrics/spend"), 2), text(day, "/currency"));
        let count = |name: &str| grouped(number(day, &format!("/metrics/{name}")), 0);
        vec![text(day, "/date"), text(day, "/productName"), spend, count("impressions"), count("clicks")]
    };
    let rows = days.into_iter().flatten().map(row).collect();
    lines(&Sheet::new(["DATE", "PRODUCT", "SPEND", "IMPRESSIONS", "CLICKS"], rows))
}

fn number(value: &Value, pointer: &str) -> f64 {
    value.pointer(pointer).and_then(Value::as_f64).unwrap_or_default()
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
    paragraph_after(text, "")
}

/// A paragraph whose lines follow a mark.
pub(super) fn paragraph_after(text: &str, mark: &str) -> Vec<String> {
    let lines = wrapped(&harmless(text), DEFAULT_COLUMNS - INDENT.len() - mark.len(), "", "");
    lines.iter().map(|line| format!("{mark}{line}")).collect()
}

/// A member as text; empty if it is absent or null.
pub(super) fn text(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
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
