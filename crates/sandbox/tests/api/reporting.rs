//! Summaries, exports and outcomes in the sandbox agree with each other.

use crate::support::Api;
use scope3_mcp_sandbox::Options;
use serde_json::{Value, json};

async fn campaigns(api: &Api) -> Vec<Value> {
    api.data("campaign-list", json!({"limit": 200})).await["campaigns"].as_array().unwrap().clone()
}

async fn id_of(api: &Api, name: &str) -> Value {
    let all = campaigns(api).await;
    all.iter().find(|campaign| campaign["name"] == name).unwrap()["id"].clone()
}

/// An amount in cents, so that sums are exact.
fn cents(value: &Value) -> i64 {
    let cents = (value.as_f64().unwrap() * 100.0).round();
    #[expect(clippy::cast_possible_truncation, reason = "small")]
    let cents = cents as i64;
    cents
}

fn sum(rows: &Value, member: &str) -> i64 {
    rows.as_array().unwrap().iter().map(|row| cents(&row[member])).sum()
}

const ALL_TIME: &str = r#"{"start": "2024-01-01", "end": "2036-12-31"}"#;

fn export_of(campaign: &Value, dataset: &str) -> Value {
    let range: Value = serde_json::from_str(ALL_TIME).unwrap();
    json!({"campaignIds": [campaign], "datasets": [dataset], "dateRange": range, "groupBy": ["date"]})
}

#[tokio::test]
async fn every_number_is_a_sum_of_the_same_rows() {
    assert_sums_agree(&Api::start().await).await;
}

#[tokio::test]
async fn the_sums_agree_on_every_start_day() {
    for now in [
        "2025-01-01T00:00:00Z",
        "2026-12-31T23:59:59.999Z",
        "2028-02-29T12:00:00Z",
        "2032-03-01T00:00:00Z",
        "2035-12-31T00:00:01Z",
    ] {
        let api = Api::with(Options { now: Some(now.parse().unwrap()), ..Options::default() }).await;
        assert_sums_agree(&api).await;
        assert_sums_agree(&api.other()).await;
        for (campaign, pace) in [("Open Trails", "on_track"), ("Storm Season", "under")] {
            let body = json!({"campaignId": id_of(&api, campaign).await});
            let summary = api.data("campaign-get-summary", body).await;
            assert_eq!(summary["summary"]["pacing"]["status"], pace, "{campaign} at {now}");
        }
    }
    assert_sums_agree(&Api::with(Options::default()).await).await;
}

async fn assert_sums_agree(api: &Api) {
    let all = campaigns(api).await;
    let mut total = 0;
    for campaign in &all {
        let id = &campaign["id"];
        let summary = api.data("campaign-get-summary", json!({"campaignId": id})).await;
        let spend = cents(&summary["summary"]["summary"]["spend"]);
        let rows = api.data("reporting-export-data", export_of(id, "delivery")).await;
        let today = &rows["timestamp"].as_str().unwrap()[..10];
        for row in rows["data"].as_array().unwrap() {
            assert!(row["date"].as_str().unwrap() < today, "{row} on {today}");
        }
        assert_eq!(sum(&rows["data"], "spend"), spend, "{campaign}");
        assert_eq!(
            sum(&rows["data"], "units_delivered") / 100,
            summary["summary"]["summary"]["impressions"].as_i64().unwrap()
        );
        assert_eq!(sum(&summary["tacticBreakdown"], "budgetSpent"), spend);
        assert_eq!(sum(&summary["deliveryData"]["dailyDeliveries"], "spend"), spend);
        let allocations = api.data("reporting-export-data", export_of(id, "allocations")).await;
        assert_eq!(sum(&allocations["data"], "utilized_budget"), spend);
        let tactics = api.data("tactic-list", json!({"campaignId": id})).await;
        assert_eq!(cents(&tactics["summary"]["totalSpend"]), spend);
        assert!(spend <= campaign["budget"]["total"].as_i64().unwrap());
        for tactic in summary["tacticBreakdown"].as_array().unwrap() {
            assert!(tactic["budgetSpent"].as_f64() <= tactic["budgetAllocated"].as_f64(), "{tactic}");
        }
        total += spend;
    }
    let listed = api.data("campaign-list", json!({})).await;
    assert_eq!(listed["summary"]["totalSpend"], total);
    assert!(total > 0);
}

