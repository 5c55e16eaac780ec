use serde_json::json;

use super::language::{Intent, Language};
use crate::{Catalog, Entry, EntryRef, Surface, Toolset};

fn catalog(tools: &[(&str, &str, &str)]) -> Catalog {
    let tools: Vec<_> = tools
        .iter()
        .map(|(name, effect, keyword)| {
            json!({
                "name": name, "title": name.replace('_', " "), "description": "A thing.", "effect": effect,
                "request": if *effect == "read" { "GET /thing" } else { "POST /thing" }, "keywords": [keyword],
            })
        })
        .collect();
    let file = json!({ "toolset": "things", "description": "Things.", "tools": tools });
    let file: Toolset = serde_json::from_value(file).unwrap();
    let load = |tool| EntryRef::from(Entry::loaded(Surface::Campaign, "things", tool));
    file.tools.into_iter().map(load).collect()
}

fn first<'c>(catalog: &'c Catalog, query: &str) -> &'c str {
    catalog.search(query, |_| true).first().map_or("", |entry| &entry.tool.name)
}

#[test]
fn a_mistyped_synonym_finds_what_the_word_finds() {
    let catalog = catalog(&[("campaign_list", "read", "overview"), ("storefront_list", "read", "sellers")]);
    for query in ["campaign", "campaigns", "flight", "flihgt", "flights", "campagin", "camp"] {
        assert_eq!(first(&catalog, query), "campaign_list", "{query}");
    }
    for query in ["shop", "store", "storefrnt"] {
        assert_eq!(first(&catalog, query), "storefront_list", "{query}");
    }
    assert_eq!(first(&catalog, "zzzzzz"), "");
    assert_eq!(first(&catalog, "2026"), "", "a number alone says nothing");
    assert_eq!(first(&catalog, ""), "");
}

#[test]
fn phrases_have_their_meaning_also_with_words_in_between() {
    let catalog = catalog(&[
        ("offer_reject", "write", "no"),
        ("offer_accept", "write", "yes"),
        ("offer_delete", "delete", "gone"),
    ]);
    assert_eq!(first(&catalog, "Turn the second offer down"), "offer_reject");
    assert_eq!(first(&catalog, "Say yes to the offer"), "offer_accept");
    assert_eq!(first(&catalog, "Get rid of that offer"), "offer_delete");
}

#[test]
fn questions_prefer_reads_and_commands_prefer_changes() {
    let catalog = catalog(&[("thing_update", "write", "budget"), ("thing_get", "read", "budget")]);
    assert_eq!(first(&catalog, "What is the budget of this?"), "thing_get");
    assert_eq!(first(&catalog, "Please double the budget of this"), "thing_update");
    assert_eq!(first(&catalog, "budget"), "thing_update", "the order of the catalog");
}

#[test]
fn what_a_query_wants_is_seen_at_its_first_word() {
    let intent = |query| Language::new().read(query).intent;
    assert_eq!(intent("Which flights are live?"), Intent::Read);
    assert_eq!(intent("and please show me the flights"), Intent::Read);
    assert_eq!(intent("Stop the spring flight"), Intent::Change);
    assert_eq!(intent("list flights"), Intent::Unknown);
}

#[test]
fn a_question_of_who_did_something_asks_for_the_log() {
    let catalog = catalog(&[("budget_update", "write", "budget"), ("audit_log_list", "read", "trail")]);
    assert_eq!(first(&catalog, "Who raised the budget?"), "audit_log_list");
    assert_eq!(first(&catalog, "Raise the budget a bit"), "budget_update");
}

#[test]
fn only_offered_tools_are_found() {
    let catalog = catalog(&[("campaign_list", "read", "overview"), ("campaign_delete", "delete", "end")]);
    let found = catalog.search("delete the campaign", |entry| entry.tool.name != "campaign_delete");
    assert_eq!(found.iter().map(|entry| &*entry.tool.name).collect::<Vec<_>>(), ["campaign_list"]);
}

#[test]
fn queries_of_stop_words_alone_still_find_tools() {
    let catalog = catalog(&[("session_get", "read", "who am i"), ("thing_get", "read", "other")]);
    assert_eq!(first(&catalog, "Who am I?"), "session_get");
}
