//! The measurement API: figures that are stable, add up, and tell properties apart.

use reqwest::Client;
use serde_json::{Value, json};

use super::Api;

/// The answer of the measurement API, which has no envelope.
async fn ask(api: &Api, path: &str, body: Value) -> Value {
    let (status, answer) = api.call("POST", path, body).await;
    assert_eq!(status, 200, "{path}: {answer}");
    answer
}

fn grams(value: &Value, pointer: &str) -> f64 {
    value.pointer(pointer).and_then(Value::as_f64).unwrap_or_else(|| panic!("{pointer} in {value}"))
}

fn close(left: f64, right: f64) -> bool {
    (left - right).abs() < 1e-6
}

fn row(domain: &str, country: &str, impressions: u64) -> Value {
    json!({
        "rowIdentifier": format!("{domain} {country}"), "utcDatetime": "2026-06-01", "country": country,
        "inventoryId": domain, "impressions": impressions,
    })
}

/// The sum of the totals of stages, and of the parts in each stage.
fn sums(breakdown: &Value) -> (f64, f64) {
    let stages = breakdown.as_object().unwrap().values();
    let parts = |stage: &Value| -> f64 {
        stage["breakdown"].as_object().unwrap().values().map(|part| grams(part, "/emissions")).sum()
    };
    stages.fold((0.0, 0.0), |sum, stage| (sum.0 + grams(stage, "/total"), sum.1 + parts(stage)))
}

#[tokio::test]
async fn totals_are_the_sums_of_their_parts_in_every_framework() {
    let api = Api::start().await;
    let rows = json!({ "rows": [
        row("news.example", "US", 100_000), row("gossip.example", "DE", 20_000), row("1234567", "France", 5_000),
    ] });
    let mut totals = Vec::new();
    for framework in ["scope3", "scope3-consumer-device", "gmsf"] {
        let path = format!("/v2/measure?includeRows=true&fields=all&framework={framework}");
        let measured = ask(&api, &path, rows.clone()).await;
        let total = grams(&measured, "/totalEmissions");
        let stages = measured["totalEmissionsBreakdown"]["totals"].as_object().unwrap();
        assert!(close(total, stages.values().map(|stage| stage.as_f64().unwrap()).sum()), "{measured}");
        assert_eq!(stages.contains_key("mediaDistribution"), framework != "gmsf");
        let shown = measured["rows"].as_array().unwrap();
        assert!(close(total, shown.iter().map(|row| grams(row, "/totalEmissions")).sum()), "{measured}");
        for row in shown {
            let (of_stages, of_parts) = sums(&row["emissionsBreakdown"]["breakdown"]);
            let own = grams(row, "/totalEmissions");
            assert!(close(own, of_stages) && close(own, of_parts), "{row}");
        }
        assert_eq!(measured["coverage"]["totalImpressions"]["modeled"], 125_000);
        // Between 10 and 2,000 grams for a thousand impressions.
        assert!(total > 1_250.0 && total < 250_000.0, "{total}");
        totals.push(total);
    }
    assert!(totals[1] > totals[0] && totals[0] > 0.0, "{totals:?}");
}

#[tokio::test]
async fn figures_are_the_same_each_time_and_differ_between_domains_and_countries() {
    let api = Api::start().await;
    let rows = json!({ "rows": [
        row("news.example", "US", 1_000), row("gossip.example", "US", 1_000), row("news.example", "FR", 1_000),
        row("NEWS.example", "United States", 1_000),
    ] });
    let first = ask(&api, "/v2/measure?includeRows=true", rows.clone()).await;
    let elsewhere = ask(&Api::start().await.other(), "/v2/measure?includeRows=true", rows.clone()).await;
    assert_eq!(first["rows"], elsewhere["rows"]);
    let of = |position: usize| grams(&first, &format!("/rows/{position}/totalEmissions"));
    assert!(!close(of(0), of(1)) && of(2) < of(0), "{first}");
    assert!(close(of(0), of(3)), "names of countries and upper case change nothing: {first}");
    assert_eq!(first["rows"][0]["rowIdentifier"], "news.example US");
    // Without rows, only the sums are shown.
    let brief = ask(&api, "/v2/measure", rows).await;
    assert_eq!((brief.get("rows"), &brief["totalEmissions"]), (None, &first["totalEmissions"]));
    let double = ask(&api, "/v2/measure", json!({ "rows": [row("news.example", "US", 2_000)] })).await;
    assert!(close(grams(&double, "/totalEmissions"), 2.0 * of(0)), "{double}");
}

