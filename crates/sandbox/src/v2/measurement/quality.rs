//! Saved lists of domains and their media quality.

use serde_json::{Map, Value, json};

use super::{Answer, Call, Handler, Refusal, Reply, number_of};

pub(super) fn handler(operation: &str) -> Option<Handler> {
    match operation {
        "getSavedLists" => Some(lists),
        "getSignalsBySavedList" => Some(signals),
        _ => None,
    }
}

/// The saved lists of every customer: their ids, names and domains.
const LISTS: [(u32, &str, &[&str]); 2] = [
    (7101, "Trusted news", &["news.example", "weather.example", "city-herald.example", "science.example"]),
    (7102, "To be checked", &["gossip.example", "quiz-a-day.example", "free-wallpapers.example"]),
];

/// The signals of a domain: the name, the smallest and the largest value, and the number of decimals.
const SIGNALS: [(&str, u32, u32, u32); 20] = [
    ("traffic_percentile", 1, 99, 0),
    ("avg_a2cr", 8, 42, 2),
    ("avg_ads_in_view", 5, 28, 1),
    ("avg_num_sellers", 12, 180, 1),
    ("avg_num_nodes", 20, 260, 1),
    ("domain_avg_refresh_rate", 0, 90, 0),
    ("pct_placements_refreshed", 0, 80, 2),
    ("pct_high_viewport_ad", 2, 50, 2),
    ("pct_invalid_ads", 0, 9, 2),
    ("pct_organic_search_traffic", 10, 40, 2),
    ("pct_organic_referral_traffic", 2, 15, 2),
    ("pct_social_traffic", 2, 15, 2),
    ("pct_ad_network_traffic", 0, 12, 2),
    ("pct_email_traffic", 0, 5, 2),
    ("pct_ai_assistant_traffic", 0, 6, 2),
    ("avg_viewability", 40, 85, 2),
    ("total_gpids", 3, 400, 0),
    ("eid_rate", 30, 95, 2),
    ("avg_page_height", 1_500, 14_000, 0),
    ("avg_final_page_weight_bytes", 900_000, 9_000_000, 0),
];

fn lists(_: &mut Call<'_>) -> Answer {
    // The same lists for all, because nothing here changes them.
    let row = |(id, name, domains): &(u32, &str, &[&str])| json!({ "id": id.to_string(), "name": name, "domain_count": domains.len() });
    Ok(Reply::of(LISTS.iter().map(row).collect()))
}

/// A domain's signals. One in eleven is unknown.
fn quality(domain: &str) -> Value {
    let mut shown = Map::from_iter([("domain".to_owned(), Value::from(domain))]);
    shown.insert("is_mfa".to_owned(), (number_of(domain).is_multiple_of(3)).into());
    for (name, least, most, decimals) in SIGNALS {
        let number = number_of(&format!("{domain} {name}"));
        let value = u64::from(least) + number % u64::from(most - least + 1);
        let value = u32::try_from(value).unwrap_or(least);
        let value = if number.is_multiple_of(11) {
            Value::Null
        } else if decimals == 0 {
            value.into()
        } else {
            json!(f64::from(value) / f64::from(10_u32.pow(decimals)))
        };
        shown.insert(name.to_owned(), value);
    }
    shown.into()
}

fn signals(call: &mut Call<'_>) -> Answer {
    let id = call.id("saved_list_id")?;
    let list = LISTS.iter().find(|(other, ..)| other.to_string() == id);
    let (.., domains) = list.ok_or_else(|| Refusal::not_found("Saved list", &id))?;
    let page = call.arguments.count("page").unwrap_or(1).max(1);
    let size = call.arguments.count("page_size").unwrap_or(1_000).max(1);
    let before = (page - 1).saturating_mul(size);
    let rows: Vec<Value> = domains.iter().skip(before).take(size).map(|domain| quality(domain)).collect();
    let has_more = before.saturating_add(rows.len()) < domains.len();
    Ok(Reply::of(json!({ "data": rows, "page": page, "page_size": size, "has_more": has_more })))
}
