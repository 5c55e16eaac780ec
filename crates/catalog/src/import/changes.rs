//! What a newer contract changes.

use std::{collections::BTreeSet, fmt};

use serde_json::Value;

use crate::contract::{Contract, Operation};

/// What a newer contract changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// The ids of new operations.
    pub added: Vec<String>,
    /// The ids of operations that are gone.
    pub removed: Vec<String>,
    /// The operations that changed.
    pub changed: Vec<Change>,
}

/// What changed in one operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The id of the operation.
    pub operation: String,
    /// The parts that changed, such as `path`, `parameter take` or `body`.
    pub parts: Vec<String>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.operation, self.parts.join(", "))
    }
}

/// Compares two contracts. A change of a shared schema changes every operation that uses it.
#[must_use]
pub fn changes(old: &Contract, new: &Contract) -> Changes {
    let added = new.operations.keys().filter(|id| !old.operations.contains_key(*id)).cloned().collect();
    let mut changes = Changes { added, ..Changes::default() };
    for (id, before) in &old.operations {
        let Some(after) = new.operations.get(id) else {
            changes.removed.push(id.clone());
            continue;
        };
        let parts = changed_parts((old, before), (new, after));
        if !parts.is_empty() {
            changes.changed.push(Change { operation: id.clone(), parts });
        }
    }
    changes
}

fn changed_parts(old: (&Contract, &Operation), new: (&Contract, &Operation)) -> Vec<String> {
    let (before, after) = (old.1, new.1);
    let mut parts = Vec::new();
    let mut note = |is_changed: bool, part: &str| {
        if is_changed {
            parts.push(part.to_owned());
        }
    };
    note(before.request != after.request, "path");
    note(before.base != after.base, "base");
    let names: BTreeSet<&str> =
        before.parameters.iter().chain(&after.parameters).map(|parameter| &*parameter.name).collect();
    for name in names {
        let of = |contract, operation: &Operation| {
            let parameters = operation.parameters.iter().filter(|parameter| parameter.name == name);
            let schemas = |schema: &_| expanded(contract, &Value::Object(Clone::clone(schema)));
            parameters
                .map(|it| (it.place as u8, it.required, it.explode, schemas(&it.schema)))
                .collect::<Vec<_>>()
        };
        note(of(old.0, before) != of(new.0, after), &format!("parameter {name}"));
    }
    let body = |contract, operation: &Operation| {
        let body = operation.body.as_ref()?;
        let schema = expanded(contract, &Value::Object(body.schema.clone()));
        Some((body.content_type.clone(), body.required, schema))
    };
    note(body(old.0, before) != body(new.0, after), "body");
    note(before.description != after.description, "description");
    note((before.answer, before.accepted) != (after.answer, after.accepted), "answer");
    parts
}

/// A schema with the shared schemas that it uses, by name.
fn expanded(contract: &Contract, schema: &Value) -> Vec<(String, Value)> {
    let mut names = BTreeSet::new();
    let mut found = vec![(String::new(), schema.clone())];
    let mut next = 0;
    while let Some((_, schema)) = found.get(next) {
        let mut targets = Vec::new();
        references(schema, &mut targets);
        for name in targets {
            if names.insert(name.clone())
                && let Some(schema) = contract.schemas.get(&name)
            {
                found.push((name, schema.clone()));
            }
        }
        next += 1;
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    found
}

/// The names of the shared schemas that a schema refers to.
pub(crate) fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            let target = members.get("$ref").and_then(Value::as_str);
            found.extend(target.and_then(|target| target.strip_prefix("#/$defs/")).map(str::to_owned));
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}
