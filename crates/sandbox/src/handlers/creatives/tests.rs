//! Tests that need active campaigns and bought tactics, which requests cannot create reliably.

use serde_json::{Value, json};

use super::super::{ApiResult, Call, Handler, handler};
use crate::{
    clock::tests::june,
    objects::{
        Campaign, Creative, Tactic,
        campaign::{Budget, Pacing, Status, Weights},
        creative::{Content, FormatRef},
        product::Product,
        tactic::{Allocation, TacticPacing, TacticStatus},
    },
    response::ApiResponse,
    world::World,
};

const CUSTOMER: u32 = 12345;

/// Removes all tactics, and adds two campaigns and two creatives. The campaign `running` is active, with a tactic from
/// Borealis, which sells video, and with the first signal. The campaign `planned` is a draft. The creatives are `film`
/// and `banner`.
fn prepare(call: &mut Call<'_>) -> ApiResult {
    let now = call.account.clock.tick();
    let owner = call.account.brand_agents[0].id.clone();
    call.account.tactics.clear();
    for (id, status) in [("running", Status::Active), ("planned", Status::Draft)] {
        call.account.campaigns.push(Campaign {
            id: id.to_owned(),
            name: id.to_uppercase(),
            prompt: String::new(),
            brand_agent_id: owner.clone(),
            status,
            budget: Budget { total: 1, currency: "USD".into(), daily_cap: None, pacing: Pacing::Even },
            audience_ids: Vec::new(),
            created_at: now,
            updated_at: now,
            start_date: None,
            end_date: None,
            outcome_score_window_days: 7,
            scoring_weights: Weights::default(),
        });
    }
    let seller = call.market.sales_agents.iter().find(|seller| seller.organization == "borealis");
    call.account.tactics.push(Tactic {
        id: "tactic".into(),
        campaign_id: "running".into(),
        name: "Tactic".into(),
        description: None,
        status: TacticStatus::Active,
        brand_story_id: String::new(),
        signal_id: Some(call.account.signals.items[0].id.clone()),
        product: Product::from_id("borealis_netflix_premium", now),
        sales_agent_id: seller.map(|seller| seller.id.clone()),
        allocation: Allocation {
            amount: 1.0,
            currency: "USD".into(),
            pacing: TacticPacing::Even,
            daily_cap: None,
            percentage: None,
        },
        cpm: 25.0,
        signal_cost: 0.25,
        axe_include_segment: String::new(),
        error_message: None,
        created_at: now,
        updated_at: now,
    });
    for (id, format) in [("film", "video_vast_preroll"), ("banner", "display_banner_320x50")] {
        let format = FormatRef { r#type: "adcp".into(), format_id: format.into() };
        let content = Content::default();
        let new = Creative::new(id.into(), id.into(), owner.clone(), CUSTOMER, format, content, now);
        call.account.creatives.push(new);
    }
    Ok(ApiResponse::success("", json!({"owner": owner, "signal": call.account.signals.items[0].id})))
}

struct Fixture {
    world: World,
    owner: Value,
    signal: Value,
}

impl Fixture {
    fn new() -> Self {
        let mut world = World::new(&june(), false);
        let prepared = world.serve(CUSTOMER, json!({}), prepare as Handler).unwrap().body["data"].clone();
        Self { world, owner: prepared["owner"].clone(), signal: prepared["signal"].clone() }
    }

    fn call(&mut self, tool: &str, arguments: Value) -> Value {
        match self.world.serve(CUSTOMER, arguments, handler(tool, false).unwrap()) {
            Ok(response) | Err(response) => response.body,
        }
    }

    fn assign(&mut self, creative: &str, campaign: &str) -> Value {
        let owner = self.owner.clone();
        let arguments = json!({"buyerAgentId": owner, "creativeId": creative, "campaignId": campaign});
        self.call("creative_assign", arguments)
    }

    fn get(&mut self, creative: &str) -> Value {
        self.call("creative_get", json!({ "creativeId": creative }))["data"].clone()
    }
}

#[test]
fn assigned_creatives_are_sent_to_the_sellers_that_accept_them() {
    let mut fixture = Fixture::new();
    let response = fixture.assign("film", "running");
    assert_eq!(response["data"]["status"]["success"], true, "{response}");
    fixture.assign("film", "planned");
    fixture.assign("banner", "running");
    let film = fixture.get("film");
    assert_eq!(film["syncStatus"]["syncStatusSummary"]["synced"], 1);
    assert_eq!(film["assignments"]["campaigns"].as_array().unwrap().len(), 2);
    let active = &film["assignments"]["activeCampaigns"];
    assert_eq!(
        (&active[0]["campaignId"], &active[0]["campaignName"]),
        (&json!("running"), &json!("RUNNING"))
    );
    assert_eq!(active[0]["publishersSynced"], film["assignments"]["publishersSyncedTo"]);
    assert_eq!(fixture.get("banner")["metadata"]["hasSyncStatus"], false, "Borealis sells only video");

    let again = fixture.assign("film", "running");
    assert_eq!(again["success"], true);
    assert_eq!(fixture.get("film")["metadata"]["campaignAssignmentCount"], 2, "no duplicates");

    let arguments = json!({"creativeId": "film", "campaignId": "planned"});
    for _ in 0..2 {
        let response = fixture.call("creative_unassign", arguments.clone());
        assert_eq!(response["data"]["status"]["isActive"], false, "{response}");
    }
    assert_eq!(fixture.get("film")["metadata"]["campaignAssignmentCount"], 1);
}

#[test]
fn only_the_owner_can_assign_a_creative() {
    let mut fixture = Fixture::new();
    let made = json!({"name": "Other", "advertiserDomains": []});
    let other = fixture.call("brand_agent_create", made)["data"]["brandAgent"]["id"].clone();
    let arguments = json!({"buyerAgentId": other, "creativeId": "film", "campaignId": "running"});
    let response = fixture.call("creative_assign", arguments);
    assert!(response["error"].as_str().unwrap().contains("does not belong to buyer agent"), "{response}");
    let item = json!({
        "creativeName": "New", "format": {"type": "adcp", "formatId": "native_article"}, "content": {"htmlSnippet": "x"},
    });
    let mut arguments = json!({
        "buyerAgentId": other, "creatives": [item], "sharedDefaults": {"assignToCampaignIds": ["running"]},
    });
    assert_eq!(fixture.call("creative_create", arguments.clone()).get("success"), None);
    arguments["buyerAgentId"] = fixture.owner.clone();
    let created = fixture.call("creative_create", arguments);
    let assigned = &created["data"]["creatives"][0]["campaignAssignments"];
    assert_eq!((&assigned[0]["campaignId"], &assigned[0]["isActive"]), (&json!("running"), &json!(true)));
}

#[test]
fn a_creative_in_an_active_campaign_is_deleted_only_by_force() {
    let mut fixture = Fixture::new();
    fixture.assign("film", "running");
    fixture.assign("banner", "planned");
    let rejected = fixture.call("creative_delete", json!({"creativeId": "film"}));
    assert_eq!((&rejected["success"], &rejected["error"]), (&json!(false), &json!("CREATIVE_ASSIGNED")));
    assert_eq!(
        rejected["data"]["activeCampaigns"],
        json!([{"campaignId": "running", "campaignName": "RUNNING"}])
    );
    let forced = fixture.call("creative_delete", json!({"creativeId": "film", "force": true}));
    assert_eq!(
        forced["data"]["impact"],
        json!({
            "activeCampaignsAffected": 1, "totalCampaignsAffected": 1, "assetsRemoved": 0, "forceDeleted": true,
        })
    );
    let draft = fixture.call("creative_delete", json!({"creativeId": "banner"}));
    assert_eq!(draft["success"], true, "a draft campaign does not prevent the deletion: {draft}");
}

#[test]
fn sellers_are_found_by_campaign_and_by_recent_tactics() {
    let mut fixture = Fixture::new();
    let sync = "creative_sync_sales_agents";
    let by_campaign = fixture.call(sync, json!({"creativeId": "film", "campaignId": "running"}));
    let smart = &by_campaign["data"]["smartSync"];
    assert_eq!((&smart["method"], &smart["agentsFound"]), (&json!("campaign_tactics"), &json!(1)));
    let none = fixture.call(sync, json!({"creativeId": "film", "campaignId": "planned"}));
    assert_eq!(none["data"]["smartSync"], json!({"method": "campaign_tactics", "agentsFound": 0}));
    let auto = fixture.call(sync, json!({"creativeId": "film", "autoDetect": {"daysBack": 7}}));
    let smart = &auto["data"]["smartSync"];
    assert_eq!((&smart["method"], &smart["agentsFound"]), (&json!("auto_detect_7days"), &json!(1)));
    let display = fixture.call(sync, json!({"creativeId": "banner"}));
    assert_eq!(display["data"]["smartSync"]["agentsFound"], 0);
    let unknown = fixture.call(sync, json!({"creativeId": "film", "campaignId": "nothing"}));
    assert_eq!(unknown["code"], "NOT_FOUND");
}

#[test]
fn changed_content_is_sent_again() {
    let mut fixture = Fixture::new();
    fixture.assign("film", "running");
    let before = fixture.get("film")["creative"]["salesAgentSyncStatus"][0]["lastSyncAttempt"].clone();
    let arguments = json!({"creativeId": "film", "updates": {"content": {"vastTag": "<VAST/>"}}});
    let updated = fixture.call("creative_update", arguments);
    let after = &updated["data"]["updatedCreative"]["salesAgentSyncStatus"][0]["lastSyncAttempt"];
    assert!(after.as_str() > before.as_str(), "{before} {after}");
}

#[test]
fn a_signal_in_an_active_campaign_cannot_be_deleted() {
    let mut fixture = Fixture::new();
    let which = json!({"signalId": fixture.signal.clone()});
    let rejected = fixture.call("signal_delete", which.clone());
    assert!(rejected["error"].as_str().unwrap().contains("in use by active campaigns"), "{rejected}");
    assert_eq!(fixture.call("signal_get", which)["success"], true);
}
