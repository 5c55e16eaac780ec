//! An answer for people: its message, and a table of the list in it.

use serde_json::{Map, Value};

use super::layout::{self, Sheet, cut, harmless};

/// A terminal shows this many rows of a list.
const MAX_ROWS: usize = 50;

/// A terminal shows this many facts of an answer that has neither a list nor a longer message.
const MAX_FACTS: usize = 40;

/// A cell that is no id is cut to this.
const MAX_CELL_COLUMNS: usize = 40;

/// The answer in lines of at most `columns`, where its parts can be cut.
pub(super) fn lines(data: &Map<String, Value>, columns: usize) -> Vec<String> {
    let list = longest_list(data, 2);
    let message = data.get("message").and_then(Value::as_str).unwrap_or_default();
    let mut lines = message_lines(message, columns, list.is_some());
    let is_brief = lines.len() <= 2;
    let more = match list {
        Some(rows) => table(&rows, columns),
        None if is_brief => facts(data, columns),
        None => Vec::new(),
    };
    if !lines.is_empty() && !more.is_empty() {
        lines.push(String::new());
    }
    lines.extend(more);
    lines
}

/// Scope3's message without its Markdown, and without the points that a table shows better.
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

/// The longest list of objects at most so deep in an answer.
fn longest_list(object: &Map<String, Value>, depth: usize) -> Option<Vec<&Map<String, Value>>> {
    if depth == 0 {
        return None;
    }
    let lists = object.values().filter_map(|value| match value {
        Value::Array(items) if !items.is_empty() => items.iter().map(Value::as_object).collect(),
        Value::Object(inner) => longest_list(inner, depth - 1),
        _ => None,
    });
    // Of equals the first: `max_by_key` takes the last.
    lists.reduce(|longest: Vec<_>, list| if list.len() > longest.len() { list } else { longest })
}

/// A list as a table of the columns that tell most, as far as they fit.
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
        if rank >= NEEDLESS && chosen.len() >= ENOUGH_COLUMNS {
            break;
        }
        let rows = column(&name).into_iter().map(|text| vec![shown(name, &text)]).collect();
        let wide = layout::total(
            [width].into_iter().filter(|&w| w > 0).chain(Sheet::new([heading(name)], rows).widths()),
        );
        if wide <= columns || chosen.is_empty() {
            chosen.push(name);
            width = wide;
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

/// From this rank on a column is shown only where there are few others.
const NEEDLESS: usize = 6;
const ENOUGH_COLUMNS: usize = 3;

/// The order in which columns are taken: what a row is, how it is, and then what differs from row to row.
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

/// `creativeName` as CREATIVE NAME.
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

/// A cell in one line. Ids are never cut: people copy them.
fn shown(name: &str, text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = harmless(&text);
    if is_id(&name.to_lowercase()) { text.into_owned() } else { cut(&text, MAX_CELL_COLUMNS) }
}

/// The plain members of an object, with those of the objects in it.
fn leaves(object: &Map<String, Value>) -> Vec<(String, String)> {
    object
        .iter()
        .flat_map(|(name, value)| match value {
            Value::Object(inner) => inner
                .iter()
                .filter_map(|(member, value)| Some((format!("{name}.{member}"), plain(value)?)))
                .collect(),
            value => plain(value).map(|text| (name.clone(), text)).into_iter().collect::<Vec<_>>(),
        })
        .collect()
}

fn plain(value: &Value) -> Option<String> {
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

/// The plain members of an answer, one a line.
fn facts(data: &Map<String, Value>, columns: usize) -> Vec<String> {
    let known: Vec<(String, String)> =
        leaves(data).into_iter().filter(|(name, text)| name != "message" && !text.is_empty()).collect();
    let wide = known.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    let mut lines: Vec<String> = known
        .iter()
        .take(MAX_FACTS)
        .flat_map(|(name, text)| {
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let (first, rest) = (format!("{name:<wide$}  "), " ".repeat(wide + 2));
            layout::wrapped(&harmless(&text), columns, &harmless(&first), &rest)
        })
        .collect();
    if known.len() > MAX_FACTS {
        lines.push(format!("… and {} more; --json prints all", known.len() - MAX_FACTS));
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
    fn a_list_is_a_table_under_the_message() {
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
        assert_eq!(shown(data, 16)[2..], ["ID", "campaign_1", "campaign_2"], "an id stays whole");
    }

    #[test]
    fn a_long_list_ends_with_how_to_see_the_rest() {
        let rows: Vec<Value> = (0..120).map(|id| json!({ "id": format!("row_{id}") })).collect();
        let lines = shown(json!({ "rows": rows }), 80);
        assert_eq!(lines.len(), 1 + MAX_ROWS + 1);
        assert_eq!(lines.last().unwrap(), "… and 70 more; --json prints all");
    }

    #[test]
    fn an_answer_without_a_list_is_its_message_or_its_facts() {
        let long = "One.\nTwo.\nThree is a line that is wrapped.";
        let told = shown(json!({ "message": long, "id": 7 }), 16);
        assert_eq!(told, ["One.", "Two.", "Three is a line", "that is wrapped."]);
        let facts = shown(
            json!({ "message": "Done.", "tactic": { "id": "t", "gone": null }, "ids": ["a", "b"] }),
            40,
        );
        assert_eq!(facts, ["Done.", "", "tactic.id  t", "ids        a, b"]);
        assert!(shown(json!({}), 80).is_empty());
        assert_eq!(shown(json!({ "message": "None.", "rows": [] }), 80), ["None."]);
    }

    #[test]
    fn a_terminal_obeys_nothing_that_others_wrote() {
        let evil = "\u{1b}[2J\rx\u{7}";
        for data in [
            json!({ "message": evil }),
            json!({ "rows": [{ "id": evil, "name": evil }, { evil: evil }] }),
            json!({ evil: evil }),
        ] {
            for line in shown(data.clone(), 80) {
                assert!(!line.contains(char::is_control), "{line:?} of {data}");
            }
        }
    }
}
