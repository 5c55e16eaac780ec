//! The arguments of a request, as far as the provider looks at them before a tool runs.

use scope3_mcp_catalog::{Entry, Problem};
use serde_json::{Map, Value, json};

use crate::response::{ApiResponse, ApiResult, as_javascript};

/// What a tool gets to see of a request's arguments, or the refusal when they do not fit its schema.
pub(crate) fn check(entry: &Entry, mut arguments: Value) -> Result<Value, ApiResponse> {
    // The provider drops unknown members without a word. Dropping them first, and not just the problems that the
    // catalog has with them, keeps them from counting as something given.
    let kept = not_offered(&entry.tool.name, &arguments);
    drop_unknown(&mut arguments, entry.tool.input.object());
    if let Value::Object(arguments) = &mut arguments {
        arguments.extend(kept);
    }
    let problems: Vec<Problem> = entry
        .problems(&arguments)
        .into_iter()
        .filter(|problem| !problem.unknown_argument && !tool_answers(&entry.tool.name, problem, &arguments))
        .collect();
    match problems.first() {
        // `5000000.0` is an integer for the schema, and would be none for a struct.
        None => Ok(as_javascript(arguments)),
        Some(first) => Err(ApiResponse::invalid(
            &format!("Invalid input: {}{}", prefix(&first.path), first.message),
            json!({ "issues": problems }),
        )),
    }
}

/// What the provider takes and the tools do not offer, since it does harm or nothing.
fn not_offered(tool: &str, arguments: &Value) -> Map<String, Value> {
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

/// Reads a JSON body. None at all counts as no arguments.
pub(crate) fn read(body: &[u8]) -> ApiResult<Value> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Object(Map::new()));
    }
    serde_json::from_slice(body).map_err(|error| {
        ApiResponse::invalid("Invalid JSON in the request body", json!({ "message": error.to_string() }))
    })
}

/// The catalog asks for more than the provider's schema in these places; there the tool itself answers.
fn tool_answers(tool: &str, problem: &Problem, arguments: &Value) -> bool {
    match (tool, problem.path.as_str()) {
        // Nothing to change: refused with INVALID_REQUEST.
        ("brand_agent_update", "") => arguments.is_object(),
        // Not confirmed: says what would go.
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
    fn unknown_members_are_dropped_and_hide_nothing() {
        let fine = checked("campaign_get_summary", json!({"campaignId": "c", "dateRange": {"x": 1}, "y": 2}));
        assert_eq!(fine.unwrap(), json!({"campaignId": "c", "dateRange": {}}));
        let wrong = checked("campaign_get_summary", json!({"campaignId": 7, "dateRange": 1, "y": 2}));
        assert_eq!(wrong.unwrap_err().body["details"]["issues"].as_array().unwrap().len(), 2);
        let unknown_counts_as_nothing =
            checked("creative_update", json!({"creativeId": "c", "updates": {"x": 1}}));
        assert!(unknown_counts_as_nothing.is_err());
    }

    #[test]
    fn whole_numbers_are_integers_however_they_are_written() {
        assert_eq!(checked("campaign_list", json!({"limit": 5.0})).unwrap(), json!({"limit": 5}));
        assert!(checked("campaign_list", json!({"limit": 5.5})).is_err());
    }

    #[test]
    fn the_tool_answers_where_the_catalog_is_stricter() {
        assert!(checked("brand_agent_update", json!({"brandAgentId": "1"})).is_ok());
        assert!(checked("brand_agent_update", json!([])).is_err());
        assert!(checked("tactic_delete", json!({"tacticId": "t", "confirm": false})).is_ok());
        assert!(checked("tactic_delete", json!({"tacticId": "t"})).is_err());
        assert!(checked("tactic_delete", json!({"tacticId": "t", "confirm": "yes"})).is_err());
    }
}
