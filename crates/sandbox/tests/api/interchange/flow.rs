//! A buyer's day: from a draft to a report, with figures that add up.

use serde_json::{Value, json};

use super::{Api, draft};

fn id(value: &Value, pointer: &str) -> String {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("{pointer} in {value}"))
        .to_owned()
}

/// The sum of the numbers at a pointer in each item.
fn sum(items: &Value, pointer: &str) -> f64 {
    items.as_array().unwrap().iter().map(|item| item.pointer(pointer).and_then(Value::as_f64).unwrap()).sum()
}

fn close(left: f64, right: f64) -> bool {
    (left - right).abs() < 0.005
}

/// A draft campaign with a cart of two sellers and creatives for both.
async fn ready(api: &Api, flight: Value, budgets: [u64; 2]) -> String {
    let advertiser = api.get("/advertisers?name=boots").await["items"][0]["id"].clone();
    let search = json!({ "advertiserId": advertiser, "brief": "Outdoor boots on display and ctv" });
    let found = api.post("/discovery/discover-products", search).await;
    let discovery = id(&found, "/discoveryId");
    let products = json!([
        { "productId": "sf1:501:outdoor-display", "budget": budgets[0] },
        { "productId": "sf1:502:prime-ctv", "budget": budgets[1] },
    ]);
    let cart = api.post(&format!("/discovery/{discovery}/products"), json!({ "products": products })).await;
    assert_eq!(cart["totalProducts"], 2);
    let mut body = draft(&advertiser, "Trails");
    body["discoveryId"] = json!(discovery);
    body["flightDates"] = flight;
    let campaign = id(&api.post("/campaigns", body).await, "/campaign/campaignId");
    for kind in ["IMAGE", "VIDEO"] {
        let asset = json!([{ "url": "https://cdn.example/a", "asset_type": kind }]);
        let creative = json!({ "name": kind, "linked_assets": asset });
        api.post(&format!("/campaigns/{campaign}/creatives/create"), creative).await;
    }
    campaign
}

/// A minute of flight. The clock advances by a second with each change.
fn minute() -> Value {
    json!({ "startDate": "2026-06-15T12:00:00Z", "endDate": "2026-06-15T12:01:00Z" })
}

fn month() -> Value {
    json!({ "startDate": "2026-06-15T00:00:00Z", "endDate": "2026-07-15T00:00:00Z" })
}

#[tokio::test]
async fn a_campaign_goes_from_a_brief_to_delivery_and_a_report() {
    let api = Api::start().await;
    let campaign = ready(&api, minute(), [4_000, 12_000]).await;
    let path = format!("/campaigns/{campaign}");
    let before = api.get(&path).await["campaign"].clone();
    assert_eq!(
        (&before["status"], &before["budget"]["total"], &before["budget"]["currency"]),
        (&json!("DRAFT"), &json!(20_000), &json!("USD"))
    );
    assert_eq!((&before["allocatedBudget"], &before["mediaBuys"]), (&json!(0), &json!([])));
    assert_eq!(before["creativeFormats"]["missing"], json!([]));

    let launched = api.post(&format!("{path}/execute"), json!({})).await;
    assert_eq!(
        (&launched["success"], &launched["mediaBuysExecuted"], &launched["newStatus"]),
        (&json!(true), &json!(2), &json!("ACTIVE"))
    );
    let again = api.post(&format!("{path}/execute"), json!({})).await;
    assert_eq!(
        (&again["mediaBuysExecuted"], &again["reason"]),
        (&json!(0), &json!("no_media_buys_to_execute"))
    );

    let after = api.get(&format!("{path}?fresh=true")).await["campaign"].clone();
    assert_eq!((&after["allocatedBudget"], &after["unallocatedBudget"]), (&json!(16_000), &json!(4_000)));
    let mut spends = Vec::new();
    for _ in 0..3 {
        // Any change lets time pass.
        api.post("/campaigns", draft(&before["advertiserId"], "Another")).await;
        let report = api.get(&format!("/reporting/metrics?demo=false&campaignId={campaign}")).await;
        let shown = &report["advertisers"][0]["campaigns"][0];
        let mut of_packages = 0.0;
        let mut impressions = 0.0;
        for buy in after["mediaBuys"].as_array().unwrap() {
            let packages = api.get(&format!("/media-buys/{}/packages", id(buy, "/mediaBuyId"))).await;
            for package in packages["packages"].as_array().unwrap() {
                let spend = package["delivery"]["spend"].as_f64().unwrap();
                assert!(spend <= package["budget"].as_f64().unwrap(), "{package}");
                impressions += package["delivery"]["impressions"].as_f64().unwrap();
                of_packages += spend;
            }
        }
        let spend = report["totals"]["spend"].as_f64().unwrap();
        assert!(
            close(spend, of_packages) && close(spend, sum(&shown["mediaBuys"], "/metrics/spend")),
            "{report}"
        );
        assert!(close(spend, shown["metrics"]["spend"].as_f64().unwrap()), "{report}");
        assert!(close(impressions, report["totals"]["impressions"].as_f64().unwrap()), "{report}");
        let clicks = report["totals"]["clicks"].as_f64().unwrap();
        assert!((report["totals"]["ctr"].as_f64().unwrap() - clicks / impressions).abs() < 1e-5, "{report}");
        spends.push(spend);
    }
    assert!(spends[0] > 0.0 && spends.is_sorted_by(|a, b| a < b) && spends[2] < 16_000.0, "{spends:?}");
}

