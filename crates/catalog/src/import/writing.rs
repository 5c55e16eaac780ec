//! The text of a contract: a value that fits into a line is on one line, so that a difference between two versions is
//! short and can be reviewed.

use serde_json::Value;

use crate::contract::Contract;

/// The maximum length of a line that contains several values.
const MAX_LINE: usize = 120;

/// The text of a contract. It ends with a line break.
#[must_use]
pub fn to_text(contract: &Contract) -> String {
    let mut text = String::new();
    // A contract has no keys that are not texts, and nothing else can fail.
    write(&serde_json::to_value(contract).unwrap_or_default(), 0, &mut text);
    text.push('\n');
    text
}

fn write(value: &Value, depth: usize, text: &mut String) {
    let line = on_one_line(value);
    let start = text.len() - text.rfind('\n').map_or(0, |at| at + 1);
    let parts: Vec<(Option<&String>, &Value)> = match value {
        _ if start + line.len() < MAX_LINE => Vec::new(),
        Value::Object(members) => members.iter().map(|(name, member)| (Some(name), member)).collect(),
        Value::Array(items) => items.iter().map(|item| (None, item)).collect(),
        _ => Vec::new(),
    };
    if parts.is_empty() {
        text.push_str(&line);
        return;
    }
    let [open, close] = if value.is_object() { ['{', '}'] } else { ['[', ']'] };
    let indent = |depth: usize| format!("\n{}", " ".repeat(depth));
    text.push(open);
    let last = parts.len() - 1;
    for (position, (name, part)) in parts.into_iter().enumerate() {
        text.push_str(&indent(depth + 1));
        if let Some(name) = name {
            text.push_str(&Value::from(name.as_str()).to_string());
            text.push_str(": ");
        }
        write(part, depth + 1, text);
        if position < last {
            text.push(',');
        }
    }
    text.push_str(&indent(depth));
    text.push(close);
}

fn on_one_line(value: &Value) -> String {
    let list = |parts: Vec<String>| parts.join(", ");
    match value {
        Value::Object(members) if !members.is_empty() => {
            let members = members
                .iter()
                .map(|(name, member)| format!("{}: {}", Value::from(name.as_str()), on_one_line(member)));
            format!("{{ {} }}", list(members.collect()))
        }
        Value::Array(items) => format!("[{}]", list(items.iter().map(on_one_line).collect())),
        other => other.to_string(),
    }
}
