use std::{fmt::Write, path::PathBuf, time::Instant};

use serde_json::{Value, json};

use super::*;
use crate::{contract::Answer, request::Place};

/// A document with these lines below `paths`, and these below `components.schemas`.
fn document(paths: &str, schemas: &str) -> String {
    format!(
        "openapi: 3.0.0\ninfo: {{ title: Things, version: '1' }}\nservers: [{{ url: 'https://api.example.com/v1/things' }}]\n\
         paths:\n{paths}\ncomponents:\n  schemas:\n    Name: {{ type: string, description: A name. }}\n{schemas}\n"
    )
}

/// A document with one operation that takes this schema as its body.
fn with_body(schema: &str, schemas: &str) -> String {
    document(
        &format!(
            "  /a:\n    post:\n      operationId: a\n      requestBody: {{ content: {{ application/json: {{ schema: {schema} }} }} }}\n"
        ),
        schemas,
    )
}

fn imported(text: &str) -> Imported {
    import(text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn body(text: &str) -> Value {
    imported(text).contract.operations["a"].body.as_ref().unwrap().schema.clone().into()
}

fn error(text: &str) -> String {
    import(text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn facts_are_kept_and_prose_is_dropped() {
    let text = document(
        "  /a/{id}:
    servers: [{ url: /v1, description: Elsewhere }]
    parameters:
      - { name: id, in: path, required: true, description: The id., schema: { type: string, example: x } }
      - { name: limit, in: query, schema: { type: number } }
    get:
      operationId: getThing
      summary: Get a thing
      parameters:
        - { name: limit, in: query, schema: { type: integer, maximum: 9 } }
        - { name: tags, in: query, required: true, explode: false, schema: { type: array, items: { $ref: '#/components/schemas/Name' } } }
      responses: { 200: { content: { application/pdf: {} } }, '202': { description: Later } }
    delete:
      operationId: deleteThing
      requestBody: { required: true, content: { text/plain: {}, application/json: { schema: { type: object } } } }
      responses: { 204: {} }",
        "    Unused: { type: object }",
    );
    let Contract { server, operations, schemas, version } = imported(&text).contract;
    assert_eq!((server.as_str(), version.as_str()), ("https://api.example.com/v1/things", "1"));
    assert_eq!(schemas.into_iter().collect::<Vec<_>>(), [("Name".to_owned(), json!({ "type": "string" }))]);
    let get = &operations["getThing"];
    assert_eq!((get.request.to_string().as_str(), get.base.as_deref()), ("GET /a/{id}", Some("/v1")));
    assert_eq!((get.answer, get.accepted), (Answer::Pdf, true));
    let parameters: Vec<_> =
        get.parameters.iter().map(|it| (&*it.name, it.place, it.required, it.explode)).collect();
    assert_eq!(
        parameters,
        [
            ("id", Place::Path, true, true),
            ("limit", Place::Query, false, true),
            ("tags", Place::Query, true, false)
        ]
    );
    assert_eq!(Value::from(get.parameters[1].schema.clone()), json!({ "type": "integer", "maximum": 9 }));
    assert_eq!(get.parameters[2].schema["items"], json!({ "$ref": "#/$defs/Name" }));
    let delete = &operations["deleteThing"];
    assert_eq!((delete.answer, delete.body.as_ref().unwrap().required), (Answer::Empty, true));
}

#[test]
fn schemas_of_openapi_3_0_become_json_schema() {
    for (given, expected) in [
        ("{ type: string, nullable: true }", json!({ "type": ["string", "null"] })),
        (
            "{ type: string, nullable: true, enum: [NO, yes] }",
            json!({ "type": ["string", "null"], "enum": ["NO", "yes", null] }),
        ),
        (
            "{ type: number, minimum: 0, exclusiveMinimum: true }",
            json!({ "type": "number", "exclusiveMinimum": 0 }),
        ),
        ("{ type: number, maximum: 5, exclusiveMaximum: false }", json!({ "type": "number", "maximum": 5 })),
        (
            "{ allOf: [{ $ref: '#/components/schemas/Name' }], description: It. }",
            json!({ "$ref": "#/$defs/Name" }),
        ),
        ("{ $ref: '#/components/schemas/Name', type: number }", json!({ "$ref": "#/$defs/Name" })),
        (
            "{ allOf: [{ $ref: '#/components/schemas/Name' }], nullable: true }",
            json!({ "anyOf": [{ "$ref": "#/$defs/Name" }, { "type": "null" }] }),
        ),
        (
            "{ anyOf: [{ type: string, enum: [a] }, { type: string, enum: [b] }] }",
            json!({ "type": "string", "enum": ["a", "b"] }),
        ),
        (
            "{ type: object, properties: { description: { type: string, description: It. } }, additionalProperties: {}, x-more: 1 }",
            json!({ "type": "object", "properties": { "description": { "type": "string" } }, "additionalProperties": {} }),
        ),
        (
            "{ pattern: '^(?!\\.)[a-z]+$', type: string }",
            json!({ "type": "string", "pattern": "^(?!\\.)[a-z]+$" }),
        ),
        ("{ properties: { a: true, b: false } }", json!({ "properties": { "a": {}, "b": { "not": {} } } })),
        (
            "{ type: string, default: null, deprecated: true }",
            json!({ "type": "string", "deprecated": true }),
        ),
    ] {
        assert_eq!(body(&with_body(given, "")), expected, "{given}");
    }
    let newer =
        with_body("{ type: [string, 'null'], exclusiveMinimum: 3, const: x }", "").replace("3.0.0", "3.1.0");
    assert_eq!(body(&newer), json!({ "type": ["string", "null"], "const": "x", "exclusiveMinimum": 3 }));
}

#[test]
fn a_pattern_that_cannot_be_checked_is_left_out_and_noted() {
    let Imported { contract, notes, .. } = imported(&with_body("{ type: string, pattern: '(a' }", ""));
    assert_eq!(
        Value::from(contract.operations["a"].body.as_ref().unwrap().schema.clone()),
        json!({ "type": "string" })
    );
    assert!(notes.len() == 1 && notes[0].contains("pattern"), "{notes:?}");
}

#[test]
fn json_is_read_like_yaml() {
    let json = json!({
        "openapi": "3.1.0", "info": { "version": "\u{1f600} \"x\"" }, "servers": [{ "url": "https://api.example.com" }],
        "paths": { "/a": { "get": { "operationId": "a", "tags": ["MCP"] }, "post": { "operationId": "b" } } },
    });
    let plain = imported(&json.to_string());
    assert_eq!(plain, imported(&serde_json::to_string_pretty(&json).unwrap().replace("  ", "\t")));
    let escaped = json.to_string().replace('\u{1f600}', "\\ud83d\\ude00").replace("/a", "\\/a");
    assert_eq!(plain, imported(&escaped));
    assert_eq!(plain.contract.operations.keys().collect::<Vec<_>>(), ["b"]);
    assert!(plain.notes[0].starts_with("1 operations of Scope3's own MCP server"), "{:?}", plain.notes);
}

#[test]
fn a_broken_response_does_not_stop_the_import() {
    for responses in [
        "5",
        "[a]",
        "{ 200: { $ref: '#/nowhere' } }",
        "{ 200: { content: { a/b: { schema: { type: 7 } } } } }",
    ] {
        let text = document(&format!("  /a: {{ get: {{ operationId: a, responses: {responses} }} }}"), "");
        assert_eq!(imported(&text).contract.operations["a"].answer, Answer::Json);
    }
}

#[test]
fn a_recursive_schema_is_kept_unless_it_consists_of_itself() {
    let tree = "    Tree: { type: object, properties: { children: { type: array, items: { $ref: '#/components/schemas/Tree' } } } }";
    let schemas = imported(&with_body("{ $ref: '#/components/schemas/Tree' }", tree)).contract.schemas;
    assert_eq!(schemas["Tree"]["properties"]["children"]["items"], json!({ "$ref": "#/$defs/Tree" }));
    let circle = "    A: { allOf: [{ $ref: '#/components/schemas/B' }, { type: object }] }\n    B: { $ref: '#/components/schemas/A' }";
    let error = error(&with_body("{ $ref: '#/components/schemas/A' }", circle));
    assert!(
        error.starts_with("line 1")
            && error.contains("components.schemas.A")
            && error.contains("consists of itself"),
        "{error}"
    );
}

#[test]
fn a_document_that_is_not_as_it_must_be_is_rejected_with_its_place() {
    let operation = |lines: &str| document(&format!("  /a:\n    get:\n      operationId: a\n{lines}"), "");
    for (text, expected) in [
        (String::new(), "the document: expected an OpenAPI document, got null"),
        ("hello".to_owned(), "the document: expected an OpenAPI document, got a string"),
        ("[1, 2]".to_owned(), "the document: expected an OpenAPI document, got an array"),
        ("openapi: 3.0.0\npaths: {".to_owned(), "line 2, expected YAML or JSON: "),
        ("openapi: 3.0.0\nopenapi: 3.0.0".to_owned(), "line 2, expected YAML or JSON: "),
        ("openapi: 2.0\n".to_owned(), "line 1, openapi: expected OpenAPI 3.0 or 3.1, got 2.0"),
        ("openapi: 3.0.0\n".to_owned(), "servers: expected a list with the base URL of the API, got nothing"),
        (document("  /a: 5", ""), "line 5, paths./a: expected the operations of a path, got a number"),
        (
            document("  /a: { get: { tags: [x] } }", ""),
            "line 5, paths./a.get.operationId: expected the id of the operation",
        ),
        (
            document("  /a: { get: { operationId: 'a b' } }", ""),
            "paths./a.get.operationId: expected 1 to 128 characters",
        ),
        (document("  /a b: { get: { operationId: a } }", ""), "paths./a b: invalid request `GET /a b`"),
        (
            document("  /a: { get: { operationId: a } }\n  /b: { put: { operationId: a } }", ""),
            "line 6, paths./b.put.operationId: `a` is also the id of `GET /a`",
        ),
        (
            operation("      parameters: [{ name: x, in: cookie }]"),
            "line 8, paths./a.get.parameters.0.in: expected `path`",
        ),
        (
            operation("      parameters: [{ in: path }]"),
            "line 8, paths./a.get.parameters.0.name: expected the name",
        ),
        (
            operation("      parameters: [{ $ref: '#/none' }]"),
            "parameters.0.$ref: expected a reference to a part",
        ),
        (
            operation("      servers: [{ url: 'https://evil.example/v1' }]"),
            "servers.0.url: expected a URL on the host",
        ),
        (
            operation("      servers: [{ url: '//evil.example/v1' }]"),
            "servers.0.url: expected a URL on the host",
        ),
        (operation("      servers: [{ url: 'https://{host}/v1' }]"), "servers.0.url: expected the base URL"),
        (
            operation("      requestBody: { content: [] }"),
            "line 8, paths./a.get.requestBody.content: expected the body by",
        ),
        (with_body("{ type: strin }", ""), "schema.type: expected the name of a type, got \"strin\""),
        (
            with_body("{ type: object, properties: { b: [1] } }", ""),
            "line 8, paths./a.post.requestBody.content.application/json.schema.properties.b: expected a schema, got an array",
        ),
        (with_body("{ minLength: -1 }", ""), "schema.minLength: expected a whole number, got -1"),
        (
            with_body("{ $ref: 'https://example.com/x.json' }", ""),
            "schema.$ref: expected a reference within the document",
        ),
        (with_body("{ $ref: 'other.yaml#/A' }", ""), "schema.$ref: expected a reference within the document"),
        (
            with_body("{ $ref: '#/components/schemas/Missing' }", ""),
            "`#/components/schemas/Missing` is not in the document",
        ),
        (
            with_body("{ $ref: '#/components/schemas/A' }", "    A: { $ref: '#/components/schemas/A' }"),
            "line 13, components.schemas.A: expected a schema, got one that consists of itself",
        ),
    ] {
        let error = error(&text);
        assert!(error.contains(expected), "expected `{expected}`, got `{error}` of\n{text}");
        assert!(error.len() < 400, "{error}");
    }
    let binary = import(b"openapi: 3.0.0\n\xff\xfe").unwrap_err().to_string();
    assert_eq!(binary, "line 2, expected UTF-8");
}

#[test]
fn a_hostile_document_is_rejected_quickly() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let previous = format!("*a{}, ", level - 1).repeat(10);
        writeln!(bomb, "a{level}: &a{level} [{}]", previous.trim_end_matches(", ")).unwrap();
    }
    let deep =
        |open: &str, close: &str, depth: usize| format!("a: {}{}", open.repeat(depth), close.repeat(depth));
    let mut indented = String::new();
    for depth in 0..2_000 {
        writeln!(indented, "{}a:", " ".repeat(depth)).unwrap();
    }
    for (what, text) in [
        ("aliases that multiply", bomb),
        ("an alias of itself", "a: &a [*a]".to_owned()),
        ("deep lists", deep("[", "]", 100_000)),
        ("deep objects", deep("{ a: ", "}", 100_000)),
        ("deep lists that never end", deep("[", "", 1_000_000)),
        ("deep indentation", indented),
        ("many values", format!("a: [{}]", "0,".repeat(4_000_000))),
        ("many documents", "---\na: 1\n".repeat(100_000)),
        ("a large document", "x".repeat(200 << 20)),
    ] {
        let started = Instant::now();
        let error = error(&text);
        // A build for tests is ten times slower than one that ships.
        assert!(started.elapsed().as_secs() < 40, "{what} took {:?}: {error}", started.elapsed());
        println!("{what}: {error} ({:?})", started.elapsed());
        assert!(error.contains("line ") || error.contains("at most 32 MB"), "{what}: {error}");
        assert!(error.len() < 300, "{what}: {error}");
    }
}

#[test]
fn a_contract_is_the_same_after_writing_and_reading_it() {
    let contract = imported(&with_body(
        "{ type: object, properties: { name: { $ref: '#/components/schemas/Name' }, count: { type: integer, maximum: 9007199254740991, default: 1 } }, required: [name], additionalProperties: false }",
        "",
    ))
    .contract;
    let text = to_text(&contract);
    assert_eq!(serde_json::from_str::<Contract>(&text).unwrap(), contract);
    assert!(text.lines().all(|line| line.len() <= 121) && text.ends_with("}\n"), "{text}");
    assert_eq!(changes(&contract, &contract), Changes::default());
}

#[test]
fn a_newer_contract_lists_what_it_changes() {
    let old = document(
        "  /a: { get: { operationId: a } }\n  /b: { get: { operationId: b, parameters: [{ name: x, in: query, schema: { $ref: '#/components/schemas/Name' } }] } }",
        "",
    );
    let new =
        old.replace("operationId: a", "operationId: c").replace("type: string", "type: string, maxLength: 5");
    let Changes { added, removed, changed } = changes(&imported(&old).contract, &imported(&new).contract);
    assert_eq!((added, removed), (vec!["c".to_owned()], vec!["a".to_owned()]));
    assert_eq!(changed.iter().map(ToString::to_string).collect::<Vec<_>>(), ["b (parameter x)"]);
}

/// The published documents are not part of the project. `SPECS_DIR` names a folder that has them.
#[test]
fn every_published_document_is_imported() {
    let Some(specs) = std::env::var_os("SPECS_DIR").map(PathBuf::from) else {
        println!("skipped: SPECS_DIR is not set");
        return;
    };
    for (name, operations) in
        [("buyer-v2", 209), ("storefront-v2", 266), ("measurement-v2", 9), ("campaign-v1", 65)]
    {
        let text = std::fs::read(specs.join(format!("{name}.openapi.yaml"))).unwrap();
        let started = Instant::now();
        let Imported { contract, notes, .. } = import(&text).unwrap();
        let size = to_text(&contract).len();
        println!(
            "{name}: {} shared schemas, {size} bytes, {:?}, {notes:?}",
            contract.schemas.len(),
            started.elapsed()
        );
        assert_eq!(contract.operations.len(), operations, "{name}");
        let text = to_text(&contract);
        for word in ["\"description\"", "\"summary\"", "\"example\"", "nullable"] {
            let is_member = |line: &str| line.contains(&format!("{word}: \""));
            assert!(!text.lines().any(is_member), "{name} has {word}");
        }
        if name == "buyer-v2" {
            let base = |path: &str| {
                contract.operations.values().filter(|it| it.base.as_deref() == Some(path)).count()
            };
            assert_eq!((base("/api/v2"), base("")), (50, 1));
            let kept = std::fs::read_to_string(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../../tools/buyer/contract.json"
            ));
            assert!(
                kept.is_ok_and(|kept| kept == text),
                "tools/buyer/contract.json is not what the document says"
            );
        }
    }
}
