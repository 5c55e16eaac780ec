//! The next page of a list, as arguments that can be used as they are.

use scope3_mcp_catalog::{Effect, Entry};
use serde_json::{Map, Value};

/// The members under which responses give the cursor of the next page.
const CURSORS: [&str; 3] = ["nextCursor", "next_cursor", "cursor"];

/// The arguments of the same tool for the next page. `None` if this is the last page, or the response does not say.
pub(super) fn next(
    entry: &Entry,
    arguments: &Map<String, Value>,
    data: &Map<String, Value>,
) -> Option<Map<String, Value>> {
    if entry.tool.effect != Effect::Read {
        return None;
    }
    let takes = |name: &str| entry.has_argument(name);
    let pagination = data.get("pagination").and_then(Value::as_object);
    let said = |name: &str| pagination.and_then(|page| page.get(name)).or_else(|| data.get(name));
    let mut next = arguments.clone();
    let cursor = || CURSORS.iter().find_map(|name| said(name)?.as_str().filter(|cursor| !cursor.is_empty()));
    if takes("cursor")
        && let Some(cursor) = cursor()
    {
        next.insert("cursor".to_owned(), cursor.into());
        next.shift_remove("skip");
        return (arguments.get("cursor").and_then(Value::as_str) != Some(cursor)).then_some(next);
    }
    for (from, size) in [("skip", "take"), ("offset", "limit")] {
        if !takes(from) {
            continue;
        }
        // Responses may name the two otherwise than the arguments.
        let first = |names: [&str; 2]| names.into_iter().find_map(|name| said(name)?.as_u64());
        let given = |name: &str| arguments.get(name).and_then(Value::as_u64);
        let begin = first(["skip", "offset"]).or_else(|| given(from)).unwrap_or(0);
        let count = first(["take", "limit"]).or_else(|| given(size)).filter(|count| *count > 0)?;
        let end = begin.checked_add(count)?;
        let has_more = match (said("hasMore").and_then(Value::as_bool), said("total").and_then(Value::as_u64))
        {
            (Some(has_more), _) => has_more,
            (None, Some(total)) => end < total,
            (None, None) => false,
        };
        next.insert(from.to_owned(), end.into());
        return has_more.then_some(next);
    }
    None
}

#[cfg(test)]
mod tests {
    use scope3_mcp_catalog::Catalog;
    use serde_json::json;

    use super::*;

    fn of(tool: &str, arguments: Value, data: Value) -> Option<Value> {
        let catalog = Catalog::embedded();
        let (Value::Object(arguments), Value::Object(data)) = (arguments, data) else { panic!("objects") };
        next(catalog.get(tool).unwrap(), &arguments, &data).map(Value::Object)
    }

    #[test]
    fn each_way_of_paging_gives_the_arguments_of_the_next_page() {
        let pagination = json!({ "pagination": { "skip": 0, "take": 50, "total": 120, "hasMore": true } });
        assert_eq!(
            of("list_advertisers", json!({ "status": "ACTIVE" }), pagination.clone()),
            Some(json!({ "status": "ACTIVE", "offset": 50 }))
        );
        assert_eq!(of("list_campaigns", json!({}), pagination), Some(json!({ "skip": 50 })));
        let last = json!({ "pagination": { "skip": 100, "take": 50, "total": 120, "hasMore": false } });
        assert_eq!(of("list_advertisers", json!({ "offset": 100 }), last), None);
        let cursor = json!({ "campaigns": [], "nextCursor": "c2" });
        assert_eq!(
            of("list_campaigns", json!({ "skip": 10, "take": 5 }), cursor.clone()),
            Some(json!({ "take": 5, "cursor": "c2" }))
        );
        assert_eq!(of("list_campaigns", json!({ "cursor": "c2" }), cursor), None, "it would not end");
        assert_eq!(of("list_campaigns", json!({}), json!({ "nextCursor": null })), None);
        assert_eq!(of("check_auth_status", json!({}), json!({ "hasMore": true })), None);
    }

    #[test]
    fn a_response_without_a_size_or_with_nonsense_has_no_next_page() {
        for data in [
            json!({ "hasMore": true }),
            json!({ "pagination": { "skip": u64::MAX, "take": 5, "hasMore": true } }),
            json!({ "pagination": { "skip": "0", "take": -5, "hasMore": "yes" } }),
            json!({ "pagination": [] }),
        ] {
            assert_eq!(of("list_advertisers", json!({}), data.clone()), None, "{data}");
        }
    }
}
