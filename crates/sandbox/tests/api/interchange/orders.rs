//! Orders between a buyer (Acme Outdoor) and a seller (Quill Books, with the storefront Cirrus Publishing).

use serde_json::{Value, json};

use super::{Api, draft};

/// The path of an operation of sellers.
fn shop(path: &str) -> String {
    format!("/api/v2/storefront{path}")
}

fn text(value: &Value, pointer: &str) -> String {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("{pointer} in {value}"))
        .to_owned()
}

fn amount(value: &Value, pointer: &str) -> f64 {
    value.pointer(pointer).and_then(Value::as_f64).unwrap_or_else(|| panic!("{pointer} in {value}"))
}

/// A campaign with a flight of a minute that was launched with these products. Returns its path.
async fn launched(buyer: &Api, products: Value) -> String {
    let advertiser = buyer.get("/advertisers").await["items"][0]["id"].clone();
    let search = json!({ "advertiserId": advertiser, "brief": "Boots on display and in podcasts" });
    let found = buyer.post("/discovery/discover-products", search).await;
    let discovery = text(&found, "/discoveryId");
    buyer.post(&format!("/discovery/{discovery}/products"), json!({ "products": products })).await;
    let mut body = draft(&advertiser, "Trails");
    body["discoveryId"] = json!(discovery);
    body["flightDates"] = json!({ "startDate": "2026-06-15T12:00:00Z", "endDate": "2026-06-15T12:10:00Z" });
    let campaign = text(&buyer.post("/campaigns", body).await, "/campaign/campaignId");
    for kind in ["IMAGE", "AUDIO"] {
        let assets = json!([{ "url": "https://cdn.example/a", "asset_type": kind }]);
        let creative = json!({ "name": kind, "linked_assets": assets });
        buyer.post(&format!("/campaigns/{campaign}/creatives/create"), creative).await;
    }
    let path = format!("/campaigns/{campaign}");
    let launched = buyer.post(&format!("{path}/execute"), json!({})).await;
    assert_eq!(
        (&launched["success"], &launched["newStatus"]),
        (&json!(true), &json!("ACTIVE")),
        "{launched}"
    );
    path
}

/// A product of a seller who reviews orders, and one of a seller who does not.
fn both() -> Value {
    json!([
        { "productId": "sf1:503:lifestyle-native", "budget": 6_000 },
        { "productId": "sf1:501:outdoor-display", "budget": 4_000 },
    ])
}

fn one() -> Value {
    json!([{ "productId": "sf1:503:lifestyle-native", "budget": 6_000 }])
}

/// The media buy of a campaign at a storefront with this name in the name of the buy.
async fn buy_at(buyer: &Api, campaign: &str, seller: &str) -> Value {
    let shown = buyer.get(campaign).await["campaign"]["mediaBuys"].clone();
    let found = shown.as_array().unwrap().iter().find(|buy| text(buy, "/name").ends_with(seller));
    found.unwrap_or_else(|| panic!("{seller} in {shown}")).clone()
}

/// Lets time pass, which any change does.
async fn wait(buyer: &Api) {
    for _ in 0..20 {
        let body = json!({ "advertiserId": 12_345_001, "brief": "Boots" });
        buyer.post("/discovery/discover-products", body).await;
    }
}

