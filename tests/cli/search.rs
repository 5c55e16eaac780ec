//! `tools search` finds tools by the words of a media buyer.

use scope3_mcp_gateway::catalog::{Catalog, Surface};

/// The number of results that a person reads.
const MAX_READ_RESULTS: usize = 3;

/// Phrases that must always find one of their tools.
const REQUIRED: [(&str, &[&str]); 22] = [
    ("pause my ads", &["tactic_update"]),
    ("weekly report", &["reporting_export_data"]),
    ("which creative performs best", &["campaign_get_summary", "reporting_export_data"]),
    ("who am i?", &["check_auth_status"]),
    ("how much did we spend", &["campaign_get_summary", "reporting_export_data"]),
    ("kill", &["campaign_delete", "tactic_delete"]),
    ("what's live", &["campaign_list"]),
    ("approvals", &["creative_get"]),
    ("budgets", &["campaign_list", "tactic_list"]),
    ("stop", &["campaign_delete", "tactic_delete", "tactic_update"]),
    ("launch", &["campaign_create"]),
    ("audience", &["brand_story_list"]),
    ("brand safety", &["brand_standards_list"]),
    ("deals", &["pmp_list"]),
    ("exports", &["reporting_export_data"]),
    ("webhooks", &["webhook_register"]),
    ("advertiser", &["brand_agent_list"]),
    ("flight", &["campaign_list", "campaign_create"]),
    ("order", &["create_tactic", "tactic_list"]),
    ("shop", &["media_product_list"]),
    ("pause the campaign", &["tactic_update"]),
    ("requests left", &["get_usage"]),
];

/// More phrases. A word can have two meanings, so one phrase in ten may fail.
const COMMON: [(&str, &[&str]); 76] = [
    ("is my key working", &["check_auth_status"]),
    ("am I logged in", &["check_auth_status"]),
    ("has the publisher approved our ad", &["creative_get"]),
    ("why was my banner rejected", &["creative_get"]),
    ("resubmit the rejected ad", &["creative_revise"]),
    ("raise the budget", &["tactic_update"]),
    ("move money to the better line item", &["campaign_update", "tactic_update"]),
    ("stop everything", &["campaign_delete", "tactic_delete", "tactic_update"]),
    ("start a new campaign", &["campaign_create"]),
    ("book a flight", &["campaign_create"]),
    ("cancel the order", &["tactic_delete"]),
    ("who are we targeting", &["brand_story_list"]),
    ("create an audience of young parents", &["brand_story_create"]),
    ("block gambling sites", &["brand_standards_create"]),
    ("new private deal", &["pmp_create"]),
    ("download a csv", &["reporting_export_data"]),
    ("notify me when something breaks", &["webhook_register"]),
    ("add a client", &["brand_agent_create"]),
    ("rename the advertiser", &["brand_agent_update"]),
    ("flights ending this month", &["campaign_list"]),
    ("what can I buy", &["media_product_list"]),
    ("inventory in germany", &["media_product_list"]),
    ("who sells", &["sales_agents_list"]),
    ("publishers", &["sales_agents_list", "media_product_list"]),
    ("banner sizes", &["format_list"]),
    ("upload a video", &["creative_create"]),
    ("swap the creative", &["creative_update", "creative_assign"]),
    ("put the new ad into the campaign", &["creative_assign"]),
    ("take the ad out of the campaign", &["creative_unassign"]),
    ("pacing", &["campaign_get_summary"]),
    ("are we on track", &["campaign_get_summary"]),
    ("how is my campaign doing", &["campaign_get_summary"]),
    ("impressions last month", &["reporting_export_data", "campaign_get_summary"]),
    ("cpm", &["campaign_get_summary", "media_product_list", "tactic_list"]),
    ("optimise", &["campaign_update"]),
    ("optimize", &["campaign_update"]),
    ("check my brief", &["campaign_validate_brief"]),
    ("is this plan good enough", &["campaign_validate_brief"]),
    ("trade desk", &["dsp_get_seats"]),
    ("first party data", &["signal_list"]),
    ("find targeting data", &["signals_agent_get_signals"]),
    ("data providers", &["signals_agent_list"]),
    ("conversions", &["reporting_provide_outcomes"]),
    ("rate limit", &["get_usage"]),
    ("delete the campaign", &["campaign_delete"]),
    ("change the daily cap", &["tactic_update"]),
    ("line items", &["tactic_list"]),
    ("turn off a line item", &["tactic_update", "tactic_delete"]),
    ("resume", &["tactic_update"]),
    ("go live", &["campaign_create"]),
    ("roi", &["reporting_provide_outcomes", "campaign_get_summary"]),
    ("gdpr", &["signal_update", "signal_get", "signal_create"]),
    ("campaigns running now", &["campaign_list"]),
    ("show me the spend per day", &["reporting_export_data"]),
    ("remove the banner", &["creative_delete", "creative_unassign"]),
    ("which ads do we have", &["creative_list"]),
    ("details of the line item", &["tactic_get"]),
    ("campain", &["campaign_list", "campaign_create"]),
    ("perfomance", &["campaign_get_summary"]),
    ("pubilshers", &["sales_agents_list", "media_product_list"]),
    ("creatve", &["creative_list", "creative_create"]),
    ("reprot", &["reporting_export_data"]),
    ("campaign_create", &["campaign_create"]),
    ("advertisr", &["brand_agent_list"]),
    ("what did we spend yesterday", &["campaign_get_summary", "reporting_export_data"]),
    ("put my campaign on hold", &["tactic_update"]),
    ("emergency stop", &["campaign_delete", "tactic_delete", "tactic_update"]),
    ("increase spend", &["tactic_update"]),
    ("paused campaigns", &["campaign_list"]),
    ("overspending", &["campaign_get_summary"]),
    ("why isn't it delivering", &["campaign_get_summary"]),
    ("320x50", &["format_list"]),
    ("forbid alcohol next to our ads", &["brand_standards_create"]),
    ("women 25 to 34", &["brand_story_create"]),
    ("slack notifications", &["webhook_register"]),
    ("CTR", &["campaign_get_summary", "reporting_export_data"]),
];

