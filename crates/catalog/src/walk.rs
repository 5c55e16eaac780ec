//! Walks a JSON Schema: what it says about one value, in any of its keywords.
//!
//! It understands `$ref` within the document, `allOf`, `anyOf`, `oneOf`, `if`/`then`/`else`, `properties`,
//! `patternProperties`, `additionalProperties`, `items` and `prefixItems`. Recursive schemas are walked
//! as far as a value goes. The build script includes this file too, so it does not depend on the rest of the crate.

use std::{cell::Cell, collections::HashSet, iter, ptr};

use serde_json::{Map, Value};

use super::types::Types;

type Schema = Map<String, Value>;

/// Maximum number of schemas to visit for one value. Larger or cyclic ones are not visited completely.
const MAX_PARTS: usize = 256;

/// Keywords whose value is a schema, a list of schemas, or schemas by name.
const SINGLE: [&str; 11] = [
    "items",
    "additionalProperties",
    "unevaluatedProperties",
    "unevaluatedItems",
    "additionalItems",
    "contains",
    "propertyNames",
    "not",
    "if",
    "then",
    "else",
];
const LISTS: [&str; 4] = ["prefixItems", "allOf", "anyOf", "oneOf"];
const MAPS: [&str; 5] = ["properties", "patternProperties", "dependentSchemas", "$defs", "definitions"];

/// The schemas right below a schema, each with its JSON pointer from there. They may be of any JSON type.
pub(crate) fn children(schema: &Schema) -> Vec<(String, &Value)> {
    let mut children = Vec::new();
    for (keyword, value) in schema {
        let keyword = keyword.as_str();
        match value {
            Value::Array(list) if LISTS.contains(&keyword) || keyword == "items" => {
                children
                    .extend(list.iter().enumerate().map(|(at, child)| (format!("/{keyword}/{at}"), child)));
            }
            Value::Object(map) if MAPS.contains(&keyword) => {
                let below = |name: &str| format!("/{keyword}/{}", name.replace('~', "~0").replace('/', "~1"));
                children.extend(map.iter().map(|(name, child)| (below(name), child)));
            }
            child if SINGLE.contains(&keyword) => children.push((format!("/{keyword}"), child)),
            _ => {}
        }
    }
    children
}

/// Whether an object may have members that are not named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extra {
    /// It says that it may.
    Allowed,
    /// It names its members, and these are all.
    Refused,
    /// It says nothing of members.
    Unsaid,
}

/// What a document says of one value.
#[derive(Debug, Clone)]
pub(crate) struct Schemas<'a> {
    document: &'a Schema,
    /// The schemas for the value. Several if there are alternatives.
    stated: Vec<&'a Schema>,
    /// These and all that they bring in by `$ref` and the combining keywords.
    parts: Vec<&'a Schema>,
}

impl<'a> Schemas<'a> {
    /// What a document says of the value that it describes as a whole.
    pub(crate) fn of(document: &'a Schema) -> Self {
        Self::stated(document, vec![document])
    }

    fn stated(document: &'a Schema, stated: Vec<&'a Schema>) -> Self {
        if let [only] = *stated
            && included(document, only).next().is_none()
        {
            return Self { document, parts: stated.clone(), stated };
        }
        let mut parts = Vec::new();
        let mut seen = HashSet::new();
        let mut next: Vec<&Schema> = stated.iter().rev().copied().collect();
        while let Some(schema) = next.pop() {
            if parts.len() < MAX_PARTS && seen.insert(ptr::from_ref(schema)) {
                parts.push(schema);
                let included: Vec<&Schema> = included(document, schema).collect();
                next.extend(included.into_iter().rev());
            }
        }
        Self { document, stated, parts }
    }

    /// What is said by a schema of the same document.
    pub(crate) fn below(&self, schema: &'a Schema) -> Self {
        Self::stated(self.document, vec![schema])
    }