#[tokio::test]
async fn an_order_waits_for_the_seller_and_delivers_only_after_the_approval() {
    let buyer = Api::start().await;
    let seller = buyer.other();
    let campaign = launched(&buyer, both()).await;
    // The seller without a review delivers at once.
    assert_eq!(buy_at(&buyer, &campaign, "Aurora Media").await["status"], "ACTIVE");
    let waiting = buy_at(&buyer, &campaign, "Cirrus Publishing").await;
    let shown = (&waiting["status"], &waiting["pendingAt"], &waiting["pendingReason"]);
    assert_eq!(
        shown,
        (&json!("PENDING_APPROVAL"), &json!("storefront"), &json!("awaiting_storefront_approval"))
    );
    assert!(waiting["pendingSince"].is_string() && waiting.get("forwardedAt").is_none(), "{waiting}");
    wait(&buyer).await;
    let id = text(&waiting, "/mediaBuyId");
    let packages = format!("/media-buys/{id}/packages");
    assert_eq!(buyer.get(&packages).await["packages"][0]["delivery"]["spend"], 0.0);

    let pending = seller.get(&shop("/pending-operations")).await;
    assert_eq!(pending["approvals"]["count"], 1);
    let first = &pending["approvals"]["items"][0];
    assert_eq!((&first["mediaBuyId"], &first["buyer"]["name"]), (&json!(id), &json!("Acme Outdoor")));
    let path = shop(&format!("/media-buy-approvals/{id}"));
    let order = seller.get(&path).await;
    let payload = &order["submittedPayload"];
    assert_eq!((&order["status"], &order["buyerCustomerId"]), (&json!("pending"), &json!(12345)));
    assert_eq!(payload["total_budget"], json!({ "amount": 6_000, "currency": "USD" }));
    assert_eq!(payload["packages"][0]["product_id"], "lifestyle-native");
    assert_eq!(payload["end_time"], "2026-06-15T12:10:00.000Z");
    let listed = seller.get(&shop("/media-buys?status=pending_approval")).await;
    assert_eq!(
        (&listed["total"], &listed["items"][0]["mediaBuyId"]),
        (&json!(1), &json!(format!("sf_{id}")))
    );

    let body = json!({ "status": "approved", "reviewerNotes": "Welcome." });
    let decided = seller.post(&format!("{path}/decide"), body.clone()).await;
    assert_eq!((&decided["status"], &decided["reviewerNotes"]), (&json!("approved"), &json!("Welcome.")));
    assert!(decided["forwardedAt"].is_string(), "{decided}");
    let running = buyer.get(&format!("/media-buys/{id}")).await["mediaBuy"].clone();
    assert_eq!((&running["status"], running.get("pendingReason")), (&json!("ACTIVE"), None), "{running}");
    wait(&buyer).await;
    let spend = amount(&buyer.get(&packages).await, "/packages/0/delivery/spend");
    assert!(spend > 0.0 && spend < 6_000.0, "{spend}");
    assert_eq!(seller.get(&shop("/pending-operations")).await, json!({}));
    let booked = seller.get(&shop("/media-buys?status=delivering&buyerCustomerId=12345")).await;
    let is_it = |row: &&Value| row["mediaBuyId"] == json!(format!("sf_{id}"));
    assert_eq!(booked["items"].as_array().unwrap().iter().filter(is_it).count(), 1, "{booked}");
    let timeline = seller.get(&shop(&format!("/media-buys/sf_{id}/timeline"))).await;
    let stages = |list: &Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|stage| text(stage, "/stage")).collect()
    };
    assert_eq!(stages(&timeline["stages"]), ["received", "decided"]);
    assert_eq!(stages(&timeline["legs"][0]["stages"]), ["forwarded", "accepted", "delivering"]);

    let at_server = seller.get(&shop(&format!("/esa/5031/media-buys/{id}"))).await;
    assert_eq!(
        (&at_server["totalBudget"], &at_server["principalName"]),
        (&json!(6_000), &json!("Acme Outdoor"))
    );
    assert!((amount(&at_server, "/deliveredSpend") - spend).abs() < 0.001, "{at_server}");

    // A decision counts once.
    assert_eq!(seller.error("POST", &format!("{path}/decide"), body).await, "400 INVALID_STATE");
    assert_eq!(seller.error("POST", &format!("{path}/evaluate"), Value::Null).await, "400 INVALID_STATE");
    let again = seller.post(&format!("{path}/retry-forward"), json!({})).await;
    assert_eq!(again["forwardOutcome"], "all_completed");
}