/// The names of the first results, and whether an expected tool is among them.
fn found(phrase: &str, expected: &[&str]) -> (Vec<String>, bool) {
    let catalog = Catalog::of_surfaces(&[Surface::Campaign]);
    let results = catalog.search(phrase, |entry| entry.toolset != "discover");
    let names: Vec<String> =
        results.iter().take(MAX_READ_RESULTS).map(|entry| entry.tool.name.to_string()).collect();
    let is_found = names.iter().any(|name| expected.contains(&name.as_str()));
    (names, is_found)
}

fn missed(phrases: &[(&str, &[&str])]) -> Vec<String> {
    phrases
        .iter()
        .filter_map(|(phrase, expected)| {
            let (names, is_found) = found(phrase, expected);
            (!is_found).then(|| format!("`{phrase}` finds {names:?}, not {expected:?}"))
        })
        .collect()
}

#[test]
fn required_phrases_find_their_tool() {
    let missed = missed(&REQUIRED);
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn nine_in_ten_common_phrases_find_their_tool() {
    let missed = missed(&COMMON);
    assert!(
        missed.len() * 10 <= COMMON.len(),
        "{} of {}:\n{}",
        missed.len(),
        COMMON.len(),
        missed.join("\n")
    );
}

#[test]
fn a_search_for_a_tools_name_finds_the_tool() {
    let catalog = Catalog::of_surfaces(&[Surface::Campaign]);
    for entry in catalog.entries() {
        let by_name = catalog.search(&entry.tool.name, |_| true);
        assert!(
            by_name.iter().take(MAX_READ_RESULTS).any(|found| found.tool.name == entry.tool.name),
            "{}",
            entry.tool.name
        );
    }
}

#[test]
fn phrases_without_a_matching_tool_find_nothing() {
    for phrase in ["carbon emissions", "billing", "invite a user", "", "  ", "?!", "the", "日本語", "🦀"]
    {
        let (names, _) = found(phrase, &[]);
        assert!(names.is_empty(), "`{phrase}` finds {names:?}");
    }
}

#[test]
fn a_query_of_megabytes_is_fast() {
    let started = std::time::Instant::now();
    for query in ["campaign ".repeat(500_000), "c".repeat(4_000_000), "ß".repeat(2_000_000)] {
        let _ = Catalog::of_surfaces(&[Surface::Campaign]).search(&query, |_| true);
    }
    assert!(started.elapsed() < std::time::Duration::from_secs(5), "{:?}", started.elapsed());
}
