//! The input schema that clients see in tool lists. It uses only keywords that every model provider accepts. If it is too
//! large, its deepest objects are folded.
//!
//! A model keeps the tool list in its context for the whole conversation, so the schemas must be small. `describe_tool`
//! shows the full schema. The build script includes this file too, and embeds the result.

use serde_json::{Map, Value, json};

mod compact;
mod cost;
mod fold;
mod unions;

use super::{
    tool::{Input, Tool},
    types::Types,
    walk::Schemas,
};

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

/// The input schema of a tool for lists. A tool from a published document has a smaller one, because documents describe
/// more than agents need.
pub(crate) fn listed(tool: &Tool<Input>) -> Map<String, Value> {
    if tool.operation.is_none() {
        return simplify(&tool.input);
    }
    compact::compact(portable(&tool.input), &tool.name, &tool.description)
}

/// Creates the input schema for lists. It never requires more than the full schema, so arguments made from it can only fail
/// because of what it omits.
pub(crate) fn simplify(input: &Map<String, Value>) -> Map<String, Value> {
    fold_to_fit(portable(input))
}

/// Folds the deepest objects until the schema is small enough.
fn fold_to_fit(listed: Map<String, Value>) -> Map<String, Value> {
    fold::fold(listed, &[fold::deepest], &|listed| json!(listed).to_string().len() > MAX_LISTED_BYTES)
}

/// The whole schema in portable keywords.
pub(crate) fn portable(input: &Map<String, Value>) -> Map<String, Value> {
    let mut listed = Simplifier { subschemas_left: MAX_SUBSCHEMAS }.simplify(&Schemas::of(input), 0);
    listed.insert("type".to_owned(), "object".into());
    let has_members =
        listed.get("properties").and_then(Value::as_object).is_some_and(|members| !members.is_empty());
    if !has_members && !Schemas::of(input).is_open() {
        // Strict clients require the keyword, and it tells a model not to invent arguments.
        listed.insert("additionalProperties".to_owned(), false.into());
    }
    listed
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
        let kind = type_name(schemas);
        if let Some(name) = kind {
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
        if kind.is_none_or(|kind| kind == "string") {
            simple.extend(allowed_texts(&parts, single.is_some()));
        }
        if let Some(only) = single {
            copy_keyword(&mut simple, only, "format", |value| {
                LISTED_FORMATS.iter().any(|format| value == format)
            });
            copy_keyword(&mut simple, only, "pattern", Value::is_string);
        }
        for sentence in single.into_iter().flat_map(describe_limits) {
            add_to_description(&mut simple, &sentence);
        }
        if let Some(sentence) = unions::note(schemas) {
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
                (portable_name(name), Value::Object(self.simplify(&schemas.member(name), depth + 1)))
            });
            let members: Map<String, Value> = members.collect();
            let required: Vec<String> = names
                .iter()
                .filter(|name| schemas.is_required(name))
                .map(|name| portable_name(name))
                .collect();
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
    let only = types.only().or_else(|| types.without_null().only());
    only.or_else(|| PREFERRED_TYPES.into_iter().find(|name| types != Types::ALL && types.has(name)))
}

/// Of several types, clients see the first of these: a list of one instead of a single value, and ids as texts.
const PREFERRED_TYPES: [&str; 6] = ["array", "object", "boolean", "string", "number", "integer"];

/// The name of a member that every client accepts. Arguments with this name are read as those with the original one.
pub(crate) fn portable_name(name: &str) -> String {
    const MAX_CHARS: usize = 64;
    let portable = |c: char| if c.is_ascii_alphanumeric() || "_.-".contains(c) { c } else { '_' };
    name.chars().take(MAX_CHARS).map(portable).collect()
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
    let mut values: Vec<&Value> = Vec::new();
    for value in lists.into_iter().flatten().filter(|value| !value.is_null()) {
        // Alternatives can have values in common.
        if !values.contains(&value) {
            values.push(value);
        }
    }
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

#[cfg(test)]
mod tests;
