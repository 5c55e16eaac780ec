//! The layout of a result for a terminal: its message, and a table of its list.

use serde_json::{Map, Value};

use super::layout::{self, Sheet, cut, harmless};

/// The maximum number of rows of a list.
const MAX_ROWS: usize = 50;

/// The maximum number of members of a result that has neither a list nor a long message.
const MAX_MEMBERS: usize = 40;

/// The maximum width of a cell, except an id's.
const MAX_CELL_COLUMNS: usize = 40;

/// The lines of a result, at most `columns` wide unless a part cannot be truncated.
pub(super) fn lines(data: &Map<String, Value>, columns: usize) -> Vec<String> {
    let list = longest_list(data, 2);
    let message = data.get("message").and_then(Value::as_str).unwrap_or_default();
    let mut lines = message_lines(message, columns, list.is_some());
    let is_brief = lines.len() <= 2;
    let more = match list {
        Some(rows) => table(&rows, columns),
        None if is_brief => member_lines(data, columns),
        None => Vec::new(),
    };
    if !lines.is_empty() && !more.is_empty() {
        lines.push(String::new());
    }
    lines.extend(more);
    lines
}

/// Scope3's message without Markdown. If there is a table, list items of the message are omitted.
fn message_lines(message: &str, columns: usize, has_table: bool) -> Vec<String> {
    let message = harmless(message).replace("**", "");
    let is_point = |line: &&str| line.trim_start().starts_with(['-', '|', '*']);
    let mut lines: Vec<String> = Vec::new();
    for line in message.lines().filter(|line| !(has_table && is_point(line))) {
        let line = line.trim_start_matches('#').trim_end();
        let indent = if is_point(&line) { "  " } else { "" };
        lines.extend(layout::wrapped(line.trim_start(), columns, "", indent));
    }
    lines.dedup_by(|a, b| a.is_empty() && b.is_empty());
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

/// The longest list of objects in a result, at most `depth` levels deep.
fn longest_list(object: &Map<String, Value>, depth: usize) -> Option<Vec<&Map<String, Value>>> {
    if depth == 0 {
        return None;
    }
    let lists = object.values().filter_map(|value| match value {
        Value::Array(items) if !items.is_empty() => items.iter().map(Value::as_object).collect(),
        Value::Object(inner) => longest_list(inner, depth - 1),
        _ => None,
    });
    // The first of equally long lists; `max_by_key` returns the last.
    lists.reduce(|longest: Vec<_>, list| if list.len() > longest.len() { list } else { longest })
}

/// A list as a table of its most useful columns, as many as fit.
fn table(rows: &[&Map<String, Value>], columns: usize) -> Vec<String> {
    let cells: Vec<Vec<(String, String)>> = rows.iter().take(MAX_ROWS).map(|row| leaves(row)).collect();
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in cells.iter().flatten() {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let cell = |row: &[(String, String)], name: &str| {
        row.iter().find(|(known, _)| known == name).map_or_else(String::new, |(_, cell)| cell.clone())
    };
    let column = |name: &&str| cells.iter().map(|row| cell(row, name)).collect::<Vec<_>>();
    let mut ranked: Vec<(usize, usize, &str)> =
        names.iter().enumerate().map(|(at, name)| (rank(name, &column(name)), at, *name)).collect();
    ranked.sort_unstable();
    let mut chosen = Vec::new();
    let mut width = 0;
    for (rank, _, name) in ranked {
        if rank >= OPTIONAL_RANK && chosen.len() >= ENOUGH_COLUMNS {
            break;
        }
        let rows = column(&name).into_iter().map(|text| vec![shown(name, &text)]).collect();
        let new_width = layout::total(
            [width].into_iter().filter(|&w| w > 0).chain(Sheet::new([heading(name)], rows).widths()),
        );
        if new_width <= columns || chosen.is_empty() {
            chosen.push(name);
            width = new_width;
        }
    }
    let rows_of =
        |row: &Vec<(String, String)>| chosen.iter().map(|name| shown(name, &cell(row, name))).collect();
    let sheet = Sheet::new(chosen.iter().map(|name| heading(name)), cells.iter().map(rows_of).collect());
    let mut lines = sheet.lines(None, &[]);
    if rows.len() > MAX_ROWS {
        lines.push(format!("… and {} more; --json prints all", rows.len() - MAX_ROWS));
    }
    lines
}

/// Columns of this rank and above are shown only if a table has fewer than [`ENOUGH_COLUMNS`].
const OPTIONAL_RANK: usize = 6;
const ENOUGH_COLUMNS: usize = 3;

/// The order in which columns are chosen: identity, then status, then values that differ between rows.
fn rank(name: &str, cells: &[String]) -> usize {
    let last = name.rsplit('.').next().unwrap_or(name).to_lowercase();
    let is_constant = cells.len() > 1 && cells.iter().all(|cell| *cell == cells[0]);
    let is_nested = name.contains('.');
    match last.as_str() {
        _ if cells.iter().all(String::is_empty) => 9,
        "id" if !is_nested => 0,
        "name" | "title" | "date" | "class" if !is_nested => 1,
        _ if !is_nested && last.ends_with("name") && !is_constant => 1,
        "status" if !is_nested => 2,
        _ if is_time(&last) => 7,
        _ if is_constant => 6,
        _ if cells.iter().any(|cell| cell.chars().count() > MAX_CELL_COLUMNS) => 5,
        _ if is_id(&last) && is_nested => 6,
        _ if is_nested => 4,
        _ => 3,
    }
}

fn is_time(last: &str) -> bool {
    last.ends_with("at") || last.ends_with("date") && last != "date" || last.ends_with("updated")
}

fn is_id(last: &str) -> bool {
    last == "id" || last.ends_with("id")
}

/// A column's heading: `creativeName` becomes `CREATIVE NAME`.
fn heading(name: &str) -> String {
    let mut heading = String::new();
    let mut before = ' ';
    for letter in name.chars() {
        if letter.is_uppercase() && before.is_lowercase() || matches!(letter, '.' | '_') {
            heading.push(' ');
        }
        if !matches!(letter, '.' | '_') {
            heading.extend(letter.to_uppercase());
        }
        before = letter;
    }
    harmless(&cut(&heading, MAX_CELL_COLUMNS)).into_owned()
}

/// A cell in one line. Ids are not truncated, because people copy them.
fn shown(name: &str, text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = harmless(&text);
    if is_id(&name.to_lowercase()) { text.into_owned() } else { cut(&text, MAX_CELL_COLUMNS) }
}

/// The simple members of an object and of the objects directly in it.
fn leaves(object: &Map<String, Value>) -> Vec<(String, String)> {
    object
        .iter()
        .flat_map(|(name, value)| match value {
            Value::Object(inner) => inner
                .iter()
                .filter_map(|(member, value)| Some((format!("{name}.{member}"), simple_text(value)?)))
                .collect(),
            value => simple_text(value).map(|text| (name.clone(), text)).into_iter().collect::<Vec<_>>(),
        })
        .collect()
}

/// The text of a scalar, or of a list of strings.
fn simple_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null => Some(String::new()),
        Value::Array(items) => {
            let texts: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
            texts.map(|texts| texts.join(", "))
        }
        Value::Object(_) => None,
    }
}

