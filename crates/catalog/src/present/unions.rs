//! Describes which members of an object belong together, where a schema has alternatives.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::super::walk::Schemas;

/// A note is at most this long. A longer one would cost more than it explains.
const MAX_NOTE_BYTES: usize = 180;

/// A sentence that says which members belong together, if the schemas have alternatives with different members.
pub(super) fn note(schemas: &Schemas<'_>) -> Option<String> {
    schemas.iter().find_map(|part| {
        ["anyOf", "oneOf"]
            .into_iter()
            .find_map(|keyword| of_branches(schemas, part.get(keyword)?.as_array()?))
    })
}

fn of_branches(schemas: &Schemas<'_>, branches: &[Value]) -> Option<String> {
    let branches: Vec<Schemas<'_>> = branches
        .iter()
        .filter_map(Value::as_object)
        .map(|branch| schemas.rooted_at(branch))
        .filter(|branch| !branch.members().is_empty())
        .collect();
    let members: Vec<BTreeSet<&str>> =
        branches.iter().map(|branch| branch.members().into_iter().collect()).collect();
    let shared = members.iter().skip(1).fold(members.first()?.clone(), |shared, these| &shared & these);
    if branches.len() < 2 || members.iter().all(|these| *these == shared) {
        return None;
    }
    let selector = shared.iter().find_map(|name| {
        let values: Option<Vec<&str>> =
            branches.iter().map(|branch| only_value(&branch.member(name))).collect();
        let values = values?;
        let distinct: BTreeSet<&str> = values.iter().copied().collect();
        (distinct.len() == values.len()).then_some((*name, values))
    });
    let own = |position: usize| -> Vec<&str> {
        let all = branches[position].members();
        all.into_iter().filter(|name| !shared.contains(name)).collect()
    };
    let forms: Vec<String> = (0..branches.len())
        .filter(|position| !own(*position).is_empty())
        .map(|position| match &selector {
            Some((_, values)) => format!("{}: {}", values[position], own(position).join(", ")),
            None => own(position).join(" + "),
        })
        .collect();
    let note = match &selector {
        Some((name, _)) => format!("By {name}: {}", forms.join("; ")),
        None => format!("Either {}", forms.join(", or ")),
    };
    let short = match &selector {
        Some((name, _)) => format!("{name} decides which members are allowed"),
        None => "Not all members go together".to_owned(),
    };
    Some(if note.len() <= MAX_NOTE_BYTES { note } else { short })
}

/// The value that a member must have.
fn only_value<'a>(schemas: &Schemas<'a>) -> Option<&'a str> {
    let value = |part: &'a Map<String, Value>| match (part.get("const"), part.get("enum")) {
        (Some(value), _) => value.as_str(),
        (_, Some(Value::Array(values))) if values.len() == 1 => values[0].as_str(),
        _ => None,
    };
    schemas.iter().find_map(value)
}
