//! The operator's rules: what they stop, before anything is sent and before the journal.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use jiff::Timestamp;
use scope3_mcp_gateway::{
    Caller,
    catalog::Catalog,
    journal::Filter,
    policy::{CallFacts, Decision, EXAMPLE, Policy, Rules, Selection, Verdict},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

use super::every_tool::sample;
use crate::support::{Rig, key};

pub(crate) const ALL: &str = "permit(principal, action, resource);\n";

fn rules(text: &str) -> Rules {
    Rules::parse(text, &Catalog::embedded()).unwrap_or_else(|error| panic!("{error:?}"))
}

/// The verdict on a call at noon, without a client's name.
pub(crate) fn verdict(text: &str, tool: &str, arguments: &Value) -> Verdict {
    decide(text, tool, arguments, None, "2026-03-01T12:30:00Z")
}

fn decide(text: &str, tool: &str, arguments: &Value, client: Option<&str>, now: &str) -> Verdict {
    let catalog = Catalog::embedded();
    let arguments = arguments.as_object().unwrap();
    let now: Timestamp = now.parse().unwrap();
    let key = Some(key("only").fingerprint());
    let facts = CallFacts { key, client, arguments, brand_agent: None, now, spent_today: 0 };
    rules(text).decide(catalog.get(tool).unwrap(), &facts)
}

/// The decision in a word, with the rule that decides.
pub(crate) fn word(verdict: &Verdict) -> String {
    let (word, rule) = match &verdict.decision {
        Decision::Allowed { rule } => ("allowed", rule.as_ref()),
        Decision::Ask { rule, .. } => ("ask", Some(rule)),
        Decision::Denied { rule, .. } => ("denied", rule.as_ref()),
    };
    rule.map_or_else(|| word.to_owned(), |rule| format!("{word} by {rule}"))
}

fn campaign(total: i64) -> Value {
    json!({
        "brandAgentId": "12", "name": "Spring", "prompt": "Sell shoes",
        "budget": { "total": total, "currency": "USD" },
    })
}

pub(crate) fn write(folder: &TempDir, text: &str) -> PathBuf {
    let path = folder.path().join("rules.cedar");
    fs::write(&path, text).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    }
    path
}

async fn api() -> MockServer {
    let server = MockServer::start().await;
    let ok = ResponseTemplate::new(200).set_body_json(json!({ "success": true, "data": { "id": "c1" } }));
    Mock::given(any()).respond_with(ok).mount(&server).await;
    server
}

async fn sent(server: &MockServer) -> usize {
    server.received_requests().await.unwrap().len()
}