#[tokio::test]
async fn rows_that_cannot_be_measured_are_skipped_with_a_reason() {
    let api = Api::start().await;
    let changed = |name: &str, value: Value| {
        let mut row = row("news.example", "US", 10);
        row[name] = value;
        row
    };
    let rows = json!([
        row("news.example", "US", 10),
        changed("utcDatetime", json!("2026-06-15")),
        changed("utcDatetime", json!("yesterday")),
        changed("impressions", json!(0)),
        changed("country", json!("Atlantis")),
        changed("inventoryId", json!("")),
        changed("inventoryId", json!("not a domain")),
    ]);
    let measured = ask(&api, "/v2/measure?includeRows=true", json!({ "rows": rows })).await;
    assert_eq!(measured["coverage"]["totalRows"], json!({ "metric": "rows", "modeled": 1, "skipped": 6 }));
    let shown = measured["rows"].as_array().unwrap();
    assert!(shown[1..].iter().all(|row| row["error"]["message"].is_string()), "{measured}");
    assert_eq!(shown[1]["error"]["message"], "utcDatetime must be before today (UTC)");
    assert_eq!(
        (&shown[5]["inventoryCoverage"], &shown[6]["inventoryCoverage"]),
        (&json!("missing"), &json!("unknown"))
    );
    assert_eq!(measured["totalEmissions"], shown[0]["totalEmissions"]);
    // Impressions beyond any sense neither overflow nor crash.
    let huge = json!({ "rows": [row("a.example", "US", 9_007_199_254_740_991), row("b.example", "US", u64::MAX / 2)] });
    assert!(grams(&ask(&api, "/v2/measure", huge).await, "/totalEmissions") > 0.0);

    for (path, body) in [
        ("/v2/measure", json!({})),
        ("/v2/measure", json!({ "rows": [{ "inventoryId": "news.example" }] })),
        ("/v2/measure", json!({ "rows": [changed("channel", json!("smoke-signals"))] })),
        ("/v2/measure?framework=guess", json!({ "rows": [] })),
        ("/v2/creative", json!({ "rows": [row("news.example", "US", 10)] })),
        ("/v2/benchmarks", json!({ "country": "US" })),
        ("/v2/benchmarks", json!({ "country": "Atlantis", "channel": "web" })),
        ("/v2/benchmarks", json!({ "country": "US", "channel": "web", "month": "June" })),
    ] {
        assert_eq!(api.error("POST", path, body.clone()).await, "400 VALIDATION_ERROR", "{path} {body}");
    }
}

#[tokio::test]
async fn a_lighter_creative_emits_less() {
    let api = Api::start().await;
    let creative = |creative: Value| {
        json!({
            "utcDatetime": "20260601", "country": "US", "channel": "web", "impressions": 1_000, "creative": creative,
        })
    };
    let rows = json!({ "rows": [
        creative(json!({ "imageSizesPixels": ["300x250"] })),
        creative(json!({ "imageSizesPixels": ["970x250"] })),
        creative(json!({ "videoSizeBytes": 9_000_000, "videoDurationSeconds": 30 })),
        creative(json!({ "adFormat": "banner" })),
    ] });
    let measured = ask(&api, "/v2/creative?includeRows=true", rows).await;
    let of = |position: usize| grams(&measured, &format!("/rows/{position}/totalEmissions"));
    assert!(of(0) < of(1) && of(1) < of(2), "{measured}");
    let total = grams(&measured, "/totalEmissions");
    assert!(close(total, of(0) + of(1) + of(2) + of(3)), "{measured}");
    assert!(close(total, grams(&measured, "/totalEmissionsBreakdown/totals/creativeDelivery")), "{measured}");
    assert_eq!(measured["coverage"]["adFormats"]["generic"], 1);
}

