//! The steps of the demo: what a buyer asks an agent in a day.

use std::time::Instant;

use jiff::{Span, Timestamp, civil::Date, tz::Offset};
use serde_json::{Value, json};

use super::{
    Agent, DAY_CAP, Day,
    points::{account, added, delivered, drafted, found, launched, missing, note, table, text},
};

impl Day {
    /// Checks the account and picks an advertiser. Returns its id.
    pub(super) async fn look_around(&mut self) -> anyhow::Result<String> {
        self.step("Whose account is this?", "check_auth_status", json!({}), account).await?;
        let columns =
            [("ID", "/id"), ("NAME", "/name"), ("CURRENCY", "/primaryCurrency"), ("TEST", "/sandbox")];
        let show = |answer: &Value| table(answer, "/items", &columns);
        let listed = self.step("Which advertisers do we have?", "list_advertisers", json!({}), show).await?;
        Ok(text(&listed, "/items/0/id"))
    }

    /// Searches the market, and puts two products into the cart. Returns the id of the search.
    pub(super) async fn discover(&mut self, advertiser: &str) -> anyhow::Result<String> {
        let odd = json!({ "advertiserId": advertiser, "brief": "Skywriting over Antarctica" });
        self.step("A brief that nobody can serve.", "discover_products", odd, note).await?;
        let brief = json!({ "advertiserId": advertiser, "brief": BRIEF, "countries": ["US"] });
        let heading = "The whole brief: what do the sellers offer?";
        let offers = self.step(heading, "discover_products", brief, found).await?;
        let search = text(&offers, "/discoveryId");
        let products = json!([
            { "productId": "sf1:501:outdoor-display", "budget": 12_000 },
            { "productId": "sf1:502:prime-ctv", "budget": 28_000 },
        ]);
        let cart = json!({ "discoveryId": search, "products": products });
        self.step(
            "Two of them go into the cart. Amounts are in currency units.",
            "add_products",
            cart,
            added,
        )
        .await?;
        Ok(search)
    }

    /// Makes a draft and its creatives, and launches it. Returns the id of the campaign.
    pub(super) async fn launch(&mut self, advertiser: &str, search: &str) -> anyhow::Result<String> {
        let (start, end) = (later(today(), 1)?, later(today(), 60)?);
        let mut campaign = json!({
            "advertiserId": advertiser, "name": "Trail boots", "mode": "discovery", "discoveryId": search,
            "budget": { "total": 40_000 }, "brief": BRIEF,
            "flightDates": { "startDate": format!("{start}T00:00:00Z"), "endDate": format!("{end}T00:00:00Z") },
        });
        let heading = "A draft of 40,000 USD with that cart. It buys nothing yet.";
        let created = self.step(heading, "create_campaign", campaign.clone(), drafted).await?;
        let id = text(&created, "/campaign/campaignId");
        let read = json!({ "campaignId": id });
        self.step("Which creatives does it need?", "get_campaign", read.clone(), missing).await?;
        for (name, kind) in [("Trail banner", "IMAGE"), ("Trail spot", "VIDEO")] {
            let asset = json!([{ "url": "https://cdn.example/trail", "asset_type": kind }]);
            let creative = json!({ "campaignId": id, "name": name, "linked_assets": asset });
            let show = |answer: &Value| {
                vec![format!("{} ({})", text(answer, "/name"), text(answer, "/format_kind"))]
            };
            self.step(&format!("{name}, from a link."), "create_creative_manifest", creative, show).await?;
        }
        self.step("Launch it: this spends.", "execute_campaign", read, launched).await?;
        (campaign["name"], campaign["budget"]["total"]) = ("More boots".into(), 30_000.into());
        let second = self.agent.call("create_campaign", &campaign).await?;
        let second = text(&second.structured_content.unwrap_or_default(), "/campaign/campaignId");
        let heading = format!("And another draft, of 30,000 USD. --max-budget-per-day is {DAY_CAP} here.");
        self.step(&heading, "execute_campaign", json!({ "campaignId": second }), launched).await?;
        Ok(id)
    }