#[tokio::test]
async fn a_rejected_order_never_delivers_and_its_budget_is_free_again() {
    let buyer = Api::start().await;
    let seller = buyer.other();
    let campaign = launched(&buyer, one()).await;
    let id = text(&buy_at(&buyer, &campaign, "Cirrus Publishing").await, "/mediaBuyId");
    let path = shop(&format!("/media-buy-approvals/{id}"));
    let advice = seller.post(&format!("{path}/evaluate"), Value::Null).await;
    assert_eq!(advice["recommendation"], "escalate_to_human");
    assert_eq!(seller.get(&path).await["status"], "pending", "an evaluation decides nothing");
    let decision = json!({ "status": "rejected", "reviewerNotes": "We show no boots in summer." });
    seller.post(&format!("{path}/decide"), decision).await;
    let rejected = buyer.get(&format!("/media-buys/{id}")).await["mediaBuy"].clone();
    assert_eq!(
        (&rejected["status"], &rejected["errorCode"], &rejected["errorOwner"], &rejected["sourceMessage"]),
        (
            &json!("REJECTED"),
            &json!("storefront_rejected"),
            &json!("seller"),
            &json!("We show no boots in summer.")
        )
    );
    wait(&buyer).await;
    let shown = buyer.get(&campaign).await["campaign"].clone();
    assert_eq!((&shown["allocatedBudget"], &shown["unallocatedBudget"]), (&json!(0), &json!(20_000)));
    let packages = buyer.get(&format!("/media-buys/{id}/packages")).await;
    assert_eq!(packages["packages"][0]["delivery"]["impressions"], 0);
    let status = buyer.get(&format!("{campaign}/media-buy-status")).await;
    assert_eq!(status["media_buys"][0]["error_code"], "storefront_rejected");
    let listed = seller.get(&shop("/media-buy-approvals?status=rejected")).await;
    assert_eq!((&listed["total"], &listed["items"][0]["mediaBuyId"]), (&json!(1), &json!(id)));
    assert_eq!(seller.error("POST", &format!("{path}/retry-forward"), json!({})).await, "400 INVALID_STATE");
}

#[tokio::test]
async fn what_the_buyer_does_while_an_order_waits_is_respected() {
    let buyer = Api::start().await;
    let seller = buyer.other();
    let campaign = launched(&buyer, one()).await;
    let id = text(&buy_at(&buyer, &campaign, "Cirrus Publishing").await, "/mediaBuyId");
    let decide = shop(&format!("/media-buy-approvals/{id}/decide"));
    assert_eq!(
        buyer.error("POST", &format!("/media-buys/{id}/reactivate"), Value::Null).await,
        "400 INVALID_STATE"
    );
    buyer.post(&format!("{campaign}/pause"), Value::Null).await;
    seller.post(&decide, json!({ "status": "approved" })).await;
    assert_eq!(buyer.get(&format!("/media-buys/{id}")).await["mediaBuy"]["status"], "PAUSED");
    buyer.post(&format!("{campaign}/reactivate"), Value::Null).await;
    assert_eq!(buyer.get(&format!("/media-buys/{id}")).await["mediaBuy"]["status"], "ACTIVE");

    let other = launched(&buyer, one()).await;
    let id = text(&buy_at(&buyer, &other, "Cirrus Publishing").await, "/mediaBuyId");
    let cancel = json!({ "mediaBuys": [{ "mediaBuyId": id, "action": "cancel" }] });
    buyer.data("PUT", &other, cancel).await;
    let revoked = seller.get(&shop("/media-buy-approvals?status=revoked")).await;
    assert_eq!(revoked["items"][0]["mediaBuyId"], json!(id));
    let decide = shop(&format!("/media-buy-approvals/{id}/decide"));
    assert_eq!(seller.error("POST", &decide, json!({ "status": "approved" })).await, "400 INVALID_STATE");
}

