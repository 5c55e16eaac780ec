//! The input schema that clients see in tool lists. It uses only keywords that every model provider accepts. If it is too
//! large, its deepest objects are folded.
//!
//! A model keeps the tool list in its context for the whole conversation, so the schemas must be small. `describe_tool`
//! shows the full schema. The build script includes this file too, and embeds the result.

use serde_json::{Map, Value, json};

use super::{subschemas::children, walk::Schemas};

/// Maximum size of a listed schema, in bytes of compact JSON: about 500 tokens.
const MAX_LISTED_BYTES: usize = 2_100;

/// Maximum depth of a listed schema. A recursive schema would be infinitely deep.
const MAX_DEPTH: usize = 8;

/// Maximum number of subschemas in a listed schema.
const MAX_SUBSCHEMAS: usize = 2_000;

/// Annotations with the same meaning for every model provider.
const PORTABLE_ANNOTATIONS: [&str; 3] = ["title", "description", "default"];

/// Limits with the same meaning for every model provider. Other limits are omitted or described in words; arguments are
/// still checked against them.
const PORTABLE_LIMITS: [&str; 8] = [
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
];

/// The formats that are listed. Others are omitted.
const LISTED_FORMATS: [&str; 6] = ["date", "date-time", "time", "uri", "email", "uuid"];

/// Creates the input schema for lists. It never requires more than the full schema, so arguments made from it can only fail
/// because of what it omits.
pub(crate) fn simplify(input: &Map<String, Value>) -> Map<String, Value> {
    let mut listed = Simplifier { subschemas_left: MAX_SUBSCHEMAS }.simplify(&Schemas::of(input), 0);
    listed.insert("type".to_owned(), "object".into());
    let has_members =
        listed.get("properties").and_then(Value::as_object).is_some_and(|members| !members.is_empty());
    if !has_members && !Schemas::of(input).is_open() {
        // Strict clients require the keyword, and it tells a model not to invent arguments.
        listed.insert("additionalProperties".to_owned(), false.into());
    }
    fold_to_fit(listed)
}

/// Rewrites schemas with portable keywords.
struct Simplifier {
    subschemas_left: usize,
}

impl Simplifier {
    fn simplify(&mut self, schemas: &Schemas<'_>, depth: usize) -> Map<String, Value> {
        let mut simple = Map::new();
        let parts: Vec<&Map<String, Value>> = schemas.iter().collect();
        let single = if let [only] = *parts { Some(only) } else { None };
        if let Some(name) = type_name(schemas) {
            simple.insert("type".to_owned(), name.into());
        }
        // If several schemas apply, each may limit only some of the values, so their limits are omitted.
        let limits = if single.is_some() { PORTABLE_LIMITS.as_slice() } else { &[] };
        for keyword in PORTABLE_ANNOTATIONS.iter().chain(limits) {
            if let Some(value) =
                parts.iter().find_map(|part| part.get(*keyword)).filter(|value| !value.is_null())
                // Models do not send empty texts, and an error would say it.
                && !(*keyword == "minLength" && *value == 1)
            {
                simple.insert((*keyword).to_owned(), value.clone());
            }
        }
        simple.extend(allowed_texts(&parts, single.is_some()));
        if let Some(only) = single {
            copy_keyword(&mut simple, only, "format", |value| {
                LISTED_FORMATS.iter().any(|format| value == format)
            });
            copy_keyword(&mut simple, only, "pattern", Value::is_string);
        }
        for sentence in single.into_iter().flat_map(describe_limits) {
            add_to_description(&mut simple, &sentence);
        }
        let has_room = depth < MAX_DEPTH && self.subschemas_left > 0;
        self.subschemas_left = self.subschemas_left.saturating_sub(1);
        if has_room {
            self.add_subschemas(&mut simple, schemas, depth);
        }
        simple
    }

