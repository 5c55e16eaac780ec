//! All arguments are checked before anything is sent, and common habits of models are accepted.

use scope3_mcp_gateway::catalog::{Catalog, Entry, Problems, Surface, Toolset};
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

use crate::support::Rig;

pub(crate) fn check(tool: &str, arguments: Value) -> Result<Value, Problems> {
    let catalog = Catalog::embedded();
    let arguments = arguments.as_object().unwrap().clone();
    catalog.get(tool).unwrap().check_arguments(arguments).map(Value::Object)
}

pub(crate) fn campaign(budget: Value) -> Value {
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
fn values_wrapped_in_strings_are_unwrapped_if_only_one_reading_fits() {
    let sent =
        check("campaign_create", campaign(json!(r#"{"total": "5000000", "currency": "USD"}"#))).unwrap();
    assert_eq!(sent["budget"], json!({ "total": 5_000_000, "currency": "USD" }));

    let sent = check("campaign_list", json!({ "limit": "5", "budgetRange": { "min": "100" } })).unwrap();
    assert_eq!(sent, json!({ "limit": 5, "budgetRange": { "min": 100 } }));

    let sent = check("campaign_delete", json!({ "campaignId": "123", "force": "true" })).unwrap();
    assert_eq!(
        sent,
        json!({ "campaignId": "123", "force": true }),
        "a string stays a string where the schema expects one"
    );
}

#[test]
fn ambiguous_values_are_refused() {
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
fn a_null_is_removed_if_optional_and_reported_if_required() {
    let sent = check("campaign_list", json!({ "brandAgentId": null, "limit": 3 })).unwrap();
    assert_eq!(sent, json!({ "limit": 3 }));
    let problems = check("campaign_delete", json!({ "campaignId": null })).unwrap_err();
    assert_eq!(problems[0].message, "must be a string, not null");
}

#[test]
fn a_confirmation_must_have_the_required_value() {
    let problems = check("tactic_delete", json!({ "tacticId": "t", "confirm": false })).unwrap_err();
    assert_eq!(problems[0].message, "must be true");
    check("tactic_delete", json!({ "tacticId": "t", "confirm": true })).unwrap();
}

#[test]
fn an_update_without_changes_is_refused() {
    let problems = check("signal_update", json!({ "signalId": "s" })).unwrap_err();
    assert!(problems[0].message.contains("nothing to change"), "{problems:?}");
}

/// The path and the message of each problem.
pub(crate) fn told(problems: &Problems) -> Vec<String> {
    problems.iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect()
}

/// A tool of the catalog's format with this input.
pub(crate) fn tool(effect: &str, input: Value) -> Entry {
    let file: Toolset = serde_json::from_value(json!({
        "toolset": "things", "description": "Things.",
        "tools": [{
            "name": "thing", "title": "Thing", "description": "A thing.", "request": "POST /thing",
            "effect": effect, "input": input,
        }],
    }))
    .unwrap();
    Entry::loaded(Surface::Campaign, file.toolset, file.tools.into_iter().next().unwrap())
}

pub(crate) fn check_with(entry: &Entry, arguments: Value) -> Result<Value, Problems> {
    entry.check_arguments(arguments.as_object().unwrap().clone()).map(Value::Object)
}

#[test]
fn a_whole_number_becomes_the_text_that_is_expected() {
    let sent = check("campaign_list", json!({ "brandAgentId": 12_345_003 })).unwrap();
    assert_eq!(sent, json!({ "brandAgentId": "12345003" }));
    for (number, text) in [
        (json!(0), "0"),
        (json!(-7), "-7"),
        (json!(12_345_003.0), "12345003"),
        (json!(9_007_199_254_740_992_u64), "9007199254740992"),
    ] {
        assert_eq!(check("campaign_list", json!({ "brandAgentId": number })).unwrap()["brandAgentId"], text);
    }
    let sent = check(
        "campaign_create",
        json!({
            "brandAgentId": 1, "name": "n", "prompt": "p", "budget": { "total": 5 }, "creativeIds": [7, "8"],
        }),
    )
    .unwrap();
    assert_eq!((&sent["brandAgentId"], &sent["creativeIds"]), (&json!("1"), &json!(["7", "8"])));
    let headers = json!({ "brandAgentId": 1, "eventTypes": ["delivery_update"],
        "endpoint": { "url": "https://example.com/", "headers": { "x-tenant": 5 } } });
    assert_eq!(
        check("webhook_register", headers).unwrap()["endpoint"]["headers"],
        json!({ "x-tenant": "5" })
    );

    for number in [json!(9_007_199_254_740_993_u64), json!(u64::MAX), json!(i64::MIN), json!(1e20)] {
        let problems = check("campaign_list", json!({ "brandAgentId": number })).unwrap_err();
        assert!(
            problems[0].message.contains("2^53") && problems[0].message.contains("quotes"),
            "{problems:?}"
        );
        assert_eq!(problems.len(), 1);
        let problems =
            check("creative_sync_sales_agents", json!({ "creativeId": "c", "salesAgentIds": [number] }));
        assert_eq!(problems.unwrap_err()[0].path, "salesAgentIds[0]");
    }
    for other in [json!(1.5), json!(true), json!(["1"])] {
        check("campaign_list", json!({ "brandAgentId": other })).unwrap_err();
    }
}

#[test]
fn wrapped_values_in_lists_are_unwrapped_and_unknown_members_are_reported() {
    let sent = check(
        "campaign_update",
        json!({ "campaignId": "c", "tacticAdjustments": [
        r#"{"tacticId": "t", "budgetAllocation": {"amount": "5.5"}}"#,
    ] }),
    )
    .unwrap();
    assert_eq!(
        sent["tacticAdjustments"],
        json!([{ "tacticId": "t", "budgetAllocation": { "amount": 5.5 } }])
    );
    let sent =
        check("campaign_update", json!({ "campaignId": "c", "tacticAdjustments": r#"[{"tacticId": 5}]"# }));
    assert_eq!(sent.unwrap()["tacticAdjustments"], json!([{ "tacticId": "5" }]));

    let problems = check(
        "campaign_update",
        json!({ "campaignId": "c", "nme": null, "tacticAdjustments": [
        { "tacticId": "a" }, { "tacticID": "b" },
    ] }),
    )
    .unwrap_err();
    assert_eq!(
        told(&problems),
        [
            "nme: is not an argument of this tool",
            "tacticAdjustments[1].tacticID: is not an argument of this tool",
            "tacticAdjustments[1].tacticId: is required",
        ]
    );
}

#[test]
fn a_null_that_could_clear_a_value_is_refused() {
    let cap = json!({ "tacticId": "t", "budgetAllocation": { "amount": 500, "dailyCap": null } });
    let problems = check("tactic_update", cap).unwrap_err();
    assert_eq!(
        told(&problems),
        ["budgetAllocation.dailyCap: must not be null: omit the argument to leave the value unchanged"]
    );
    let problems = check(
        "campaign_update",
        json!({ "campaignId": "c", "prompt": null, "tacticAdjustments": [
        { "tacticId": "t", "budgetAllocation": null },
    ] }),
    );
    assert_eq!(problems.unwrap_err().len(), 2);

    let nullable = json!({ "type": "object", "properties": {
        "note": { "type": ["string", "null"] }, "any": {}, "name": { "anyOf": [{ "type": "string" }] },
    } });
    let sent = check_with(&tool("write", nullable.clone()), json!({ "note": null, "any": null })).unwrap();
    assert_eq!(sent, json!({ "note": null, "any": null }), "a null that the schema allows is passed on");
    check_with(&tool("delete", nullable.clone()), json!({ "name": null })).unwrap_err();
    let sent = check_with(&tool("read", nullable), json!({ "name": null, "note": null })).unwrap();
    assert_eq!(sent, json!({ "note": null }));
}

#[test]
fn an_empty_text_that_could_clear_a_value_is_refused() {
    for (name, arguments, paths) in [
        ("campaign_update", json!({ "campaignId": "c", "name": "", "prompt": "" }), vec!["name", "prompt"]),
        ("brand_agent_update", json!({ "brandAgentId": "1", "name": "" }), vec!["name"]),
        ("brand_agent_update", json!({ "brandAgentId": "1", "description": " \n\t" }), vec!["description"]),
        (
            "tactic_update",
            json!({ "tacticId": "  ", "description": "\u{a0}" }),
            vec!["tacticId", "description"],
        ),
        (
            "brand_agent_create",
            json!({ "name": "n", "advertiserDomains": ["a.com", ""] }),
            vec!["advertiserDomains[1]"],
        ),
        ("pmp_update", json!({ "pmp_id": "p", "status": "" }), vec!["status"]),
    ] {
        let problems = check(name, arguments).unwrap_err();
        let found: Vec<&str> = problems.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(found, paths, "{name}: {problems:?}");
    }
    let entry = Catalog::of_surfaces(&[Surface::Campaign]);
    for entry in
        entry.entries().filter(|entry| entry.tool.effect != scope3_mcp_gateway::catalog::Effect::Read)
    {
        for (name, schema) in entry.tool.input.object()["properties"].as_object().unwrap() {
            if schema["type"] == "string" {
                let problems = check_with(entry, json!({ name: "" })).unwrap_err();
                assert!(problems.iter().any(|problem| problem.path == *name), "{}: {name}", entry.tool.name);
            }
        }
    }
    let clears = json!({ "type": "object", "properties": { "note": { "type": "string", "minLength": 0 } } });
    check_with(&tool("write", clears), json!({ "note": "" })).unwrap();
    check("campaign_list", json!({ "brandAgentId": "" })).unwrap();
}

#[test]
fn combined_schemas_are_read_and_checked_like_plain_ones() {
    let entry = tool(
        "write",
        json!({
            "type": "object",
            "allOf": [{ "$ref": "#/$defs/Named" }],
            "properties": { "form": { "oneOf": [
                { "type": "object", "properties": { "kind": { "const": "a" }, "size": { "type": "integer" } }, "required": ["kind"] },
                { "type": "object", "properties": { "kind": { "const": "b" }, "id": { "type": "string" } }, "required": ["kind"] },
            ] }, "pair": { "prefixItems": [{ "type": "string" }, { "type": "integer" }] } },
            "$defs": { "Named": { "properties": { "name": { "type": "string" } }, "required": ["name"] } },
        }),
    );
    let sent = check_with(
        &entry,
        json!({
            "name": 5, "form": { "kind": "b", "id": 7 }, "pair": [1, "2"],
        }),
    )
    .unwrap();
    assert_eq!(sent, json!({ "name": "5", "form": { "kind": "b", "id": "7" }, "pair": ["1", 2] }));
    let problems = check_with(&entry, json!({ "nam": "n", "form": { "kind": "a", "idd": "" } })).unwrap_err();
    assert_eq!(
        told(&problems),
        [
            "nam: is not an argument of this tool",
            "form.idd: is not an argument of this tool",
            "name: is required",
        ]
    );
    assert_eq!(problems[0].did_you_mean.as_deref(), Some("name"));
    check_with(&entry, json!({ "name": "n", "form": { "kind": "a", "id": "x" } })).unwrap_err();
}

#[test]
fn an_argument_that_destroys_or_does_nothing_is_not_offered() {
    for (name, argument) in [
        ("campaign_update", "changeRequest"),
        ("pmp_update", "changeRequest"),
        ("campaign_get_summary", "verbosity"),
        ("reporting_export_data", "format"),
    ] {
        let problems = check(name, json!({ argument: "x" })).unwrap_err();
        assert!(
            problems.iter().any(|problem| problem.path == argument && problem.unknown_argument),
            "{name}"
        );
    }
}

#[tokio::test]
async fn an_answer_that_counts_no_change_says_that_nothing_was_changed() {
    let adjust = json!({ "campaignId": "c", "tacticAdjustments": [{ "tacticId": "t" }] });
    let prompt = json!({ "campaignId": "c", "prompt": "More sport." });
    let counted =
        |updated: u64| json!({ "tactics": { "totalUpdated": updated, "updated": [], "totalErrors": 1 } });
    for (tool, arguments, data, unchanged) in [
        ("campaign_update", adjust.clone(), counted(0), true),
        ("campaign_update", adjust.clone(), counted(1), false),
        ("campaign_update", adjust, json!({}), false),
        ("campaign_update", prompt, counted(0), false),
        ("tactic_update", json!({ "tacticId": "t" }), json!({ "updates": { "applied": 0 } }), true),
        ("tactic_update", json!({ "tacticId": "t" }), json!({ "updates": { "applied": 2 } }), false),
    ] {
        let server = MockServer::start().await;
        let body = json!({ "success": true, "message": "Done.", "data": data });
        Mock::given(any()).respond_with(ResponseTemplate::new(200).set_body_json(body)).mount(&server).await;
        let success = Rig::new(&server.uri()).call(tool, arguments.clone()).await.unwrap();
        let said = success.notes.get("changed") == Some(&json!("no"));
        assert_eq!(said, unchanged, "{tool} {arguments}: {:?}", success.notes);
    }
}