#[tokio::test]
async fn orders_belong_to_their_seller() {
    let buyer = Api::start().await;
    let seller = buyer.other();
    let campaign = launched(&buyer, one()).await;
    let id = text(&buy_at(&buyer, &campaign, "Cirrus Publishing").await, "/mediaBuyId");
    let path = shop(&format!("/media-buy-approvals/{id}"));
    let approve = json!({ "status": "approved" });
    // The buyer cannot approve its own order, and the seller does not see the media buy as a buyer.
    assert_eq!(buyer.error("GET", &path, Value::Null).await, "404 NOT_FOUND");
    assert_eq!(buyer.error("POST", &format!("{path}/decide"), approve.clone()).await, "404 NOT_FOUND");
    assert_eq!(seller.error("GET", &format!("/media-buys/{id}"), Value::Null).await, "404 NOT_FOUND");
    assert!(!buyer.get(&shop("/media-buys")).await.to_string().contains(&id));
    assert!(!buyer.get(&shop("/media-buy-approvals")).await.to_string().contains(&id));
    let timeline = shop(&format!("/media-buys/sf_{id}/timeline"));
    assert_eq!(buyer.error("GET", &timeline, Value::Null).await, "404 NOT_FOUND");
    let at_server = shop(&format!("/esa/5031/media-buys/{id}"));
    assert_eq!(seller.error("GET", &at_server, Value::Null).await, "404 NOT_FOUND", "it was not sent yet");
    // A user who sees both customers has to say for which one they act.
    let decide = format!("{path}/decide");
    let holding = buyer.holding(None);
    assert_eq!(holding.error("POST", &decide, approve.clone()).await, "403 CUSTOMER_SCOPE_REQUIRED");
    assert_eq!(buyer.holding(Some("12345")).error("POST", &decide, approve.clone()).await, "404 NOT_FOUND");

    for (method, path, body, expected) in [
        ("GET", "/media-buy-approvals/mb_unknown", Value::Null, "404 NOT_FOUND"),
        ("POST", "/media-buy-approvals/mb_unknown/decide", approve, "404 NOT_FOUND"),
        ("GET", "/media-buys/mb_unknown/timeline", Value::Null, "404 NOT_FOUND"),
        ("GET", "/media-buy-approvals?status=lost", Value::Null, "400 VALIDATION_ERROR"),
        ("GET", "/media-buys?status=ACTIVE", Value::Null, "400 VALIDATION_ERROR"),
        ("PUT", "/buyer-auto-approvals/999", json!({ "enabled": true }), "404 NOT_FOUND"),
    ] {
        assert_eq!(seller.error(method, &shop(path), body).await, expected, "{path}");
    }
    for body in [
        json!({}),
        json!({ "status": "maybe" }),
        json!({ "status": "approved", "reviewerNotes": "x".repeat(2_001) }),
    ] {
        assert_eq!(seller.error("POST", &decide, body.clone()).await, "400 VALIDATION_ERROR", "{body}");
    }
    let done = buyer.holding(Some("67890")).post(&decide, json!({ "status": "approved" })).await;
    assert_eq!(done["status"], "approved");
}

#[tokio::test]
async fn a_seller_decides_which_orders_are_reviewed() {
    let buyer = Api::start().await;
    let seller = buyer.other();
    let at = "Cirrus Publishing";
    // A trusted buyer needs no review.
    let trust = shop("/buyer-auto-approvals/12345");
    let set = seller.data("PUT", &trust, json!({ "enabled": true, "reason": "Pays on time" })).await;
    assert_eq!(
        (&set["buyerName"], &set["autoApproveEnabled"], &set["policyBypassCount"]),
        (&json!("Acme Outdoor"), &json!(true), &json!(0))
    );
    let campaign = launched(&buyer, one()).await;
    assert_eq!(buy_at(&buyer, &campaign, at).await["status"], "ACTIVE");
    let listed = seller.get(&shop("/buyer-auto-approvals")).await;
    assert_eq!((&listed["total"], &listed["items"][0]["policyBypassCount"]), (&json!(1), &json!(1)));
    let eligible = |row: &Value| text(row, "/buyerName");
    let names: Vec<String> = listed["eligibleBuyers"].as_array().unwrap().iter().map(eligible).collect();
    assert_eq!(names, ["Acme Outdoor", "Quill Books"]);
    let off = seller.data("PUT", &trust, json!({ "enabled": false })).await;
    assert_eq!((&off["autoApproveEnabled"], &off["reason"]), (&json!(false), &json!("Pays on time")));
    let campaign = launched(&buyer, one()).await;
    assert_eq!(buy_at(&buyer, &campaign, at).await["status"], "PENDING_APPROVAL");

    // Without a review for anyone, which has to be acknowledged.
    assert_eq!(seller.get("/api/v2/storefront").await["mediaBuyApproval"], "manual");
    let auto = json!({ "mediaBuyApproval": "auto" });
    assert_eq!(seller.error("PUT", "/api/v2/storefront", auto).await, "400 VALIDATION_ERROR");
    let auto = json!({ "mediaBuyApproval": "auto", "acknowledgeNoHumanReview": true });
    assert_eq!(seller.data("PUT", "/api/v2/storefront", auto).await["mediaBuyApproval"], "auto");
    let campaign = launched(&buyer, one()).await;
    assert_eq!(buy_at(&buyer, &campaign, at).await["status"], "ACTIVE");
}

