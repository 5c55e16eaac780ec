//! Walks a JSON Schema and finds all schemas that apply to one value.
//!
//! It understands `$ref` within the document, `allOf`, `anyOf`, `oneOf`, `if`/`then`/`else`, `properties`,
//! `patternProperties`, `additionalProperties`, `items` and `prefixItems`. Recursive schemas are walked
//! only as deep as the value. The build script includes this file too, so it does not depend on the rest of the crate.

use std::{cell::Cell, collections::HashSet, iter, ptr};

use serde_json::{Map, Value};

use super::{subschemas::MAP_KEYWORDS, types::Types};

type Schema = Map<String, Value>;

/// Maximum number of schemas to visit for one value. The rest of a larger or cyclic document is not visited.
const MAX_VISITS: usize = 256;

/// Whether a schema allows members that it does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ExtraMembers {
    /// The schema allows them explicitly.
    Allowed,
    /// The schema names its members and allows no others.
    Forbidden,
    /// The schema does not mention members.
    Unspecified,
}

/// The schemas of a document that apply to one value.
#[derive(Debug, Clone)]
pub(crate) struct Schemas<'a> {
    document: &'a Schema,
    /// The schemas that describe the value directly. Several if the containing value has several schemas.
    roots: Vec<&'a Schema>,
    /// The roots, and the schemas that they apply by `$ref` and keywords such as `allOf`.
    all: Vec<&'a Schema>,
}

impl<'a> Schemas<'a> {
    /// The schemas for the value that the whole document describes.
    pub(crate) fn of(document: &'a Schema) -> Self {
        Self::with_roots(document, vec![document])
    }

    fn with_roots(document: &'a Schema, roots: Vec<&'a Schema>) -> Self {
        if let [only] = *roots
            && applied_schemas(document, only).next().is_none()
        {
            return Self { document, all: roots.clone(), roots };
        }
        let mut all = Vec::new();
        let mut seen = HashSet::new();
        let mut next: Vec<&Schema> = roots.iter().rev().copied().collect();
        while let Some(schema) = next.pop() {
            if all.len() < MAX_VISITS && seen.insert(ptr::from_ref(schema)) {
                all.push(schema);
                let applied: Vec<&Schema> = applied_schemas(document, schema).collect();
                next.extend(applied.into_iter().rev());
            }
        }
        Self { document, roots, all }
    }

    /// The schemas for a value that this schema of the same document describes.
    pub(crate) fn rooted_at(&self, schema: &'a Schema) -> Self {
        Self::with_roots(self.document, vec![schema])
    }

    /// The schemas that describe the value directly.
    pub(crate) fn roots(&self) -> &[&'a Schema] {
        &self.roots
    }

    /// All schemas that apply to the value.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &'a Schema> {
        self.all.iter().copied()
    }

    /// Whether no schema applies to the value.
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The names of the defined members, each once, in the order of their definition.
    pub(crate) fn members(&self) -> Vec<&'a str> {
        let mut seen = HashSet::new();
        let names = self.iter().filter_map(properties).flat_map(Map::keys).map(String::as_str);
        names.filter(|name| seen.insert(*name)).collect()
    }

    /// Whether a schema defines this member.
    pub(crate) fn has_member(&self, member: &str) -> bool {
        self.iter().filter_map(properties).any(|properties| properties.contains_key(member))
    }

    /// Whether the value may have members that no schema defines.
    pub(crate) fn is_open(&self) -> bool {
        !self.roots.iter().all(|schema| {
            extra_members(self.document, schema, &VisitBudget::new()) == ExtraMembers::Forbidden
        })
    }

    /// Whether a member is required in every alternative.
    pub(crate) fn is_required(&self, member: &str) -> bool {
        !self.roots.is_empty()
            && self.roots.iter().all(|schema| is_required(self.document, schema, member, &VisitBudget::new()))
    }

    /// The types that the value may have.
    pub(crate) fn types(&self) -> Types {
        match self.roots.as_slice() {
            [] => Types::ALL,
            roots => roots.iter().fold(Types::NONE, |types, schema| {
                types.or(types_of(self.document, schema, &VisitBudget::new()))
            }),
        }
    }

    /// The schemas for a member.
    pub(crate) fn member(&self, name: &str) -> Self {
        let roots = self.iter().filter_map(|schema| {
            let named = properties(schema).and_then(|properties| properties.get(name));
            let others =
                || schema.get("additionalProperties").or_else(|| schema.get("unevaluatedProperties"));
            named.or_else(others)?.as_object()
        });
        // An alternative that forbids the member says nothing about its value in the others.
        let (forbidden, allowed): (Vec<&Schema>, Vec<&Schema>) = roots.partition(|schema| is_never(schema));
        Self::with_roots(self.document, if allowed.is_empty() { forbidden } else { allowed })
    }

    /// The schemas for the item of a list at this position.
    pub(crate) fn item(&self, position: usize) -> Self {
        let roots = self.iter().filter_map(|schema| {
            let first = schema.get("prefixItems").and_then(Value::as_array);
            let here = first.and_then(|first| first.get(position));
            here.or_else(|| schema.get("items"))?.as_object()
        });
        Self::with_roots(self.document, roots.collect())
    }

    /// The length of the longest `prefixItems`: the number of items that have schemas of their own.
    pub(crate) fn prefix_length(&self) -> usize {
        let first = self.iter().filter_map(|schema| schema.get("prefixItems")?.as_array());
        first.map(Vec::len).max().unwrap_or_default()
    }

    /// The schemas for the value at a path such as `tacticAdjustments[].budgetAllocation.amount`. `None` if the document
    /// does not define the path.
    pub(crate) fn at(&self, path: &str) -> Option<Self> {
        path.split('.').try_fold(self.clone(), |schemas, step| {
            let (name, is_list) = step.strip_suffix("[]").map_or((step, false), |name| (name, true));
            let member = schemas.has_member(name).then(|| schemas.member(name))?;
            let found = if is_list { member.item(usize::MAX) } else { member };
            (!found.is_empty()).then_some(found)
        })
    }
}

