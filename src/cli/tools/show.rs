//! `tools show`: shows one tool, as text or as JSON.

use std::io::Write;

use anyhow::Context;
use scope3_mcp_gateway::{
    catalog::{EffectWhen, Entry, MoneyUnit},
    policy::Policy,
};
use serde_json::{Map, Value};

use super::{CommandError, catalog_and_policy, find, layout};
use crate::config::Settings;

/// The minimum width of the column with an argument's description. On narrower terminals, the description is below the
/// argument's name.
const MIN_DESCRIPTION_COLUMNS: usize = 24;

pub(super) fn show(settings: &Settings, name: &str, json: bool) -> Result<(), CommandError> {
    let (catalog, policy) = catalog_and_policy(settings)?;
    let entry = find(&catalog, name)?;
    let mut out = std::io::stdout().lock();
    if json {
        let described = scope3_mcp_gateway::describe_tool(&catalog, &policy, None, name).unwrap_or_default();
        writeln!(out, "{}", serde_json::to_string_pretty(&described).context("the tool")?)?;
        return Ok(());
    }
    for line in tool_lines(entry, &policy, layout::columns().unwrap_or(layout::DEFAULT_COLUMNS)) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// A tool as lines of text.
fn tool_lines(entry: &Entry, policy: &Policy, columns: usize) -> Vec<String> {
    let tool = &entry.tool;
    let wrapped = |text: &str| layout::wrapped(text, columns, "", "");
    let mut lines = wrapped(&format!("{}: {}", tool.name, tool.title));
    lines.push(String::new());
    lines.extend(wrapped(&tool.description));
    lines.push(String::new());
    let mut facts = vec![
        ("Effect", tool.effect.to_string()),
        ("Toolset", format!("{} ({} API)", entry.toolset, entry.surface)),
        ("Offered", policy.check(entry, None).err().map_or("yes".to_owned(), |why| format!("no: {why}"))),
    ];
    if let Some(request) = &tool.request {
        facts.push(("Request", request.to_string()));
    }
    for EffectWhen { argument, is, effect, because } in tool.effect_when.iter() {
        let value = is.as_ref().map(|value| format!(" = {}", serde_json::json!(value)));
        let value = value.unwrap_or_default();
        facts.push(("Effect", format!("{effect} with {argument}{value}: {because}")));
    }
    if let Some(money) = &tool.money {
        let unit = match money.unit {
            MoneyUnit::Hundredths => "in hundredths of the currency unit",
            MoneyUnit::Major => "in currency units",
        };
        facts.push(("Money", format!("{}, {unit}", money.amount)));
    }
    for (name, fact) in facts {
        lines.extend(layout::wrapped(&fact, columns, &format!("{name:<9}"), &" ".repeat(9)));
    }
    lines.push(String::new());
    let mut arguments = Vec::new();
    // Alternatives at the top are shown as one list.
    collect(&mut arguments, "", &entry.portable_schema(), true);
    if arguments.is_empty() {
        lines.push("No arguments.".to_owned());
    } else {
        lines.extend(table(&arguments, columns));
    }
    lines
}

/// One argument, or a member of one.
struct Argument {
    /// The path in the syntax of `tools call`: `budget.total`, `creatives[].name`.
    path: String,
    kind: String,
    required: &'static str,
    description: String,
}

/// Collects the arguments of a schema with all their members. `is_parent_required` says whether every call has this
/// object.
fn collect(
    arguments: &mut Vec<Argument>,
    prefix: &str,
    schema: &Map<String, Value>,
    is_parent_required: bool,
) {
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let Some(property) = property.as_object() else { continue };
        let path = format!("{prefix}{name}");
        let is_required = required.contains(&name.as_str());
        arguments.push(Argument {
            kind: kind(property),
            required: match (is_required, is_parent_required) {
                (true, true) => "yes",
                (true, false) => "in parent",
                (false, _) => "",
            },
            description: description(property),
            path: path.clone(),
        });
        collect(arguments, &format!("{path}."), property, is_parent_required && is_required);
        if let Some(items) = property.get("items").and_then(Value::as_object) {
            collect(arguments, &format!("{path}[]."), items, false);
        }
    }
}

