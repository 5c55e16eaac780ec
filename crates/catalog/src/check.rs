//! The rules for catalog files beyond their format. The build applies them.
//!
//! They come from the clients that read the tools: names that fit with a prefix, schemas that every model provider accepts.
//! Each finding names the tool and the field, for the build script to print.

#[allow(dead_code, reason = "for the build")]
pub(crate) mod surface;

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{
    checks::{Check, split_at_shared_list},
    request::{Binding, OTHERS, Place, Request, Style},
    subschemas::children,
    tool::{CONFIRMATION, Effect, IdempotencyKey, Input, Text, Tool, Toolset},
    types::Types,
    walk::Schemas,
};

/// A rule that an entry breaks.
#[derive(Debug, thiserror::Error)]
#[error("tool `{tool}`, field `{field}`: {rule}")]
pub(crate) struct Finding {
    pub(crate) tool: String,
    field: String,
    rule: String,
}

impl Finding {
    pub(crate) fn new(tool: &str, field: &str, rule: String) -> Self {
        Self { tool: tool.to_owned(), field: field.to_owned(), rule }
    }

    /// Whether the finding is about this field.
    pub(crate) fn is_about(&self, field: &str) -> bool {
        self.field == field
    }

    /// The field and the rule, without the tool.
    pub(crate) fn in_short(&self) -> String {
        format!("{}: {}", self.field, self.rule)
    }
}

/// Clients put `mcp__scope3__` before a name and cut at 64 characters.
pub(crate) const MAX_NAME_LENGTH: usize = 50;

/// JSON Schema keywords that some model provider refuses in a tool's input, or reads differently from the rest.
const UNPORTABLE: [&str; 9] =
    ["$ref", "$defs", "allOf", "anyOf", "oneOf", "not", "if", "nullable", "definitions"];

/// Checks one file. `local` is whether its tools are answered by the server itself. `listed` are the schemas that clients
/// see.
pub(crate) fn check(file: &Toolset, local: bool, listed: &[Input]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut seen = HashSet::new();
    for (tool, listed) in file.tools.iter().zip(listed) {
        let mut report = |field: &str, rule: String| {
            findings.push(Finding { tool: tool.name.to_string(), field: field.to_owned(), rule });
        };
        if !seen.insert(&tool.name) {
            report("name", "appears twice in the file".to_owned());
        }
        check_tool(tool, local, &mut report);
        // A published document may use all of JSON Schema; clients see a part of it.
        let is_published = tool.operation.is_some();
        let mut shown = if is_published { listed } else { &tool.input }.clone();
        // Strict clients require this of a tool without arguments.
        if is_published && shown.get("additionalProperties") == Some(&Value::Bool(false)) {
            shown.shift_remove("additionalProperties");
        }
        check_schema("input", &shown, &mut report);
        if !is_published && let Err(error) = jsonschema::meta::validate(&Value::Object(tool.input.clone())) {
            report(&format!("input{}", error.instance_path()), error.to_string());
        }
    }
    findings
}

/// The strongest effect that a call of the tool can have.
fn strongest_effect(tool: &Tool<Input>) -> Effect {
    tool.effect_when.iter().map(|when| when.effect).chain([tool.effect]).max().unwrap_or(tool.effect)
}

/// Checks that the paths that fields name are in the input.
fn check_paths(tool: &Tool<Input>, report: &mut dyn FnMut(&str, String)) {
    let mut check_path = |field: &str, path: &str| {
        if Schemas::of(&tool.input).at(path).is_none() {
            report(field, format!("`{path}` is not in input"));
        }
    };
    if let Some(money) = &tool.money {
        let paths = [
            Some(&money.amount),
            money.currency.as_ref(),
            money.starts.as_ref().map(|start| &start.argument),
        ];
        let passed_on = money.replaces.iter().flat_map(|old| old.from.with.iter().chain([&old.id]));
        for path in paths.into_iter().flatten().chain(money.unmeasured.iter()).chain(passed_on) {
            check_path("money", path);
        }
    }
    if let Some(subject) = &tool.subject {
        let passed_on = subject.from.iter().flat_map(|from| from.with.iter());
        for path in passed_on.chain([&subject.id]) {
            check_path("subject", path);
        }
    }
    if let Some(id) = tool.same_as.as_ref().and_then(|same| same.id.as_ref()) {
        for path in id.from.with.iter().chain([&id.argument]) {
            check_path("same_as", path);
        }
    }
    if let Some(upload) = &tool.signed_upload {
        check_path("signed_upload", &upload.argument);
    }
    if let Some(removes) = &tool.removes {
        for path in removes.from.with.iter().chain([&removes.argument]) {
            check_path("removes", path);
        }
        if removes.same.is_empty() {
            report("removes", "`same` is empty; name the members that tell the items apart".to_owned());
        }
    }
}