/// The document with every object closed that defines members, so that a mistyped member is rejected.
pub(crate) fn closed(document: &Schema) -> Schema {
    close(document, document, true)
}

/// `is_complete` says whether the schema alone describes a value. A branch of an `allOf` does not: if it were closed, it
/// would reject the members that the other branches define.
fn close(document: &Schema, schema: &Schema, is_complete: bool) -> Schema {
    let mut closed = schema.clone();
    for (keyword, value) in &mut closed {
        // A schema under `not` or `if` tests a value. Closing it would change the outcome.
        let is_complete = match keyword.as_str() {
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
        let is_map = MAP_KEYWORDS.contains(&keyword.as_str());
        match value {
            Value::Object(by_name) if is_map => {
                for child in by_name.values_mut() {
                    close_child(document, child, is_complete);
                }
            }
            Value::Array(list) => list.iter_mut().for_each(|child| close_child(document, child, is_complete)),
            child => close_child(document, child, is_complete),
        }
    }
    if is_complete && extra_members(document, schema, &VisitBudget::new()) == ExtraMembers::Forbidden {
        let applies_others = applied_schemas(document, schema).next().is_some();
        let keyword = if applies_others { "unevaluatedProperties" } else { "additionalProperties" };
        closed.insert(keyword.to_owned(), false.into());
    }
    closed
}

fn close_child(document: &Schema, child: &mut Value, is_complete: bool) {
    if let Value::Object(schema) = child {
        *child = close(document, schema, is_complete).into();
    }
}

/// Whether no value matches a schema: `{ "not": {} }`.
fn is_never(schema: &Schema) -> bool {
    schema.get("not").and_then(Value::as_object).is_some_and(Schema::is_empty)
}

fn properties(schema: &Schema) -> Option<&Schema> {
    schema.get("properties")?.as_object()
}

/// The other schemas that a schema applies to the same value.
fn applied_schemas<'a>(document: &'a Schema, schema: &'a Schema) -> impl Iterator<Item = &'a Schema> {
    let always = always_applied(document, schema);
    let alternatives = ["anyOf", "oneOf"].into_iter().flat_map(|keyword| branches(schema, keyword));
    let conditional = ["then", "else"].into_iter().filter_map(|keyword| schema.get(keyword)?.as_object());
    always.chain(alternatives).chain(conditional)
}

/// The schemas that a valid value always matches: of `$ref` and `allOf`.
fn always_applied<'a>(document: &'a Schema, schema: &'a Schema) -> impl Iterator<Item = &'a Schema> {
    referenced(document, schema).into_iter().chain(branches(schema, "allOf"))
}

fn branches<'a>(schema: &'a Schema, keyword: &str) -> impl Iterator<Item = &'a Schema> + use<'a> {
    schema.get(keyword).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
}

