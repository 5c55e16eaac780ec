//! Signals agents (`src/tools/signals-agents` and `src/services/signals-agent-service.ts` of
//! `scope3data/activation-api`). In that code, `list`, `get`, `get_signals` and `history` return only a message; the
//! sandbox also returns the data, as every other list does.

mod change;
mod recommend;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{ApiResponse, ApiResult, Call, Handler, count, external};
use crate::{
    objects::signals_agents::{Activity, SignalsAgent},
    store::Account,
};

/// The handlers of these operations.
pub(super) fn handler(tool: &str) -> Option<Handler> {
    match tool {
        "signals_agent_list" => Some(list),
        "signals_agent_get" => Some(get),
        "signals_agent_history" => Some(history),
        "signals_agent_register" => Some(change::register),
        "signals_agent_update" => Some(change::update),
        "signals_agent_unregister" => Some(change::unregister),
        "signals_agent_get_signals" => Some(recommend::get_signals),
        "signals_agent_activate" => Some(recommend::activate),
        _ => None,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfBrandAgent {
    brand_agent_id: String,
}

fn list(call: &mut Call<'_>) -> ApiResult {
    let OfBrandAgent { brand_agent_id } = call.input()?;
    check_brand_agent(call.account, &brand_agent_id)?;
    let agents = &call.account.signals_agents.items;
    let found: Vec<&SignalsAgent> =
        agents.iter().rev().filter(|agent| agent.brand_agent_id == brand_agent_id).collect();
    let lines: Vec<String> = found
        .iter()
        .map(|agent| format!("- **{}** ({}): {}", agent.name, agent.id, agent.status.as_str()))
        .collect();
    Ok(ApiResponse::success(
        format!("**{}**\n{}", count(found.len(), "signals agent"), lines.join("\n")),
        json!({"brandAgentId": brand_agent_id, "agents": found, "count": found.len()}),
    ))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ById {
    agent_id: String,
}

fn get(call: &mut Call<'_>) -> ApiResult {
    let ById { agent_id } = call.input()?;
    let agent = find(call.account, &agent_id)?;
    Ok(ApiResponse::success(
        format!("**{}** ({}): {} at {}", agent.name, agent.id, agent.status.as_str(), agent.endpoint_url),
        json!({ "agent": agent }),
    ))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct History {
    agent_id: String,
    limit: Option<usize>,
}

fn history(call: &mut Call<'_>) -> ApiResult {
    let History { agent_id, limit } = call.input()?;
    find(call.account, &agent_id)?;
    let activities: Vec<&Activity> = call
        .account
        .signals_agents
        .activities
        .iter()
        .rev()
        .filter(|activity| activity.signals_agent_id == agent_id)
        .take(limit.unwrap_or(50))
        .collect();
    let lines: Vec<String> = activities
        .iter()
        .map(|activity| format!("- {} {}: {}", activity.executed_at, activity.activity_type, activity.status))
        .collect();
    Ok(ApiResponse::success(
        format!("**{}**\n{}", count(activities.len(), "activity"), lines.join("\n")),
        json!({"agentId": agent_id, "activities": activities, "count": activities.len()}),
    ))
}

/// The agent with this id. These operations report a missing agent as `UNKNOWN_ERROR`, not as "not found".
fn find<'a>(account: &'a Account, id: &str) -> ApiResult<&'a SignalsAgent> {
    let missing =
        || ApiResponse::failure_with_error_code("UNKNOWN_ERROR", &format!("Signals agent {id} not found"));
    account.signals_agents.get(id).ok_or_else(missing)
}

/// Checks that the customer has this brand agent. Scope3's code does not, but its documentation promises isolation.
fn check_brand_agent(account: &Account, id: &str) -> ApiResult<()> {
    let missing =
        |_| ApiResponse::failure_with_error_code("UNKNOWN_ERROR", &format!("Brand agent {id} not found"));
    account.brand_agent(id).map(drop).map_err(missing)
}

/// An activity without its request, response and segments.
fn activity(account: &mut Account, agent: &SignalsAgent, activity_type: &'static str) -> Activity {
    let is_reachable = external::is_reachable(&agent.endpoint_url);
    Activity {
        id: account.ids.uuid(),
        signals_agent_id: agent.id.clone(),
        brand_agent_id: agent.brand_agent_id.clone(),
        activity_type,
        status: if is_reachable { "success" } else { "failed" },
        executed_at: account.clock.now(),
        request: None,
        response: None,
        response_time_ms: Some(if is_reachable { 120 } else { 0 }),
        segment_ids: Vec::new(),
        error_details: (!is_reachable).then(|| external::UNREACHABLE.to_owned()),
    }
}

/// The request to an agent: `{action, data, requestId, timestamp}`.
fn request(account: &mut Account, action: &str, data: &Value) -> Value {
    json!({
        "action": action, "data": data,
        "requestId": account.ids.uuid(), "timestamp": account.clock.now(),
    })
}