fn check_tool(tool: &Tool<Input>, local: bool, report: &mut dyn FnMut(&str, String)) {
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if tool.name.is_empty() || tool.name.len() > MAX_NAME_LENGTH || !tool.name.chars().all(is_allowed) {
        report("name", format!("expected 1 to {MAX_NAME_LENGTH} characters of a-z, 0-9 and _"));
    }
    for (field, text) in [("title", &tool.title), ("description", &tool.description)] {
        if text.trim().is_empty() {
            report(field, "is empty".to_owned());
        }
    }
    match (tool.answers, local) {
        (None, true) => report("answers", "is missing; it selects the code that answers the tool".to_owned()),
        (Some(_), false) => report("answers", "is only for tools in tools/local".to_owned()),
        _ => {}
    }
    match (tool.effect, &tool.settled_by, &tool.not_settled) {
        // An argument makes a call of this read a change.
        (Effect::Read, ..) if !tool.effect_when.is_empty() => {}
        (Effect::Read, Some(_), _) => report("settled_by", "is only for tools that change something".to_owned()),
        (Effect::Read, _, Some(_)) => report("not_settled", "is only for tools that change something".to_owned()),
        (Effect::Read, None, None) | (_, Some(_), None) | (_, None, Some(_)) => {}
        (_, None, None) => report(
            "settled_by",
            "is missing; name the read that shows whether the change was made, or say in not_settled why no read does"
                .to_owned(),
        ),
        (_, Some(_), Some(_)) => report("not_settled", "cannot be combined with settled_by".to_owned()),
    }
    match &tool.request {
        None if !local && tool.operation.is_none() => {
            report("request", "is missing; only tools in tools/local may omit it".to_owned());
        }
        Some(_) if local => report("request", "is not allowed for tools in tools/local".to_owned()),
        None => {}
        Some(request) => check_request(request, tool, report),
    }
    if let Some(key) = &tool.idempotency {
        check_idempotency(tool, key, report);
    }
    check_paths(tool, report);
    let is_risky = strongest_effect(tool) >= Effect::Delete && !local;
    match &tool.consequence {
        Some(_) if !is_risky => {
            report("consequence", "is only for tools that can spend or delete".to_owned());
        }
        None if is_risky && tool.person.is_none() => report(
            "consequence",
            "is missing; say what a person has to know before the call spends or deletes".to_owned(),
        ),
        _ => {}
    }
    if tool.pending.is_some() && tool.effect != Effect::Read {
        report("pending", "is only for reads".to_owned());
    }
    if let Some(unchanged) = &tool.unchanged {
        if tool.effect == Effect::Read {
            report("unchanged", "is only for tools that change something".to_owned());
        }
        for name in unchanged.unless.iter().filter(|name| !Schemas::of(&tool.input).has_member(name)) {
            report("unchanged", format!("`{name}` is not in input"));
        }
    }
    for check in tool.checks.iter() {
        if let Some(rule) = broken_rule(check, &tool.input) {
            report("checks", rule);
        }
    }
    if tool.input.get("type").and_then(Value::as_str) != Some("object") {
        report("input.type", "expected `object`".to_owned());
    }
}

fn check_schema(at: &str, schema: &Map<String, Value>, report: &mut dyn FnMut(&str, String)) {
    for keyword in UNPORTABLE {
        if schema.contains_key(keyword) {
            report(
                &format!("{at}.{keyword}"),
                "some model providers refuse this keyword or read it differently".to_owned(),
            );
        }
    }
    if schema.get("type").is_some_and(|t| !t.is_string()) {
        report(&format!("{at}.type"), "expected a single type".to_owned());
    }
    let empty = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
    for key in properties.keys() {
        let key_ok = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        if key.is_empty() || key.len() > 64 || !key.chars().all(key_ok) {
            let at = format!("{at}.properties.{key}");
            report(&at, "expected a name of 1 to 64 characters of a-z, A-Z, 0-9 and _.-".to_owned());
        }
    }
    for name in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
        if !name.as_str().is_some_and(|name| properties.contains_key(name)) {
            report(&format!("{at}.required"), format!("{name} is not defined in properties"));
        }
    }
    for (pointer, child) in children(schema) {
        let at = format!("{at}{}", pointer.replace('/', "."));
        match child.as_object() {
            Some(child) => check_schema(&at, child, report),
            None => report(&at, "expected a schema object".to_owned()),
        }
    }
}