#[tokio::test]
async fn benchmarks_rise_with_the_percentile_and_frame_what_is_measured() {
    let api = Api::start().await;
    let wanted = json!({ "country": "US", "channel": "web", "month": "2026-05" });
    let answer = ask(&api, "/v2/benchmarks", wanted).await;
    let rows = answer["benchmarks"].as_array().unwrap();
    let whole = |row: &Value| grams(row, "/adSelectionAndMediaDistributionEmissionsPerImpression");
    assert!(rows.is_sorted_by(|a, b| whole(a) < whole(b)), "{answer}");
    assert!(rows.iter().all(|row| grams(row, "/adSelectionEmissionsPerImpression") < whole(row)), "{answer}");
    let domains: Vec<Value> = (0..40).map(|at| row(&format!("site-{at}.example"), "US", 1_000)).collect();
    let path = "/v2/measure?includeRows=true&fields=emissionsBreakdown";
    let measured = ask(&api, path, json!({ "rows": domains })).await;
    let median = whole(&rows[2]) * 1_000.0;
    let below = measured["rows"].as_array().unwrap().iter().filter(|row| {
        let stages = &row["emissionsBreakdown"]["breakdown"];
        grams(stages, "/adSelection/total") + grams(stages, "/mediaDistribution/total") < median
    });
    assert!((8..=32).contains(&below.count()), "about half of all sites are below the median");
    let later = json!({ "country": "US", "channel": "web", "month": "2027-01" });
    assert_eq!(ask(&api, "/v2/benchmarks", later).await["benchmarks"], json!([]));
}

#[tokio::test]
async fn lists_segments_and_uploads_can_be_followed() {
    let api = Api::start().await;
    let (_, lists) = api.call("GET", "/v2/saved_lists", Value::Null).await;
    let id = lists[0]["id"].as_str().unwrap();
    let path = format!("/v2/signals/saved_list/{id}?page_size=3");
    let (_, first) = api.call("GET", &path, Value::Null).await;
    let (_, second) = api.call("GET", &format!("{path}&page=2"), Value::Null).await;
    assert_eq!((&first["has_more"], &second["has_more"]), (&json!(true), &json!(false)));
    let count = [&first, &second].map(|page| page["data"].as_array().unwrap().len());
    assert_eq!(json!(count[0] + count[1]), lists[0]["domain_count"]);
    assert_ne!(first["data"][0]["avg_viewability"], first["data"][1]["avg_viewability"]);
    assert_eq!(api.error("GET", "/v2/signals/saved_list/1", Value::Null).await, "404 NOT_FOUND");
    assert_eq!(api.error("GET", "/v2/signals/saved_list/x", Value::Null).await, "400 VALIDATION_ERROR");

    let (_, segments) = api.call("GET", "/v2/segment/list", Value::Null).await;
    assert_eq!(segments["paging"]["totalRecords"], 2);
    let (_, all) = api.call("GET", "/v2/segment/list?includeDeactivated=true", Value::Null).await;
    assert_eq!(all["paging"]["totalRecords"], 3);
    let key = segments["segments"][0]["segmentId"].as_str().unwrap();
    let (_, content) = api.call("GET", &format!("/v2/segment/data?segmentId={key}"), Value::Null).await;
    assert_eq!(content["data"][0]["type"], "INCLUDED_PROPERTY");
    let (_, nothing) = api.call("GET", "/v2/segment/data?segmentId=unknown", Value::Null).await;
    assert_eq!(nothing["data"], json!([]));
    assert_eq!(api.error("GET", "/v2/segment/data", Value::Null).await, "400 VALIDATION_ERROR");

    let url = api.sandbox.url_of(scope3_mcp_catalog::Surface::Measurement).unwrap();
    let part = |name: &str, text: &str| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n")
    };
    let deliver = async |form: String| {
        let request = Client::new().post(format!("{url}/data/upload")).bearer_auth(api.key);
        let request = request.header("content-type", "multipart/form-data; boundary=b");
        let response = request.body(form + "--b--\r\n").send().await.unwrap();
        (response.status().as_u16(), response.json::<Value>().await.unwrap())
    };
    let file = part("file", "day,domain\n2026-06-01,news.example\n2026-06-02\n");
    let (status, sent) = deliver(file.clone() + &part("type", "MEDIA_DELIVERY")).await;
    assert_eq!((status, &sent["status"]), (200, &json!("PENDING")), "{sent}");
    let path = format!("/v2/data/upload/{}", sent["id"]);
    assert_eq!(api.call("GET", &path, Value::Null).await.1["status"], "PROCESSING");
    let (_, done) = api.call("GET", &path, Value::Null).await;
    assert_eq!(
        (&done["status"], &done["rowsTotal"], &done["rowsFailed"]),
        (&json!("SUCCESS"), &json!(2), &json!(1))
    );
    assert_eq!(api.other().error("GET", &path, Value::Null).await, "404 NOT_FOUND");
    let (status, refused) = deliver(file).await;
    assert_eq!((status, &refused["error"]["field"]), (400, &json!("type")), "{refused}");
}
