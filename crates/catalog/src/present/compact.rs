//! The listed schema of an operation from a published document: what an agent needs to choose and to call, within a
//! budget. The document's bounds, patterns and defaults are not listed; arguments are still checked against them, and
//! `describe_tool` shows them.

use serde_json::{Map, Value, json};

use super::{cost::tokens, fold};

/// The maximum size of a listed tool: its name, description and schema, in estimated tokens.
pub(crate) const MAX_TOKENS: usize = 368;

/// Keywords that cost more in a list than they help.
const UNLISTED: [&str; 9] = [
    "title",
    "default",
    "pattern",
    "minLength",
    "maxLength",
    "maxItems",
    "minProperties",
    "maxProperties",
    "minItems",
];

/// How a schema is made smaller: what helps least goes first.
const STEPS: [fold::Step; 8] = [
    fold::deepest_optional,
    fold::shorten_longest,
    fold::say_once,
    fold::deepest,
    fold::shorten_longest,
    fold::name_only,
    fold::omit_values,
    fold::unword,
];

/// The maximum number of allowed values to list.
const MAX_VALUES: usize = 24;

/// Numbers above this are limits of number formats, not of values.
const MAX_LIMIT: f64 = 1e12;

/// The listed form of a schema of portable keywords, for a tool with this name and description.
pub(super) fn compact(mut schema: Map<String, Value>, name: &str, description: &str) -> Map<String, Value> {
    trim(&mut schema);
    let budget = MAX_TOKENS.saturating_sub(tokens(name) + tokens(description) + 12);
    fold::fold(schema, &STEPS, &|schema| tokens(&json!(schema).to_string()) > budget)
}

/// Removes what is not listed, in the schema and in all its parts.
fn trim(schema: &mut Map<String, Value>) {
    schema.retain(|keyword, value| match (keyword.as_str(), &*value) {
        ("minimum" | "maximum", limit) => {
            limit.as_f64().is_some_and(|limit| limit > 1.0 && limit < MAX_LIMIT)
        }
        ("enum", Value::Array(values)) => values.len() <= MAX_VALUES,
        (keyword, _) => !UNLISTED.contains(&keyword),
    });
    for keyword in ["items", "additionalProperties"] {
        if let Some(Value::Object(child)) = schema.get_mut(keyword) {
            trim(child);
        }
    }
    let members = schema.get_mut("properties").and_then(Value::as_object_mut);
    members.into_iter().flat_map(Map::values_mut).filter_map(Value::as_object_mut).for_each(trim);
}
