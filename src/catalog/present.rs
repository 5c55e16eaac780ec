//! The schema that clients are shown: whole where it is small, and with its deepest parts folded where it is not.
//!
//! What a list shows stays in the model's context for the whole conversation. `describe_tool` shows the rest.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::Entry;

/// How long a shown schema may be, in bytes of compact JSON: about 500 tokens.
const LONGEST_SHOWN: usize = 2_100;

impl Entry {
    /// The input schema for lists. It never asks for more than the full one does, so that arguments made from it
    /// fail only on what is folded.
    #[must_use]
    pub fn shown_schema(&self) -> Arc<Map<String, Value>> {
        let input = &self.tool.input;
        if self.is_folded() { Arc::new(folded(input.object().clone())) } else { input.shared() }
    }

    /// Whether a list shows less than the full schema.
    #[must_use]
    pub fn is_folded(&self) -> bool {
        self.tool.input.length() > LONGEST_SHOWN
    }
}

fn folded(mut shown: Map<String, Value>) -> Map<String, Value> {
    while length(&shown) > LONGEST_SHOWN {
        let Some((_, _, path)) = deepest_object(&shown, 0) else { break };
        if let Some(part) = follow(&mut shown, &path) {
            fold(part);
        }
    }
    shown
}

fn length(schema: &Map<String, Value>) -> usize {
    serde_json::to_string(schema).map_or(0, |text| text.len())
}

/// The steps to a part of a schema: property names, or `None` for the items of a list.
type Path = Vec<Option<String>>;

/// The object below the root that lies deepest, the largest among equals: its depth, its length and its path.
fn deepest_object(schema: &Map<String, Value>, depth: usize) -> Option<(usize, usize, Path)> {
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    let inner = properties
        .map(|(name, property)| (Some(name.clone()), property))
        .chain(schema.get("items").map(|items| (None, items)));
    let deeper = inner
        .filter_map(|(step, part)| {
            let (depth, length, mut path) = deepest_object(part.as_object()?, depth + 1)?;
            path.insert(0, step);
            Some((depth, length, path))
        })
        .max_by_key(|(depth, length, _)| (*depth, *length));
    let is_object = depth > 0 && schema.contains_key("properties");
    deeper.or_else(|| is_object.then(|| (depth, length(schema), Vec::new())))
}

fn follow<'a>(
    schema: &'a mut Map<String, Value>,
    path: &[Option<String>],
) -> Option<&'a mut Map<String, Value>> {
    path.iter().try_fold(schema, |schema, step| match step {
        Some(name) => schema.get_mut("properties")?.get_mut(name)?.as_object_mut(),
        None => schema.get_mut("items")?.as_object_mut(),
    })
}

/// Leaves of an object its description and the names of its members.
fn fold(part: &mut Map<String, Value>) {
    let names: Vec<&str> = part
        .get("properties")
        .and_then(Value::as_object)
        .map(|properties| properties.keys().map(String::as_str).collect())
        .unwrap_or_default();
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
    fn a_small_schema_is_shown_whole() {
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
    fn what_cannot_be_folded_is_shown_as_it_is() {
        let wide = schema(json!({ "type": "object", "properties": {
            "text": { "type": "string", "description": "x".repeat(5_000) },
        } }));
        assert_eq!(folded(wide.clone()), wide);
    }
}
