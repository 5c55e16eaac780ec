//! The arguments of a tool by their paths, so that two versions of a schema can be compared.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::{newer::one_line, tool::Input};

/// How many schemas of a tool are compared, and how deep. What lies beyond is not shown.
const MAX_SCHEMAS: usize = 20_000;
const MAX_DEPTH: usize = 8;

/// What a schema says about an argument.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Argument {
    pub(super) is_required: bool,
    /// The values that it may have, if they are listed.
    pub(super) values: BTreeSet<String>,
}

/// The arguments by their paths.
pub(super) fn outline(input: &Input) -> BTreeMap<String, Argument> {
    let mut walk = Walk { root: input, found: BTreeMap::new(), left: MAX_SCHEMAS, open: Vec::new() };
    walk.schema(input, "", MAX_DEPTH, true);
    walk.found
}

struct Walk<'a> {
    root: &'a Input,
    found: BTreeMap<String, Argument>,
    left: usize,
    /// The references that are being followed.
    open: Vec<&'a str>,
}

impl<'a> Walk<'a> {
    fn schema(&mut self, schema: &'a Map<String, Value>, path: &str, depth: usize, always: bool) {
        if depth == 0 || self.left == 0 {
            return;
        }
        self.left -= 1;
        if let Some(name) =
            schema.get("$ref").and_then(Value::as_str).and_then(|it| it.strip_prefix("#/$defs/"))
            && !self.open.contains(&name)
            && let Some(target) = self.root.get("$defs").and_then(|shared| shared.get(name)?.as_object())
        {
            self.open.push(name);
            self.schema(target, path, depth, always);
            self.open.pop();
        }
        let listed = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
        for value in listed.chain(schema.get("const")) {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            self.found.entry(path.to_owned()).or_default().values.insert(one_line(&text, 60));
        }
        let required = schema.get("required").and_then(Value::as_array);
        for (name, member) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let name = one_line(name, 60);
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            let is_required = always && required.is_some_and(|names| names.iter().any(|it| *it == name));
            self.found.entry(path.clone()).or_default().is_required |= is_required;
            if let Some(member) = member.as_object() {
                self.schema(member, &path, depth - 1, true);
            }
        }
        if let Some(items) = schema.get("items").and_then(Value::as_object) {
            self.schema(items, &format!("{path}[]"), depth - 1, true);
        }
        if let Some(others) = schema.get("additionalProperties").and_then(Value::as_object) {
            self.schema(others, &format!("{path}.*"), depth - 1, true);
        }
        for keyword in ["allOf", "anyOf", "oneOf"] {
            let branches = schema.get(keyword).and_then(Value::as_array).into_iter().flatten();
            for branch in branches.filter_map(Value::as_object) {
                self.schema(branch, path, depth, always && keyword == "allOf");
            }
        }
    }
}

/// What differs between two versions of the arguments, in words.
pub(super) fn differences(before: &Input, now: &Input) -> Vec<String> {
    let (before, now) = (outline(before), outline(now));
    let mut parts = Vec::new();
    for (path, argument) in &now {
        let Some(old) = before.get(path) else {
            let required = if argument.is_required { ", required" } else { "" };
            parts.push(format!("new argument {path}{required}"));
            continue;
        };
        if argument.is_required != old.is_required {
            parts.push(format!("{path} is {}", if argument.is_required { "required" } else { "optional" }));
        }
        let new = argument.values.difference(&old.values);
        parts.extend(new.map(|value| format!("{path} accepts '{value}'")));
        let gone = old.values.difference(&argument.values);
        parts.extend(gone.map(|value| format!("{path} no longer accepts '{value}'")));
    }
    let gone = before.keys().filter(|path| !now.contains_key(*path));
    parts.extend(gone.map(|path| format!("no argument {path}")));
    parts
}
