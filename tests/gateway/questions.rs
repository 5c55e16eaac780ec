//! The questions that people read, as reviewed, and what a preview costs a model.

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use scope3_mcp_gateway::{
    Caller,
    budget::Caps,
    catalog::{Catalog, Effect, Surface},
    consent::{Answer, Ask, Confirm, Person},
    credentials::{ApiKey, KeyRing},
    state::StateLocation,
};
use scope3_mcp_sandbox::{Options, Sandbox};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::support::Rig;

/// The most that the preview of a campaign may cost a model, in tokens of `o200k_base`.
const MAX_PREVIEW_TOKENS: usize = 250;

/// A person who reads the question and declines.
#[derive(Default)]
struct Reader(Mutex<Vec<String>>);

#[async_trait]
impl Ask for Reader {
    async fn ask(&self, question: &str) -> Answer {
        self.0.lock().await.push(question.to_owned());
        Answer::Declined
    }
}

/// A sandbox whose data is the same on every day, and a gateway in front of it.
async fn rig(caps: Caps) -> (Sandbox, Rig) {
    let now = Some("2026-06-01T12:00:00Z".parse().unwrap());
    let sandbox = Sandbox::start(Options { now, ..Options::default() }, Catalog::embedded()).await.unwrap();
    let rig = Rig::careful(sandbox.url(), StateLocation::Memory.state(), Confirm::Auto, caps);
    let key = ApiKey::parse(&Sandbox::keys()[0].into()).unwrap();
    let caller = Caller { keys: Arc::new(KeyRing::of(key)), ..rig.caller.clone() };
    (sandbox, Rig { caller, ..rig })
}

async fn read(rig: &Rig, tool: &str, arguments: Value) -> Value {
    rig.call(tool, arguments).await.unwrap().into_value()
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{pointer}: {value}")).to_owned()
}

fn new_campaign(brand: &str) -> Value {
    json!({
        "brandAgentId": brand, "name": "Trail boots, summer", "budget": { "total": 5_000_000, "dailyCap": 100_000 },
        "startDate": "2126-06-10T00:00:00Z", "endDate": "2126-09-08T23:59:59Z",
        "prompt": "Goal: awareness of the new trail boots, and site conversion. KPI: reach and click through, measured \
                   weekly. Audience: adult hikers, age 25 to 54. Geography: the US market, national. Creative: 15s video \
                   and 320x50 display banner.",
    })
}

