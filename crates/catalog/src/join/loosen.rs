//! Makes schemas of a contract less strict than the document, where Scope3 is.

use serde_json::{Map, Value};

use super::{
    super::subschemas::children,
    edit::{Shared, target},
};

/// The schema of a body, which may stand beside the parameters: its alternatives do not forbid other members. Closing the
/// arguments as a whole forbids what no alternative names.
pub(super) fn opened(schema: &Map<String, Value>, shared: &Shared) -> Map<String, Value> {
    let mut schema = target(schema, shared).map_or_else(|| schema.clone(), |target| opened(target, shared));
    schema.shift_remove("additionalProperties");
    for keyword in ["allOf", "anyOf", "oneOf"] {
        let branches = schema.get_mut(keyword).and_then(Value::as_array_mut);
        for branch in branches.into_iter().flatten().filter_map(Value::as_object_mut) {
            *branch = opened(branch, shared);
        }
    }
    schema
}

pub(super) fn loosened(schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Value::Object(schema) = &mut schema {
        loosen(schema);
    }
    schema
}

/// Turns each `oneOf` into an `anyOf`. Documents tell the alternatives of a `oneOf` apart by one member, and the others may
/// fit several: Scope3 accepts what fits one of them.
pub(super) fn loosen(schema: &mut Map<String, Value>) {
    if !schema.contains_key("anyOf")
        && let Some(branches) = schema.shift_remove("oneOf")
    {
        schema.insert("anyOf".to_owned(), branches);
    }
    for (pointer, _) in children(&schema.clone()) {
        let mut steps = pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~"));
        let first = steps.next().and_then(|step| schema.get_mut(&step));
        let child = steps.fold(first, |child, step| match child? {
            Value::Object(members) => members.get_mut(&step),
            Value::Array(items) => items.get_mut(step.parse::<usize>().ok()?),
            _ => None,
        });
        if let Some(Value::Object(child)) = child {
            loosen(child);
        }
    }
}
