//! The tools of the buyer API: what is sent for which arguments, and which arguments are rejected.

use std::collections::{BTreeMap, BTreeSet};

use scope3_mcp_catalog::{Catalog, Effect, EntryRef, OTHERS, Placed, Surface};
use serde_json::{Value, json};

fn tool(name: &str) -> EntryRef {
    Catalog::embedded().get(name).unwrap().clone()
}

fn placed(name: &str, arguments: Value) -> Placed {
    let entry = tool(name);
    let arguments = entry
        .check_arguments(arguments.as_object().unwrap().clone())
        .unwrap_or_else(|problems| panic!("{name}: {problems:?}"));
    entry.tool.request.as_ref().unwrap().place(arguments).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The problems of a call, as `path: message`.
fn problems(name: &str, arguments: Value) -> Vec<String> {
    let problems = tool(name).check_arguments(arguments.as_object().unwrap().clone()).unwrap_err();
    problems.into_iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn every_operation_of_the_document_is_a_tool_whose_arguments_can_be_checked() {
    let catalog = Catalog::embedded();
    let mut operations: BTreeMap<Surface, BTreeSet<&str>> = BTreeMap::new();
    for entry in catalog.entries().filter(|entry| entry.tool.operation.is_some()) {
        let name = &entry.tool.name;
        let problems = entry.problems(&json!({}));
        assert!(problems.iter().all(|problem| !problem.message.contains("schema is invalid")), "{name}");
        let unknown = entry.check_arguments(json!({ "nonsense_argument": 1 }).as_object().unwrap().clone());
        let is_rejected =
            unknown.as_ref().is_err_and(|problems| problems.iter().any(|problem| problem.unknown_argument));
        let bindings = &entry.tool.request.as_ref().unwrap().bindings;
        let is_open = bindings.iter().any(|binding| binding.argument == OTHERS);
        assert!(is_rejected != is_open, "{name}: {unknown:?}");
        operations.entry(entry.surface).or_default().insert(entry.tool.operation.as_deref().unwrap());
    }
    let counts: Vec<usize> = operations.values().map(BTreeSet::len).collect();
    assert_eq!(counts, [209, 225, 9], "buyer, storefront without the 41 that both have, measurement");
}

#[test]
fn an_operation_that_two_documents_have_at_the_same_address_is_one_tool() {
    let of = |surfaces: &[Surface]| Catalog::of_surfaces(surfaces);
    let storefront = of(&[Surface::Storefront]);
    let operations: BTreeSet<_> =
        storefront.entries().filter_map(|entry| entry.tool.operation.clone()).collect();
    assert_eq!(operations.len(), 266);
    assert_eq!(storefront.get("list_notifications").unwrap().surface, Surface::Storefront);
    assert!(storefront.get("check_auth_status").is_some(), "its operation is one of them");
    let both = of(&[Surface::Buyer, Surface::Storefront]);
    assert_eq!(both.get("list_notifications").unwrap().surface, Surface::Buyer);
    for name in ["get_storefront", "get_own_storefront", "check_auth_status"] {
        assert!(both.get(name).is_some(), "{name}");
    }
    assert!(both.entries().all(|entry| !entry.tool.name.starts_with("storefront_")));
}

#[test]
fn every_tool_that_an_entry_names_is_there_when_its_api_is_active_alone() {
    for surface in [Surface::Campaign, Surface::Buyer, Surface::Storefront, Surface::Measurement] {
        let catalog = Catalog::of_surfaces(&[surface]);
        for entry in catalog.entries() {
            let tool = &entry.tool;
            let subject = tool.subject.iter().filter_map(|subject| subject.from.as_ref());
            let money = tool.money.iter().filter_map(|money| money.replaces.as_ref());
            let reads = subject.map(|from| &from.read).chain(money.map(|old| &old.from.read));
            let reads = reads.chain(&tool.settled_by).chain(tool.spends.iter().map(|spends| &spends.tool));
            for read in reads {
                assert!(catalog.get(read).is_some(), "{surface}: {}: {read}", tool.name);
            }
        }
    }
}

#[test]
fn what_an_open_body_takes_is_passed_on() {
    let arguments = json!({
        "esaId": "12", "wholesale_product_id": "p", "name": "Top", "description": "d", "status": "draft",
        "delivery_type": "guaranteed", "format_options": [], "inventory": {}, "pricing": { "cpm": 9.5 },
    });
    let sent = placed("patch_esa_product", {
        let mut arguments = arguments;
        arguments["productId"] = "p".into();
        arguments
    });
    assert_eq!(sent.path, ["esa", "12", "products", "p"]);
    assert_eq!(sent.body.unwrap()["pricing"], json!({ "cpm": 9.5 }));
}

#[test]
fn an_argument_of_the_path_that_the_body_repeats_is_given_once() {
    let sent = placed("update_signal", json!({ "signalId": "s:1", "name": "n" }));
    assert_eq!(sent.path, ["signals", "s:1"]);
    assert_eq!(sent.body.map(Value::Object), Some(json!({ "signalId": "s:1", "name": "n" })));
}

#[test]
fn a_request_goes_to_the_base_that_the_document_names() {
    let base = |name: &str| tool(name).tool.request.as_ref().unwrap().base.clone();
    assert_eq!(base("get_campaign"), None);
    assert_eq!(base("get_current_account").as_deref(), Some("/api/v2"));
    assert_eq!(base("submit_buyer_signup_intake").as_deref(), Some(""));
}

#[test]
fn misnamed_and_undeclared_parameters_of_paths_are_corrected() {
    assert_eq!(placed("get_campaign", json!({ "campaignId": "cmp_1" })).path, ["campaigns", "cmp_1"]);
    let audiences = placed("list_audiences", json!({ "advertiserId": "12" }));
    assert_eq!(audiences.path.iter().filter(|segment| *segment == "12").count(), 1, "{audiences:?}");
    assert_eq!(problems("get_campaign", json!({ "id": "cmp_1" }))[0], "id: is not an argument of this tool");
    let cohorts = placed("list_test_cohorts", json!({ "advertiserId": "12" }));
    assert!(cohorts.path.contains(&"12".to_owned()), "{cohorts:?}");
    assert_eq!(cohorts.query, pairs(&[("advertiserId", "12")]), "one argument for both places");
}

#[test]
fn lists_and_booleans_go_into_the_query_as_the_document_says() {
    let placed = placed(
        "list_campaigns",
        json!({ "status": ["ACTIVE", "PAUSED"], "includeArchived": "true", "take": 5, "advertiserId": 12 }),
    );
    assert_eq!(
        placed.query,
        pairs(&[
            ("status", "ACTIVE"),
            ("status", "PAUSED"),
            ("includeArchived", "true"),
            ("take", "5"),
            ("advertiserId", "12")
        ])
    );
    assert_eq!(placed.body, None);
}

#[test]
fn a_body_is_sent_where_the_document_declares_one() {
    assert_eq!(placed("execute_campaign", json!({ "campaignId": "c" })).body, Some(serde_json::Map::new()));
    assert_eq!(placed("pause_campaign", json!({ "campaignId": "c" })).body, None, "none is declared");
    let remove = placed("remove_products", json!({ "discoveryId": "d", "productIds": ["p"] }));
    assert_eq!(remove.body.map(Value::Object), Some(json!({ "productIds": ["p"] })), "also with DELETE");
}

#[test]
fn ids_are_accepted_in_the_form_in_which_answers_have_them() {
    let as_text = placed("get_storefront", json!({ "storefrontId": "42" }));
    assert_eq!(as_text.path, placed("get_storefront", json!({ "storefrontId": 42 })).path);
    let discover = placed("discover_products", json!({ "advertiserId": "12", "storefrontIds": ["7", 8] }));
    assert_eq!(
        discover.body.map(Value::Object),
        Some(json!({ "advertiserId": 12, "storefrontIds": [7, 8] }))
    );
}

#[test]
fn defaults_of_the_document_are_neither_sent_nor_listed() {
    let sent =
        placed("update_measurement_source", json!({ "advertiserId": "1", "sourceId": "2", "name": "n" }));
    assert_eq!(sent.body.map(Value::Object), Some(json!({ "name": "n" })));
    for entry in Catalog::embedded().entries().filter(|entry| entry.surface == Surface::Buyer) {
        assert!(!json!(*entry.shown_schema()).to_string().contains("\"default\":"), "{}", entry.tool.name);
    }
}

#[test]
fn alternatives_are_told_apart_by_what_was_given() {
    let create = |more: Value| {
        let mut arguments = json!({
            "advertiserId": 12, "name": "Spring", "mode": "discovery",
            "flightDates": { "startDate": "2026-06-01T00:00:00Z", "endDate": "2026-06-30T00:00:00Z" },
            "budget": { "total": 5000, "currency": "EUR" },
        });
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        arguments
    };
    assert_eq!(placed("create_campaign", create(json!({}))).body.map(Value::Object), Some(create(json!({}))));
    assert_eq!(
        problems("create_campaign", create(json!({ "budget": { "total": "lots" } }))),
        ["budget.total: must be a number, not a string"]
    );
    assert_eq!(
        problems("create_campaign", create(json!({ "budget": { "total": 5, "cap": 1 } }))),
        ["budget.cap: is not an argument of this tool"]
    );
    let mode = problems("create_campaign", create(json!({ "mode": "fast" })));
    assert!(mode.len() == 1 && mode[0].starts_with("mode: "), "{mode:?}");

    let refresh =
        placed("update_campaign", json!({ "campaignId": "c", "mode": "directed", "refresh": true }));
    assert_eq!(refresh.body.map(Value::Object), Some(json!({ "mode": "directed", "refresh": true })));
    assert_eq!(
        placed("update_campaign", json!({ "campaignId": "c", "catalogId": null })).body.unwrap()["catalogId"],
        Value::Null
    );
    let both = problems(
        "update_campaign",
        json!({ "campaignId": "c", "name": "n", "mode": "directed", "refresh": true }),
    );
    assert!(both.iter().all(|problem| !problem.contains("campaignId")), "{both:?}");
}

#[test]
fn what_only_a_person_may_confirm_is_no_argument() {
    for entry in Catalog::embedded().entries() {
        let schema = entry.tool.input.object();
        for path in entry.tool.by_consent.iter() {
            assert!(entry.schema_at(path).is_err(), "{}: {path}: {schema:?}", entry.tool.name);
            let request = entry.tool.request.as_ref().unwrap();
            assert!(request.bindings.iter().any(|binding| path.starts_with(&*binding.argument)), "{path}");
        }
    }
    let problems =
        problems("bulk_update_creatives", json!({ "campaignId": "c", "confirm_partial_batch": true }));
    assert!(
        problems.iter().any(|it| it == "confirm_partial_batch: is not an argument of this tool"),
        "{problems:?}"
    );
}

#[test]
fn a_part_of_a_schema_is_shown_by_its_path() {
    let campaign = tool("create_campaign");
    let budget = Value::Object(campaign.schema_at("budget").unwrap());
    assert!(budget.to_string().contains("total"), "{budget}");
    let total = Value::Object(campaign.schema_at("budget.total").unwrap());
    assert!(total.to_string().contains("number"), "{total}");
    let (known, names) = campaign.schema_at("budget.totl").unwrap_err();
    assert!(known == "budget" && names.contains(&"total".to_owned()), "{known}: {names:?}");
    let buys = tool("update_campaign").schema_at("mediaBuys[].packageIds").unwrap();
    assert!(!buys.is_empty());
}

#[test]
fn every_change_has_a_read_that_settles_it_or_says_why_not() {
    let catalog = Catalog::embedded();
    for entry in catalog.entries().filter(|entry| entry.tool.effect != Effect::Read) {
        let tool = &entry.tool;
        assert!(tool.settled_by.is_some() != tool.not_settled.is_some(), "{}", tool.name);
        let read = tool.settled_by.as_ref().map(|read| catalog.get(read).unwrap());
        assert!(read.is_none_or(|read| read.tool.effect == Effect::Read), "{}", tool.name);
    }
}
