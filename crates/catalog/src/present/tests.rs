use serde_json::json;

use super::*;

fn schema(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

#[test]
fn a_small_schema_is_shown_completely() {
    let small =
        schema(json!({ "type": "object", "properties": { "a": { "type": "string" } }, "required": ["a"] }));
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
            { "properties": { "kind": { "enum": ["b", "a"] }, "parent": { "$ref": "#" } }, "required": ["kind"] },
        ],
        "$defs": { "Named": { "properties": { "name": { "type": "string", "maxLength": 9 } }, "required": ["name"] } },
    }));
    let shown = Value::Object(simplify(&full));
    assert_eq!(shown["required"], json!(["name", "kind"]));
    assert_eq!(shown["properties"]["name"], json!({ "type": "string", "maxLength": 9 }));
    assert_eq!(shown["properties"]["kind"]["enum"], json!(["a", "b"]), "each value once");
    let text = shown.to_string();
    assert!(!["$ref", "allOf", "oneOf", "$defs", "const"].iter().any(|word| text.contains(word)), "{text}");
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
