//! The schema that clients see: with keywords that every model provider accepts, complete if it is small, and otherwise
//! with its deepest parts folded.
//!
//! A list stays in the context of a model for the whole conversation. `describe_tool` shows the full schema. The build
//! script includes this file too, and embeds the result.

use serde_json::{Map, Value, json};

use super::walk::{Schemas, children};

/// Maximum size of a presented schema, in bytes of compact JSON: about 500 tokens.
const MAX_SHOWN_BYTES: usize = 2_100;

/// How deep, and with how many parts, a schema that contains itself is written out.
const MAX_DEPTH: usize = 8;
const MAX_SCHEMAS: usize = 2_000;

/// Keywords with the same meaning for every model provider. Others are omitted; arguments are still checked against
/// them.
const PORTABLE: [&str; 11] = [
    "title",
    "description",
    "default",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
];

/// Formats that every reader knows.
const FORMATS: [&str; 6] = ["date", "date-time", "time", "uri", "email", "uuid"];

/// The input schema for lists. It never requires more than the full schema, so arguments made from it can only fail
/// because of what it omits.
pub(crate) fn shown(input: &Map<String, Value>) -> Map<String, Value> {
    let mut shown = Plain { left: MAX_SCHEMAS }.schema(&Schemas::of(input), 0);
    shown.insert("type".to_owned(), "object".into());
    let has_members =
        shown.get("properties").and_then(Value::as_object).is_some_and(|members| !members.is_empty());
    if !has_members && !Schemas::of(input).allow_extra() {
        // Strict clients require it, and it leaves a model nothing to make up.
        shown.insert("additionalProperties".to_owned(), false.into());
    }
    folded(shown)
}

/// Writes schemas in portable words.
struct Plain {
    left: usize,
}

impl Plain {
    fn schema(&mut self, schemas: &Schemas<'_>, depth: usize) -> Map<String, Value> {
        let mut plain = Map::new();
        let parts: Vec<&Map<String, Value>> = schemas.parts().collect();
        let single = if let [only] = *parts { Some(only) } else { None };
        if let Some(name) = type_name(schemas) {
            plain.insert("type".to_owned(), name.into());
        }
        // Of several schemas each may bind a part of the values alone: what they say is taken, what they ask is not.
        for keyword in PORTABLE.iter().take(if single.is_some() { PORTABLE.len() } else { 3 }) {
            if let Some(value) =
                parts.iter().find_map(|part| part.get(*keyword)).filter(|value| !value.is_null())
            {
                plain.insert((*keyword).to_owned(), value.clone());
            }
        }
        plain.extend(enumerated(&parts, single.is_some()));
        if let Some(only) = single {
            keep(&mut plain, only, "format", |value| FORMATS.iter().any(|format| value == format));
            keep(&mut plain, only, "pattern", Value::is_string);
        }
        for word in single.into_iter().flat_map(bounds) {
            describe(&mut plain, &word);
        }
        let is_whole = depth < MAX_DEPTH && self.left > 0;
        self.left = self.left.saturating_sub(1);
        if is_whole {
            self.members(&mut plain, schemas, depth);
        }
        plain
    }

    fn members(&mut self, plain: &mut Map<String, Value>, schemas: &Schemas<'_>, depth: usize) {
        let names = schemas.members();
        if !names.is_empty() || schemas.parts().any(|part| part.contains_key("properties")) {
            let members = names.iter().map(|name| {
                ((*name).to_owned(), Value::Object(self.schema(&schemas.member(name), depth + 1)))
            });
            let members: Map<String, Value> = members.collect();
            let required: Vec<&str> = names.iter().copied().filter(|name| schemas.require(name)).collect();
            plain.insert("properties".to_owned(), members.into());
            if !required.is_empty() {
                plain.insert("required".to_owned(), json!(required));
            }
        }
        if schemas.types().include("array") {
            let items = schemas.item(schemas.described_items());
            if !items.is_empty() {
                plain.insert("items".to_owned(), self.schema(&items, depth + 1).into());
            }
        }
        let others = schemas.parts().find_map(|part| part.get("additionalProperties")?.as_object());
        if let Some(others) = others.filter(|others| !others.is_empty()) {
            let others = schemas.below(others);
            plain.insert("additionalProperties".to_owned(), self.schema(&others, depth + 1).into());
        }
    }
}

