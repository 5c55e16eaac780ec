//! Legacy campaigns: a strategy of private marketplace deals from a prompt.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    call::Call,
    objects::Strategy,
    response::{ApiResponse, ApiResult},
};

#[derive(Deserialize)]
struct Create {
    name: String,
    prompt: String,
}

const CHANNELS: [&str; 6] = ["ctv", "video", "display", "audio", "social", "mobile"];

const COUNTRIES: [(&str, &str); 7] = [
    ("usa", "US"),
    ("us", "US"),
    ("uk", "GB"),
    ("canada", "CA"),
    ("germany", "DE"),
    ("france", "FR"),
    ("australia", "AU"),
];

/// Creates a legacy campaign, which has no brand agent, budget or dates, and is not listed. Scope3 finds channels and
/// countries with a language model; the sandbox recognizes a few words.
pub(super) fn create(call: &mut Call<'_>) -> ApiResult {
    let Create { name, prompt } = call.input()?;
    let words: Vec<String> = prompt.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase).collect();
    let has = |word: &str| words.iter().any(|found| found == word);
    let channels: Vec<String> =
        CHANNELS.iter().filter(|word| has(word)).map(|&word| word.to_owned()).collect();
    let mut countries: Vec<String> =
        COUNTRIES.iter().filter(|(word, _)| has(word)).map(|&(_, code)| code.to_owned()).collect();
    countries.dedup();
    let now = call.account.clock.tick();
    let strategy = Strategy {
        id: call.account.ids.number(),
        name,
        prompt,
        strategy_type: "INTELLIGENT_PMPS",
        channel_codes: channels,
        country_codes: countries,
        created_at: now,
        updated_at: now,
    };
    let answer = ApiResponse::success(
        format!("✅ **Legacy campaign created**: {} ({})", strategy.name, strategy.id),
        data(&strategy, call.account.customer_id),
    );
    call.account.strategies.push(strategy);
    Ok(answer)
}

fn data(strategy: &Strategy, customer_id: u32) -> Value {
    let Strategy { id, name, prompt, strategy_type, channel_codes, country_codes, .. } = strategy;
    json!({
        "strategy": strategy,
        "parsedStrategy": {
            "status": "success", "strategyName": name, "missing": [], "channels": channel_codes,
            "countries": country_codes, "brandStandardsAgents": [], "brandStoryAgents": [],
            "bitmapTargetingProfiles": [],
        },
        "targetingProfiles": [],
        "targeting": {"channels": channel_codes, "countries": country_codes, "profileCount": 0, "profiles": []},
        "agents": {"brandStandardsAgents": [], "brandStoryAgents": []},
        "configuration": {"name": name, "prompt": prompt, "strategyType": strategy_type},
        "metadata": {
            "strategyId": id, "campaignType": "legacy", "isReadyForActivation": true, "dimensionsMapSize": 0,
            "_customerId": customer_id,
        },
    })
}
