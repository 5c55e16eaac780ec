use serde_json::json;

use super::{super::subschemas::children, *};

fn document(value: Value) -> Schema {
    value.as_object().unwrap().clone()
}

fn accepts(schema: &Schema, value: &Value) -> bool {
    jsonschema::validator_for(&Value::Object(closed(schema))).unwrap().is_valid(value)
}

/// The same object with the members `a` and `b`, defined with each keyword that can add members.
fn equivalent_schemas() -> Vec<(&'static str, Schema)> {
    let a = json!({ "properties": { "a": { "type": "integer" } }, "required": ["a"] });
    let b = json!({ "properties": { "b": { "type": "string" } } });
    let both = json!({
        "type": "object",
        "properties": { "a": { "type": "integer" }, "b": { "type": "string" } },
        "required": ["a"],
    });
    [
        ("properties", both.clone()),
        ("$ref", json!({ "$ref": "#/$defs/Both", "$defs": { "Both": both } })),
        (
            "$ref beside properties",
            json!({
                "type": "object", "$ref": "#/$defs/a~1%7Ba%7D", "properties": { "b": { "type": "string" } },
                "$defs": { "a/{a}": a },
            }),
        ),
        ("allOf", json!({ "type": "object", "allOf": [a, b] })),
        ("allOf in allOf", json!({ "type": "object", "allOf": [{ "allOf": [{ "allOf": [a] }, b] }] })),
        (
            "allOf with $ref",
            json!({
                "type": "object", "allOf": [{ "$ref": "#/$defs/A" }, { "$ref": "#/$defs/B" }],
                "$defs": { "A": a, "B": b },
            }),
        ),
    ]
    .map(|(name, schema)| (name, document(schema)))
    .into()
}

#[test]
fn members_are_known_and_objects_are_closed_for_every_keyword() {
    for (keyword, schema) in equivalent_schemas() {
        let schemas = Schemas::of(&schema);
        let mut members = schemas.members();
        members.sort_unstable();
        assert_eq!(members, ["a", "b"], "{keyword}");
        assert!(schemas.has_member("a") && !schemas.has_member("c") && !schemas.is_open(), "{keyword}");
        assert!(schemas.is_required("a") && !schemas.is_required("b"), "{keyword}");
        assert_eq!(schemas.types().only(), Some("object"), "{keyword}");
        assert_eq!(schemas.member("a").types().only(), Some("integer"), "{keyword}");
        assert!(
            schemas.at("b").is_some() && schemas.at("c").is_none() && schemas.at("b.c").is_none(),
            "{keyword}"
        );
        assert!(accepts(&schema, &json!({ "a": 1, "b": "x" })), "{keyword}");
        for rejected in [json!({ "a": 1, "c": 1 }), json!({ "b": "x" }), json!({ "a": "x" }), json!([])] {
            assert!(!accepts(&schema, &rejected), "{keyword}: {rejected}");
        }
    }
}

#[test]
fn members_of_all_alternatives_are_known_and_each_alternative_is_closed() {
    let branch = |kind: &str, member: &str| {
        json!({
            "type": "object",
            "properties": { "kind": { "const": kind }, member: { "type": "string" } },
            "required": ["kind", member],
        })
    };
    for keyword in ["anyOf", "oneOf"] {
        let schema = document(json!({ keyword: [branch("x", "one"), branch("y", "two")] }));
        let schemas = Schemas::of(&schema);
        assert_eq!(schemas.members(), ["kind", "one", "two"], "{keyword}");
        assert!(
            schemas.is_required("kind") && !schemas.is_required("one") && !schemas.is_open(),
            "{keyword}"
        );
        assert_eq!(schemas.types().only(), Some("object"), "{keyword}");
        assert!(accepts(&schema, &json!({ "kind": "y", "two": "t" })), "{keyword}");
        for rejected in [
            json!({ "kind": "y", "two": "t", "one": "o" }),
            json!({ "kind": "y", "one": "o" }),
            json!({ "kind": "y", "two": "t", "three": "" }),
        ] {
            assert!(!accepts(&schema, &rejected), "{keyword}: {rejected}");
        }
    }
}

