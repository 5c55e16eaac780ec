//! Errors stay short whatever the arguments contain, and contradictory arguments are refused.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use scope3_mcp_gateway::catalog::Catalog;
use serde_json::{Map, Value, json};

use crate::arguments::{campaign, check, check_with, told, tool};

#[test]
fn twenty_problems_are_listed_and_the_rest_are_counted() {
    let unknown: Map<String, Value> = (0..300_000).map(|at| (format!("argument_{at}"), json!(1))).collect();
    let started = Instant::now();
    let entry = Catalog::embedded();
    let entry = entry.get("campaign_create").unwrap();
    let problems = entry.check_arguments(unknown).unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(10), "{:?} in a debug build", started.elapsed());
    assert_eq!((problems.len(), problems.more), (20, 300_000 + 4 - 20));
    let listed = problems.iter().filter(|problem| !problem.allowed.is_empty()).count();
    assert_eq!(listed, 1, "the allowed values are listed once");

    for (name, list, items) in [
        ("creative_create", "creatives", vec![json!({}); 20_000]),
        ("campaign_create", "creativeIds", vec![json!(true); 200_000]),
        ("campaign_create", "creativeIds", vec![json!([]); 200_000]),
        ("creative_create", "creatives", vec![json!({ "x": 1, "y": { "z": 1 } }); 50_000]),
    ] {
        let started = Instant::now();
        let problems = check(name, json!({ list: items })).unwrap_err();
        assert!(started.elapsed() < Duration::from_secs(10), "{:?} in a debug build", started.elapsed());
        assert_eq!(problems.len(), 20, "{name}");
        assert!(problems.more > 2_000, "{name}: {}", problems.more);
    }
}

#[test]
fn a_wrong_item_is_found_anywhere_in_a_long_list() {
    let mut ids = vec![json!("c"); 30_000];
    ids.push(json!(true));
    let problems =
        check("creative_sync_sales_agents", json!({ "creativeId": "c", "salesAgentIds": ids })).unwrap_err();
    assert_eq!(told(&problems), ["salesAgentIds[30000]: must be a string, not a boolean"]);
    let fine = json!({ "creativeId": "c", "salesAgentIds": vec![json!("c"); 30_000] });
    check("creative_sync_sales_agents", fine).unwrap();
}

#[test]
fn no_more_than_64_bytes_of_what_was_sent_are_repeated() {
    let long = "secret-".repeat(100_000);
    let arguments = json!({
        &long: 1,
        "campaignId": { &long: 1 },
        "name": long,
        "tacticAdjustments": [{ &long: 1, "budgetAllocation": { "pacing": long, "amount": long } }],
    });
    let problems = check("campaign_update", arguments).unwrap_err();
    assert!(problems.len() >= 5, "{problems:?}");
    for problem in problems {
        let text = serde_json::to_string(&problem).unwrap();
        assert!(text.matches("secret-").count() <= 9 && text.len() < 600, "{text}");
    }
    let colors: Vec<String> = (0..500).map(|at| format!("color {at}")).collect();
    let entry = tool("read", json!({ "type": "object", "properties": { "color": { "enum": colors } } }));
    let problems = check_with(&entry, json!({ "color": "x" })).unwrap_err();
    assert_eq!((problems[0].allowed.len(), problems[0].more_allowed), (30, 470));
}

#[test]
fn contradictory_arguments_are_refused() {
    let days = |days: i64| (Timestamp::now() + SignedDuration::from_hours(24 * days)).to_string();
    let create = |more: Value| {
        let mut arguments = campaign(json!({ "total": 5_000_000 }));
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        check("campaign_create", arguments)
    };
    for (more, said) in [
        (json!({ "startDate": days(9), "endDate": days(2) }), "is not before `endDate`"),
        (json!({ "startDate": "2020-01-01T00:00:00Z" }), "is more than 31 days in the past"),
        (json!({ "endDate": "2020-01-01T00:00:00Z" }), "is more than 1 day in the past"),
        (
            json!({ "budget": { "total": 100, "dailyCap": 101 } }),
            "(101) is more than `budget.total`, which is 100",
        ),
        (json!({ "budget": { "total": 100, "currency": "EUX" } }), "(EUX) is not an ISO 4217 currency code"),
    ] {
        let problems = create(more.clone()).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].message.contains(said), "{more}: {problems:?}");
    }
    for fine in [
        json!({}),
        json!({ "startDate": days(-3), "endDate": days(30) }),
        json!({ "budget": { "total": 100, "dailyCap": 100, "currency": "KWD" } }),
        json!({ "budget": { "total": 100, "currency": "JPY" } }),
    ] {
        create(fine).unwrap();
    }
    for (name, arguments, path) in [
        (
            "create_tactic",
            json!({ "name": "n", "campaignId": "c", "mediaProductId": "m", "brandStoryId": "b", "cpm": 1,
            "budgetAllocation": { "amount": 10, "dailyCap": 10.5 } }),
            "budgetAllocation.dailyCap",
        ),
        (
            "tactic_update",
            json!({ "tacticId": "t", "budgetAllocation": { "currency": "EUR" } }),
            "budgetAllocation.currency",
        ),
        (
            "campaign_update",
            json!({ "campaignId": "c", "tacticAdjustments": [
            { "tacticId": "a", "budgetAllocation": { "amount": 5, "dailyCap": 5 } },
            { "tacticId": "b", "budgetAllocation": { "amount": 5, "dailyCap": 6 } },
        ] }),
            "tacticAdjustments[1].budgetAllocation.dailyCap",
        ),
        (
            "campaign_update",
            json!({ "campaignId": "c", "tacticAdjustments": [
            { "tacticId": "a", "budgetAllocation": { "amount": 5 } },
            { "tacticId": "a", "budgetAllocation": { "amount": 6 } },
        ] }),
            "tacticAdjustments[1].tacticId",
        ),
        (
            "campaign_list",
            json!({ "dateRange": { "start": "2026-02-01", "end": "2026-01-01" } }),
            "dateRange.start",
        ),
        ("campaign_list", json!({ "budgetRange": { "min": 2, "max": 1 } }), "budgetRange.min"),
        ("media_product_list", json!({ "promoted_offering": "o", "min_cpm": 2, "max_cpm": 1.5 }), "min_cpm"),
        (
            "reporting_provide_outcomes",
            json!({ "campaignId": "c", "performanceIndex": 1,
            "exposureRange": { "start": "2026-02-01", "end": "2026-02-01T00:00:00Z" } }),
            "exposureRange.start",
        ),
    ] {
        let problems = check(name, arguments).unwrap_err();
        assert_eq!((problems.len(), problems[0].path.as_str()), (1, path), "{problems:?}");
    }
}
