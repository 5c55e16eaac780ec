//! Selects members of a result.

use serde_json::{Map, Value};

/// Keeps only the members at these paths, such as `campaigns.name`. Lists are passed through. Returns the paths at which
/// nothing is.
pub(crate) fn select(data: &mut Map<String, Value>, paths: &[String]) -> Vec<String> {
    let mut missing: Vec<String> = Vec::new();
    let mut kept = Value::Object(Map::new());
    let source = Value::Object(std::mem::take(data));
    for path in paths {
        let steps: Vec<&str> = path.split('.').collect();
        if !copy(&source, &mut kept, &steps) {
            missing.push(path.clone());
        }
    }
    if let Value::Object(kept) = kept {
        *data = kept;
    }
    missing
}

/// Copies what is at a path. Returns whether there is something.
fn copy(source: &Value, target: &mut Value, steps: &[&str]) -> bool {
    match (source, steps) {
        (_, []) => {
            *target = source.clone();
            true
        }
        (Value::Array(items), _) => {
            if !target.is_array() {
                *target = Value::Array(vec![Value::Object(Map::new()); items.len()]);
            }
            let Value::Array(targets) = target else { return false };
            let copied: Vec<bool> =
                items.iter().zip(targets).map(|(item, target)| copy(item, target, steps)).collect();
            copied.contains(&true) || items.is_empty()
        }
        (Value::Object(members), [first, rest @ ..]) => {
            let Some(member) = members.get(*first) else { return false };
            let Value::Object(targets) = target else { return false };
            let earlier = targets.remove(*first);
            let is_selected = earlier.is_some();
            let mut at = earlier.unwrap_or(match member {
                Value::Array(_) => Value::Null,
                _ => Value::Object(Map::new()),
            });
            let is_found = copy(member, &mut at, rest);
            if is_found || is_selected {
                targets.insert((*first).to_owned(), at);
            }
            is_found
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn selected(value: Value, paths: &[&str]) -> (Value, Vec<String>) {
        let Value::Object(mut data) = value else { panic!("not an object") };
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        let missing = select(&mut data, &paths);
        (data.into(), missing)
    }

    #[test]
    fn members_are_selected_through_lists() {
        let data = json!({
            "count": 2,
            "campaigns": [
                { "id": 1, "name": "a", "budget": { "total": 5, "currency": "USD" } },
                { "id": 2, "name": "b", "budget": null },
            ],
        });
        let (kept, missing) = selected(
            data.clone(),
            &["campaigns.id", "campaigns.budget.total", "nothing.here", "campaigns.color"],
        );
        assert_eq!(kept, json!({ "campaigns": [{ "id": 1, "budget": { "total": 5 } }, { "id": 2 }] }));
        assert_eq!(missing, ["nothing.here", "campaigns.color"]);
        assert_eq!(selected(data.clone(), &["count"]).0, json!({ "count": 2 }));
        assert_eq!(selected(data.clone(), &["campaigns"]).0["campaigns"], data["campaigns"]);
        assert_eq!(selected(data, &["count.x"]), (json!({}), vec!["count.x".to_owned()]));
        assert_eq!(selected(json!({ "a": [] }), &["a.b"]), (json!({ "a": [] }), Vec::new()));
    }
}
