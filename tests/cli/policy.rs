//! The operator's policy from the command line: checked, explained and in force.

use std::{fs, path::PathBuf};

use tempfile::TempDir;

use crate::support::{Outcome, Session, command, run};

const ALL: &str = "permit(principal, action, resource);\n";
const CREATE: [&str; 5] =
    ["campaign_create", "brandAgentId=12", "name=Spring", "prompt=Sell shoes", "budget.total=600000"];

fn write(folder: &TempDir, text: &str) -> PathBuf {
    let path = folder.path().join("rules.cedar");
    fs::write(&path, text).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    path
}

/// Runs the program with a policy file.
async fn under(text: &str, arguments: &[&str]) -> Outcome {
    let folder = TempDir::new().unwrap();
    run(command(arguments).env("SCOPE3_SANDBOX", "1").env("SCOPE3_POLICY", write(&folder, text))).await
}

async fn check(text: &str) -> Outcome {
    let folder = TempDir::new().unwrap();
    run(command(&["policy", "check", "rules.cedar"]).current_dir(write(&folder, text).parent().unwrap()))
        .await
}

#[tokio::test]
async fn a_forbid_rule_stops_a_call() {
    let text = format!(
        "{ALL}@id(\"no-lists\") forbid(principal, action == Action::\"campaign_list\", resource) \
                        when {{ context.hour >= 0 }};"
    );
    let outcome = under(&text, &["tools", "call", "campaign_list", "--json"]).await;
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
    assert!(
        outcome.stdout.contains("\"POLICY_DENIED\"") && outcome.stdout.contains("no-lists"),
        "{}",
        outcome.stdout
    );
    let outcome = under(&text, &["tools", "call", "check_auth_status", "--json"]).await;
    assert_eq!(outcome.code, Some(0), "{}{}", outcome.stdout, outcome.stderr);
}

#[tokio::test]
async fn a_call_that_a_rule_rejects_is_a_security_event() {
    let folder = TempDir::new().unwrap();
    let path = write(
        &folder,
        &format!(
            "{ALL}forbid(principal, action == Action::\"campaign_list\", resource) when {{ context.hour >= 0 }};"
        ),
    );
    let mut session = Session::sandbox(&["stdio", "--policy", path.to_str().unwrap()]).await;
    session.call("campaign_list", serde_json::json!({})).await;
    let (_, _, log) = session.end().await;
    let event = log.lines().find(|line| line.contains("policy_rejected"));
    assert!(event.is_some_and(|event| event.contains("POLICY_DENIED")), "{log}");
}

#[tokio::test]
async fn a_forbidden_tool_is_not_listed() {
    let text = format!("{ALL}forbid(principal, action in Action::\"effect:spend\", resource);");
    let Outcome { stdout, .. } = under(&text, &["tools", "list"]).await;
    assert!(stdout.contains("campaign_list") && !stdout.contains("campaign_create"), "{stdout}");
    let folder = TempDir::new().unwrap();
    let path = write(&folder, &text);
    let mut session = Session::sandbox(&["stdio", "--policy", path.to_str().unwrap()]).await;
    let tools = session.request("tools/list", serde_json::json!({})).await.to_string();
    assert!(tools.contains("\"campaign_list\"") && !tools.contains("\"campaign_create\""), "{tools}");
}

#[tokio::test]
async fn the_example_passes_the_check() {
    let Outcome { code, stdout, .. } = run(&mut command(&["policy", "example"])).await;
    assert_eq!(code, Some(0));
    assert!(stdout.lines().all(|line| line.len() <= 80), "{stdout}");
    let checked = check(&stdout).await;
    assert_eq!((checked.code, checked.stdout.as_str()), (Some(0), "rules.cedar: 6 rules, no problems\n"));
}

#[tokio::test]
async fn a_mistake_is_reported_with_its_place_and_stops_the_start() {
    let text = format!("{ALL}forbid(principal, action == Action::\"campaign_creat\", resource);");
    let expected = "rules.cedar:2:29: unrecognized action `Action::\"campaign_creat\"`; did you mean \
                    `Action::\"campaign_create\"`?";
    let checked = check(&text).await;
    assert_eq!((checked.code, checked.stdout.trim_end()), (Some(1), expected));
    let started = under(&text, &["tools", "list"]).await;
    assert_eq!(started.code, Some(2), "{}", started.stdout);
    assert!(started.stderr.starts_with("error: SCOPE3_POLICY: "), "{}", started.stderr);
    assert!(started.stderr.contains(":2:29: "), "{}", started.stderr);
    let missing = run(&mut command(&["tools", "list", "--policy", "/nowhere/rules.cedar"])).await;
    assert_eq!(missing.code, Some(2));
    assert!(
        missing.stderr.starts_with("error: --policy: cannot read /nowhere/rules.cedar: "),
        "{}",
        missing.stderr
    );
}