/// The schema of the same document that a `$ref` points to.
fn referenced<'a>(document: &'a Schema, schema: &Schema) -> Option<&'a Schema> {
    let pointer = schema.get("$ref")?.as_str()?.strip_prefix('#')?;
    let mut steps = pointer.split('/');
    // `#name` points to an anchor. Anchors are not supported.
    steps.next().filter(|before| before.is_empty())?;
    let mut found = Node::Schema(document);
    for step in steps {
        let step = percent_decoded(step).replace("~1", "/").replace("~0", "~");
        found = match found {
            Node::Schema(schema) => Node::of(schema.get(&step)?)?,
            Node::List(list) => Node::of(list.get(step.parse::<usize>().ok()?)?)?,
        };
    }
    match found {
        Node::Schema(schema) => Some(schema),
        Node::List(_) => None,
    }
}

/// A schema or a list of schemas on the path of a `$ref`.
enum Node<'a> {
    Schema(&'a Schema),
    List(&'a [Value]),
}

impl<'a> Node<'a> {
    fn of(value: &'a Value) -> Option<Self> {
        value.as_object().map(Self::Schema).or_else(|| value.as_array().map(|list| Self::List(list)))
    }
}

/// Decodes the fragment of a URL: `%7B` becomes `{`.
pub(crate) fn percent_decoded(text: &str) -> String {
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

/// The number of schemas that may still be visited.
struct VisitBudget(Cell<usize>);

impl VisitBudget {
    fn new() -> Self {
        Self(Cell::new(MAX_VISITS))
    }

    /// Counts a visit. Returns whether it is allowed.
    fn take(&self) -> bool {
        let left = self.0.get();
        self.0.set(left.saturating_sub(1));
        left > 0
    }
}

/// The types that a value may have. All types if the budget is spent.
fn types_of(document: &Schema, schema: &Schema, budget: &VisitBudget) -> Types {
    if !budget.take() {
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
    let always = always_applied(document, schema)
        .fold(own, |types, branch| types.and(types_of(document, branch, budget)));
    ["anyOf", "oneOf"].into_iter().filter(|keyword| schema.contains_key(*keyword)).fold(
        always,
        |types, keyword| {
            let alternatives = branches(schema, keyword)
                .fold(Types::NONE, |types, branch| types.or(types_of(document, branch, budget)));
            types.and(alternatives)
        },
    )
}

/// Whether a member is required in every alternative.
fn is_required(document: &Schema, schema: &Schema, member: &str, budget: &VisitBudget) -> bool {
    let own = || {
        schema
            .get("required")
            .and_then(Value::as_array)
            .is_some_and(|names| names.iter().any(|n| n == member))
    };
    let of = |branch| is_required(document, branch, member, budget);
    budget.take()
        && (own()
            || always_applied(document, schema).any(of)
            || ["anyOf", "oneOf"]
                .into_iter()
                .any(|keyword| schema.contains_key(keyword) && branches(schema, keyword).all(of)))
}

/// Whether the schema, with all that it applies, allows members that it does not name.
fn extra_members(document: &Schema, schema: &Schema, budget: &VisitBudget) -> ExtraMembers {
    if !budget.take() {
        return ExtraMembers::Unspecified;
    }
    let extra_keywords = ["additionalProperties", "unevaluatedProperties"].map(|keyword| schema.get(keyword));
    let is_forbidden = extra_keywords.contains(&Some(&Value::Bool(false)));
    let own = if schema.contains_key("patternProperties")
        || (extra_keywords.iter().any(Option::is_some) && !is_forbidden)
    {
        ExtraMembers::Allowed
    } else if is_forbidden || schema.contains_key("properties") {
        ExtraMembers::Forbidden
    } else {
        ExtraMembers::Unspecified
    };
    let always: Vec<ExtraMembers> = always_applied(document, schema)
        .map(|branch| extra_members(document, branch, budget))
        .chain([own])
        .collect();
    let is_object = |branch: &&Schema| types_of(document, branch, budget).has("object");
    let alternatives: Vec<ExtraMembers> = ["anyOf", "oneOf"]
        .into_iter()
        .flat_map(|keyword| branches(schema, keyword))
        .filter(is_object)
        .map(|branch| extra_members(document, branch, budget))
        .collect();
    if always.contains(&ExtraMembers::Allowed) || alternatives.contains(&ExtraMembers::Allowed) {
        ExtraMembers::Allowed
    } else if always.contains(&ExtraMembers::Forbidden) {
        ExtraMembers::Forbidden
    } else if alternatives.contains(&ExtraMembers::Unspecified) || alternatives.is_empty() {
        ExtraMembers::Unspecified
    } else {
        ExtraMembers::Forbidden
    }
}

#[cfg(test)]
#[path = "walk_tests.rs"]
mod tests;
