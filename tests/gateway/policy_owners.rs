//! Rules about brand agents, and calls that name only something of one: the brand agent is looked up.

use serde_json::{Value, json};
use tempfile::TempDir;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

use super::policy::{ALL, write};
use crate::support::Rig;

/// Campaigns `c7` and `d7` belong to brand agent 7 and `c8` to 8; so do tactics and creatives of the same number.
fn answer(request: &wiremock::Request) -> ResponseTemplate {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let id = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let number = |text: &str| text.trim_start_matches(char::is_alphabetic).to_owned();
    let data = match request.url.path() {
        "/brand-agent-list" => json!({ "brandAgents": [{ "id": "7" }, { "id": "8" }] }),
        "/campaign-list" => match id("brandAgentId").as_str() {
            "7" => json!({ "campaigns": [{ "id": "c7" }, { "id": "d7" }] }),
            "8" => json!({ "campaigns": [{ "id": "c8" }] }),
            _ => return ResponseTemplate::new(404),
        },
        "/tactic-get" if id("tacticId") == "t9" => return ResponseTemplate::new(404),
        "/tactic-get" => json!({ "tactic": { "campaignId": format!("c{}", number(&id("tacticId"))) } }),
        "/creative-get" => json!({ "creative": { "buyerAgentId": number(&id("creativeId")) } }),
        _ => json!({ "id": "x" }),
    };
    ResponseTemplate::new(200).set_body_json(json!({ "success": true, "data": data }))
}

struct Scene {
    rig: Rig,
    api: MockServer,
    _folder: TempDir,
}

impl Scene {
    async fn under(rules: &str) -> Self {
        let (api, folder) = (MockServer::start().await, TempDir::new().unwrap());
        Mock::given(any()).respond_with(answer).mount(&api).await;
        Self { rig: Rig::under(&api.uri(), &write(&folder, rules)), api, _folder: folder }
    }

    /// The paths that were requested since the last time.
    async fn requested(&self) -> Vec<String> {
        let requests = self.api.received_requests().await.unwrap();
        let paths = requests.iter().map(|request| request.url.path().to_owned()).collect();
        self.api.reset().await;
        Mock::given(any()).respond_with(answer).mount(&self.api).await;
        paths
    }

    /// Whether a call is denied, and the message if so.
    async fn denied(&self, tool: &str, arguments: Value) -> Option<String> {
        if self.rig.call(tool, arguments.clone()).await.is_ok() {
            return None;
        }
        let failure = self.rig.failure(tool, arguments).await;
        assert_eq!(
            (&failure["code"], &failure["changed"]),
            (&json!("POLICY_DENIED"), &json!("no")),
            "{failure}"
        );
        Some(failure["message"].as_str().unwrap().to_owned())
    }
}

const ONLY_7: &str = "permit(principal, action, resource == BrandAgent::\"7\");";