#[tokio::test]
async fn the_rows_of_days_add_up_to_the_summary() {
    let api = Api::start().await;
    let campaign = api.campaign("ACTIVE").await;
    let filter = format!(
        "demo=false&campaignId={}&startDate=2026-05-01&endDate=2026-06-15",
        id(&campaign, "/campaignId")
    );
    let summary = api.get(&format!("/reporting/metrics?{filter}")).await;
    let series = api.get(&format!("/reporting/metrics?{filter}&view=timeseries")).await;
    for name in ["spend", "impressions"] {
        let total = summary["totals"][name].as_f64().unwrap();
        assert!(
            total > 0.0 && close(total, sum(&series["timeseries"], &format!("/metrics/{name}"))),
            "{name}"
        );
    }
    assert!(summary["totals"]["spend"].as_f64().unwrap() <= 40_000.0);
    let last = api.get("/reporting/metrics?demo=false&days=1&view=timeseries").await;
    assert!(last["timeseries"].as_array().unwrap().iter().all(|row| row["date"] == "2026-06-15"), "{last}");
    let mixed = api.get("/reporting/metrics?demo=false").await;
    assert_eq!(
        (&mixed["totals"]["spend"], &mixed["totalsCurrency"]),
        (&Value::Null, &Value::Null),
        "two currencies"
    );
}

#[tokio::test]
async fn a_seller_can_reject_its_media_buy_while_another_starts() {
    let api = Api::start().await;
    // The television seller wants 5,000 at least.
    let campaign = ready(&api, month(), [4_000, 1_000]).await;
    let path = format!("/campaigns/{campaign}");
    let launched = api.post(&format!("{path}/execute"), json!({})).await;
    assert_eq!((&launched["success"], &launched["mediaBuysExecuted"]), (&json!(false), &json!(1)));
    let error = &launched["errors"][0];
    assert!(error["message"].as_str().unwrap().contains("at least 5000"), "{error}");
    let packages = api.get(&format!("/media-buys/{}/packages", id(error, "/mediaBuyId"))).await;
    let change =
        json!({ "packages": [{ "packageId": packages["packages"][0]["packageId"], "budget": 6_000 }] });
    api.data("PATCH", &format!("/media-buys/{}", id(error, "/mediaBuyId")), change).await;
    let again = api.post(&format!("{path}/execute"), json!({})).await;
    assert_eq!((&again["success"], &again["mediaBuysExecuted"]), (&json!(true), &json!(1)));
}

