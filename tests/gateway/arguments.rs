//! Arguments are checked whole before anything leaves, and what models write by habit is understood.

use scope3_mcp::catalog::{Catalog, Problems};
use serde_json::{Value, json};

fn check(tool: &str, arguments: Value) -> Result<Value, Problems> {
    let catalog = Catalog::embedded();
    let arguments = arguments.as_object().unwrap().clone();
    catalog.get(tool).unwrap().check_arguments(arguments).map(Value::Object)
}

fn campaign(budget: Value) -> Value {
    json!({ "brandAgentId": "1", "name": "n", "prompt": "p", "budget": budget })
}

#[test]
fn every_problem_is_named_at_once_with_its_path() {
    let arguments = json!({
        "brandAgentID": "1",
        "name": "",
        "budget": { "total": -5, "pacing": "fast", "curency": "USD" },
        "startDate": "tomorrow",
    });
    let problems = check("campaign_create", arguments).unwrap_err();
    let mut said: Vec<String> =
        problems.iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect();
    said.sort();
    assert_eq!(
        said,
        [
            "brandAgentID: is not an argument of this tool",
            "brandAgentId: is required",
            "budget.curency: is not an argument of this tool",
            "budget.pacing: is not one of the allowed values",
            "budget.total: must be at least 1",
            "name: must not be empty",
            "prompt: is required",
            "startDate: must be a date and time like 2026-01-31T00:00:00Z",
        ]
    );
    let of = |path: &str| problems.iter().find(|problem| problem.path == path).unwrap();
    assert_eq!(of("brandAgentID").did_you_mean.as_deref(), Some("brandAgentId"));
    assert_eq!(of("budget.curency").did_you_mean.as_deref(), Some("currency"));
    assert_eq!(
        of("budget.curency").allowed,
        [json!("total"), json!("currency"), json!("dailyCap"), json!("pacing")]
    );
    assert_eq!(of("budget.pacing").allowed, [json!("even"), json!("accelerated"), json!("front_loaded")]);
}

#[test]
fn lists_name_the_item() {
    let arguments = json!({ "buyerAgentId": "1", "creatives": [
        { "creativeName": "a", "format": { "type": "adcp", "formatId": "f" }, "content": { "assetIds": ["x"] } },
        { "creativeName": "b", "format": { "type": "other", "formatId": "f" }, "content": {} },
    ]});
    let problems = check("creative_create", arguments).unwrap_err();
    let paths: Vec<&str> = problems.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(paths, ["creatives[1].format.type", "creatives[1].content"]);
}

#[test]
fn what_models_wrap_in_strings_is_unwrapped_where_only_one_reading_fits() {
    let sent =
        check("campaign_create", campaign(json!(r#"{"total": "5000000", "currency": "USD"}"#))).unwrap();
    assert_eq!(sent["budget"], json!({ "total": 5_000_000, "currency": "USD" }));

    let sent = check("campaign_list", json!({ "limit": "5", "budgetRange": { "min": "100" } })).unwrap();
    assert_eq!(sent, json!({ "limit": 5, "budgetRange": { "min": 100 } }));

    let sent = check("campaign_delete", json!({ "campaignId": "123", "force": "true" })).unwrap();
    assert_eq!(sent, json!({ "campaignId": "123", "force": true }), "a string that is wanted stays one");
}

#[test]
fn what_is_ambiguous_is_refused() {
    for total in
        [json!("5,000,000"), json!("50000.50"), json!("$5000"), json!(""), json!("1e99"), json!(true)]
    {
        let problems = check("campaign_create", campaign(json!({ "total": total }))).unwrap_err();
        assert_eq!(problems[0].path, "budget.total", "{total}");
    }
    check("campaign_list", json!({ "limit": "five" })).unwrap_err();
    check("campaign_delete", json!({ "campaignId": "1", "force": "yes" })).unwrap_err();
    check("campaign_create", campaign(json!("[1]"))).unwrap_err();
}

#[test]
fn an_optional_argument_that_is_null_is_left_out_and_a_required_one_is_missed() {
    let sent = check("campaign_list", json!({ "brandAgentId": null, "limit": 3 })).unwrap();
    assert_eq!(sent, json!({ "limit": 3 }));
    let problems = check("campaign_delete", json!({ "campaignId": null })).unwrap_err();
    assert_eq!(problems[0].message, "must be a string, not null");
}

#[test]
fn a_confirmation_must_be_given_as_it_is_wanted() {
    let problems = check("tactic_delete", json!({ "tacticId": "t", "confirm": false })).unwrap_err();
    assert_eq!(problems[0].message, "must be true");
    check("tactic_delete", json!({ "tacticId": "t", "confirm": true })).unwrap();
}

#[test]
fn nothing_to_change_is_refused() {
    let problems = check("signal_update", json!({ "signalId": "s" })).unwrap_err();
    assert!(problems[0].message.contains("nothing to change"), "{problems:?}");
}