    fn add_subschemas(&mut self, simple: &mut Map<String, Value>, schemas: &Schemas<'_>, depth: usize) {
        let names = schemas.members();
        if !names.is_empty() || schemas.iter().any(|part| part.contains_key("properties")) {
            let members = names.iter().map(|name| {
                ((*name).to_owned(), Value::Object(self.simplify(&schemas.member(name), depth + 1)))
            });
            let members: Map<String, Value> = members.collect();
            let required: Vec<&str> =
                names.iter().copied().filter(|name| schemas.is_required(name)).collect();
            simple.insert("properties".to_owned(), members.into());
            if !required.is_empty() {
                simple.insert("required".to_owned(), json!(required));
            }
        }
        if schemas.types().has("array") {
            let items = schemas.item(schemas.prefix_length());
            if !items.is_empty() {
                simple.insert("items".to_owned(), self.simplify(&items, depth + 1).into());
            }
        }
        let others = schemas.iter().find_map(|part| part.get("additionalProperties")?.as_object());
        if let Some(others) = others.filter(|others| !others.is_empty()) {
            let others = schemas.rooted_at(others);
            simple.insert("additionalProperties".to_owned(), self.simplify(&others, depth + 1).into());
        }
    }
}

/// The type, if the schemas allow only one besides `null`.
fn type_name(schemas: &Schemas<'_>) -> Option<&'static str> {
    let types = schemas.types();
    types.only().or_else(|| types.without_null().only())
}

/// An `enum` of the allowed values, if all of them are texts. [`describe_limits`] describes other values.
fn allowed_texts(parts: &[&Map<String, Value>], is_single: bool) -> Map<String, Value> {
    let lists: Vec<Vec<&Value>> = parts
        .iter()
        .filter_map(|part| match (part.get("enum"), part.get("const")) {
            (Some(Value::Array(values)), _) => Some(values.iter().collect()),
            (_, Some(value)) => Some(vec![value]),
            _ => None,
        })
        .collect();
    let mut simple = Map::new();
    // An alternative without a list may allow other values, which an `enum` would exclude. One of the parts is the schema
    // with the alternatives, which needs no list.
    if lists.is_empty() || !is_single && lists.len() < parts.len() - 1 {
        return simple;
    }
    let values: Vec<&Value> = lists.into_iter().flatten().filter(|value| !value.is_null()).collect();
    if values.iter().all(|value| value.is_string()) {
        simple.insert("enum".to_owned(), json!(values));
    }
    simple
}

/// Describes the limits that the full schema expresses with keywords that some model providers reject.
fn describe_limits(schema: &Map<String, Value>) -> Vec<String> {
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

/// Copies a keyword whose value is suitable.
fn copy_keyword(
    simple: &mut Map<String, Value>,
    schema: &Map<String, Value>,
    keyword: &str,
    is_suitable: impl Fn(&Value) -> bool,
) {
    if let Some(value) = schema.get(keyword).filter(|value| is_suitable(value)) {
        simple.insert(keyword.to_owned(), value.clone());
    }
}

/// Adds a sentence to a description, unless the description contains it already.
fn add_to_description(schema: &mut Map<String, Value>, sentence: &str) {
    let description = match schema.get("description").and_then(Value::as_str) {
        Some(text) if text.to_lowercase().contains(&sentence.to_lowercase()) => return,
        Some(text) => format!("{}. {sentence}", text.trim_end_matches('.')),
        None => sentence.to_owned(),
    };
    schema.insert("description".to_owned(), description.into());
}

/// Folds the deepest objects until the schema is small enough.
fn fold_to_fit(listed: Map<String, Value>) -> Map<String, Value> {
    let mut listed = Value::Object(listed);
    while listed.to_string().len() > MAX_LISTED_BYTES {
        let Some(pointer) = listed.as_object().and_then(deepest_object) else { break };
        let Some(Value::Object(part)) = listed.pointer_mut(&pointer) else { break };
        fold_object(part);
    }
    match listed {
        Value::Object(listed) => listed,
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
fn fold_object(part: &mut Map<String, Value>) {
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
        assert_eq!(fold_to_fit(small.clone()), small);
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
        let shown = Value::Object(fold_to_fit(large.clone()));
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
            Value::Object(simplify(&full))["properties"],
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
        let shown = Value::Object(simplify(&full));
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
        assert_eq!(simplify(&none)["additionalProperties"], json!(false));
        let open = schema(json!({ "type": "object" }));
        assert!(!simplify(&open).contains_key("additionalProperties"));
    }

    #[test]
    fn a_schema_that_cannot_be_folded_is_shown_unchanged() {
        let wide = schema(json!({ "type": "object", "properties": {
            "text": { "type": "string", "description": "x".repeat(5_000) },
        } }));
        assert_eq!(fold_to_fit(wide.clone()), wide);
    }
}
