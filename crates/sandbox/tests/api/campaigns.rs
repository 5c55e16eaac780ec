//! Campaigns in the sandbox.

use crate::support::Api;
use serde_json::{Value, json};

const BRIEF: &str = "Goal: increase sales of boots. KPI: reach. Audience: hikers. Market: USA. Flight: June. \
                     Creative: banner. Budget: as given.";

async fn agent(api: &Api, name: &str) -> String {
    let listed = api.data("brand-agent-list", json!({"where": {"name": name}})).await;
    listed["brandAgents"][0]["id"].as_str().unwrap().to_owned()
}

fn names(listed: &Value) -> Vec<&str> {
    listed["campaigns"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect()
}

async fn listed(api: &Api, filters: Value) -> Vec<String> {
    names(&api.data("campaign-list", filters).await).into_iter().map(str::to_owned).collect()
}

async fn id_of(api: &Api, name: &str) -> String {
    let all = api.data("campaign-list", json!({})).await;
    let campaigns = all["campaigns"].as_array().unwrap();
    campaigns.iter().find(|campaign| campaign["name"] == name).unwrap()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_campaign_is_created_listed_changed_and_deleted() {
    let api = Api::start().await;
    let agent = agent(&api, "Northwind").await;
    let creative = api.data("campaign-list", json!({"status": "active", "brandAgentId": agent})).await["campaigns"]
        [0]["creativeIds"][0]
        .clone();
    let body = json!({
        "brandAgentId": agent, "name": "Test", "prompt": BRIEF, "budget": {"total": 250_000, "dailyCap": 10_000},
        "startDate": "2026-07-01T00:00:00Z", "endDate": "2026-07-31T23:59:59Z", "creativeIds": [creative],
    });
    let created = api.data("campaign-create", body).await;
    let campaign = &created["campaign"];
    assert_eq!(
        campaign["budget"],
        json!({"total": 250_000, "currency": "USD", "dailyCap": 10_000, "pacing": "even"})
    );
    assert_eq!(campaign["status"], "draft");
    assert_eq!(campaign["startDate"], "2026-07-01T00:00:00.000Z");
    assert_eq!(campaign["creativeIds"], json!([creative]));
    assert_eq!(created["briefValidation"]["meetsThreshold"], true);
    assert_eq!(created["configuration"]["endDate"], "2026-07-31T23:59:59Z");
    let id = campaign["id"].as_str().unwrap();
    assert!(id.starts_with("campaign_1781524801000_"), "{id}");
    assert_eq!(listed(&api, json!({})).await[0], "Test", "newest first");

    let body = json!({"campaignId": id, "name": "Renamed", "changeRequest": "more reach and a lower CPM"});
    let updated = api.data("campaign-update", body).await;
    assert_eq!(updated["updates"]["briefChanges"].as_array().unwrap().len(), 2);
    assert_eq!(listed(&api, json!({"limit": 1})).await, ["Renamed"]);
    let nothing = api.data("campaign-update", json!({"campaignId": id})).await;
    assert_eq!(nothing["tactics"]["totalUpdated"], 0);

    let deleted = api.data("campaign-delete", json!({"campaignId": id})).await;
    assert_eq!(deleted["removed"], json!({"creatives": 1, "tactics": 0}));
    assert!(!listed(&api, json!({})).await.contains(&"Renamed".to_owned()));
    assert_eq!(api.post("campaign-delete", json!({"campaignId": id})).await.0, 404);
}

#[tokio::test]
async fn a_weak_brief_creates_no_campaign() {
    let api = Api::start().await;
    let agent = agent(&api, "Northwind").await;
    let before = listed(&api, json!({})).await;
    let body =
        json!({"brandAgentId": agent, "name": "Thin", "prompt": "Sell boots", "budget": {"total": 100}});
    let (status, rejected) = api.post("campaign-create", body.clone()).await;
    assert_eq!(status, 400);
    let error = rejected["error"].as_str().unwrap();
    for part in
        ["Score: 2/100", "Required score: 70", "No Brief", "Target audience not specified", "skipBrief"]
    {
        assert!(error.contains(part), "{part} in {error}");
    }
    assert_eq!(listed(&api, json!({})).await, before);

    let mut skipped = body.clone();
    skipped["skipBriefValidation"] = json!(true);
    assert_eq!(api.data("campaign-create", skipped).await["briefValidation"], Value::Null);
    let mut lower = body;
    lower["briefValidationThreshold"] = json!(2);
    assert_eq!(api.data("campaign-create", lower).await["briefValidation"]["score"], 2);
}

#[tokio::test]
async fn briefs_are_scored() {
    let api = Api::start().await;
    let fine = api.data("campaign-validate-brief", json!({"brief": BRIEF})).await;
    assert_eq!(fine["validation"]["missingElements"], json!([]));
    assert_eq!(fine["validation"]["score"], 100);
    let thin = api.data("campaign-validate-brief", json!({"brief": "Sell boots", "threshold": 50})).await;
    assert_eq!(thin["validation"]["meetsThreshold"], false);
    assert_eq!(thin["validation"]["threshold"], 50.0);
    assert_eq!(thin["briefAnalysis"], json!({"wordCount": 2, "characterCount": 10}));
}

#[tokio::test]
async fn lists_are_filtered_sorted_and_limited() {
    let api = Api::start().await;
    let all = api.data("campaign-list", json!({})).await;
    assert_eq!(all["count"], 6);
    assert_eq!(all["filters"], json!({"sortBy": "updated", "sortOrder": "desc"}));
    assert_eq!(all["summary"]["statusCounts"]["active"], 2);
    let budgets: u64 =
        all["campaigns"].as_array().unwrap().iter().map(|c| c["budget"]["total"].as_u64().unwrap()).sum();
    assert_eq!(all["summary"]["totalBudget"], budgets);

    assert_eq!(listed(&api, json!({"status": "paused"})).await, ["Morning Ritual"]);
    let lumen = agent(&api, "Lumen").await;
    assert_eq!(listed(&api, json!({"brandAgentId": lumen})).await, ["Cold Brew Launch", "Morning Ritual"]);
    assert_eq!(
        listed(&api, json!({"budgetRange": {"min": 1_200_000, "max": 2_000_000}, "sortBy": "budget"})).await,
        ["Morning Ritual", "First Home Guide", "Boot Week"]
    );
    assert_eq!(
        listed(&api, json!({"dateRange": {"start": "2026-04-01", "end": "2026-04-30"}})).await,
        ["Boot Week"]
    );
    assert_eq!(
        listed(&api, json!({"sortBy": "name", "sortOrder": "asc", "limit": 2})).await,
        ["Boot Week", "Cold Brew Launch"]
    );
    assert_eq!(listed(&api, json!({"sortBy": "performance", "limit": 1})).await, ["Boot Week"]);
    let empty = api.data("campaign-list", json!({"budgetRange": {"min": 999_999_999}, "limit": 5})).await;
    assert_eq!(empty["summary"]["healthSummary"], Value::Null);
    assert_eq!(empty["filters"]["limit"], Value::Null);
    assert_eq!(api.post("campaign-list", json!({"limit": 201})).await.0, 400);
    let backwards = json!({"dateRange": {"start": "2026-04-02", "end": "2026-04-01"}});
    assert_eq!(api.post("campaign-list", backwards).await.0, 400);
}

#[tokio::test]
async fn lists_show_the_health_of_creatives() {
    let api = Api::start().await;
    let all = api.data("campaign-list", json!({})).await;
    let campaigns = all["campaigns"].as_array().unwrap();
    let find = |name| campaigns.iter().find(|campaign| campaign["name"] == name).unwrap();
    assert_eq!(find("Open Trails")["creativeSyncHealth"]["status"], "healthy");
    assert_eq!(find("Morning Ritual")["creativeSyncHealth"]["status"], "warning");
    assert_eq!(find("Morning Ritual")["notifications"]["types"], json!(["creative.changes_requested"]));
    assert_eq!(find("Open Trails")["deliverySummary"]["status"], "delivering");
    assert!(find("Open Trails")["deliverySummary"]["pacing"]["budgetUtilized"].as_f64().unwrap() > 0.4);
    assert_eq!(
        find("Open Trails")["deliverySummary"]["today"],
        json!({"impressions": 0, "spend": 0, "averagePrice": 0}),
        "the initial delivery ends yesterday"
    );
    assert_eq!(find("First Home Guide")["deliverySummary"], Value::Null);
    assert_eq!(find("First Home Guide")["creativeSyncHealth"], Value::Null);
    assert_eq!(
        all["summary"]["healthSummary"],
        json!({"healthy": 3, "warning": 1, "critical": 0, "unknown": 2})
    );
}

#[tokio::test]
async fn an_active_campaign_is_deleted_only_by_force() {
    let api = Api::start().await;
    let id = id_of(&api, "Open Trails").await;
    let tactics = api.data("tactic-list", json!({"campaignId": id})).await;
    let (status, rejected) = api.post("campaign-delete", json!({"campaignId": id})).await;
    assert_eq!(
        (status, &rejected["success"], &rejected["error"]),
        (200, &json!(false), &json!("CAMPAIGN_ACTIVE"))
    );
    assert_eq!(rejected["data"]["status"], "active");
    let deleted = api.data("campaign-delete", json!({"campaignId": id, "force": true})).await;
    assert_eq!(deleted["removed"], json!({"creatives": 2, "tactics": 3}));
    assert_eq!(deleted["configuration"], json!({"campaignId": id, "force": true}));
    let row = &deleted["tacticsData"][0];
    assert!(row["budget_amount"].is_number() && row["webhook_url"].is_null());
    let gone = json!({"tacticId": tactics["tactics"][0]["id"]});
    assert_eq!(api.post("tactic-get", gone).await.1["success"], false);
}

#[tokio::test]
async fn budgets_of_tactics_are_changed_and_errors_do_not_fail_the_call() {
    let api = Api::start().await;
    let id = id_of(&api, "Open Trails").await;
    let tactics = api.data("tactic-list", json!({"campaignId": id})).await;
    let foreign = id_of(&api, "Storm Season").await;
    let foreign = api.data("tactic-list", json!({"campaignId": foreign})).await["tactics"][0]["id"].clone();
    let mine = &tactics["tactics"][0]["id"];
    let body = json!({"campaignId": id, "tacticAdjustments": [
        {"tacticId": mine, "budgetAllocation": {"amount": 20_000, "pacing": "asap"}},
        {"tacticId": foreign, "budgetAllocation": {"amount": 1}},
    ]});
    let updated = api.data("campaign-update", body).await;
    assert_eq!(updated["tactics"]["totalUpdated"], 1);
    assert_eq!(updated["tactics"]["updated"][0]["budget_amount"], 20_000.0);
    assert_eq!(updated["tactics"]["errors"][0]["tacticId"], foreign);
    let got = api.data("tactic-get", json!({"tacticId": mine})).await;
    assert_eq!(got["tactic"]["budgetAllocation"]["pacing"], "asap");
}

#[tokio::test]
async fn a_legacy_campaign_is_not_listed() {
    let api = Api::start().await;
    let before = listed(&api, json!({})).await;
    let body = json!({"name": "Old", "prompt": "CTV and display in the UK and Germany"});
    let created = api.data("campaign-create-legacy", body).await;
    assert_eq!(created["strategy"]["strategyType"], "INTELLIGENT_PMPS");
    assert_eq!(created["strategy"]["countryCodes"], json!(["GB", "DE"]));
    assert_eq!(listed(&api, json!({})).await, before);
}

#[tokio::test]
async fn deleting_a_brand_agent_deletes_its_campaigns() {
    let api = Api::start().await;
    let lumen = agent(&api, "Lumen").await;
    let id = id_of(&api, "Morning Ritual").await;
    api.data("brand-agent-delete", json!({"brandAgentId": lumen})).await;
    assert_eq!(api.data("campaign-list", json!({})).await["count"], 4);
    assert_eq!(api.data("tactic-list", json!({"campaignId": id})).await["count"], 0);
}

#[tokio::test]
async fn campaigns_of_another_customer_are_not_found() {
    let api = Api::start().await;
    let other = api.other();
    assert_eq!(listed(&other, json!({})).await, ["Rainy Weekends"]);
    let id = id_of(&api, "Open Trails").await;
    let agent = agent(&api, "Northwind").await;
    let quill = listed_agent(&other).await;
    let creative = api.data("campaign-list", json!({"status": "active"})).await["campaigns"]
        .as_array()
        .unwrap()
        .iter()
        .find_map(|campaign| campaign["creativeIds"].as_array()?.first().cloned())
        .unwrap();
    let create = |agent: &str, creatives: Value| {
        json!({"brandAgentId": agent, "name": "x", "prompt": BRIEF, "budget": {"total": 100},
               "creativeIds": creatives})
    };
    for (operation, body) in [
        ("campaign-list", json!({"brandAgentId": agent})),
        ("campaign-update", json!({"campaignId": id, "name": "x"})),
        ("campaign-delete", json!({"campaignId": id, "force": true})),
        ("campaign-get-summary", json!({"campaignId": id})),
        ("campaign-create", create(&agent, json!([]))),
        ("campaign-create", create(&quill, json!([creative]))),
    ] {
        assert_eq!(other.post(operation, body).await.0, 404, "{operation}");
    }
    assert_eq!(listed(&other, json!({})).await, ["Rainy Weekends"]);
}

async fn listed_agent(api: &Api) -> String {
    agent(api, "").await
}
