//! The differences between Scope3's documentation and its published code (`--as-published`). Each test checks both.

use scope3_mcp_sandbox::Options;
use serde_json::{Value, json};

use crate::support::{Api, june};

const BRIEF: &str = "Goal: increase sales of boots. KPI: reach. Audience: hikers. Market: USA. Flight: June. \
                     Creative: banner. Budget: as given.";

/// A sandbox that follows the documentation, and one that follows the published code.
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

/// The error of a failed request.
async fn error(api: &Api, operation: &str, body: Value) -> String {
    let (status, response) = api.post(operation, body).await;
    assert_eq!(status, 400, "{operation}: {response}");
    response["error"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn auth_check_returns_the_owner_of_the_key() {
    let [promised, published] = both().await;
    assert_eq!(promised.data("auth-check", json!({})).await["email"], "dana@acme-outdoor.example");
    let checked = published.data("auth-check", json!({})).await;
    assert_eq!((checked.get("email"), &checked["customerId"]), (None, &json!(12345)));
}

#[tokio::test]
async fn operations_that_always_fail_as_published() {
    let [promised, published] = both().await;
    for (api, works) in [(&promised, true), (&published, false)] {
        let lumen = agent(api, "Lumen").await;
        let id = campaign(api, &lumen, "Morning Ritual").await["id"].clone();
        let summary = json!({"campaignId": id});
        let range = json!({"start": "2026-05-20", "end": "2026-05-27"});
        let outcome = json!({"campaignId": id, "performanceIndex": 120, "exposureRange": range});
        for (operation, body) in [("campaign-get-summary", summary), ("reporting-provide-outcomes", outcome)]
        {
            if works {
                api.data(operation, body).await;
            } else {
                assert!(error(api, operation, body).await.starts_with("Failed to "), "{operation}");
            }
        }
        let export = |dataset: &str| json!({"campaignIds": [id], "datasets": [dataset], "dateRange": range, "groupBy": ["date"]});
        for dataset in ["delivery", "outcomes", "allocations"] {
            let (status, response) = api.post("reporting-export-data", export(dataset)).await;
            assert_eq!(status == 200, works, "{dataset}: {response}");
        }
        assert_eq!(api.data("reporting-export-data", export("tactics")).await["rowCount"], 1);

        let (status, deleted) = api.post("brand-agent-delete", json!({"brandAgentId": lumen})).await;
        assert_eq!((status, &deleted["success"]), (200, &json!(works)));
        assert_eq!(deleted.get("error"), (!works).then_some(&json!("DELETION_FAILED")));
        let (status, _) = api.post("brand-agent-get", json!({"brandAgentId": lumen})).await;
        assert_eq!(status == 404, works, "the brand agent is deleted only as promised");
        let unknown = api.post("brand-agent-delete", json!({"brandAgentId": "1"})).await;
        assert_eq!(unknown.0, 404);
    }
}

#[tokio::test]
async fn deleting_a_campaign_keeps_its_tactics_as_published() {
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
        assert_eq!(got["success"], left > 0, "tactics stay only in the published code");
        assert!(campaigns(api, &north).await.iter().all(|campaign| campaign["id"] != id));
    }
}

#[tokio::test]
async fn filters_of_campaigns_have_no_effect_as_published() {
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
async fn a_new_campaign_has_no_creatives_and_dates_as_published() {
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
        let (status, response) = api.post("campaign-create", body.clone()).await;
        assert_eq!(status == 400, as_promised, "{response}");
        body["endDate"] = body["startDate"].clone();
        api.data("campaign-create", body.clone()).await;
        body["budget"]["dailyCap"] = json!(1001);
        let (status, response) = api.post("campaign-create", body).await;
        assert_eq!(status == 400, as_promised, "{response}");
    }
}

#[tokio::test]
async fn a_change_request_replaces_the_brief_as_published() {
    let [promised, published] = both().await;
    for (api, as_promised) in [(&promised, true), (&published, false)] {
        let north = agent(api, "Northwind").await;
        let before = campaign(api, &north, "Open Trails").await;
        let body = json!({"campaignId": before["id"], "changeRequest": "Pause the campaign"});
        let (_, response) = api.post("campaign-update", body).await;
        assert_eq!(response["data"]["tactics"]["totalUpdated"], 0);
        assert_eq!(response["message"], "✅ **Campaign updated**: 0 tactics changed, 0 failed");
        let after = campaign(api, &north, "Open Trails").await;
        assert_eq!(after["status"], "active", "neither pauses the campaign");
        let brief = after["prompt"].as_str().unwrap();
        assert_eq!(brief.starts_with(before["prompt"].as_str().unwrap()), as_promised, "{brief}");
        assert_eq!(brief == "Campaign optimization request: Pause the campaign", !as_promised, "{brief}");

        api.data("campaign-update", json!({"campaignId": before["id"], "name": "Renamed"})).await;
        let renamed = campaigns(api, &north).await.iter().any(|campaign| campaign["name"] == "Renamed");
        assert_eq!(renamed, as_promised);
    }
}

#[tokio::test]
async fn a_changed_tactic_fails_the_call_as_published() {
    let [promised, published] = both().await;
    for (api, as_promised) in [(&promised, true), (&published, false)] {
        let north = agent(api, "Northwind").await;
        let id = campaign(api, &north, "Open Trails").await["id"].clone();
        let tactic = api.data("tactic-list", json!({"campaignId": id})).await["tactics"][0]["id"].clone();
        let change = |tactic: &Value| {
            json!({"campaignId": id,
                   "tacticAdjustments": [{"tacticId": tactic, "budgetAllocation": {"amount": 20_001}}]})
        };
        let (status, response) = api.post("campaign-update", change(&tactic)).await;
        assert_eq!(status == 200, as_promised, "{response}");
        let got = api.data("tactic-get", json!({"tacticId": tactic})).await;
        assert_eq!(got["tactic"]["budgetAllocation"]["amount"], 20_001, "both change the tactic");
        let missed = api.data("campaign-update", change(&json!("tactic_0"))).await;
        assert_eq!(
            (&missed["tactics"]["totalUpdated"], &missed["tactics"]["totalErrors"]),
            (&json!(0), &json!(1))
        );
    }
}

#[tokio::test]
async fn creatives_have_no_filters_assignments_and_approvals_as_published() {
    let [promised, published] = both().await;
    for (api, as_promised) in [(&promised, true), (&published, false)] {
        let lumen = agent(api, "Lumen").await;
        let list = |filter: Value| json!({"buyerAgentId": lumen, "filter": filter, "limit": 1});
        let (status, response) = api.post("creative-list", list(json!({"status": "draft"}))).await;
        assert_eq!(status == 200, as_promised, "{response}");
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
        let (status, response) = api.post("creative-revise", revise).await;
        assert_eq!(status == 200, as_promised, "{response}");

        let north = agent(api, "Northwind").await;
        let running = campaign(api, &north, "Open Trails").await["creativeIds"][0].clone();
        let (_, deleted) = api.post("creative-delete", json!({"creativeId": running})).await;
        assert_eq!(
            deleted.get("error").is_some(),
            as_promised,
            "a running creative is kept only as promised: {deleted}"
        );
    }
}

#[tokio::test]
async fn formats_are_not_checked_as_published() {
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
        let (_, response) = api.post("creative-create", long).await;
        assert!(!as_promised || response.to_string().len() < 1000);
    }
}

#[tokio::test]
async fn a_single_day_cannot_be_exported_as_published() {
    let [promised, published] = both().await;
    for (api, as_promised) in [(&promised, true), (&published, false)] {
        let north = agent(api, "Northwind").await;
        let export = |start: &str, end: &str| {
            json!({"brandAgentId": north, "datasets": ["tactics"], "groupBy": ["date"],
                   "dateRange": {"start": start, "end": end}})
        };
        let (status, response) = api.post("reporting-export-data", export("2026-05-01", "2026-05-01")).await;
        assert_eq!(status == 200, as_promised, "{response}");
        assert_eq!(api.post("reporting-export-data", export("2026-05-02", "2026-05-01")).await.0, 400);
    }
}

#[tokio::test]
async fn places_in_a_brief_are_not_recognized_as_published() {
    let [promised, published] = both().await;
    for place in ["for Switzerland", "in Berlin", "in Zug"] {
        let body = json!({"brief": BRIEF.replace("Market: USA", place)});
        for (api, as_promised) in [(&promised, true), (&published, false)] {
            let validation = api.data("campaign-validate-brief", body.clone()).await["validation"].clone();
            assert_eq!(validation["meetsThreshold"], as_promised, "{place}: {validation}");
        }
    }
}
