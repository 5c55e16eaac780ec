//! A broken file in `tools/` fails the build with a message that names the file, the tool and the field.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// The build script of this very build. Cargo keeps it in a sibling of its output folder.
fn build_script() -> PathBuf {
    let siblings = Path::new(env!("OUT_DIR")).ancestors().nth(2).unwrap();
    let scripts = fs::read_dir(siblings).unwrap().filter_map(|entry| {
        let entry = entry.unwrap();
        let ours = entry.file_name().to_str().unwrap().starts_with("scope3-mcp-catalog-");
        let script = entry.path().join(format!("build-script-build{}", std::env::consts::EXE_SUFFIX));
        (ours && script.exists()).then(|| (fs::metadata(&script).unwrap().modified().unwrap(), script))
    });
    scripts.max().unwrap().1
}

/// Builds a catalog of one file.
fn build(surface: &str, name: &str, text: &str) -> (Output, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let tools = folder.path().join("tools").join(surface);
    fs::create_dir_all(&tools).unwrap();
    fs::write(tools.join(name), text).unwrap();
    let package = folder.path().join("crates").join("catalog");
    fs::create_dir_all(&package).unwrap();
    let output =
        Command::new(build_script()).current_dir(package).env("OUT_DIR", folder.path()).output().unwrap();
    (output, folder)
}

const GOOD: &str = "
toolset: things
description: Things.
tools:
  - name: thing_get
    title: Get thing
    description: Get a thing.
    request: GET /thing/{id}
    effect: read
    input:
      type: object
      properties:
        id: { type: string }
      required: [id]
";

#[test]
fn a_valid_file_builds() {
    let (output, folder) = build("campaign", "things.yaml", GOOD);
    assert!(output.status.success(), "{output:?}");
    assert!(fs::read_to_string(folder.path().join("catalog.rs")).unwrap().contains("thing_get"));
}

#[test]
fn an_invalid_file_fails_the_build_with_its_location() {
    for (broken, by, expected) in [
        ("name: thing_get", "name: ThingGet", "tool `ThingGet`, field `name`"),
        ("effect: read", "effect: reads", "reads"),
        ("effect: read", "efect: read", "efect"),
        ("request: GET /thing/{id}", "request: FETCH /thing", "FETCH /thing"),
        (
            "request: GET /thing/{id}",
            "request: GET /thing/{key}",
            "tool `thing_get`, field `request`: `{key}`",
        ),
        ("    request: GET /thing/{id}\n", "", "tool `thing_get`, field `request`: is missing"),
        ("effect: read", "effect: read\n    answers: usage", "tool `thing_get`, field `answers`"),
        ("effect: read", "effect: write", "tool `thing_get`, field `settled_by`: is missing"),
        ("effect: read", "effect: read\n    settled_by: thing_get", "tool `thing_get`, field `settled_by`"),
        (
            "effect: read",
            "effect: write\n    settled_by: thing_get",
            "things.yaml: tool `thing_get`, field `settled_by`: `thing_get` is not a read",
        ),
        (
            "effect: read",
            "effect: write\n    settled_by: thing_list\n    not_settled: No tool lists things",
            "tool `thing_get`, field `not_settled`",
        ),
        ("effect: read", "effect: read\n    presents: nothing", "nothing"),
        (
            "effect: read",
            "effect: read\n    unchanged: { zero: n }",
            "field `unchanged`: is only for tools that change",
        ),
        (
            "effect: read",
            "effect: write\n    not_settled: So.\n    unchanged: { zero: n, unless: [key] }",
            "field `unchanged`: `key` is not in input",
        ),
        (
            "effect: read",
            "effect: read\n    checks: [{ before: [id, end] }]",
            "field `checks`: `end` is not in input",
        ),
        ("effect: read", "effect: read\n    checks: [{ unique: id }]", "field `checks`: `id` has no list"),
        ("effect: read", "effect: read\n    checks: [{ less: [id, id] }]", "less"),
        ("effect: read", "effect: read\n    checks: [{ not_past: { date: id } }]", "days"),
        ("effect: read", "effect: read\n    money: { amount: total, unit: major }", "field `money`: `total`"),
        ("type: string", "type: strin", "tool `thing_get`, field `input"),
        ("type: string", "$ref: '#/x'", "field `input.properties.id.$ref`"),
        ("type: string", "type: [string, 'null']", "field `input.properties.id.type`"),
        ("type: string", "type: string, nullable: true", "field `input.properties.id.nullable`"),
        ("id: { type: string }", "id: true", "field `input.properties.id`"),
        ("id: { type: string }", "'i d': { type: string }", "field `input.properties.i d`"),
        ("required: [id]", "required: [id, other]", "field `input.required`"),
        ("      type: object\n", "", "field `input.type`"),
        ("description: Get a thing.", "description: ' '", "field `description`"),
        ("toolset: things", "toolset: thing", "field `toolset`"),
        ("tools:", "tools: [", "things.yaml"),
    ] {
        assert!(GOOD.contains(broken), "{broken}");
        let (output, _folder) = build("campaign", "things.yaml", &GOOD.replacen(broken, by, 1));
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(!output.status.success(), "`{by}` was accepted");
        assert!(printed.contains("cargo::error=") && printed.contains("things.yaml"), "`{by}`: {printed}");
        assert!(printed.contains(expected), "`{by}`: {printed}");
    }
}

