//! Changes a part of a schema that a path names. Shared schemas on the way are copied, so that the change is local.

use serde_json::{Map, Value};

/// The schemas that a contract shares, by name.
pub(crate) type Shared = std::collections::BTreeMap<String, Value>;

/// The prefix of references to shared schemas.
pub(crate) const SHARED: &str = "#/$defs/";

/// Maximum number of schemas between an argument and a part of it.
const MAX_DEPTH: usize = 40;

/// A step of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step<'a> {
    Member(&'a str),
    Item,
}

fn steps(path: &str) -> Vec<Step<'_>> {
    path.split('.')
        .flat_map(|step| {
            let name = step.trim_end_matches("[]");
            let items = (step.len() - name.len()) / 2;
            std::iter::once(Step::Member(name)).chain(std::iter::repeat_n(Step::Item, items))
        })
        .collect()
}

/// Calls `change` with each object schema that defines the last member of the path, and with the member's name. Returns how
/// many there were.
pub(crate) fn edit(
    root: &mut Map<String, Value>,
    shared: &Shared,
    path: &str,
    change: &mut dyn FnMut(&mut Map<String, Value>, &str),
) -> usize {
    let mut steps = steps(path);
    while steps.last() == Some(&Step::Item) {
        steps.pop();
    }
    edit_at(root, shared, &steps, change, MAX_DEPTH)
}

/// Whether a schema defines what a path names.
pub(crate) fn defines(root: &Map<String, Value>, shared: &Shared, path: &str) -> bool {
    has(root, shared, &steps(path), MAX_DEPTH)
}

fn edit_at(
    schema: &mut Map<String, Value>,
    shared: &Shared,
    steps: &[Step<'_>],
    change: &mut dyn FnMut(&mut Map<String, Value>, &str),
    depth: usize,
) -> usize {
    let (Some((first, rest)), Some(depth)) = (steps.split_first(), depth.checked_sub(1)) else { return 0 };
    if !has(schema, shared, steps, depth) {
        return 0;
    }
    if let Some(target) = target(schema, shared) {
        let target = target.clone();
        schema.shift_remove("$ref");
        for (keyword, value) in target {
            schema.entry(keyword).or_insert(value);
        }
    }
    let mut count = 0;
    match first {
        Step::Member(name) => {
            let members = schema.get_mut("properties").and_then(Value::as_object_mut);
            if let Some(member) = members.and_then(|members| members.get_mut(*name)) {
                if rest.is_empty() {
                    change(schema, name);
                    count += 1;
                } else if let Some(member) = member.as_object_mut() {
                    count += edit_at(member, shared, rest, change, depth);
                }
            } else if let Some(Value::Object(others)) = schema.get_mut("additionalProperties") {
                count += edit_at(others, shared, rest, change, depth);
            }
        }
        Step::Item => {
            if let Some(Value::Object(items)) = schema.get_mut("items") {
                count += edit_at(items, shared, rest, change, depth);
            }
        }
    }
    for keyword in ["allOf", "anyOf", "oneOf"] {
        let branches = schema.get_mut(keyword).and_then(Value::as_array_mut);
        for branch in branches.into_iter().flatten().filter_map(Value::as_object_mut) {
            count += edit_at(branch, shared, steps, change, depth);
        }
    }
    count
}

/// Whether a schema defines what the steps lead to.
fn has(schema: &Map<String, Value>, shared: &Shared, steps: &[Step<'_>], depth: usize) -> bool {
    let Some((first, rest)) = steps.split_first() else { return true };
    let Some(depth) = depth.checked_sub(1) else { return false };
    let below = |child: &Value| child.as_object().is_some_and(|child| has(child, shared, rest, depth));
    let members = schema.get("properties").and_then(Value::as_object);
    let here = match first {
        Step::Member(name) => match members.and_then(|members| members.get(*name)) {
            Some(member) => rest.is_empty() || below(member),
            None => !rest.is_empty() && schema.get("additionalProperties").is_some_and(below),
        },
        Step::Item => schema.get("items").is_some_and(below),
    };
    let same = |child: &Map<String, Value>| has(child, shared, steps, depth);
    let branches =
        ["allOf", "anyOf", "oneOf"].into_iter().filter_map(|keyword| schema.get(keyword)?.as_array());
    here || target(schema, shared).is_some_and(same)
        || branches.flatten().filter_map(Value::as_object).any(same)
}

/// The shared schema that a schema refers to.
pub(crate) fn target<'s>(schema: &Map<String, Value>, shared: &'s Shared) -> Option<&'s Map<String, Value>> {
    shared.get(schema.get("$ref")?.as_str()?.strip_prefix(SHARED)?)?.as_object()
}

/// The names of the shared schemas that a value refers to, directly and through others.
pub(crate) fn reachable<'s>(value: &Value, shared: &'s Shared) -> Vec<&'s str> {
    let mut names = Vec::new();
    add_reachable(value, shared, &mut names);
    names.sort_unstable();
    names
}

fn add_reachable<'s>(value: &Value, shared: &'s Shared, names: &mut Vec<&'s str>) {
    match value {
        Value::Object(members) => {
            let name = members.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix(SHARED));
            if let Some((name, schema)) = name.and_then(|name| shared.get_key_value(name))
                && !names.contains(&name.as_str())
            {
                names.push(name);
                add_reachable(schema, shared, names);
            }
            members.values().for_each(|member| add_reachable(member, shared, names));
        }
        Value::Array(items) => items.iter().for_each(|item| add_reachable(item, shared, names)),
        _ => {}
    }
}