    /// Shows the media buys of the new campaign, and the delivery of one that runs already.
    pub(super) async fn report(&mut self, campaign: &str) -> anyhow::Result<()> {
        let columns = [("MEDIA BUY", "/mediaBuyId"), ("NAME", "/name"), ("STATUS", "/status")];
        let show = |answer: &Value| table(answer, "/campaign/mediaBuys", &columns);
        let read = json!({ "campaignId": campaign, "fresh": true });
        self.step("What became of the launch?", "get_campaign", read, show).await?;
        let columns =
            [("ID", "/campaignId"), ("NAME", "/name"), ("BUDGET", "/budget/total"), ("", "/budget/currency")];
        let show = |answer: &Value| table(answer, "/campaigns", &columns);
        let active = json!({ "status": "ACTIVE" });
        let live = self.step("What is live now?", "list_campaigns", active, show).await?;
        let heading = format!("How did {} deliver?", text(&live, "/campaigns/0/name"));
        let report = json!({
            "campaignId": text(&live, "/campaigns/0/campaignId"), "days": 3, "view": "timeseries", "demo": false,
        });
        self.step(&heading, "get_reporting_metrics", report, delivered).await?;
        Ok(())
    }

    /// Shows what a wrong call gets.
    pub(super) async fn mistakes(&mut self, advertiser: &str) -> anyhow::Result<()> {
        let wrong = json!({
            "advertiserID": advertiser, "mode": "discovery", "name": "Boots", "budget": { "total": "a lot" },
        });
        let heading = "A mistake: nothing is sent, and everything wrong is named at once.";
        self.step(heading, "create_campaign", wrong, note).await?;
        Ok(())
    }

    /// Shows an agent whose server was started with `--read-only`.
    pub(super) async fn read_only(&mut self, reader: &Agent, campaign: &str) -> anyhow::Result<()> {
        let tools = reader.tools().await?;
        let heading = format!("With --read-only an agent has {tools} tools. None of them spends:");
        let launch = json!({ "campaignId": campaign });
        self.print_call(&heading, "execute_campaign", &launch)?;
        let result = reader.call("execute_campaign", &launch).await?;
        self.print_result(&result, &note)?;
        Ok(())
    }

    /// Makes calls until a limit rejects one.
    pub(super) async fn use_up(&mut self) -> anyhow::Result<()> {
        let columns = [("CLASS", "/class"), ("LIMIT", "/limit"), ("USED", "/used"), ("LEFT", "/left")];
        let show = |answer: &Value| table(answer, "/limits", &columns);
        let heading = "How much of the limits is used? Asking is free.";
        let usage = self.step(heading, "get_usage", json!({}), show).await?;
        // Exports have a limit of their own.
        let limits = usage.pointer("/limits").and_then(Value::as_array).into_iter().flatten();
        let general = limits.filter(|limit| text(limit, "/class") != "export");
        let left = general.filter_map(|limit| limit.pointer("/left")?.as_u64()).min().unwrap_or_default();
        let started = Instant::now();
        for _ in 0..left {
            self.agent.call("check_auth_status", &json!({})).await?;
        }
        let seconds = started.elapsed().as_secs_f64();
        let heading = format!("All {left} at once, which took {seconds:.1} s, and one more:");
        self.step(&heading, "check_auth_status", json!({}), account).await?;
        Ok(())
    }
}

const BRIEF: &str = "Awareness of the new trail boots among adults who hike, in the US, with display banners and \
                     streaming TV (ctv). KPI: reach, and clicks to the shop.";

/// The current date in UTC, which Scope3 uses.
fn today() -> Date {
    Offset::UTC.to_datetime(Timestamp::now()).date()
}

/// The date that is this many days later, as text.
fn later(date: Date, days: i64) -> anyhow::Result<String> {
    Ok(date.checked_add(Span::new().days(days))?.to_string())
}
