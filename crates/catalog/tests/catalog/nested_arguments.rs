//! Arguments inside lists are checked and corrected like all others.

use scope3_mcp_catalog::{Catalog, Problems};
use serde_json::{Value, json};

fn check(tool: &str, arguments: Value) -> Result<Value, Problems> {
    let catalog = Catalog::embedded();
    let arguments = arguments.as_object().unwrap().clone();
    catalog.get(tool).unwrap().check_arguments(arguments).map(Value::Object)
}

fn creative() -> Value {
    let format = json!({ "type": "adcp", "formatId": "f" });
    json!({ "creativeName": "a", "format": format, "content": { "assetIds": ["x"] } })
}

fn creatives(list: Value) -> Value {
    json!({ "buyerAgentId": "1", "creatives": list })
}

#[test]
fn an_unknown_member_inside_a_list_is_named() {
    let mut item = creative();
    item["color"] = "red".into();
    item["format"]["size"] = 3.into();
    let problems = check("creative_create", creatives(json!([creative(), item]))).unwrap_err();
    let mut paths: Vec<&str> = problems.iter().map(|problem| problem.path.as_str()).collect();
    paths.sort_unstable();
    assert_eq!(paths, ["creatives[1].color", "creatives[1].format.size"]);
    assert!(problems.iter().all(|problem| problem.unknown_argument), "{problems:?}");
}

#[test]
fn wrapped_lists_and_wrapped_values_inside_lists_are_unwrapped() {
    let sent = creatives(json!([creative()]));
    for wrapped in [
        json!([creative().to_string()]),
        json!(json!([creative()]).to_string()),
        json!(json!([creative().to_string()]).to_string()),
    ] {
        assert_eq!(check("creative_create", creatives(wrapped.clone())).unwrap(), sent, "{wrapped}");
    }
    let mut item = creative();
    item["content"]["assetIds"] = json!("[\"x\"]");
    assert_eq!(check("creative_create", creatives(json!([item]))).unwrap(), sent);
}

#[test]
fn a_number_in_a_string_is_unwrapped_only_if_the_whole_string_is_a_number() {
    let threshold = |value: Value| {
        let mut arguments =
            json!({ "brandAgentId": "1", "name": "n", "prompt": "p", "budget": { "total": 5_000_000 } });
        arguments["briefValidationThreshold"] = value;
        check("campaign_create", arguments).map(|sent| sent["briefValidationThreshold"].clone())
    };
    assert_eq!(threshold(json!("70.5")).unwrap(), json!(70.5));
    assert_eq!(threshold(json!("70")).unwrap(), json!(70));
    for bad in ["seventy", "70%", "", "true", "[70]"] {
        let problems = threshold(json!(bad)).unwrap_err();
        assert_eq!(problems[0].path, "briefValidationThreshold", "{bad}: {problems:?}");
    }
}

#[test]
fn an_unknown_argument_is_named_even_if_it_is_null() {
    let problems = check("campaign_list", json!({ "color": null })).unwrap_err();
    assert_eq!((problems[0].path.as_str(), problems[0].unknown_argument), ("color", true), "{problems:?}");
    let mut item = creative();
    item["color"] = Value::Null;
    let problems = check("creative_create", creatives(json!([item]))).unwrap_err();
    assert_eq!(problems[0].path, "creatives[0].color", "{problems:?}");
}
