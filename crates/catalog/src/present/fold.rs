//! Makes a listed schema small enough: folds its deepest objects, and then takes away what costs more than it helps.

use serde_json::{Map, Value, json};

use super::super::subschemas::children;

/// What the description of a folded object says.
const DETAILS: &str = "describe_tool";

/// A step of folding: changes one part of the schema. Returns whether there was one to change.
pub(super) type Step = fn(&mut Map<String, Value>) -> bool;

/// Does the steps in order while the schema is too large, each as often as possible.
pub(super) fn fold(
    mut listed: Map<String, Value>,
    steps: &[Step],
    is_too_large: &dyn Fn(&Map<String, Value>) -> bool,
) -> Map<String, Value> {
    for step in steps {
        while is_too_large(&listed) && step(&mut listed) {}
    }
    listed
}

/// Folds the deepest object.
pub(super) fn deepest(listed: &mut Map<String, Value>) -> bool {
    change(listed, deepest_object(listed, &|_| true), fold_object)
}

/// Folds the deepest object that is not itself a required argument.
pub(super) fn deepest_optional(listed: &mut Map<String, Value>) -> bool {
    let is_optional = is_optional(listed);
    change(listed, deepest_object(listed, &is_optional), fold_object)
}

/// Removes the names of members from the folded object that has the most.
pub(super) fn shorten_longest(listed: &mut Map<String, Value>) -> bool {
    change(listed, longest_list_of_members(listed), shorten)
}

/// Whether a JSON pointer does not lead to a required argument.
fn is_optional(listed: &Map<String, Value>) -> impl Fn(&str) -> bool + use<> {
    let names = listed.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    move |pointer| {
        let name = pointer.strip_prefix("/properties/");
        !names.iter().any(|required| required.as_str() == name)
    }
}

/// Says once for all folded objects where their members are.
pub(super) fn say_once(listed: &mut Map<String, Value>) -> bool {
    let note = format!("Details: {DETAILS}.");
    let pointers: Vec<String> = levels(listed)
        .into_iter()
        .flatten()
        .filter(|(_, part)| description(part).is_some_and(|text| text.ends_with(&note)))
        .map(|(pointer, _)| pointer)
        .collect();
    let is_said = description(listed).is_some_and(|text| text.contains(DETAILS));
    if pointers.is_empty() || is_said {
        return false;
    }
    for pointer in pointers {
        change(listed, Some(pointer), |part| {
            let rest = description(part).and_then(|text| text.strip_suffix(&format!("Details: {DETAILS}.")));
            match rest.map(|rest| rest.trim_end().trim_end_matches('.').to_owned()) {
                Some(rest) if !rest.is_empty() => drop(part.insert("description".to_owned(), rest.into())),
                _ => drop(part.shift_remove("description")),
            }
        });
    }
    add_note(listed, &format!("Members of objects: {DETAILS}"));
    true
}

/// Moves the last optional argument without words from the list to a note.
pub(super) fn name_only(listed: &mut Map<String, Value>) -> bool {
    const MORE: &str = "More arguments: ";
    let required: Vec<String> = listed
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(|name| Some(name.as_str()?.to_owned())).collect())
        .unwrap_or_default();
    let Some(Value::Object(members)) = listed.get_mut("properties") else { return false };
    let has_words = |member: &Value| {
        let part = member.as_object();
        let is_described = |part: &Map<String, Value>| description(part).is_some();
        part.is_some_and(|part| {
            is_described(part) || part.get("items").and_then(Value::as_object).is_some_and(is_described)
        })
    };
    let last = members.iter().rev().find(|(name, member)| !required.contains(name) && !has_words(member));
    let Some(name) = last.map(|(name, _)| name.clone()) else { return false };
    members.shift_remove(&name);
    let text = description(listed).unwrap_or_default();
    match text.split_once(MORE) {
        Some((before, more)) => {
            let text = format!("{before}{MORE}{name}, {more}");
            listed.insert("description".to_owned(), text.into());
        }
        None => add_note(listed, &format!("{MORE}{name}")),
    }
    true
}

/// Removes the longest description below the root.
pub(super) fn unword(listed: &mut Map<String, Value>) -> bool {
    let length = |part: &Map<String, Value>| description(part).map_or(0, str::len);
    let parts = levels(listed).into_iter().flatten().filter(|(_, part)| length(part) > 0);
    let pointer = parts.max_by_key(|(_, part)| length(part)).map(|(pointer, _)| pointer);
    change(listed, pointer, |part| drop(part.shift_remove("description")))
}

