//! How far the schemas of a document may apply each other. What reads them later walks along their references.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

/// The maximum number of shared schemas. The document that Scope3 publishes with the most has 120.
pub(super) const MAX_SHARED: usize = 600;

/// How many schemas may apply to one value.
const MAX_WEIGHT: u64 = 2_000;

/// The name of a schema that applies more schemas to one value than anything can check.
pub(super) fn heaviest(shared: &BTreeMap<String, Value>) -> Option<String> {
    let mut known = HashMap::new();
    shared
        .iter()
        .find(|(_, schema)| weight(schema, shared, &mut known) > MAX_WEIGHT)
        .map(|(name, _)| name.clone())
}

/// Whether a schema applies more schemas to one value than anything can check.
pub(crate) fn is_heavy(schema: &Value, shared: &BTreeMap<String, Value>) -> bool {
    weight(schema, shared, &mut HashMap::new()) > MAX_WEIGHT
}

/// How many schemas apply to the value of a schema. No schema may consist of itself.
fn weight<'s>(
    schema: &'s Value,
    shared: &'s BTreeMap<String, Value>,
    known: &mut HashMap<&'s str, u64>,
) -> u64 {
    let name = schema.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix("#/$defs/"));
    let mut total = 1_u64;
    if let Some((name, target)) = name.and_then(|name| shared.get_key_value(name)) {
        let found = known.get(name.as_str()).copied().unwrap_or_else(|| {
            // Until it is known, it counts once: the caller has excluded circles.
            known.insert(name, 1);
            let found = weight(target, shared, known);
            known.insert(name, found);
            found
        });
        total = total.saturating_add(found);
    }
    let lists = ["allOf", "anyOf", "oneOf"].into_iter().filter_map(|keyword| schema.get(keyword)?.as_array());
    for branch in lists.flatten() {
        total = total.saturating_add(weight(branch, shared, known));
    }
    total
}

/// The name of a schema that applies itself to the same value. No value could be checked against it.
pub(super) fn circle(shared: &BTreeMap<String, Value>) -> Option<String> {
    fn applied<'a>(schema: &'a Value, found: &mut Vec<&'a str>) {
        if let Some(name) =
            schema.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix("#/$defs/"))
        {
            found.push(name);
        }
        let lists =
            ["allOf", "anyOf", "oneOf"].into_iter().filter_map(|keyword| schema.get(keyword)?.as_array());
        for branch in lists.flatten().chain(schema.get("not")) {
            applied(branch, found);
        }
    }
    // Whether a schema is being visited, or was.
    let mut visited: HashMap<&str, bool> = HashMap::new();
    for start in shared.keys() {
        let mut path: Vec<(&str, Vec<&str>)> = Vec::new();
        let mut next = Some(start.as_str());
        loop {
            if let Some(name) = next.take() {
                match visited.get(name) {
                    Some(true) => return Some(name.to_owned()),
                    Some(false) => {}
                    None => {
                        visited.insert(name, true);
                        let mut found = Vec::new();
                        shared.get(name).into_iter().for_each(|schema| applied(schema, &mut found));
                        path.push((name, found));
                    }
                }
            }
            let Some((name, left)) = path.last_mut() else { break };
            next = left.pop();
            if next.is_none() {
                visited.insert(*name, false);
                path.pop();
            }
        }
    }
    None
}
