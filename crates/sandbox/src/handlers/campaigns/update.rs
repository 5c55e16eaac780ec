//! Changes a campaign's strategy and the budgets of its tactics.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::tactics::AllocationChange;
use crate::{
    call::Call,
    response::{ApiResponse, ApiResult, count},
    store::Account,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Update {
    campaign_id: String,
    name: Option<String>,
    prompt: Option<String>,
    change_request: Option<String>,
    #[serde(default)]
    tactic_adjustments: Vec<Adjustment>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Adjustment {
    tactic_id: String,
    #[serde(default)]
    budget_allocation: AllocationChange,
}

/// The topics of change requests, and what each adds to the brief. The topics are Scope3's.
const TOPICS: [(&[&str], &str); 6] = [
    (&["scale", "volume"], "Increase the scale of delivery"),
    (&["viewab"], "Prefer placements with high viewability"),
    (&["completion"], "Prefer placements with high video completion"),
    (&["cpm", "cost", "price"], "Adjust the CPM as requested"),
    (&["brand safety", "brand-safety", "safe"], "Tighten brand safety"),
    (&["reach", "audience"], "Widen the reach"),
];

/// Changes a campaign. As promised, it can change the name, and a change request adds to the brief. In the published
/// code, a name alone has no effect, a change request replaces the brief, and the call fails after it changed a tactic.
/// Tactics that cannot be changed do not fail the call. A call with only the id is a success without changes.
pub(super) fn update(call: &mut Call<'_>) -> ApiResult {
    let mut input: Update = call.input()?;
    let as_published = call.account.as_published;
    let brief = Some(call.account.campaign(&input.campaign_id)?.prompt.clone()).filter(|_| !as_published);
    if as_published && input.prompt.is_none() && input.change_request.is_none() {
        input.name = None;
    }
    let brief_changes = input.change_request.as_deref().map(brief_changes).unwrap_or_default();
    let base = input.prompt.clone().or(brief);
    let prompt = match (&input.change_request, base) {
        (Some(_), Some(base)) => {
            Some(format!("{base}\n\nOPTIMIZATION REQUEST: {}.", brief_changes.join(". ")))
        }
        (Some(request), None) => Some(format!("Campaign optimization request: {request}")),
        (None, _) => input.prompt,
    };
    let (updated, errors) = adjust(call.account, &input.campaign_id, input.tactic_adjustments);
    if input.name.is_some() || prompt.is_some() {
        let now = call.account.clock.tick();
        let campaign = call.account.campaign_mut(&input.campaign_id)?;
        if let Some(name) = input.name {
            campaign.name = name;
        }
        if let Some(prompt) = prompt {
            campaign.prompt = prompt;
        }
        campaign.updated_at = now;
    }
    if as_published && !updated.is_empty() {
        return Err(ApiResponse::bad_request(
            "Campaign update failed: Cannot read properties of undefined (reading 'amount')",
        ));
    }
    let mut given: Map<String, Value> = ["name", "prompt", "changeRequest", "reason"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), call.arguments().get(name)?.clone())))
        .collect();
    given.insert("briefChanges".to_owned(), json!(brief_changes));
    Ok(ApiResponse::success(
        format!(
            "✅ **Campaign updated**: {} changed, {} failed",
            count(updated.len(), "tactic"),
            errors.len()
        ),
        json!({
            "campaignId": input.campaign_id,
            "updates": given,
            "tactics": {
                "totalUpdated": updated.len(), "updated": updated, "totalErrors": errors.len(), "errors": errors,
            },
        }),
    ))
}

fn brief_changes(request: &str) -> Vec<&'static str> {
    let request = request.to_lowercase();
    let found: Vec<&str> = TOPICS
        .iter()
        .filter(|(words, _)| words.iter().any(|word| request.contains(word)))
        .map(|(_, change)| *change)
        .collect();
    if found.is_empty() { vec!["Optimize the campaign as requested"] } else { found }
}

/// Changes tactics. Returns the changed tactics as rows, and the errors.
fn adjust(account: &mut Account, campaign: &str, adjustments: Vec<Adjustment>) -> (Vec<Value>, Vec<Value>) {
    let (mut updated, mut errors) = (Vec::new(), Vec::new());
    for Adjustment { tactic_id, budget_allocation } in adjustments {
        let Some(tactic) = account.tactics_of(campaign).find(|tactic| tactic.id == tactic_id) else {
            errors.push(json!({"tacticId": tactic_id, "error": "Tactic not found in this campaign"}));
            continue;
        };
        let mut tactic = tactic.clone();
        if !budget_allocation.apply(&mut tactic.allocation).is_empty() {
            tactic.updated_at = account.clock.tick();
        }
        updated.push(tactic.row(account.customer_id));
        if let Ok(stored) = account.live_tactic(&tactic_id) {
            *stored = tactic;
        }
    }
    (updated, errors)
}