    /// Every schema that says something of the value.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &'a Schema> {
        self.parts.iter().copied()
    }

    /// Whether anything is said of the value.
    pub(crate) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The names of its members, each once, in their order.
    pub(crate) fn members(&self) -> Vec<&'a str> {
        let mut seen = HashSet::new();
        let names = self.parts().filter_map(properties).flat_map(Map::keys).map(String::as_str);
        names.filter(|name| seen.insert(*name)).collect()
    }

    /// Whether it has a member of that name.
    pub(crate) fn names(&self, member: &str) -> bool {
        self.parts().filter_map(properties).any(|properties| properties.contains_key(member))
    }

    /// Whether it may have members that are not named.
    pub(crate) fn allow_extra(&self) -> bool {
        !self.stated.iter().all(|schema| extra(self.document, schema, &Left::new()) == Extra::Refused)
    }

    /// Whether a member must be there, whatever alternative is chosen.
    pub(crate) fn require(&self, member: &str) -> bool {
        !self.stated.is_empty()
            && self.stated.iter().all(|schema| requires(self.document, schema, member, &Left::new()))
    }

    /// The types that the value may have.
    pub(crate) fn types(&self) -> Types {
        match self.stated.as_slice() {
            [] => Types::ALL,
            stated => stated
                .iter()
                .fold(Types::NONE, |types, schema| types.or(types_of(self.document, schema, &Left::new()))),
        }
    }

    /// What is said of a member.
    pub(crate) fn member(&self, name: &str) -> Self {
        let stated = self.parts().filter_map(|schema| {
            let named = properties(schema).and_then(|properties| properties.get(name));
            let others =
                || schema.get("additionalProperties").or_else(|| schema.get("unevaluatedProperties"));
            named.or_else(others)?.as_object()
        });
        Self::stated(self.document, stated.collect())
    }

    /// What is said of the item of a list at this position.
    pub(crate) fn item(&self, position: usize) -> Self {
        let stated = self.parts().filter_map(|schema| {
            let first = schema.get("prefixItems").and_then(Value::as_array);
            let here = first.and_then(|first| first.get(position));
            here.or_else(|| schema.get("items"))?.as_object()
        });
        Self::stated(self.document, stated.collect())
    }

    /// How many items at the beginning of a list are described one by one.
    pub(crate) fn described_items(&self) -> usize {
        let first = self.parts().filter_map(|schema| schema.get("prefixItems")?.as_array());
        first.map(Vec::len).max().unwrap_or_default()
    }

    /// What is said of the value at a path such as `tacticAdjustments[].budgetAllocation.amount`. `None` where the
    /// document names no such value.
    pub(crate) fn at(&self, path: &str) -> Option<Self> {
        path.split('.').try_fold(self.clone(), |schemas, step| {
            let (name, is_list) = step.strip_suffix("[]").map_or((step, false), |name| (name, true));
            let member = schemas.names(name).then(|| schemas.member(name))?;
            let found = if is_list { member.item(usize::MAX) } else { member };
            (!found.is_empty()).then_some(found)
        })
    }
}

/// The document with every object closed that names its members, so that a mistyped member is refused.
pub(crate) fn closed(document: &Schema) -> Schema {
    close(document, document, true)
}

/// `is_whole` tells whether the schema is all that describes a value. One branch of an `allOf` is not: closing it
/// would refuse what the other branches name.
fn close(document: &Schema, schema: &Schema, is_whole: bool) -> Schema {
    let mut closed = schema.clone();
    for (keyword, value) in &mut closed {
        // A schema under `not` or `if` tests a value. Closing it would change the outcome.
        let whole = match keyword.as_str() {
            "properties"
            | "patternProperties"
            | "items"
            | "prefixItems"
            | "additionalProperties"
            | "unevaluatedProperties" => true,
            "allOf" | "anyOf" | "oneOf" | "then" | "else" | "dependentSchemas" | "$defs" | "definitions" => {
                false
            }
            _ => continue,
        };
        let is_map = MAPS.contains(&keyword.as_str());
        match value {
            Value::Object(by_name) if is_map => {
                for child in by_name.values_mut() {
                    close_child(document, child, whole);
                }
            }
            Value::Array(list) => list.iter_mut().for_each(|child| close_child(document, child, whole)),
            child => close_child(document, child, whole),
        }
    }
    if is_whole && extra(document, schema, &Left::new()) == Extra::Refused {
        let combines = included(document, schema).next().is_some();
        let keyword = if combines { "unevaluatedProperties" } else { "additionalProperties" };
        closed.insert(keyword.to_owned(), false.into());
    }
    closed
}

fn close_child(document: &Schema, child: &mut Value, is_whole: bool) {
    if let Value::Object(schema) = child {
        *child = close(document, schema, is_whole).into();
    }
}

fn properties(schema: &Schema) -> Option<&Schema> {
    schema.get("properties")?.as_object()
}

/// The schemas that a schema applies to the same value.
fn included<'a>(document: &'a Schema, schema: &'a Schema) -> impl Iterator<Item = &'a Schema> {
    let whole = reference(document, schema).into_iter().chain(branches(schema, "allOf"));
    let alternatives = ["anyOf", "oneOf"].into_iter().flat_map(|keyword| branches(schema, keyword));
    let conditional = ["then", "else"].into_iter().filter_map(|keyword| schema.get(keyword)?.as_object());
    whole.chain(alternatives).chain(conditional)
}

fn branches<'a>(schema: &'a Schema, keyword: &str) -> impl Iterator<Item = &'a Schema> + use<'a> {
    schema.get(keyword).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
}

/// The schema of the same document that a `$ref` points to.
fn reference<'a>(document: &'a Schema, schema: &Schema) -> Option<&'a Schema> {
    let pointer = schema.get("$ref")?.as_str()?.strip_prefix('#')?;
    let mut steps = pointer.split('/');
    // `#name` points to an anchor, which this does not follow.
    steps.next().filter(|before| before.is_empty())?;
    let mut found = Step::Schema(document);
    for step in steps {
        let step = percent_decoded(step).replace("~1", "/").replace("~0", "~");
        found = match found {
            Step::Schema(schema) => Step::of(schema.get(&step)?)?,
            Step::List(list) => Step::of(list.get(step.parse::<usize>().ok()?)?)?,
        };
    }
    match found {
        Step::Schema(schema) => Some(schema),
        Step::List(_) => None,
    }
}