#[tokio::test]
async fn a_summary_shows_pacing_and_progress() {
    let api = Api::start().await;
    let id = id_of(&api, "Open Trails").await;
    let data = api.data("campaign-get-summary", json!({"campaignId": id, "verbosity": "brief"})).await;
    let summary = &data["summary"];
    assert_eq!(summary["campaignName"], "Open Trails");
    assert_eq!(
        summary["summary"]["flightProgress"],
        json!({"daysElapsed": 46, "daysRemaining": 46, "percentComplete": 50})
    );
    assert_eq!(summary["pacing"]["status"], "on_track");
    assert_eq!(data["verbosity"], "brief");
    assert_eq!(data["brandAgent"]["name"], "Northwind Outdoor");

    let slow = id_of(&api, "Storm Season").await;
    let slow = api.data("campaign-get-summary", json!({"campaignId": slow})).await;
    assert_eq!(slow["summary"]["pacing"]["status"], "under");
    assert_eq!(slow["summary"]["alerts"][0]["type"], "pacing");

    let range = json!({"start": "2026-05-01", "end": "2026-05-01"});
    let day = api.data("campaign-get-summary", json!({"campaignId": id, "dateRange": range})).await;
    assert_eq!(day["deliveryData"]["dailyDeliveries"].as_array().unwrap().len(), 3);
    let backwards = json!({"campaignId": id, "dateRange": {"start": "2026-05-02", "end": "2026-05-01"}});
    assert_eq!(api.post("campaign-get-summary", backwards).await.0, 400);
    assert_eq!(api.post("campaign-get-summary", json!({"campaignId": "campaign_0"})).await.0, 404);
}

#[tokio::test]
async fn an_export_returns_rows_as_json_or_csv() {
    let api = Api::start().await;
    let id = id_of(&api, "Boot Week").await;
    let mut body = export_of(&id, "delivery");
    body["groupBy"] = json!(["date", "story"]);
    let export = api.data("reporting-export-data", body.clone()).await;
    let rows = export["data"].as_array().unwrap();
    assert_eq!(export["rowCount"], rows.len());
    assert_eq!(rows.len(), 28, "two tactics with fourteen days each");
    assert_eq!(export["schema"]["spend"], "number");
    assert!(rows[0]["story"].is_string());
    assert_eq!(export["query"], body);
    assert!(export["exportId"].as_str().unwrap().starts_with("exp_1781524800000_"));

    body["format"] = json!("csv");
    let csv = api.data("reporting-export-data", body).await;
    assert_eq!(csv["data"], Value::Null);
    let text = csv["csv"].as_str().unwrap();
    assert_eq!(text.lines().count(), 29);
    assert!(text.starts_with("campaign_id,campaign_name,date,tactic_id,spend,"), "{text}");
}

#[tokio::test]
async fn an_export_requires_campaigns_and_a_period() {
    let api = Api::start().await;
    let id = id_of(&api, "Boot Week").await;
    let mut same_day = export_of(&id, "delivery");
    same_day["dateRange"] = json!({"start": "2026-04-10", "end": "2026-04-10"});
    assert_eq!(
        api.data("reporting-export-data", same_day.clone()).await["rowCount"],
        2,
        "two tactics, one day"
    );
    same_day["dateRange"]["end"] = json!("2026-04-09");
    assert_eq!(api.post("reporting-export-data", same_day).await.0, 400);
    let mut nothing = export_of(&id, "tactics");
    nothing["campaignIds"] = json!([]);
    let (status, body) = api.post("reporting-export-data", nothing.clone()).await;
    assert_eq!((status, &body["error"]), (400, &json!("No campaigns found for the specified criteria")));
    let agents = api.data("brand-agent-list", json!({"where": {"name": "Northwind"}})).await;
    nothing["brandAgentId"] = agents["brandAgents"][0]["id"].clone();
    let tactics = api.data("reporting-export-data", nothing).await;
    assert_eq!(tactics["rowCount"], 5);
    assert_eq!(api.other().post("reporting-export-data", export_of(&id, "tactics")).await.0, 404);
}

#[tokio::test]
async fn outcomes_are_received_and_exported() {
    let api = Api::start().await;
    let id = id_of(&api, "Boot Week").await;
    let body = json!({
        "campaignId": id, "performanceIndex": 160,
        "exposureRange": {"start": "2026-04-06", "end": "2026-04-19T12:00:00Z"},
    });
    let given = api.data("reporting-provide-outcomes", body.clone()).await;
    assert_eq!(given["exposureAnalysis"]["durationDays"], 14);
    assert_eq!(given["performanceAnalysis"]["isHighPerformance"], true);
    assert_eq!(given["performanceAnalysis"]["multiplier"], 1.6);
    let export = api.data("reporting-export-data", export_of(&id, "outcomes")).await;
    assert_eq!(export["rowCount"], 1);
    assert_eq!(export["data"][0]["outcome_id"], given["outcome"]["id"]);
    assert_eq!(export["data"][0]["performance_index"], 160);

    let mut backwards = body.clone();
    backwards["exposureRange"] = json!({"start": "2026-04-06", "end": "2026-04-06"});
    assert_eq!(api.post("reporting-provide-outcomes", backwards).await.0, 400);
    let mut negative = body.clone();
    negative["performanceIndex"] = json!(-1);
    assert_eq!(api.post("reporting-provide-outcomes", negative).await.0, 400);
    assert_eq!(api.other().post("reporting-provide-outcomes", body).await.0, 404);
}