#[test]
fn a_folder_that_cannot_be_a_surface_fails_the_build_with_its_name() {
    for surface in ["été", "Campaign", "sell-side", "2"] {
        let (output, _folder) = build(surface, "things.yaml", GOOD);
        let printed = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{surface}: {:?}", String::from_utf8(output.stderr));
        assert!(printed.contains(&format!("cargo::error=tools/{surface}: expected")), "{surface}: {printed}");
    }
}

#[test]
fn a_duplicate_name_fails_the_build() {
    let tool = GOOD.split_once("tools:\n").unwrap().1;
    let (output, _folder) = build("campaign", "things.yaml", &format!("{GOOD}{tool}"));
    assert!(String::from_utf8(output.stdout).unwrap().contains("appears twice"));
}

#[test]
fn a_local_tool_requires_a_kind_of_answer() {
    let local = GOOD.replace("    request: GET /thing/{id}\n", "");
    let (output, _folder) = build("local", "things.yaml", &local);
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(!output.status.success() && printed.contains("tool `thing_get`, field `answers`"), "{printed}");
    let (output, _folder) =
        build("local", "things.yaml", &local.replace("effect:", "answers: usage\n    effect:"));
    assert!(output.status.success(), "{output:?}");
    let (output, _folder) =
        build("local", "things.yaml", &local.replace("effect:", "answers: x\n    effect:"));
    assert!(!output.status.success());
}

#[test]
fn an_invalid_binding_fails_the_build() {
    let bound = |line: &str, binding: &str| {
        let bound = format!("request:\n      line: {line}\n      bindings:\n        - {{ {binding} }}");
        build("campaign", "things.yaml", &GOOD.replace("request: GET /thing/{id}", &bound)).0
    };
    let good = "argument: id, place: path, name: thingId, reason: The document says so.";
    let output = bound("GET /thing/{thingId}", good);
    assert!(output.status.success(), "{output:?}");
    for (line, binding, expected) in [
        ("GET /thing/{thingId}", "argument: id, place: path, name: thingId", "things.yaml"),
        (
            "GET /thing/{thingId}",
            "argument: id, place: path, reason: r",
            "`{thingId}` needs an argument listed in input.required",
        ),
        (
            "GET /thing",
            "argument: id, place: path, reason: r",
            "the binding of `id` names a parameter that the path does not have",
        ),
        (
            "GET /thing",
            "argument: key, place: query, reason: r",
            "the binding of `key` is for an argument that input does not define",
        ),
        ("GET /thing", "argument: id, place: head, reason: r", "things.yaml"),
        (
            "GET /thing",
            "argument: id, place: header, name: Host, reason: r",
            "names a header that a tool may not set",
        ),
        ("GET /thing", "argument: id, place: header, name: 'a b', reason: r", "does not name a valid header"),
        ("GET /thing", "argument: id, place: part, reason: r", "needs a method with a body"),
        ("POST /thing", "argument: id, place: body, style: comma, reason: r", "has a style"),
        (
            "GET /thing/{id}",
            "argument: id, place: query, reason: r",
            "`{id}` needs an argument listed in input.required",
        ),
    ] {
        let output = bound(line, binding);
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(
            !output.status.success() && printed.contains(expected),
            "`{line}` with `{binding}`: {printed}"
        );
    }
}

/// A contract of one operation, with a parameter that its path does not have.
const CONTRACT: &str = r##"{
    "version": "1", "server": "https://api.example.com/v1",
    "operations": { "setThing": {
        "request": "POST /thing/{thingId}", "base": "/v2",
        "parameters": [{ "name": "id", "in": "path", "required": true, "schema": { "type": "integer" } }],
        "body": { "required": true, "schema": { "$ref": "#/$defs/Thing" } }
    } },
    "$defs": { "Thing": {
        "type": "object", "required": ["name", "demo"],
        "properties": { "name": { "type": "string" }, "demo": { "type": "boolean", "default": false },
            "sure": { "type": "boolean" }, "parts": { "type": "array", "items": { "$ref": "#/$defs/Thing" } } }
    } }
}"##;

const WORDS: &str = "
toolset: things
description: Things.
tools:
  - name: set_thing
    operation: setThing
    title: Set thing
    description: Set a thing.
    effect: write
    not_settled: No read shows it.
    by_consent: [sure]
    arguments:
      parts[].parts[].name: Its name
    corrections:
      - { parameter: id, is: thingId, because: the path says thingId }
      - { optional: demo, because: it has a default }
      - { no_default: demo, because: it is wrong }
      - { hide: 'parts[].sure', because: it is for people }
";