#[tokio::test]
async fn explain_names_the_decision_and_the_rule_with_its_text() {
    let text = include_str!("../../crates/gateway/src/policy/example.cedar");
    let explain = async |more: &[&str]| {
        let arguments: Vec<&str> = ["policy", "explain"].iter().chain(&CREATE).chain(more).copied().collect();
        let outcome = under(text, &arguments).await;
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        outcome.stdout
    };
    let noon = explain(&["--at", "2026-03-01T12:00:00Z"]).await;
    assert!(
        noon.starts_with("campaign_create: needs a person's consent: It commits more than 5,000.00.\n"),
        "{noon}"
    );
    assert!(noon.contains("The deciding rule, line ") && noon.contains("\n  @ask(\"It commits"), "{noon}");
    assert!(!noon.contains("night-shift"), "{noon}");
    let night = explain(&["--at", "2026-03-01T23:00:00Z"]).await;
    assert!(night.contains("Only logged, line ") && night.contains("night-shift"), "{night}");
    let read_only = explain(&["--read-only"]).await;
    assert_eq!(read_only, "campaign_create: denied by the settings: this server is read-only\n");

    let wrong = under(text, &["policy", "explain", "campaign_create", "budget.total=many"]).await;
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.stderr.contains("invalid arguments of campaign_create"), "{}", wrong.stderr);
    let without = run(&mut command(&["policy", "explain", "campaign_list"])).await;
    assert_eq!(without.stdout, "campaign_list: allowed; no policy file is set (--policy FILE)\n");
}

#[tokio::test]
async fn a_shadow_rule_is_logged_and_stops_nothing() {
    let text =
        format!("{ALL}@shadow(\"watch\") forbid(principal, action == Action::\"campaign_list\", resource);");
    let folder = TempDir::new().unwrap();
    let log = folder.path().join("log");
    let mut call = command(&["tools", "call", "campaign_list", "--log-file", log.to_str().unwrap()]);
    let outcome = run(call.env("SCOPE3_SANDBOX", "1").env("SCOPE3_POLICY", write(&folder, &text))).await;
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let log = fs::read_to_string(log).unwrap();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("policy_shadow")).collect();
    assert!(lines.len() == 1 && lines[0].contains("watch"), "{log}");
}

#[tokio::test]
async fn what_belongs_to_a_brand_agent_is_looked_up_in_the_sandbox_as_scope3_documents_it() {
    let sandbox = async |arguments: &[&str], rules: &str| {
        let outcome =
            under(rules, &[&["tools", "call"], arguments, &["--json", "--toolsets", "all"]].concat()).await;
        let body: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
        (outcome.code, body)
    };
    let (_, agents) = sandbox(&["brand_agent_list"], ALL).await;
    let agents: Vec<&str> =
        agents["brandAgents"].as_array().unwrap().iter().map(|a| a["id"].as_str().unwrap()).collect();
    let mut checked = std::collections::BTreeSet::new();
    for agent in &agents {
        let (_, campaigns) = sandbox(&["campaign_list", &format!("brandAgentId={agent}")], ALL).await;
        let Some(campaign) = campaigns["campaigns"][0]["id"].as_str() else { continue };
        let campaign = format!("campaignId={campaign}");
        let (_, tactics) = sandbox(&["tactic_list", &campaign], ALL).await;
        let tactic = tactics["tactics"][0]["id"].as_str().map(|id| format!("tacticId={id}"));
        let (_, creatives) = sandbox(&["creative_list", &format!("buyerAgentId={agent}")], ALL).await;
        let creative = creatives["creatives"][0]["creativeId"].as_str().map(|id| format!("creativeId={id}"));
        for (tool, id) in [
            ("tactic_list", Some(&campaign)),
            ("tactic_get", tactic.as_ref()),
            ("creative_get", creative.as_ref()),
        ] {
            let Some(id) = id else { continue };
            checked.insert(tool);
            for permitted in &agents {
                let rules = format!("permit(principal, action, resource == BrandAgent::\"{permitted}\");");
                let (code, body) = sandbox(&[tool, id], &rules).await;
                assert_eq!(
                    code,
                    Some(i32::from(permitted != agent)),
                    "{tool} {id} of {agent}, {permitted}: {body}"
                );
            }
        }
    }
    assert_eq!(checked.len(), 3, "{checked:?}");
}

#[tokio::test]
async fn explain_is_told_whose_campaign_a_call_is_about() {
    let rules = "permit(principal, action, resource == BrandAgent::\"12\");";
    let explain = ["policy", "explain", "campaign_delete", "campaignId=c1"];
    for (more, expected) in [
        ([].as_slice(), "denied: the operator's policy depends on the brand agent"),
        (&["--brand-agent", "12"], "campaign_delete: allowed"),
        (&["--brand-agent", "13"], "denied: no `permit`"),
    ] {
        let outcome = under(rules, &[&explain, more].concat()).await;
        assert!(
            outcome.stdout.replace("\n  ", " ").contains(expected),
            "{}{}",
            outcome.stdout,
            outcome.stderr
        );
        assert!(outcome.stdout.lines().all(|line| line.len() <= 80), "{}", outcome.stdout);
    }
    let outcome = check("permit(principal, action, resource == Campaign::\"c1\");").await;
    assert!(outcome.stdout.contains("Campaign"), "{}", outcome.stdout);
    assert_eq!(outcome.code, Some(1));
}