enum Step<'a> {
    Schema(&'a Schema),
    List(&'a [Value]),
}

impl<'a> Step<'a> {
    fn of(value: &'a Value) -> Option<Self> {
        value.as_object().map(Self::Schema).or_else(|| value.as_array().map(|list| Self::List(list)))
    }
}

/// `%7B` in the fragment of a URL is `{`.
fn percent_decoded(text: &str) -> String {
    let mut bytes = text.as_bytes().iter();
    let decoded = iter::from_fn(|| {
        let byte = *bytes.next()?;
        let digits = bytes.as_slice().get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(escaped) if byte == b'%' => {
                bytes.nth(1);
                Some(escaped)
            }
            _ => Some(byte),
        }
    });
    String::from_utf8_lossy(&decoded.collect::<Vec<u8>>()).into_owned()
}

/// How many more schemas may be looked at.
struct Left(Cell<usize>);

impl Left {
    fn new() -> Self {
        Self(Cell::new(MAX_PARTS))
    }

    /// Takes one, and tells whether there was none.
    fn is_empty(&self) -> bool {
        let left = self.0.get();
        self.0.set(left.saturating_sub(1));
        left == 0
    }
}

fn types_of(document: &Schema, schema: &Schema, left: &Left) -> Types {
    if left.is_empty() {
        return Types::ALL;
    }
    let union = |values: &[Value], of: fn(&Value) -> Types| {
        values.iter().fold(Types::NONE, |types, value| types.or(of(value)))
    };
    let own = match schema.get("type") {
        Some(Value::String(name)) => Types::named(name),
        Some(Value::Array(names)) => union(names, |name| Types::named(name.as_str().unwrap_or_default())),
        _ => match (schema.get("const"), schema.get("enum")) {
            (Some(value), _) => Types::of(value),
            (None, Some(Value::Array(values))) => union(values, Types::of),
            _ => Types::ALL,
        },
    };
    let whole = reference(document, schema).into_iter().chain(branches(schema, "allOf"));
    let whole = whole.fold(own, |types, branch| types.and(types_of(document, branch, left)));
    ["anyOf", "oneOf"].into_iter().filter(|keyword| schema.contains_key(*keyword)).fold(
        whole,
        |types, keyword| {
            let alternatives = branches(schema, keyword)
                .fold(Types::NONE, |types, branch| types.or(types_of(document, branch, left)));
            types.and(alternatives)
        },
    )
}

fn requires(document: &Schema, schema: &Schema, member: &str, left: &Left) -> bool {
    let own = || {
        schema
            .get("required")
            .and_then(Value::as_array)
            .is_some_and(|names| names.iter().any(|n| n == member))
    };
    let of = |branch| requires(document, branch, member, left);
    !left.is_empty()
        && (own()
            || reference(document, schema).into_iter().chain(branches(schema, "allOf")).any(of)
            || ["anyOf", "oneOf"]
                .into_iter()
                .any(|keyword| schema.contains_key(keyword) && branches(schema, keyword).all(of)))
}

fn extra(document: &Schema, schema: &Schema, left: &Left) -> Extra {
    if left.is_empty() {
        return Extra::Unsaid;
    }
    let rest = ["additionalProperties", "unevaluatedProperties"].map(|keyword| schema.get(keyword));
    let refused = rest.contains(&Some(&Value::Bool(false)));
    let own = if schema.contains_key("patternProperties") || (rest.iter().any(Option::is_some) && !refused) {
        Extra::Allowed
    } else if refused || schema.contains_key("properties") {
        Extra::Refused
    } else {
        Extra::Unsaid
    };
    let whole = reference(document, schema).into_iter().chain(branches(schema, "allOf"));
    let whole = whole.map(|branch| extra(document, branch, left)).chain([own]).collect::<Vec<_>>();
    let is_object = |branch: &&Schema| types_of(document, branch, left).include("object");
    let alternatives: Vec<Extra> = ["anyOf", "oneOf"]
        .into_iter()
        .flat_map(|keyword| branches(schema, keyword))
        .filter(is_object)
        .map(|branch| extra(document, branch, left))
        .collect();
    if whole.contains(&Extra::Allowed) || alternatives.contains(&Extra::Allowed) {
        Extra::Allowed
    } else if whole.contains(&Extra::Refused) {
        Extra::Refused
    } else if alternatives.contains(&Extra::Unsaid) || alternatives.is_empty() {
        Extra::Unsaid
    } else {
        Extra::Refused
    }
}

#[cfg(test)]
#[path = "walk_tests.rs"]
mod tests;
