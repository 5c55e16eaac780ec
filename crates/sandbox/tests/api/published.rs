//! What Scope3's documents promise, and what its published code does (`--as-published`): each in both ways.

use scope3_mcp_sandbox::Options;
use serde_json::{Value, json};

use crate::support::{Api, june};

const BRIEF: &str = "Goal: increase sales of boots. KPI: reach. Audience: hikers. Market: USA. Flight: June. \
                     Creative: banner. Budget: as given.";

/// A sandbox that does what was promised, and one that does what was published.
async fn both() -> [Api; 2] {
    [Api::start().await, Api::with(Options { as_published: true, ..june() }).await]
}

async fn agent(api: &Api, name: &str) -> Value {
    api.data("brand-agent-list", json!({"where": {"name": name}})).await["brandAgents"][0]["id"].clone()
}

async fn campaigns(api: &Api, agent: &Value) -> Vec<Value> {
    let listed = api.data("campaign-list", json!({"brandAgentId": agent})).await;
    listed["campaigns"].as_array().unwrap().clone()
}

async fn campaign(api: &Api, agent: &Value, name: &str) -> Value {
    let all = campaigns(api, agent).await;
    all.into_iter().find(|campaign| campaign["name"] == name).unwrap()
}

/// The error of a request that fails.
async fn error(api: &Api, operation: &str, body: Value) -> String {
    let (status, answer) = api.post(operation, body).await;
    assert_eq!(status, 400, "{operation}: {answer}");
    answer["error"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_key_has_an_owner() {
    let [promised, published] = both().await;
    assert_eq!(promised.data("auth-check", json!({})).await["email"], "dana@acme-outdoor.example");
    let checked = published.data("auth-check", json!({})).await;
    assert_eq!((checked.get("email"), &checked["customerId"]), (None, &json!(12345)));
}

#[tokio::test]
async fn dead_operations_live_or_stay_dead() {
    let [promised, published] = both().await;
    for (api, lives) in [(&promised, true), (&published, false)] {
        let lumen = agent(api, "Lumen").await;
        let id = campaign(api, &lumen, "Morning Ritual").await["id"].clone();
        let summary = json!({"campaignId": id});
        let range = json!({"start": "2026-05-20", "end": "2026-05-27"});
        let outcome = json!({"campaignId": id, "performanceIndex": 120, "exposureRange": range});
        for (operation, body) in [("campaign-get-summary", summary), ("reporting-provide-outcomes", outcome)]
        {
            if lives {
                api.data(operation, body).await;
            } else {
                assert!(error(api, operation, body).await.starts_with("Failed to "), "{operation}");
            }
        }
        let export = |dataset: &str| json!({"campaignIds": [id], "datasets": [dataset], "dateRange": range, "groupBy": ["date"]});
        for dataset in ["delivery", "outcomes", "allocations"] {
            let (status, answer) = api.post("reporting-export-data", export(dataset)).await;
            assert_eq!(status == 200, lives, "{dataset}: {answer}");
        }
        assert_eq!(api.data("reporting-export-data", export("tactics")).await["rowCount"], 1);

        let (status, deleted) = api.post("brand-agent-delete", json!({"brandAgentId": lumen})).await;
        assert_eq!((status, &deleted["success"]), (200, &json!(lives)));
        assert_eq!(deleted.get("error"), (!lives).then_some(&json!("DELETION_FAILED")));
        let (status, _) = api.post("brand-agent-get", json!({"brandAgentId": lumen})).await;
        assert_eq!(status == 404, lives, "the brand agent is gone, or not");
        let nobody = api.post("brand-agent-delete", json!({"brandAgentId": "1"})).await;
        assert_eq!(nobody.0, 404);
    }
}

#[tokio::test]
async fn campaigns_take_their_tactics_along_or_leave_them() {
    let [promised, published] = both().await;
    for (api, left, creatives) in [(&promised, 0, 2), (&published, 3, 0)] {
        let north = agent(api, "Northwind").await;
        let id = campaign(api, &north, "Open Trails").await["id"].clone();
        let which = json!({"campaignId": id});
        let tactic = api.data("tactic-list", which.clone()).await["tactics"][0]["id"].clone();
        let deleted = api.data("campaign-delete", json!({"campaignId": id, "force": true})).await;
        assert_eq!(deleted["creativesData"].as_array().unwrap().len(), creatives);
        assert_eq!(deleted["tacticsData"].as_array().unwrap().len(), 3);
        assert_eq!(api.data("tactic-list", which).await["count"], left);
        let got = api.post("tactic-get", json!({"tacticId": tactic})).await.1;
        assert_eq!(got["success"], left > 0, "what stays goes on buying");
        assert!(campaigns(api, &north).await.iter().all(|campaign| campaign["id"] != id));
    }
}

#[tokio::test]
async fn filters_of_campaigns_work_or_are_repeated_only() {
    let [promised, published] = both().await;
    let filters = json!({"status": "completed", "limit": 1, "sortBy": "name", "sortOrder": "asc"});
    assert_eq!(promised.data("campaign-list", filters.clone()).await["count"], 1);
    assert_eq!(published.data("campaign-list", filters.clone()).await["campaigns"], json!([]));
    for (api, count) in [(&promised, 1), (&published, 2)] {
        let mut filters = filters.clone();
        filters["brandAgentId"] = agent(api, "Northwind").await;
        let listed = api.data("campaign-list", filters.clone()).await;
        assert_eq!(listed["count"], count);
        assert_eq!(listed["filters"], filters);
    }
    let listed =
        published.data("campaign-list", json!({"brandAgentId": agent(&published, "Northwind").await})).await;
    assert_eq!(listed["summary"]["totalSpend"], 0);
    assert_eq!(listed["campaigns"][0].get("deliverySummary"), None);
}

#[tokio::test]
async fn a_new_campaign_has_its_creatives_and_dates_or_repeats_them_only() {
    let [promised, published] = both().await;
    for (api, as_promised) in [(&promised, true), (&published, false)] {
        let north = agent(api, "Northwind").await;
        let creative = campaign(api, &north, "Boot Week").await["creativeIds"][0].clone();
        let mut body = json!({
            "brandAgentId": north, "name": "New", "prompt": BRIEF, "budget": {"total": 1000},
            "startDate": "2026-07-01T00:00:00Z", "endDate": "2026-07-31T00:00:00Z", "creativeIds": [creative],
        });
        let created = api.data("campaign-create", body.clone()).await;
        assert_eq!(created["configuration"]["creativeIds"], json!([creative]));
        assert_eq!(created["campaign"].get("startDate").is_some(), as_promised);
        let listed = campaign(api, &north, "New").await;
        assert_eq!(listed["creativeIds"] == json!([creative]), as_promised);
        assert_eq!(listed["endDate"], "2026-07-31T00:00:00.000Z");

        body["endDate"] = json!("2026-06-30T00:00:00Z");
        let (status, answer) = api.post("campaign-create", body.clone()).await;
        assert_eq!(status == 400, as_promised, "{answer}");
        body["endDate"] = body["startDate"].clone();
        api.data("campaign-create", body.clone()).await;
        body["budget"]["dailyCap"] = json!(1001);
        let (status, answer) = api.post("campaign-create", body).await;
        assert_eq!(status == 400, as_promised, "{answer}");
    }
}

#[tokio::test]
async fn a_change_request_adds_to_the_brief_or_replaces_it() {
    let [promised, published] = both().await;
    for (api, as_promised) in [(&promised, true), (&published, false)] {
        let north = agent(api, "Northwind").await;
        let before = campaign(api, &north, "Open Trails").await;
        let body = json!({"campaignId": before["id"], "changeRequest": "Pause the campaign"});
        let (_, answer) = api.post("campaign-update", body).await;
        assert_eq!(answer["data"]["tactics"]["totalUpdated"], 0);
        assert_eq!(answer["message"], "✅ **Campaign updated**: 0 tactics changed, 0 failed");
        let after = campaign(api, &north, "Open Trails").await;
        assert_eq!(after["status"], "active", "nothing is paused in either");
        let brief = after["prompt"].as_str().unwrap();
        assert_eq!(brief.starts_with(before["prompt"].as_str().unwrap()), as_promised, "{brief}");
        assert_eq!(brief == "Campaign optimization request: Pause the campaign", !as_promised, "{brief}");

        api.data("campaign-update", json!({"campaignId": before["id"], "name": "Renamed"})).await;
        let renamed = campaigns(api, &north).await.iter().any(|campaign| campaign["name"] == "Renamed");
        assert_eq!(renamed, as_promised);
    }
}

#[tokio::test]
async fn a_changed_tactic_is_told_or_breaks_the_answer() {
    let [promised, published] = both().await;
    for (api, as_promised) in [(&promised, true), (&published, false)] {
        let north = agent(api, "Northwind").await;
        let id = campaign(api, &north, "Open Trails").await["id"].clone();
        let tactic = api.data("tactic-list", json!({"campaignId": id})).await["tactics"][0]["id"].clone();
        let change = |tactic: &Value| {
            json!({"campaignId": id,
                   "tacticAdjustments": [{"tacticId": tactic, "budgetAllocation": {"amount": 20_001}}]})
        };
        let (status, answer) = api.post("campaign-update", change(&tactic)).await;
        assert_eq!(status == 200, as_promised, "{answer}");
        let got = api.data("tactic-get", json!({"tacticId": tactic})).await;
        assert_eq!(got["tactic"]["budgetAllocation"]["amount"], 20_001, "the change is made in both");
        let missed = api.data("campaign-update", change(&json!("tactic_0"))).await;
        assert_eq!(
            (&missed["tactics"]["totalUpdated"], &missed["tactics"]["totalErrors"]),
            (&json!(0), &json!(1))
        );
    }
}

#[tokio::test]
async fn creatives_have_filters_assignments_and_approvals_or_none() {
    let [promised, published] = both().await;
    for (api, as_promised) in [(&promised, true), (&published, false)] {
        let lumen = agent(api, "Lumen").await;
        let list = |filter: Value| json!({"buyerAgentId": lumen, "filter": filter, "limit": 1});
        let (status, answer) = api.post("creative-list", list(json!({"status": "draft"}))).await;
        assert_eq!(status == 200, as_promised, "{answer}");
        let found = api.data("creative-list", list(json!({"searchTerm": "no such thing"}))).await;
        assert_eq!(found["count"] == 0, as_promised, "{found}");
        let page = api.data("creative-list", list(json!({}))).await;
        assert_eq!(page["pagination"].get("nextOffset").is_some(), as_promised);
        assert_eq!(page["pagination"]["hasMore"], true);
        assert_eq!(page["summary"]["assignedCreatives"], if as_promised { 2 } else { 0 });
        let creative = &page["creatives"][0];
        assert_eq!(creative["campaignAssignments"].as_array().unwrap().is_empty(), !as_promised);
        assert_eq!(creative.get("publisherApprovals").is_some(), as_promised);

        let revise = json!({
            "creativeId": creative["creativeId"], "publisherId": "aurora", "revisions": {"htmlSnippet": "<b>New</b>"},
        });
        let (status, answer) = api.post("creative-revise", revise).await;
        assert_eq!(status == 200, as_promised, "{answer}");

        let north = agent(api, "Northwind").await;
        let running = campaign(api, &north, "Open Trails").await["creativeIds"][0].clone();
        let (_, deleted) = api.post("creative-delete", json!({"creativeId": running})).await;
        assert_eq!(deleted.get("error").is_some(), as_promised, "what runs is kept, or not: {deleted}");
    }
}

#[tokio::test]
async fn formats_are_known_or_not_looked_at() {
    let [promised, published] = both().await;
    for (api, as_promised) in [(&promised, true), (&published, false)] {
        let owner = agent(api, "Northwind").await;
        let listed = api.data("format-list", json!({})).await;
        let formats = listed["formats"]["adcp_formats"].as_array().unwrap();
        assert_eq!(formats.iter().any(|format| format["formatId"] == "display_banner_300x250"), as_promised);
        let item = |kind: &str, format: &str| {
            let format = json!({"type": kind, "formatId": format});
            let item =
                json!({"creativeName": "One", "format": format, "content": {"htmlSnippet": "<b>x</b>"}});
            json!({"buyerAgentId": owner, "creatives": [item]})
        };
        api.data("creative-create", item("adcp", "display_banner_300x250")).await;
        for (kind, format, problem) in [
            ("adcp", "hologram", "unknown format hologram; format_list"),
            ("publisher", "display_banner_320x50", "display_banner_320x50 is of type adcp, not publisher"),
        ] {
            if as_promised {
                let error = error(api, "creative-create", item(kind, format)).await;
                assert!(error.contains(problem), "{error}");
            } else {
                api.data("creative-create", item(kind, format)).await;
            }
        }
        let long = item("adcp", &"x".repeat(100_000));
        let (_, answer) = api.post("creative-create", long).await;
        assert!(!as_promised || answer.to_string().len() < 1000);
    }
}

#[tokio::test]
async fn one_day_can_be_exported_or_not() {
    let [promised, published] = both().await;
    for (api, as_promised) in [(&promised, true), (&published, false)] {
        let north = agent(api, "Northwind").await;
        let export = |start: &str, end: &str| {
            json!({"brandAgentId": north, "datasets": ["tactics"], "groupBy": ["date"],
                   "dateRange": {"start": start, "end": end}})
        };
        let (status, answer) = api.post("reporting-export-data", export("2026-05-01", "2026-05-01")).await;
        assert_eq!(status == 200, as_promised, "{answer}");
        assert_eq!(api.post("reporting-export-data", export("2026-05-02", "2026-05-01")).await.0, 400);
    }
}

#[tokio::test]
async fn places_in_a_brief_are_known_or_not() {
    let [promised, published] = both().await;
    for place in ["for Switzerland", "in Berlin", "in Zug"] {
        let body = json!({"brief": BRIEF.replace("Market: USA", place)});
        for (api, as_promised) in [(&promised, true), (&published, false)] {
            let validation = api.data("campaign-validate-brief", body.clone()).await["validation"].clone();
            assert_eq!(validation["meetsThreshold"], as_promised, "{place}: {validation}");
        }
    }
}