#[tokio::test]
async fn without_creatives_nothing_starts() {
    let api = Api::start().await;
    let campaign = ready(&api, month(), [4_000, 6_000]).await;
    let creatives = api.get(&format!("/campaigns/{campaign}/creatives")).await;
    for creative in creatives["manifests"].as_array().unwrap() {
        let path = format!("/campaigns/{campaign}/creatives/{}", id(creative, "/creative_id"));
        assert_eq!(api.call("DELETE", &path, Value::Null).await, (204, Value::Null));
    }
    let launched = api.post(&format!("/campaigns/{campaign}/execute"), json!({})).await;
    assert_eq!((&launched["success"], &launched["newStatus"]), (&json!(false), &json!("DRAFT")));
    assert_eq!(launched["errors"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn pausing_stops_delivery_and_canceling_ends_it() {
    let api = Api::start().await;
    let campaign = ready(&api, minute(), [4_000, 12_000]).await;
    let path = format!("/campaigns/{campaign}");
    api.post(&format!("{path}/execute"), json!({})).await;
    let spend = async || {
        let report = api.get(&format!("/reporting/metrics?demo=false&campaignId={campaign}")).await;
        report["totals"]["spend"].as_f64().unwrap()
    };
    let paused = api.post(&format!("{path}/pause"), Value::Null).await;
    assert_eq!((&paused["successCount"], &paused["newStatus"]), (&json!(2), &json!("PAUSED")));
    let stopped = spend().await;
    assert!(stopped > 0.0);
    api.post("/campaigns", draft(&json!(12_345_001), "Another")).await;
    assert!(close(spend().await, stopped));
    let resumed = api.post(&format!("{path}/reactivate"), Value::Null).await;
    assert_eq!(resumed["newStatus"], "ACTIVE");
    let buys = api.get(&path).await["campaign"]["mediaBuys"].clone();
    let [first, second] = [0, 1].map(|at| id(&buys[at], "/mediaBuyId"));
    let held = api.post(&format!("/media-buys/{first}/pause"), Value::Null).await;
    assert_eq!((&held["previousStatus"], &held["newStatus"]), (&json!("ACTIVE"), &json!("PAUSED")));
    assert_eq!(
        api.refused("POST", &format!("/media-buys/{first}/pause"), Value::Null).await,
        (400, "INVALID_STATE".to_owned())
    );
    let cancel = json!({ "mediaBuys": [{ "mediaBuyId": second, "action": "cancel" }] });
    let changed = api.data("PUT", &path, cancel).await;
    assert_eq!(changed["campaign"]["mediaBuys"][1]["status"], "CANCELED");
    let ended = spend().await;
    api.post("/campaigns", draft(&json!(12_345_001), "Another")).await;
    assert!(close(spend().await, ended));
    let (_, body) = api.call("GET", &format!("/media-buys/{second}"), Value::Null).await;
    assert_eq!(body["data"]["mediaBuy"]["status"], "CANCELED");
}

#[tokio::test]
async fn the_errors_of_the_flow_have_their_codes() {
    let api = Api::start().await;
    let advertiser = json!(12_345_001);
    let refused = async |method, path: &str, body| {
        let (status, code) = api.refused(method, path, body).await;
        format!("{status} {code}")
    };
    let with = |pointer: &str, value: Value| {
        let mut body = draft(&advertiser, "Trails");
        match pointer.split_once('/') {
            Some((outer, inner)) => body[outer][inner] = value,
            None => body[pointer] = value,
        }
        body
    };
    assert_eq!(
        refused("POST", "/campaigns", with("budget/currency", json!("EUR"))).await,
        "400 CURRENCY_MISMATCH"
    );
    let banned = with("brief", json!("Counterfeit boots"));
    assert_eq!(refused("POST", "/campaigns", banned).await, "422 CONTENT_MODERATION_BLOCKED");
    assert_eq!(refused("POST", "/campaigns", with("advertiserId", json!(1))).await, "404 NOT_FOUND");

    let campaign = ready(&api, month(), [4_000, 6_000]).await;
    let path = format!("/campaigns/{campaign}");
    api.post(&format!("{path}/execute"), json!({})).await;
    let less = json!({ "budget": { "total": 9_000 } });
    assert_eq!(refused("PUT", &path, less).await, "409 INSUFFICIENT_MEDIA_BUDGET");
    let completed = api.campaign("COMPLETED").await;
    let over = format!("/campaigns/{}/execute", id(&completed, "/campaignId"));
    assert_eq!(refused("POST", &over, json!({})).await, "400 INVALID_STATE");

    // The tents are sold in euros, and the screens only in dollars.
    let tents = api.get("/advertisers?name=tents").await["items"][0]["id"].clone();
    let found =
        api.post("/discovery/discover-products", json!({ "advertiserId": tents, "brief": "Tents" })).await;
    let cart = format!("/discovery/{}/products", id(&found, "/discoveryId"));
    let screens = json!({ "products": [{ "productId": "sf1:505:city-screens", "budget": 5_000 }] });
    assert_eq!(refused("POST", &cart, screens).await, "409 PRICING_NOT_CONFIGURED");
}

#[tokio::test]
async fn a_search_finds_what_fits_and_nothing_for_an_impossible_brief() {
    let api = Api::start().await;
    let search = async |brief: &str, more: Value| {
        let mut body = json!({ "advertiserId": 12_345_001, "brief": brief });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        api.post("/discovery/discover-products", body).await
    };
    let found = search("Hiking boots", json!({})).await;
    assert_eq!(found["productGroups"][0]["storefrontName"], "Aurora Media");
    assert_eq!(found["summary"]["totalProducts"], 6);
    let price = &found["productGroups"][0]["products"][0];
    assert_eq!((&price["cpm"], &price["currency"]), (&json!(6.5), &json!("USD")));
    for (brief, more) in [
        ("Skywriting over the city", json!({})),
        ("Boots", json!({ "countries": ["AQ"] })),
        ("Boots", json!({ "channels": ["cinema"] })),
        ("Boots", json!({ "budget": 100 })),
    ] {
        let nothing = search(brief, more).await;
        assert_eq!((&nothing["productGroups"], &nothing["totalGroups"]), (&json!([]), &json!(0)), "{brief}");
    }
    let podcasts = search("Podcasts about boots", json!({})).await;
    assert_eq!(podcasts["productGroups"][0]["storefrontName"], "Delta Audio");
    let discovery = id(&found, "/discoveryId");
    let page =
        api.get(&format!("/discovery/{discovery}/discover-products?groupLimit=1&productsPerGroup=1")).await;
    assert_eq!((page["productGroups"].as_array().unwrap().len(), &page["hasMoreGroups"]), (1, &json!(true)));
    assert_eq!(page["productGroups"][0]["hasMoreProducts"], true);
    let proposal = id(&found, "/proposals/0/proposalId");
    let body = json!({ "proposalId": proposal, "totalBudget": 3_000 });
    let applied = api.post(&format!("/discovery/{discovery}/apply-proposal"), body).await;
    assert_eq!(
        (&applied["productsApplied"], &applied["budgetContext"]["allocatedBudget"]),
        (&json!(2), &json!(3_000))
    );
    let body = json!({ "productIds": [applied["products"][0]["productId"]] });
    let left = api.data("DELETE", &format!("/discovery/{discovery}/products"), body).await;
    assert_eq!(left["totalProducts"], 1);
}

#[tokio::test]
async fn a_batch_of_media_buys_is_staged_and_sent() {
    let api = Api::start().await;
    let query = json!({
        "buying_mode": "brief", "brief": "Boots on ctv", "ext": { "interchange": { "advertiser_id": "12345001" } },
    });
    let found = api.post("/products/query", query).await;
    let query = id(&found, "/ext/interchange/execution_id");
    let selections = json!([{ "kind": "product", "productId": "sf1:501:outdoor-display", "budget": 2_000 }]);
    let create = json!({ "create": draft(&json!(12_345_001), "Batch") });
    let body =
        json!({ "productQueryId": query, "campaign": create, "mode": "stage", "selections": selections });
    let staged = api.post("/media-buys/batch", body).await;
    assert_eq!(
        (&staged["campaignCreated"], &staged["mediaBuysStaged"], &staged["mediaBuysExecuted"]),
        (&json!(true), &json!(1), &json!(0))
    );
    let campaign = id(&staged, "/campaignId");
    let asset = json!([{ "url": "https://cdn.example/a", "asset_type": "IMAGE" }]);
    api.post(&format!("/campaigns/{campaign}/creatives/create"), json!({ "linked_assets": asset })).await;
    let body = json!({
        "productQueryId": query, "campaign": { "campaignId": campaign }, "mode": "execute", "selections": selections,
    });
    let sent = api.post("/media-buys/batch", body).await;
    assert_eq!(
        (&sent["success"], &sent["mediaBuysExecuted"], &sent["campaignStatus"]),
        (&json!(true), &json!(1), &json!("ACTIVE"))
    );
}

#[tokio::test]
async fn a_sync_of_audiences_is_a_task_that_ends() {
    let api = Api::start().await;
    let advertiser = "12345001";
    let members: Vec<Value> = (0..120).map(|at| json!({ "externalId": at.to_string() })).collect();
    let body = json!({ "audiences": [{ "audienceId": "aud_new", "name": "New", "add": members }] });
    let (status, started) =
        api.call("POST", &format!("/advertisers/{advertiser}/audiences/sync"), body).await;
    assert_eq!(status, 202, "{started}");
    let task = format!("/tasks/{}", id(&started, "/data/taskId"));
    assert_eq!(api.get(&task).await["task"]["status"], "working");
    assert_eq!(api.get(&task).await["task"]["status"], "completed");
    let listed = api.get(&format!("/advertisers/{advertiser}/audiences")).await;
    let audience = listed["audiences"].as_array().unwrap().last().unwrap();
    assert_eq!((&audience["status"], &audience["uploadedCount"]), (&json!("READY"), &json!(120)));
}