#[tokio::test]
async fn both_sides_report_the_same_figures() {
    let buyer = Api::start().await;
    let seller = buyer.other();
    // Acme's tents run at Cirrus since six days.
    let days = "demo=false&startDate=2026-06-01&endDate=2026-06-15";
    let bought = buyer.get(&format!("/reporting/metrics?{days}")).await;
    let campaigns = bought["advertisers"].as_array().unwrap().iter().flat_map(|one| {
        one["campaigns"].as_array().unwrap().iter().flat_map(|one| one["mediaBuys"].as_array().unwrap())
    });
    let at_cirrus: Vec<&Value> =
        campaigns.filter(|buy| text(buy, "/name").ends_with("Cirrus Publishing")).collect();
    let sold = seller.get(&shop(&format!("/reporting/metrics?{days}"))).await;
    let tents =
        sold["advertisers"].as_array().unwrap().iter().find(|one| one["advertiserName"] == "Acme Tents");
    let tents = &tents.unwrap()["mediaBuys"][0];
    assert_eq!(at_cirrus.len(), 1);
    assert_eq!(at_cirrus[0]["metrics"], tents["metrics"]);
    assert!(amount(tents, "/metrics/spend") > 0.0, "{tents}");
    let series = seller.get(&shop(&format!("/reporting/metrics?{days}&view=timeseries"))).await;
    let cents = |value: &Value| (amount(value, "/metrics/spend") * 100.0).round();
    let rows = series["timeseries"].as_array().unwrap();
    let of_tents: f64 = rows.iter().filter(|row| row["advertiserName"] == "Acme Tents").map(cents).sum();
    assert!((of_tents - cents(tents)).abs() < 0.5, "{of_tents} {tents}");
    let total: f64 = sold["advertisers"].as_array().unwrap().iter().map(cents).sum();
    assert!((total - (amount(&sold, "/totals/spend") * 100.0).round()).abs() < 0.5, "{sold}");
    let none = seller.get(&shop(&format!("/reporting/metrics?{days}&inventorySourceId=504"))).await;
    assert_eq!((&none["advertisers"], &none["totals"]["spend"]), (&json!([]), &json!(0)));
    let backwards = shop("/reporting/metrics?startDate=2026-06-15&endDate=2026-06-01");
    assert_eq!(seller.error("GET", &backwards, Value::Null).await, "400 VALIDATION_ERROR");

    // Cirrus sells its own inventory, so nothing is resold. Delta Audio, of Acme, resells.
    assert_eq!(seller.get(&shop("/reporting/margin")).await["buyers"], json!([]));
    let margin = buyer.get(&shop("/reporting/margin")).await;
    let whole = &margin["totals"][0];
    assert_eq!((&whole["settlementCurrency"], &whole["marginBookedPct"]), (&json!("GBP"), &json!(0.25)));
    let spread = amount(whole, "/sellRealized") - amount(whole, "/buyRealized");
    assert!((spread - amount(whole, "/spreadRealized")).abs() < 0.005, "{whole}");
    let since = "/reporting/metrics?startDate=2026-05-01&endDate=2026-06-15";
    let delivered = buyer.get(&shop(since)).await;
    assert_eq!(whole["sellRealized"], delivered["totals"]["spend"]);
}

#[tokio::test]
async fn an_order_waits_at_the_start_for_the_first_customer() {
    let api = Api::start().await;
    let pending = api.get(&shop("/media-buy-approvals")).await;
    assert_eq!(pending["total"], 1, "{pending}");
    let order = &pending["items"][0];
    assert_eq!(
        (&order["buyerCustomerId"], &order["submittedPayload"]["name"]),
        (&json!(67890), &json!("Summer Stories at Delta Audio"))
    );
    let decided = api.get(&shop("/media-buy-approvals?status=approved")).await;
    assert!(decided["total"].as_u64().unwrap() > 0, "{decided}");
}