/// Removes the longest list of allowed values.
pub(super) fn omit_values(listed: &mut Map<String, Value>) -> bool {
    let count = |part: &Map<String, Value>| part.get("enum").and_then(Value::as_array).map_or(0, Vec::len);
    let parts = levels(listed).into_iter().flatten();
    let longest = parts.filter(|(_, part)| count(part) > 6).max_by_key(|(_, part)| count(part));
    let pointer = longest.map(|(pointer, _)| pointer);
    change(listed, pointer, |part| {
        part.shift_remove("enum");
        add_note(part, &format!("Values: {DETAILS}"));
    })
}

fn change(
    listed: &mut Map<String, Value>,
    pointer: Option<String>,
    change: impl FnOnce(&mut Map<String, Value>),
) -> bool {
    let Some(pointer) = pointer else { return false };
    let mut whole = Value::Object(std::mem::take(listed));
    let part = whole.pointer_mut(&pointer).and_then(Value::as_object_mut);
    let is_found = part.map(change).is_some();
    if let Value::Object(whole) = whole {
        *listed = whole;
    }
    is_found
}

fn description(part: &Map<String, Value>) -> Option<&str> {
    part.get("description")?.as_str()
}

/// Adds a sentence to a description. At the root, it becomes the first keyword after the type.
fn add_note(part: &mut Map<String, Value>, note: &str) {
    let text = match description(part) {
        Some(text) => format!("{}. {note}", text.trim_end_matches('.')),
        None => note.to_owned(),
    };
    part.insert("description".to_owned(), text.into());
}

/// The parts of a schema below its root, level by level, each with its JSON pointer.
fn levels(schema: &Map<String, Value>) -> Vec<Vec<(String, &Map<String, Value>)>> {
    let mut levels = vec![vec![(String::new(), schema)]];
    while let Some(level) = levels.last() {
        let next: Vec<_> = level
            .iter()
            .flat_map(|(pointer, schema)| {
                children(schema)
                    .into_iter()
                    .filter_map(move |(step, child)| Some((format!("{pointer}{step}"), child.as_object()?)))
            })
            .collect();
        if next.is_empty() {
            break;
        }
        levels.push(next);
    }
    levels.remove(0);
    levels
}

fn size(schema: &Map<String, Value>) -> usize {
    json!(schema).to_string().len()
}

/// The JSON pointer to the deepest object below the root; the largest one if several are equally deep.
fn deepest_object(schema: &Map<String, Value>, may_fold: &dyn Fn(&str) -> bool) -> Option<String> {
    levels(schema).into_iter().rev().find_map(|level| {
        let objects = level
            .into_iter()
            .filter(|(pointer, schema)| schema.contains_key("properties") && may_fold(pointer));
        objects.max_by_key(|(_, schema)| size(schema)).map(|(pointer, _)| pointer)
    })
}

/// Reduces an object to its description and the names of its members.
fn fold_object(part: &mut Map<String, Value>) {
    let members = part.get("properties").and_then(Value::as_object);
    let names: Vec<&str> = members.into_iter().flat_map(Map::keys).map(String::as_str).collect();
    let members = format!("Members: {}. Details: {DETAILS}.", names.join(", "));
    let description = match part.get("description").and_then(Value::as_str) {
        Some(text) => format!("{}. {members}", text.trim_end_matches('.')),
        None => members,
    };
    *part = Map::from_iter([
        ("type".to_owned(), Value::from("object")),
        ("description".to_owned(), Value::from(description)),
    ]);
}

/// The JSON pointer to the folded object with the longest description that can be shortened.
fn longest_list_of_members(schema: &Map<String, Value>) -> Option<String> {
    let can_be_shortened = |schema: &Map<String, Value>| {
        schema.get("description").and_then(Value::as_str).is_some_and(|text| text.contains("Members: "))
    };
    let folded = levels(schema).into_iter().flatten().filter(|(_, schema)| can_be_shortened(schema));
    folded.max_by_key(|(_, schema)| size(schema)).map(|(pointer, _)| pointer)
}

/// Removes the names of members from the description of a folded object.
fn shorten(part: &mut Map<String, Value>) {
    if let Some(Value::String(text)) = part.get_mut("description") {
        let before = text.split("Members: ").next().unwrap_or_default();
        *text = format!("{before}Details: {DETAILS}.");
    }
}