/// Replaces the rules, with a modification time that is certainly another one.
fn replace(path: &Path, text: &str, later: u64) {
    fs::write(path, text).unwrap();
    let time = SystemTime::now() + Duration::from_secs(later);
    fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

#[tokio::test]
async fn a_forbidden_call_is_not_sent_and_not_recorded_and_says_which_rule_forbids_it() {
    let (server, folder) = (api().await, TempDir::new().unwrap());
    let text = format!(
        "{ALL}@id(\"cap\") @reason(\"Budgets above 1,000.00 are for people\")\n\
         forbid(principal, action == Action::\"campaign_create\", resource) when {{ context.arguments.budget.total > 100000 }};"
    );
    let rig = Rig::under(&server.uri(), &write(&folder, &text));
    let failure = rig.failure("campaign_create", campaign(100_001)).await;
    assert_eq!((&failure["code"], &failure["changed"]), (&json!("POLICY_DENIED"), &json!("no")), "{failure}");
    assert_eq!(failure["details"]["rule"], "cap");
    let message = failure["message"].as_str().unwrap();
    assert!(message.ends_with("Budgets above 1,000.00 are for people."), "{message}");
    assert!(failure["hint"].as_str().unwrap().contains("`cap`"), "{failure}");
    assert_eq!(sent(&server).await, 0);
    assert!(rig.gateway.state().entries(Filter::default()).await.unwrap().is_empty());
    rig.call("campaign_create", campaign(100_000)).await.unwrap();
    assert_eq!(sent(&server).await, 1);
}

#[tokio::test]
async fn a_call_for_which_a_rule_asks_waits_for_consent() {
    let (server, folder) = (api().await, TempDir::new().unwrap());
    let text = format!(
        "{ALL}@ask(\"It commits money\") forbid(principal, action in Action::\"effect:spend\", resource);"
    );
    let rig = Rig::under(&server.uri(), &write(&folder, &text));
    assert_eq!(rig.gateway.offered(None, |_| false).len(), 68, "a tool that needs consent is listed");
    let failure = rig.failure("campaign_create", campaign(1)).await;
    assert_eq!((&failure["code"], &failure["changed"]), (&json!("CONFIRMATION_REQUIRED"), &json!("no")));
    assert!(failure["message"].as_str().unwrap().contains("It commits money"), "{failure}");
    rig.call("campaign_list", json!({})).await.unwrap();
    let sent_changes = async || {
        let requests = server.received_requests().await.unwrap();
        requests.iter().filter(|request| request.url.path() == "/campaign-create").count()
    };
    assert_eq!(sent_changes().await, 0);
    let mut confirmed = campaign(1);
    confirmed["confirmation"] = failure["confirmation"]["code"].clone();
    rig.call("campaign_create", confirmed).await.unwrap();
    assert_eq!(sent_changes().await, 1);
}

#[test]
fn a_forbid_wins_over_a_permit_and_over_a_rule_that_asks() {
    let text = format!(
        "{ALL}@id(\"ask\") @ask(\"why\") forbid(principal, action, resource) when {{ context has amount }};\n\
         @id(\"cap\") forbid(principal, action, resource) when {{ context has amount && context.amount > 500 }};"
    );
    let of = |total| word(&verdict(&text, "campaign_create", &campaign(total)));
    assert_eq!((of(501).as_str(), of(500).as_str()), ("denied by cap", "ask by ask"));
    assert_eq!(word(&verdict(&text, "campaign_list", &json!({}))), "allowed by line 1");
}

#[test]
fn a_rule_that_cannot_be_evaluated_forbids_and_does_not_permit() {
    let overflow = "when { context.arguments.budget.total * 2 > 0 }";
    let create = "forbid(principal, action == Action::\"campaign_create\", resource)";
    let of = |text: &str| word(&verdict(text, "campaign_create", &campaign(i64::MAX)));
    assert_eq!(of(&format!("{ALL}@id(\"f\") {create} {overflow};")), "denied by f");
    assert_eq!(
        of(&format!("{ALL}@id(\"f\") {create} unless {{ context.hour + {} > 0 }};", i64::MAX)),
        "denied by f"
    );
    assert_eq!(of(&format!("{ALL}@id(\"a\") @ask(\"why\") {create} {overflow};")), "ask by a");
    assert_eq!(of(&format!("permit{} {overflow};", create.strip_prefix("forbid").unwrap())), "denied");
    let shadow =
        verdict(&format!("{ALL}@shadow(\"s\") {create} {overflow};"), "campaign_create", &campaign(i64::MAX));
    assert_eq!((word(&shadow).as_str(), shadow.shadows.len()), ("allowed by line 1", 1));
}

#[test]
fn without_a_matching_permit_nothing_runs() {
    let text = "@id(\"reads\") permit(principal, action in Action::\"effect:read\", resource);\n\
                @id(\"own\") permit(principal, action == Action::\"campaign_create\", resource == BrandAgent::\"12\");";
    assert_eq!(word(&verdict(text, "campaign_list", &json!({}))), "allowed by reads");
    assert_eq!(word(&verdict(text, "campaign_create", &campaign(1))), "allowed by own");
    let mut other = campaign(1);
    other["brandAgentId"] = "13".into();
    assert_eq!(word(&verdict(text, "campaign_create", &other)), "denied");
    assert_eq!(word(&verdict(text, "campaign_delete", &json!({ "campaignId": "c" }))), "denied");
}

#[test]
fn rules_see_the_key_the_client_the_resource_and_the_hour() {
    let own = key("only").fingerprint();
    for (rule, tool, arguments, expected) in [
        (format!("principal == Key::\"{own}\", action, resource);"), "campaign_list", json!({}), true),
        (
            "principal == Key::\"000000000000\", action, resource);".to_owned(),
            "campaign_list",
            json!({}),
            false,
        ),
        (
            "principal in Client::\"claude-code\", action, resource);".to_owned(),
            "campaign_list",
            json!({}),
            true,
        ),
        ("principal in Client::\"cursor\", action, resource);".to_owned(), "campaign_list", json!({}), false),
        ("principal, action, resource is Account);".to_owned(), "campaign_list", json!({}), true),
        (
            "principal, action, resource == BrandAgent::\"7\");".to_owned(),
            "campaign_list",
            json!({ "brandAgentId": "7" }),
            true,
        ),
        (
            "principal, action, resource) when { context.arguments has campaignId };".to_owned(),
            "campaign_update",
            json!({ "campaignId": "c" }),
            true,
        ),
        (
            "principal, action, resource) when { context.hour == 12 };".to_owned(),
            "campaign_list",
            json!({}),
            true,
        ),
        (
            "principal, action, resource) when { context.spentToday > 0 };".to_owned(),
            "campaign_list",
            json!({}),
            false,
        ),
        (
            "principal, action, resource) when { context has currency && context.currency == \"USD\" };"
                .to_owned(),
            "campaign_create",
            campaign(1),
            true,
        ),
    ] {
        let text = format!("{ALL}@id(\"f\") forbid({rule}");
        let verdict = decide(&text, tool, &arguments, Some("claude-code"), "2026-03-01T12:30:00Z");
        assert_eq!(word(&verdict) == "denied by f", expected, "{rule}");
    }
}

#[tokio::test]
async fn a_tool_that_no_call_can_use_is_not_listed() {
    let (server, folder) = (api().await, TempDir::new().unwrap());
    let text = format!(
        "{ALL}@id(\"no-deletes\") forbid(principal, action in [Action::\"effect:delete\"], resource);\n\
         forbid(principal, action == Action::\"campaign_create\", resource) when {{ context.hour > 24 }};"
    );
    let rig = Rig::under(&server.uri(), &write(&folder, &text));
    let listed: Vec<String> =
        rig.gateway.offered(None, |_| false).iter().map(|entry| entry.tool.name.to_string()).collect();
    assert!(
        listed.contains(&"campaign_create".to_owned()) && !listed.contains(&"campaign_delete".to_owned())
    );
    assert!(rig.gateway.find_offered("campaign_delete").is_none());
    let failure = rig.failure("campaign_delete", json!({ "campaignId": "c" })).await;
    assert_eq!(
        (&failure["code"], &failure["details"]["rule"]),
        (&json!("POLICY_DENIED"), &json!("no-deletes"))
    );
    let described = rig.call("describe_tool", json!({ "name": "campaign_delete" })).await.unwrap();
    assert_eq!(described.data["offered"], false);

    let stop = format!("{ALL}forbid(principal, action, resource);");
    assert!(Rig::under(&server.uri(), &write(&folder, &stop)).gateway.offered(None, |_| false).is_empty());

    let reads = "permit(principal, action in Action::\"effect:read\", resource);";
    let rig = Rig::under(&server.uri(), &write(&folder, reads));
    let only_reads = |name: &str| rig.gateway.find_offered(name).is_some();
    assert!(only_reads("campaign_list") && !only_reads("campaign_create"));
    assert_eq!(sent(&server).await, 0);
}

#[test]
fn the_settings_win_over_a_permit() {
    let catalog = Catalog::embedded();
    let folder = TempDir::new().unwrap();
    let selection =
        Selection { read_only: true, toolsets: Some(vec!["all".to_owned()]), ..Selection::default() };
    let policy = Policy::new(&catalog, selection).unwrap().with_file(write(&folder, ALL), &catalog).unwrap();
    let why = policy.check(catalog.get("campaign_create").unwrap(), None).unwrap_err();
    assert_eq!(why.to_string(), "this server is read-only");
}

#[tokio::test]
async fn a_changed_file_is_in_force_within_a_second_and_a_broken_one_changes_nothing() {
    let (server, folder) = (api().await, TempDir::new().unwrap());
    let path = write(&folder, ALL);
    let rig = Rig::under(&server.uri(), &path);
    let list = async || {
        tokio::time::sleep(Duration::from_millis(1_050)).await;
        match rig.call("campaign_list", json!({})).await {
            Ok(_) => "allowed".to_owned(),
            failed => crate::support::body(failed)["code"].as_str().unwrap().to_owned(),
        }
    };
    assert_eq!(list().await, "allowed");
    replace(&path, "permit(principal, action in Action::\"effect:spend\", resource);", 10);
    assert_eq!(list().await, "POLICY_DENIED");
    replace(&path, "permit(principal, action, resource)", 20);
    assert_eq!(list().await, "POLICY_DENIED", "the broken file has no effect");
    fs::remove_file(&path).unwrap();
    assert_eq!(list().await, "POLICY_DENIED", "nor has a missing one");
    replace(&write(&folder, ALL), ALL, 30);
    assert_eq!(list().await, "allowed");
}

#[test]
fn the_example_is_valid_and_does_what_it_says() {
    let of = |tool: &str, arguments: &Value| word(&verdict(EXAMPLE, tool, arguments));
    assert_eq!(of("campaign_create", &campaign(5_000_001)), "denied by budget-cap");
    assert_eq!(of("campaign_create", &campaign(500_001)), "ask by ask-for-budgets");
    assert!(of("campaign_create", &campaign(500_000)).starts_with("allowed"));
    let night = decide(EXAMPLE, "campaign_create", &campaign(1), None, "2026-03-01T22:00:00Z");
    assert_eq!(night.shadows[0].name, "night-shift");
    assert!(EXAMPLE.lines().all(|line| line.len() <= 80));
}

#[test]
fn every_tool_can_be_decided_about_with_the_arguments_that_its_schema_accepts() {
    let catalog = Catalog::embedded();
    let rules = rules(ALL);
    for entry in catalog.entries() {
        let arguments = sample(&Value::Object(entry.tool.input.object().clone()));
        let arguments = arguments.as_object().unwrap();
        let facts = CallFacts {
            key: None,
            client: None,
            arguments,
            brand_agent: None,
            now: Timestamp::now(),
            spent_today: 0,
        };
        let verdict = rules.decide(entry, &facts);
        assert!(matches!(verdict.decision, Decision::Allowed { .. }), "{}: {verdict:?}", entry.tool.name);
    }
}

#[tokio::test]
async fn a_local_tool_needs_no_key() {
    let (server, folder) = (api().await, TempDir::new().unwrap());
    let rig = Rig::under(&server.uri(), &write(&folder, ALL));
    let keys = std::sync::Arc::new(scope3_mcp_gateway::credentials::KeyRing::empty());
    let rig = Rig { caller: Caller { keys, ..rig.caller.clone() }, ..rig };
    rig.call("describe_tool", json!({ "name": "campaign_list" })).await.unwrap();
    assert_eq!(rig.failure("campaign_list", json!({})).await["code"], "AUTH_MISSING");
}