#[tokio::test]
async fn a_call_that_names_only_a_campaign_a_tactic_or_a_creative_belongs_to_its_brand_agent() {
    let not_7 = format!("{ALL}forbid(principal, action, resource) when {{ resource == BrandAgent::\"7\" }};");
    for (rules, allowed) in [(ONLY_7, "7"), (&*not_7, "8")] {
        let scene = Scene::under(rules).await;
        for number in ["7", "8"] {
            for (tool, arguments) in [
                ("tactic_list", json!({ "campaignId": format!("c{number}") })),
                ("tactic_get", json!({ "tacticId": format!("t{number}") })),
                ("creative_get", json!({ "creativeId": format!("k{number}") })),
                ("creative_list", json!({ "buyerAgentId": number })),
                ("campaign_list", json!({ "brandAgentId": number })),
            ] {
                let denied = scene.denied(tool, arguments).await;
                assert_eq!(denied.is_none(), number == allowed, "{rules} {tool} {number}: {denied:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_brand_agent_is_looked_up_once_and_takes_no_permit_of_a_call() {
    let scene = Scene::under(ONLY_7).await;
    let call = json!({ "campaignId": "c7" });
    scene.rig.call("tactic_list", call.clone()).await.unwrap();
    assert_eq!(
        scene.requested().await,
        ["/campaign-list", "/tactic-list"],
        "the brand agent of the rules first"
    );
    scene.rig.call("tactic_list", call).await.unwrap();
    scene.rig.call("tactic_list", json!({ "campaignId": "d7" })).await.unwrap();
    assert_eq!(scene.requested().await, ["/tactic-list", "/tactic-list"], "it is remembered");
    assert_eq!((scene.rig.used("only", 0).await, scene.rig.used("only", 1).await), (3, 4));
    scene.rig.failure("tactic_list", json!({ "campaignId": "c8" })).await;
    let walked = ["/campaign-list", "/brand-agent-list", "/campaign-list"];
    assert_eq!(scene.requested().await, walked, "then the others; the call itself is not sent");
    assert_eq!(scene.rig.used("only", 0).await, 3, "a denied call takes no permit");
    scene.rig.failure("tactic_list", json!({ "campaignId": "c8" })).await;
    assert!(scene.requested().await.is_empty());
}

#[tokio::test]
async fn a_call_whose_brand_agent_cannot_be_found_out_is_denied_and_not_sent() {
    // Even a rule that only forbids another brand agent: the call could be for that one.
    let rules = format!("{ALL}forbid(principal, action, resource == BrandAgent::\"5\");");
    for (rules, tool, arguments) in [
        (&*rules, "tactic_list", json!({ "campaignId": "nobodys" })),
        (&*rules, "tactic_delete", json!({ "tacticId": "t9", "confirm": true })),
        (ONLY_7, "tactic_delete", json!({ "tacticId": "t9", "confirm": true })),
    ] {
        let scene = Scene::under(rules).await;
        let why = scene.denied(tool, arguments).await.unwrap();
        assert!(why.contains("that is not known"), "{why}");
        let sent = scene.requested().await;
        assert!(!sent.iter().any(|path| path == "/tactic-list" || path == "/tactic-delete"), "{sent:?}");
    }
}

#[tokio::test]
async fn a_permitted_brand_agent_in_one_argument_does_not_open_another_one() {
    let scene = Scene::under(ONLY_7).await;
    let export = |campaigns: Value| {
        json!({
            "brandAgentId": "7", "campaignIds": campaigns, "datasets": ["tactics"], "groupBy": ["date"],
            "dateRange": { "start": "2026-01-01", "end": "2026-01-02" },
        })
    };
    assert_eq!(scene.denied("reporting_export_data", export(json!(["c7", "d7"]))).await, None);
    let why = scene.denied("reporting_export_data", export(json!(["c7", "c8"]))).await.unwrap();
    assert!(why.contains("belong to two: 7 and 8"), "{why}");
    let assign = json!({ "buyerAgentId": "7", "campaignId": "c7", "creativeId": "k8" });
    assert!(scene.denied("creative_assign", assign).await.is_some());
}

#[tokio::test]
async fn without_a_rule_about_resources_nothing_is_looked_up() {
    let rules = format!(
        "{ALL}forbid(principal, action in Action::\"effect:delete\", resource == BrandAgent::\"7\");\
         forbid(principal, action, resource) when {{ context.hour > 23 }};"
    );
    let scene = Scene::under(&rules).await;
    scene.rig.call("tactic_list", json!({ "campaignId": "c7" })).await.unwrap();
    scene.rig.call("tactic_list", json!({ "campaignId": "nobodys" })).await.unwrap();
    assert_eq!(
        scene.requested().await,
        ["/tactic-list", "/tactic-list"],
        "rules about other tools do not count"
    );
    assert!(scene.denied("campaign_delete", json!({ "campaignId": "c7" })).await.is_some());
}
