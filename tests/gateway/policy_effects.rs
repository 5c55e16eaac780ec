//! Rules about effects look at what the arguments of a call do, not only at its tool.

use scope3_mcp_gateway::{
    catalog::Catalog,
    policy::{Policy, Selection},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::policy::{ALL, verdict, word, write};

const NO_DELETES: &str =
    r#"@id("no-deletes") forbid(principal, action in Action::"effect:delete", resource);"#;

fn cancels() -> Value {
    json!({ "campaignId": "c", "mediaBuys": [{ "mediaBuyId": "mb_1", "action": "cancel" }] })
}

fn spends() -> Value {
    json!({ "campaignId": "c", "budget": { "total": 10, "currency": "USD" } })
}

fn both() -> Value {
    let mut call = cancels();
    call["budget"] = spends()["budget"].clone();
    call
}

#[test]
fn a_rule_against_deleting_stops_a_change_that_deletes() {
    let text = format!("{ALL}{NO_DELETES}");
    let of = |arguments: Value| word(&verdict(&text, "update_campaign", &arguments));
    assert_eq!(of(cancels()), "denied by no-deletes");
    assert_eq!(of(both()), "denied by no-deletes", "that it also spends does not hide it");
    assert_eq!(of(spends()), "allowed by line 1");
    assert_eq!(of(json!({ "campaignId": "c", "name": "Spring" })), "allowed by line 1");
}

#[test]
fn a_permit_of_one_effect_permits_no_other() {
    let permit = |effect: &str| {
        format!(r#"@id("{effect}") permit(principal, action in Action::"effect:{effect}", resource);"#)
    };
    let writes = permit("write");
    let of = |text: &str, arguments: Value| word(&verdict(text, "update_campaign", &arguments));
    assert_eq!(of(&writes, json!({ "campaignId": "c", "name": "Spring" })), "allowed by write");
    for stronger in [cancels(), spends(), both()] {
        assert_eq!(of(&writes, stronger), "denied");
    }
    let spending = writes + &permit("spend");
    assert_eq!(of(&spending, spends()), "allowed by spend");
    assert_eq!(of(&spending, both()), "denied", "nothing permits that it deletes");
    assert!(of(&(spending + &permit("delete")), both()).starts_with("allowed"));
}

#[test]
fn a_tool_that_deletes_and_can_spend_is_both() {
    let text = format!("{ALL}{NO_DELETES}");
    let arguments = json!({ "sourceId": "gam", "type": "springserve", "rateCurrency": "USD" });
    let decided = word(&verdict(&text, "put_inventory_source_ad_server", &arguments));
    assert_eq!(decided, "denied by no-deletes");
}

#[test]
fn a_tool_is_listed_while_one_of_its_calls_may_run() {
    let folder = TempDir::new().unwrap();
    let catalog = Catalog::embedded();
    let selection = Selection {
        toolsets: Some(vec!["all".to_owned()]),
        surfaces: catalog.entries().map(|entry| entry.surface).collect(),
        ..Selection::default()
    };
    let policy = Policy::new(&catalog, selection).unwrap();
    let policy = policy.with_file(write(&folder, &format!("{ALL}{NO_DELETES}")), &catalog).unwrap();
    let may_run = |name: &str| policy.check(catalog.get(name).unwrap(), None).is_ok();
    assert!(may_run("update_campaign") && may_run("list_campaigns"));
    assert!(!may_run("delete_property_list") && !may_run("replace_storefront_publishers"));
}
