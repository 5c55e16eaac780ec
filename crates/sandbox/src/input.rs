//! Checks the arguments of a request before its handler runs, as Scope3 does.

use scope3_mcp_catalog::{Entry, Problem};
use serde_json::{Map, Value, json};

use crate::response::{ApiResponse, ApiResult, as_javascript};

/// The arguments that a handler receives, or a rejection if they do not match the schema.
pub(crate) fn check(entry: &Entry, mut arguments: Value) -> Result<Value, ApiResponse> {
    // Scope3 drops unknown members silently. They are dropped before the check, so that an object with only unknown
    // members counts as empty.
    let kept = hidden_arguments(&entry.tool.name, &arguments);
    drop_unknown(&mut arguments, entry.tool.input.object());
    if let Value::Object(arguments) = &mut arguments {
        arguments.extend(kept);
    }
    let problems: Vec<Problem> = entry
        .problems(&arguments)
        .into_iter()
        .filter(|problem| {
            !problem.unknown_argument && !is_reported_by_handler(&entry.tool.name, problem, &arguments)
        })
        .collect();
    match problems.first() {
        // The schema accepts `5000000.0` as an integer, but serde does not.
        None => Ok(as_javascript(arguments)),
        Some(first) => Err(ApiResponse::invalid(
            &format!("Invalid input: {}{}", prefix(&first.path), first.message),
            json!({ "issues": problems }),
        )),
    }
}

/// Arguments that Scope3 accepts and the catalog does not offer, because they are harmful or have no effect.
fn hidden_arguments(tool: &str, arguments: &Value) -> Map<String, Value> {
    let names: &[&str] = match tool {
        "campaign_update" => &["name", "changeRequest"],
        "pmp_update" => &["changeRequest"],
        "campaign_get_summary" => &["verbosity", "includeCharts"],
        "reporting_export_data" => &["format", "compression"],
        _ => &[],
    };
    let given = names.iter().filter_map(|name| Some(((*name).to_owned(), arguments.get(name)?.clone())));
    given.collect()
}

/// Parses a JSON body. An empty body means no arguments.
pub(crate) fn read(body: &[u8]) -> ApiResult<Value> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Object(Map::new()));
    }
    serde_json::from_slice(body).map_err(|error| {
        ApiResponse::invalid("Invalid JSON in the request body", json!({ "message": error.to_string() }))
    })
}

/// Whether the handler reports this problem itself, because Scope3's schema is less strict than the catalog.
fn is_reported_by_handler(tool: &str, problem: &Problem, arguments: &Value) -> bool {
    match (tool, problem.path.as_str()) {
        // There is nothing to change: the handler responds with INVALID_REQUEST.
        ("brand_agent_update", "") => arguments.is_object(),
        // Not confirmed: the handler responds with what would be deleted.
        ("tactic_delete", "confirm") => arguments["confirm"].is_boolean(),
        _ => false,
    }
}

fn prefix(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("`{path}` ") }
}

fn drop_unknown(value: &mut Value, schema: &Map<String, Value>) {
    match value {
        Value::Object(members) => {
            let Some(Value::Object(properties)) = schema.get("properties") else { return };
            let open = schema.get("additionalProperties").is_some_and(|more| *more != Value::Bool(false));
            members.retain(|name, _| open || properties.contains_key(name));
            for (name, member) in members {
                if let Some(Value::Object(property)) = properties.get(name) {
                    drop_unknown(member, property);
                }
            }
        }
        Value::Array(items) => {
            if let Some(Value::Object(item)) = schema.get("items") {
                for value in items {
                    drop_unknown(value, item);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scope3_mcp_catalog::Catalog;

    fn checked(tool: &str, arguments: Value) -> Result<Value, ApiResponse> {
        check(Catalog::embedded().get(tool).unwrap(), arguments)
    }

    #[test]
    fn unknown_members_are_dropped_and_other_problems_are_reported() {
        let fine = checked("campaign_get_summary", json!({"campaignId": "c", "dateRange": {"x": 1}, "y": 2}));
        assert_eq!(fine.unwrap(), json!({"campaignId": "c", "dateRange": {}}));
        let wrong = checked("campaign_get_summary", json!({"campaignId": 7, "dateRange": 1, "y": 2}));
        assert_eq!(wrong.unwrap_err().body["details"]["issues"].as_array().unwrap().len(), 2);
        let only_unknown_members =
            checked("creative_update", json!({"creativeId": "c", "updates": {"x": 1}}));
        assert!(only_unknown_members.is_err());
    }

    #[test]
    fn a_whole_number_with_a_decimal_point_is_an_integer() {
        assert_eq!(checked("campaign_list", json!({"limit": 5.0})).unwrap(), json!({"limit": 5}));
        assert!(checked("campaign_list", json!({"limit": 5.5})).is_err());
    }

    #[test]
    fn the_handler_reports_problems_that_only_the_catalog_has() {
        assert!(checked("brand_agent_update", json!({"brandAgentId": "1"})).is_ok());
        assert!(checked("brand_agent_update", json!([])).is_err());
        assert!(checked("tactic_delete", json!({"tacticId": "t", "confirm": false})).is_ok());
        assert!(checked("tactic_delete", json!({"tacticId": "t"})).is_err());
        assert!(checked("tactic_delete", json!({"tacticId": "t", "confirm": "yes"})).is_err());
    }
}