/// The simple members of a result, one per line.
fn member_lines(data: &Map<String, Value>, columns: usize) -> Vec<String> {
    let members: Vec<(String, String)> =
        leaves(data).into_iter().filter(|(name, text)| name != "message" && !text.is_empty()).collect();
    let name_width = members.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    let mut lines: Vec<String> = members
        .iter()
        .take(MAX_MEMBERS)
        .flat_map(|(name, text)| {
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let (first, rest) = (format!("{name:<name_width$}  "), " ".repeat(name_width + 2));
            layout::wrapped(&harmless(&text), columns, &harmless(&first), &rest)
        })
        .collect();
    if members.len() > MAX_MEMBERS {
        lines.push(format!("… and {} more; --json prints all", members.len() - MAX_MEMBERS));
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(data: Value, columns: usize) -> Vec<String> {
        lines(data.as_object().unwrap(), columns)
    }

    #[test]
    fn a_list_is_shown_as_a_table_below_the_message() {
        let campaign = |id: &str, name: &str| {
            json!({
                "prompt": "long ".repeat(30), "createdAt": "2026-01-01T00:00:00Z", "id": id, "name": name,
                "status": "active", "customerId": 1, "budget": { "total": 5 }, "list": [{ "a": 1 }],
            })
        };
        let data = json!({
            "message": "📊 **2 campaigns**\n\n- **Boots**: active\n- **Tents**: active\n",
            "count": 2,
            "campaigns": [campaign("campaign_1", "Boots"), campaign("campaign_2", "Tents")],
        });
        let expected = [
            "📊 2 campaigns",
            "",
            "ID          NAME   STATUS",
            "campaign_1  Boots  active",
            "campaign_2  Tents  active",
        ];
        assert_eq!(shown(data.clone(), 30), expected);
        assert_eq!(shown(data, 16)[2..], ["ID", "campaign_1", "campaign_2"], "an id is not truncated");
    }

    #[test]
    fn a_truncated_list_says_how_to_print_all() {
        let rows: Vec<Value> = (0..120).map(|id| json!({ "id": format!("row_{id}") })).collect();
        let lines = shown(json!({ "rows": rows }), 80);
        assert_eq!(lines.len(), 1 + MAX_ROWS + 1);
        assert_eq!(lines.last().unwrap(), "… and 70 more; --json prints all");
    }

    #[test]
    fn a_result_without_a_list_shows_its_message_or_its_members() {
        let long = "One.\nTwo.\nThree is a line that is wrapped.";
        let lines = shown(json!({ "message": long, "id": 7 }), 16);
        assert_eq!(lines, ["One.", "Two.", "Three is a line", "that is wrapped."]);
        let member_lines = shown(
            json!({ "message": "Done.", "tactic": { "id": "t", "gone": null }, "ids": ["a", "b"] }),
            40,
        );
        assert_eq!(member_lines, ["Done.", "", "tactic.id  t", "ids        a, b"]);
        assert!(shown(json!({}), 80).is_empty());
        assert_eq!(shown(json!({ "message": "None.", "rows": [] }), 80), ["None."]);
    }

    #[test]
    fn control_characters_in_results_are_replaced() {
        let hostile = "\u{1b}[2J\rx\u{7}";
        for data in [
            json!({ "message": hostile }),
            json!({ "rows": [{ "id": hostile, "name": hostile }, { hostile: hostile }] }),
            json!({ hostile: hostile }),
        ] {
            for line in shown(data.clone(), 80) {
                assert!(!line.contains(char::is_control), "{line:?} of {data}");
            }
        }
    }
}