/// A call of each tool that can spend or delete.
async fn calls(rig: &Rig) -> Vec<(&'static str, Value)> {
    let brand = "12345001";
    let campaigns = read(rig, "campaign_list", json!({ "brandAgentId": brand })).await;
    let campaign = text(&campaigns, "/campaigns/0/id");
    let tactics = read(rig, "tactic_list", json!({ "campaignId": campaign })).await;
    let tactic = text(&tactics, "/tactics/0/id");
    let other = text(&tactics, "/tactics/1/id");
    let creatives = read(rig, "creative_list", json!({ "buyerAgentId": brand })).await;
    let creative = text(&creatives, "/creatives/0/creativeId");
    let signals = read(rig, "signal_list", json!({})).await;
    let standards = read(rig, "brand_standards_list", json!({ "brandAgentId": brand })).await;
    let stories = read(rig, "brand_story_list", json!({ "brandAgentId": brand })).await;
    let deals = read(rig, "pmp_list", json!({ "brand_agent_id": brand })).await;
    let sellers = read(rig, "sales_agents_list", json!({})).await;
    let agents = read(rig, "signals_agent_list", json!({ "brandAgentId": brand })).await;
    let adjust = |id: &str, amount: u32| json!({ "tacticId": id, "budgetAllocation": { "amount": amount } });
    vec![
        ("brand_agent_delete", json!({ "brandAgentId": brand })),
        ("brand_standards_delete", json!({ "standardsId": text(&standards, "/standardsAgents/0/id") })),
        ("brand_story_delete", json!({ "brandStoryId": text(&stories, "/brandStories/0/id") })),
        ("campaign_create", new_campaign(brand)),
        ("campaign_create_legacy", json!({ "name": "Winter", "prompt": "Skiers in the Alps" })),
        ("campaign_delete", json!({ "campaignId": campaign, "force": true })),
        (
            "campaign_update",
            json!({ "campaignId": campaign, "tacticAdjustments": [adjust(&tactic, 26_000), adjust(&other, 15_000)] }),
        ),
        (
            "create_tactic",
            json!({
                "name": "Hiking podcasts", "campaignId": campaign, "mediaProductId": "product_1", "cpm": 12.5,
                "brandStoryId": text(&stories, "/brandStories/0/id"), "budgetAllocation": { "amount": 2_500 },
            }),
        ),
        ("creative_delete", json!({ "creativeId": creative })),
        ("creative_unassign", json!({ "campaignId": campaign, "creativeId": creative })),
        (
            "pmp_create",
            json!({ "brand_agent_id": brand, "prompt": "Premium outdoor sites, CTV, CPM below 20" }),
        ),
        ("pmp_update", json!({ "pmp_id": text(&deals, "/pmps/0/id"), "status": "active" })),
        (
            "sales_agents_unregister",
            json!({ "sales_agent_id": text(&sellers, "/salesAgents/0/id"), "confirm": true }),
        ),
        ("signal_delete", json!({ "signalId": text(&signals, "/signals/0/id") })),
        ("signals_agent_unregister", json!({ "agentId": text(&agents, "/agents/0/id") })),
        ("tactic_delete", json!({ "tacticId": tactic, "confirm": true })),
        ("tactic_update", json!({ "tacticId": tactic, "budgetAllocation": { "amount": 30_000 } })),
    ]
}

#[tokio::test]
async fn every_question_reads_as_reviewed() {
    let mut settings = insta::Settings::clone_current();
    settings.set_omit_expression(true);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_snapshot_path("../snapshots/questions");
    let _bound = settings.bind_to_scope();
    let catalog = Catalog::embedded();
    let (_sandbox, free) = rig(Caps::default()).await;
    let per_day = vec!["80000 USD".parse().unwrap()];
    let (_capped_sandbox, capped) = rig(Caps { per_call: Vec::new(), per_day }).await;
    let mut asked = BTreeSet::new();
    for (tool, arguments) in calls(&free).await {
        let person = Arc::new(Reader::default());
        // The caps reject a call whose amount nobody knows.
        let rig = if catalog.get(tool).unwrap().tool.money.is_some() { &capped } else { &free };
        let failure = rig.with_person(Person::Reachable(person.clone())).failure(tool, arguments).await;
        assert_eq!(failure["code"], "CONSENT_DECLINED", "{tool}: {failure}");
        insta::assert_snapshot!(tool, person.0.lock().await.concat());
        asked.insert(tool.to_owned());
    }
    let risky = catalog.entries().filter(|entry| {
        entry.surface == Surface::Campaign && matches!(entry.tool.effect, Effect::Spend | Effect::Delete)
    });
    assert_eq!(asked, risky.map(|entry| entry.tool.name.to_string()).collect());
}

#[tokio::test]
async fn the_preview_of_a_campaign_costs_little() {
    let per_day = vec!["80000 USD".parse().unwrap()];
    for caps in [Caps::default(), Caps { per_call: Vec::new(), per_day }] {
        let (_sandbox, rig) = rig(caps).await;
        let preview = rig.failure("campaign_create", new_campaign("12345001")).await;
        assert_eq!(preview["code"], "CONFIRMATION_REQUIRED");
        let tokens = tiktoken_rs::o200k_base_singleton().encode_ordinary(&preview.to_string()).len();
        println!("the preview of campaign_create: {tokens} tokens");
        assert!(tokens <= MAX_PREVIEW_TOKENS, "{tokens} tokens: {preview}");
    }
}