#[test]
fn objects_that_allow_other_members_stay_open() {
    let named = json!({ "a": { "type": "integer" } });
    for open in [
        json!({ "type": "object" }),
        json!({ "properties": named, "additionalProperties": true }),
        json!({ "properties": named, "additionalProperties": {} }),
        json!({ "properties": named, "unevaluatedProperties": {} }),
        json!({ "properties": named, "patternProperties": { "^x": {} } }),
        json!({ "allOf": [{ "properties": named }, { "additionalProperties": {} }] }),
        json!({ "anyOf": [{ "type": "object" }, { "properties": named }] }),
        json!({ "anyOf": [{ "type": "string" }, { "type": "object" }] }),
    ] {
        let schema = document(open.clone());
        assert!(Schemas::of(&schema).is_open(), "{open}");
        assert!(accepts(&schema, &json!({ "a": 1, "x": 2 })), "{open}");
    }
    let values = document(json!({ "additionalProperties": { "type": "string" } }));
    assert_eq!(Schemas::of(&values).member("any").types().only(), Some("string"));
    for rejected in [
        json!({ "additionalProperties": false }),
        json!({ "anyOf": [{ "type": "string" }, { "properties": named }] }),
    ] {
        assert!(!accepts(&document(rejected.clone()), &json!({ "x": 2 })), "{rejected}");
    }
}

#[test]
fn the_items_of_lists_are_closed() {
    let item = json!({ "properties": { "a": {} } });
    for list in [
        json!({ "type": "array", "items": item }),
        json!({ "type": "array", "prefixItems": [{ "type": "string" }, item], "items": item }),
        json!({ "type": "array", "items": { "allOf": [{ "$ref": "#/$defs/I" }] }, "$defs": { "I": item } }),
    ] {
        let schema = document(list.clone());
        assert!(accepts(&schema, &json!(["x", { "a": 1 }])), "{list}");
        assert!(!accepts(&schema, &json!(["x", { "b": 1 }])), "{list}");
        assert!(Schemas::of(&schema).item(1).has_member("a"), "{list}");
        assert!(Schemas::of(&schema).item(9).has_member("a"), "{list}");
    }
    let tuple = document(json!({ "prefixItems": [{ "type": "string" }] }));
    assert_eq!(Schemas::of(&tuple).prefix_length(), 1);
    assert_eq!(Schemas::of(&tuple).item(0).types().only(), Some("string"));
    assert!(Schemas::of(&tuple).item(1).is_empty());
}

#[test]
fn conditions_are_not_closed() {
    let schema = document(json!({
        "properties": { "a": {}, "b": {} },
        "not": { "properties": { "a": { "const": 1 } }, "required": ["a"] },
        "if": { "properties": { "b": { "const": 1 } }, "required": ["b"] },
        "then": { "required": ["a"] },
    }));
    assert!(accepts(&schema, &json!({ "a": 2, "b": 1 })));
    for rejected in [json!({ "a": 1, "b": 2 }), json!({ "b": 1 }), json!({ "c": 1 })] {
        assert!(!accepts(&schema, &rejected), "{rejected}");
    }
}