/// The rule that a check of a tool with this input breaks.
fn broken_rule(check: &Check, input: &Input) -> Option<String> {
    let schemas = Schemas::of(input);
    let paths: Vec<&str> = match check {
        Check::LessOrEqual(first, second) | Check::Before(first, second) | Check::Needs(first, second) => {
            vec![first, second]
        }
        Check::NotPast { date: path, .. } | Check::Currency(path) | Check::Unique(path) => vec![path],
    };
    let mut types: Vec<Types> = Vec::new();
    for path in &paths {
        match schemas.at(path) {
            Some(found) => types.push(found.types()),
            None => return Some(format!("`{path}` is not in input")),
        }
    }
    if let [first, second] = *paths
        && [split_at_shared_list(first, second).1, split_at_shared_list(first, second).2]
            .iter()
            .any(|rest| rest.contains("[]"))
    {
        return Some(format!("`{first}` and `{second}` pass through different lists"));
    }
    let all_have = |kind: &str| types.iter().all(|types| types.has(kind));
    match check {
        Check::LessOrEqual(..) if !all_have("number") && !all_have("integer") && !all_have("string") => {
            Some("expected two numbers or two dates".to_owned())
        }
        Check::Before(..) | Check::NotPast { .. } | Check::Currency(_) if !all_have("string") => {
            Some("expected a string".to_owned())
        }
        Check::Unique(path) if !path.contains("[]") => Some(format!("`{path}` has no list")),
        _ => None,
    }
}

/// Headers that the API client sets by itself, or that decide how a request is read.
const OWN_HEADERS: [&str; 12] = [
    "accept",
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "host",
    "te",
    "transfer-encoding",
    "upgrade",
    "x-scope3-api-key",
];

fn check_request(request: &Request, tool: &Tool<Input>, report: &mut dyn FnMut(&str, String)) {
    let input = &tool.input;
    let required = input.get("required").and_then(Value::as_array);
    let is_required = |name: &str| required.is_some_and(|names| names.iter().any(|known| known == name));
    let arguments = Schemas::of(input);
    let is_defined = |name: &Text| arguments.has_member(name) || tool.by_consent.contains(name);
    for parameter in request.path_parameters() {
        let is_bound = |binding: &&Binding| binding.place == Place::Path && binding.name == parameter;
        if !request.bindings.iter().find(is_bound).is_some_and(|binding| is_required(&binding.argument)) {
            report("request", format!("`{{{parameter}}}` needs an argument listed in input.required"));
        }
    }
    let mut seen = HashSet::new();
    let mut taken = HashSet::new();
    for Binding { argument, place, name, style } in request.bindings.iter() {
        let mut reject = |rule: &str| report("request", format!("the binding of `{argument}` {rule}"));
        if !is_defined(argument) && argument != OTHERS {
            reject("is for an argument that input does not define");
        }
        if argument == CONFIRMATION {
            reject("uses a name that is reserved for the server's own argument");
        }
        // The same argument may be in the path and in the query.
        if !seen.insert((argument, *place == Place::Path)) {
            reject("is defined twice");
        }
        if !taken.insert((*place as u8, name)) {
            reject("has the same place and name as another binding");
        }
        match place {
            Place::Path if !request.path_parameters().any(|parameter| parameter == name) => {
                reject("names a parameter that the path does not have");
            }
            Place::Header if !is_header_name(name) => reject("does not name a valid header"),
            Place::Header if OWN_HEADERS.contains(&&*name.to_ascii_lowercase()) => {
                reject("names a header that a tool may not set");
            }
            Place::Part | Place::File if !request.method.has_body() => reject("needs a method with a body"),
            Place::Body if request.bindings.iter().any(|other| other.place.is_in_form()) => {
                reject("uses a JSON body, but other arguments are form parts");
            }
            _ => {}
        }
        if *style != Style::default() && !matches!(place, Place::Query | Place::Header) {
            reject("has a style, which is only for the query and headers");
        }
    }
}

fn check_idempotency(tool: &Tool<Input>, key: &IdempotencyKey, report: &mut dyn FnMut(&str, String)) {
    let mut reject = |rule: &str| report("idempotency", rule.to_owned());
    if tool.effect == Effect::Read {
        reject("is only for tools that change something");
    }
    let Some(request) = &tool.request else { return };
    let is_bound = |place, name: &str| {
        request
            .bindings
            .iter()
            .any(|binding| binding.place == place && binding.name.eq_ignore_ascii_case(name))
    };
    match key {
        IdempotencyKey::Header(name) if !is_header_name(name) => reject("does not name a valid header"),
        IdempotencyKey::Header(name) if OWN_HEADERS.contains(&&*name.to_ascii_lowercase()) => {
            reject("names a header that a tool may not set");
        }
        IdempotencyKey::Header(name) if is_bound(Place::Header, name) => {
            reject("is also the place of an argument");
        }
        IdempotencyKey::Body(_) if !request.method.has_body() => reject("needs a method with a body"),
        IdempotencyKey::Body(_) if request.bindings.iter().any(|binding| binding.place.is_in_form()) => {
            reject("uses a JSON body, but the arguments are form parts");
        }
        IdempotencyKey::Body(name) if is_bound(Place::Body, name) => {
            reject("is also the place of an argument");
        }
        _ => {}
    }
}

fn is_header_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}