fn kind(schema: &Map<String, Value>) -> String {
    if let Some(items) = schema.get("items").and_then(Value::as_object) {
        let kind = kind(items);
        let plural = if kind == "any" || kind.contains(' ') { "" } else { "s" };
        return format!("list of {kind}{plural}");
    }
    match schema.get("type") {
        Some(Value::String(kind)) => kind.clone(),
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ => "any".to_owned(),
    }
}

/// Describes a value: its description, allowed values, bounds, format and default.
fn description(schema: &Map<String, Value>) -> String {
    let text_of = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let of_items = schema.get("items").and_then(Value::as_object);
    let get = |name: &str| schema.get(name).or_else(|| of_items?.get(name));
    let mut parts = Vec::new();
    parts.extend(get("description").map(|text| text_of(text).trim_end_matches('.').to_owned()));
    if let Some(allowed) = get("enum").and_then(Value::as_array) {
        parts.push(format!("one of {}", allowed.iter().map(text_of).collect::<Vec<_>>().join(", ")));
    }
    parts.extend(get("const").map(|value| format!("always {}", text_of(value))));
    match (schema.get("minimum"), schema.get("maximum")) {
        (Some(least), Some(most)) => parts.push(format!("{least} to {most}")),
        (Some(least), None) => parts.push(format!("at least {least}")),
        (None, Some(most)) => parts.push(format!("at most {most}")),
        (None, None) => {}
    }
    parts.extend(get("format").map(|format| match format.as_str() {
        Some("date") => "such as 2026-01-31".to_owned(),
        Some("date-time") => "such as 2026-01-31T00:00:00Z".to_owned(),
        Some("uri") => "such as https://example.com/path".to_owned(),
        _ => text_of(format),
    }));
    parts.extend(get("default").map(|value| format!("default {}", text_of(value))));
    parts.join("; ")
}

/// The arguments as a table, with their descriptions in the last column or, on a narrow terminal, below the names.
fn table(arguments: &[Argument], columns: usize) -> Vec<String> {
    const HEADINGS: [&str; 3] = ["ARGUMENT", "TYPE", "REQUIRED"];
    let cells = |argument: &Argument| {
        vec![argument.path.clone(), argument.kind.clone(), argument.required.to_owned()]
    };
    let mut rows: Vec<Vec<String>> = arguments.iter().map(cells).collect();
    let widths = layout::Sheet::new(HEADINGS, rows.clone()).widths();
    let rest = columns.saturating_sub(layout::total(widths.into_iter().chain([0])));
    if rest < MIN_DESCRIPTION_COLUMNS {
        return arguments.iter().flat_map(|argument| stacked(argument, columns)).collect();
    }
    for (row, argument) in rows.iter_mut().zip(arguments) {
        row.push(layout::wrapped(&argument.description, rest, "", "").join("\n"));
    }
    layout::Sheet::new(HEADINGS.into_iter().chain(["MEANING"]), rows).lines(None, &[])
}

fn stacked(argument: &Argument, columns: usize) -> Vec<String> {
    let Argument { path, kind, required, description } = argument;
    let required = match *required {
        "" => "",
        "yes" => ", required",
        _ => ", required in its parent",
    };
    let mut lines = layout::wrapped(&format!("{path} ({kind}{required})"), columns, "", "  ");
    if !description.is_empty() {
        lines.extend(layout::wrapped(description, columns, "    ", "    "));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use scope3_mcp_gateway::{
        catalog::{Catalog, Surface},
        policy::Selection,
    };

    #[test]
    fn every_tool_fits_its_terminal() {
        let catalog = Catalog::embedded();
        let choice = Selection { surfaces: vec![Surface::Campaign], ..Selection::default() };
        let policy = Policy::new(&catalog, choice).unwrap();
        for entry in catalog.entries() {
            for columns in [20, 40, 60, 80, 120] {
                for line in tool_lines(entry, &policy, columns) {
                    // A path is not broken, and has a label before it.
                    let indent = line.len() - line.trim_start().len();
                    let before = indent.max(10);
                    let has_long_word = line.split_whitespace().any(|word| word.len() + before > columns);
                    assert!(line.chars().count() <= columns || has_long_word, "{columns}: {line}");
                }
            }
        }
    }
}