#[test]
fn types_are_found_for_every_keyword() {
    for (schema, includes, excludes) in [
        (json!({ "type": ["string", "null"] }), vec!["string", "null"], vec!["object", "integer"]),
        (json!({ "type": "number" }), vec!["number", "integer"], vec!["string"]),
        (json!({ "type": "integer" }), vec!["integer"], vec!["number"]),
        (json!({ "enum": ["a", 1] }), vec!["string", "integer"], vec!["null", "object"]),
        (json!({ "const": true }), vec!["boolean"], vec!["string"]),
        (
            json!({ "anyOf": [{ "type": "string" }, { "type": "integer" }] }),
            vec!["string", "integer"],
            vec!["array"],
        ),
        (json!({ "anyOf": [{ "type": "string" }, {}] }), vec!["string", "object", "null"], vec![]),
        (json!({ "type": "string", "anyOf": [{ "minLength": 1 }] }), vec!["string"], vec!["null"]),
        (
            json!({ "allOf": [{ "type": ["string", "null"] }, { "type": ["string", "array"] }] }),
            vec!["string"],
            vec!["null", "array"],
        ),
        (json!({}), vec!["string", "object", "null", "number"], vec![]),
    ] {
        let document = document(schema.clone());
        let types = Schemas::of(&document).types();
        assert!(includes.iter().all(|name| types.has(name)), "{schema}");
        assert!(!excludes.iter().any(|name| types.has(name)), "{schema}");
    }
}

#[test]
fn cycles_and_broken_references_terminate() {
    let tree = document(json!({
        "$ref": "#/$defs/Node",
        "$defs": { "Node": {
            "type": "object",
            "properties": { "name": { "type": "string" }, "children": { "type": "array", "items": { "$ref": "#/$defs/Node" } } },
        } },
    }));
    let schemas = Schemas::of(&tree);
    assert!(schemas.at("children[].children[].children[].name").is_some());
    assert!(accepts(&tree, &json!({ "children": [{ "children": [{ "name": "n" }] }] })));
    assert!(!accepts(&tree, &json!({ "children": [{ "children": [{ "nam": "n" }] }] })));

    let doubling: Map<String, Value> = (0..64)
        .map(|at| {
            let next = json!({ "$ref": format!("#/$defs/{}", (at + 1) % 64) });
            (at.to_string(), json!({ "anyOf": [next, next], "allOf": [next, next] }))
        })
        .collect();
    for circle in [
        json!({ "$ref": "#" }),
        json!({ "allOf": [{ "$ref": "#" }] }),
        json!({ "$ref": "#/$defs/0", "$defs": doubling }),
        json!({ "$ref": "#/$defs/missing" }),
        json!({ "$ref": "https://example.com/other.json" }),
        json!({ "$ref": "#anchor" }),
        json!({ "$ref": "#/allOf/7", "allOf": [] }),
        json!({ "$ref": 7, "allOf": 7, "anyOf": {}, "items": 7, "properties": [] }),
    ] {
        let circle = document(circle);
        let schemas = Schemas::of(&circle);
        let _ended = (
            schemas.types(),
            schemas.members(),
            schemas.is_open(),
            schemas.is_required("x"),
            closed(&circle),
        );
    }
}

#[test]
fn children_are_found_for_every_keyword() {
    let schema = document(json!({
        "properties": { "a/b": {} }, "patternProperties": { "^x": {} }, "$defs": { "D": {} },
        "items": {}, "prefixItems": [{}, true], "allOf": [{}], "anyOf": [{}], "oneOf": [{}], "not": {},
        "additionalProperties": false, "unevaluatedProperties": {}, "if": {}, "then": {}, "else": {},
        "enum": [{}], "const": {}, "default": {}, "description": "d",
    }));
    let mut found: Vec<String> = children(&schema).into_iter().map(|(pointer, _)| pointer).collect();
    found.sort_unstable();
    let mut expected = vec![
        "/properties/a~1b",
        "/patternProperties/^x",
        "/$defs/D",
        "/items",
        "/prefixItems/0",
        "/prefixItems/1",
        "/allOf/0",
        "/anyOf/0",
        "/oneOf/0",
        "/not",
        "/additionalProperties",
        "/unevaluatedProperties",
        "/if",
        "/then",
        "/else",
    ];
    expected.sort_unstable();
    assert_eq!(found, expected);
    let whole = Value::Object(schema.clone());
    assert!(children(&schema).iter().all(|(pointer, child)| whole.pointer(pointer) == Some(*child)));
}