fn join(contract: &str, words: &str) -> (Output, tempfile::TempDir) {
    let (_, folder) = build("buyer", "things.yaml", words);
    fs::write(folder.path().join("tools/buyer/contract.json"), contract).unwrap();
    let package = folder.path().join("crates").join("catalog");
    let output =
        Command::new(build_script()).current_dir(package).env("OUT_DIR", folder.path()).output().unwrap();
    (output, folder)
}

/// The same operation with a form, which has a file.
const FORM: &str = r##"{
    "version": "1", "server": "https://api.example.com/v1",
    "operations": { "setThing": {
        "request": "POST /thing",
        "body": { "type": "multipart/form-data", "required": true, "schema": { "$ref": "#/$defs/Form" } }
    } },
    "$defs": {
        "Bytes": { "type": "string", "format": "binary" },
        "Form": { "type": "object", "properties": {
            "sheet": { "$ref": "#/$defs/Bytes" }, "raw": { "type": "string", "format": "binary" },
            "kind": { "type": "string" } } }
    }
}"##;

#[test]
fn the_binary_members_of_a_form_are_files() {
    let words = "
toolset: things
description: Things.
tools:
  - name: set_thing
    operation: setThing
    title: Set thing
    description: Set a thing.
    effect: write
    not_settled: No read shows it.
";
    let (output, folder) = join(FORM, words);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let code = fs::read_to_string(folder.path().join("catalog.rs")).unwrap();
    for (argument, place) in [("sheet", "File"), ("raw", "File"), ("kind", "Part")] {
        let expected = format!("argument: Cow::Borrowed(\"{argument}\"), place: Place::{place}");
        assert!(code.contains(&expected), "expected `{expected}` in {code}");
    }
}

#[test]
fn words_are_joined_with_the_facts_of_the_contract() {
    let (output, folder) = join(CONTRACT, WORDS);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let code = fs::read_to_string(folder.path().join("catalog.rs")).unwrap();
    for expected in [
        "path: Cow::Borrowed(\"/thing/{thingId}\"), base: Some(Cow::Borrowed(\"/v2\")), body: Some(true)",
        "argument: Cow::Borrowed(\"thingId\"), place: Place::Path",
        "argument: Cow::Borrowed(\"sure\"), place: Place::Body",
        r#"\"required\":[\"thingId\",\"name\"]"#,
        r#"\"description\":\"Its name\""#,
        "static SHARED: [(&str, &str); 1] = [(\"Thing\"",
    ] {
        assert!(code.contains(expected), "expected `{expected}` in {code}");
    }
}

#[test]
fn words_that_do_not_fit_the_contract_fail_the_build() {
    for (broken, by, expected) in [
        (
            "operation: setThing",
            "operation: getThing",
            "tool `set_thing`, field `operation`: `getThing` is not in",
        ),
        ("operation: setThing", "operation: getThing", "contract.json: operation `setThing` has no words"),
        ("effect: write", "effect: write\n    request: GET /thing", "field `request`: is not allowed here"),
        (
            "{ parameter: id, is: thingId,",
            "{ parameter: id, is: other,",
            "field `corrections`: the path has no `{other}`",
        ),
        (
            "      - { parameter: id, is: thingId, because: the path says thingId }\n",
            "",
            "the path has no `{id}`",
        ),
        ("{ parameter: id,", "{ parameter: key,", "field `corrections`: the path has no `{id}`"),
        (
            "{ optional: demo,",
            "{ optional: size,",
            "field `corrections`: the operation has no argument `size`",
        ),
        ("{ no_default: demo,", "{ no_default: name,", "no longer applies: `name` has no default"),
        (
            "{ hide: 'parts[].sure',",
            "{ hide: 'parts[].size',",
            "the operation has no argument `parts[].size`",
        ),
        ("because: it is wrong", "why: it is wrong", "things.yaml"),
        (
            "by_consent: [sure]",
            "by_consent: [size]",
            "field `by_consent`: the operation has no argument `size`",
        ),
        ("parts[].parts[].name", "parts[].parts[].size", "field `arguments`: the operation has no argument"),
        (
            "effect: write",
            "effect: write\n    money: { amount: total, unit: major }",
            "field `money`: `total`",
        ),
        (
            "effect: write",
            "effect: write\n    secrets: [key]",
            "field `secrets`: the operation has no argument `key`",
        ),
        (
            "effect: write",
            "effect: write\n    effect_when: [{ argument: mode, effect: spend, because: so }]",
            "field `effect_when`: the operation has no argument `mode`",
        ),
    ] {
        assert!(WORDS.contains(broken), "{broken}");
        let (output, _folder) = join(CONTRACT, &WORDS.replacen(broken, by, 1));
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(!output.status.success() && printed.contains(expected), "`{by}`: {printed}");
    }
    let declared = CONTRACT.replace("\"name\": \"id\"", "\"name\": \"thingId\"");
    let printed = String::from_utf8(join(&declared, WORDS).0.stdout).unwrap();
    assert!(printed.contains("no longer applies"), "a correction of what is right: {printed}");
    let printed = String::from_utf8(join("{", WORDS).0.stdout).unwrap();
    assert!(printed.contains("tools/buyer/contract.json: "), "{printed}");
}