/// The type, where it is one besides `null`.
fn type_name(schemas: &Schemas<'_>) -> Option<&'static str> {
    let types = schemas.types();
    types.single().or_else(|| types.without_null().single())
}

/// The allowed values, where they are texts; other ones are told in words.
fn enumerated(parts: &[&Map<String, Value>], is_single: bool) -> Map<String, Value> {
    let stating: Vec<Vec<&Value>> = parts
        .iter()
        .filter_map(|part| match (part.get("enum"), part.get("const")) {
            (Some(Value::Array(values)), _) => Some(values.iter().collect()),
            (_, Some(value)) => Some(vec![value]),
            _ => None,
        })
        .collect();
    let mut plain = Map::new();
    // Beside alternatives that list nothing, a list would refuse what they allow.
    if stating.is_empty() || !is_single && stating.len() < parts.len() - 1 {
        return plain;
    }
    let values: Vec<&Value> = stating.into_iter().flatten().filter(|value| !value.is_null()).collect();
    if values.iter().all(|value| value.is_string()) {
        plain.insert("enum".to_owned(), json!(values));
    }
    plain
}

/// Describes the limits that the full schema states with keywords that some providers refuse.
fn bounds(schema: &Map<String, Value>) -> Vec<String> {
    let number = |keyword: &str| schema.get(keyword).filter(|value| value.is_number());
    let constant = match (schema.get("const"), schema.get("enum")) {
        (Some(value), _) if !value.is_string() => Some(format!("Must be {value}")),
        (_, Some(Value::Array(values)))
            if !values.iter().all(|value| value.is_string() || value.is_null()) =>
        {
            let values: Vec<String> = values.iter().map(ToString::to_string).collect();
            Some(format!("One of {}", values.join(", ")))
        }
        _ => None,
    };
    let above = number("exclusiveMinimum").map(|limit| format!("More than {limit}"));
    let below = number("exclusiveMaximum").map(|limit| format!("Less than {limit}"));
    [constant, above, below].into_iter().flatten().collect()
}

fn keep(
    plain: &mut Map<String, Value>,
    schema: &Map<String, Value>,
    keyword: &str,
    fits: impl Fn(&Value) -> bool,
) {
    if let Some(value) = schema.get(keyword).filter(|value| fits(value)) {
        plain.insert(keyword.to_owned(), value.clone());
    }
}

/// Adds words to a description, unless it contains them already.
fn describe(schema: &mut Map<String, Value>, words: &str) {
    let told = match schema.get("description").and_then(Value::as_str) {
        Some(text) if text.to_lowercase().contains(&words.to_lowercase()) => return,
        Some(text) => format!("{}. {words}", text.trim_end_matches('.')),
        None => words.to_owned(),
    };
    schema.insert("description".to_owned(), told.into());
}

fn folded(shown: Map<String, Value>) -> Map<String, Value> {
    let mut shown = Value::Object(shown);
    while shown.to_string().len() > MAX_SHOWN_BYTES {
        let Some(pointer) = shown.as_object().and_then(deepest_object) else { break };
        let Some(Value::Object(part)) = shown.pointer_mut(&pointer) else { break };
        fold(part);
    }
    match shown {
        Value::Object(shown) => shown,
        _ => Map::new(),
    }
}

/// The JSON pointer to the deepest object below the root; the largest one if several are equally deep.
fn deepest_object(schema: &Map<String, Value>) -> Option<String> {
    let mut level = vec![(String::new(), schema)];
    let mut deepest = None;
    loop {
        level = level
            .iter()
            .flat_map(|(pointer, schema)| {
                children(schema)
                    .into_iter()
                    .filter_map(move |(step, child)| Some((format!("{pointer}{step}"), child.as_object()?)))
            })
            .collect();
        if level.is_empty() {
            return deepest;
        }
        let objects = level.iter().filter(|(_, schema)| schema.contains_key("properties"));
        let largest = objects.max_by_key(|(_, schema)| json!(schema).to_string().len());
        deepest = largest.map(|(pointer, _)| pointer.clone()).or(deepest);
    }
}

/// Reduces an object to its description and the names of its members.
fn fold(part: &mut Map<String, Value>) {
    let members = part.get("properties").and_then(Value::as_object);
    let names: Vec<&str> = members.into_iter().flat_map(Map::keys).map(String::as_str).collect();
    let members = format!("Members: {}. Details: describe_tool.", names.join(", "));
    let description = match part.get("description").and_then(Value::as_str) {
        Some(text) => format!("{}. {members}", text.trim_end_matches('.')),
        None => members,
    };
    *part = Map::from_iter([
        ("type".to_owned(), Value::from("object")),
        ("description".to_owned(), Value::from(description)),
    ]);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_small_schema_is_shown_completely() {
        let small = schema(
            json!({ "type": "object", "properties": { "a": { "type": "string" } }, "required": ["a"] }),
        );
        assert_eq!(folded(small.clone()), small);
    }

    #[test]
    fn the_deepest_parts_of_a_large_schema_are_folded_first() {
        let long = "x".repeat(900);
        let large = schema(json!({
            "type": "object",
            "properties": {
                "shallow": { "type": "object", "properties": { "s": { "type": "string", "description": long } } },
                "list": { "type": "array", "items": { "type": "object", "properties": {
                    "deep": { "type": "object", "description": "Deep.", "properties": {
                        "one": { "type": "string", "description": long },
                        "two": { "type": "string", "description": long },
                    }, "required": ["one"] },
                } } },
            },
            "required": ["list"],
        }));
        let shown = Value::Object(folded(large.clone()));
        let deep = &shown["properties"]["list"]["items"]["properties"]["deep"];
        assert_eq!(
            *deep,
            json!({ "type": "object", "description": "Deep. Members: one, two. Details: describe_tool." })
        );
        assert_eq!(shown["properties"]["shallow"], large["properties"]["shallow"], "the rest is as it was");
        assert_eq!(shown["required"], json!(["list"]));
    }

    #[test]
    fn keywords_that_some_providers_reject_are_described_in_words() {
        let full = schema(json!({ "type": "object", "properties": {
            "cpm": { "type": "number", "exclusiveMinimum": 0, "description": "CURRENCY UNITS" },
            "confirm": { "type": "boolean", "const": true, "description": "Must be true" },
            "kind": { "const": "x" },
            "level": { "enum": [1, 2] },
            "note": { "type": ["string", "null"], "minLength": 0 },
            "tags": { "type": "array", "uniqueItems": true, "items": { "type": "string", "format": "hostname" } },
        } }));
        assert_eq!(
            Value::Object(shown(&full))["properties"],
            json!({
                "cpm": { "type": "number", "description": "CURRENCY UNITS. More than 0" },
                "confirm": { "type": "boolean", "description": "Must be true" },
                "kind": { "type": "string", "enum": ["x"] },
                "level": { "type": "integer", "description": "One of 1, 2" },
                "note": { "type": "string", "minLength": 0 },
                "tags": { "type": "array", "items": { "type": "string" } },
            })
        );
    }

    #[test]
    fn combined_schemas_are_shown_as_one_object() {
        let full = schema(json!({
            "type": "object",
            "allOf": [{ "$ref": "#/$defs/Named" }],
            "oneOf": [
                { "properties": { "kind": { "const": "a" }, "size": { "type": "integer", "minimum": 5 } }, "required": ["kind", "size"] },
                { "properties": { "kind": { "const": "b" }, "parent": { "$ref": "#" } }, "required": ["kind"] },
            ],
            "$defs": { "Named": { "properties": { "name": { "type": "string", "maxLength": 9 } }, "required": ["name"] } },
        }));
        let shown = Value::Object(shown(&full));
        assert_eq!(shown["required"], json!(["name", "kind"]));
        assert_eq!(shown["properties"]["name"], json!({ "type": "string", "maxLength": 9 }));
        assert_eq!(shown["properties"]["kind"]["enum"], json!(["a", "b"]));
        let text = shown.to_string();
        assert!(
            !["$ref", "allOf", "oneOf", "$defs", "const"].iter().any(|word| text.contains(word)),
            "{text}"
        );
    }

    #[test]
    fn a_tool_without_arguments_is_closed() {
        let none = schema(json!({ "type": "object", "properties": {} }));
        assert_eq!(shown(&none)["additionalProperties"], json!(false));
        let open = schema(json!({ "type": "object" }));
        assert!(!shown(&open).contains_key("additionalProperties"));
    }

    #[test]
    fn a_schema_that_cannot_be_folded_is_shown_unchanged() {
        let wide = schema(json!({ "type": "object", "properties": {
            "text": { "type": "string", "description": "x".repeat(5_000) },
        } }));
        assert_eq!(folded(wide.clone()), wide);
    }
}
