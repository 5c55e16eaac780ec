//! Registers, changes and revokes signals agents.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{ApiResponse, ApiResult, ById, Call, activity, check_brand_agent, count, find};
use crate::{
    objects::signals_agents::{AgentStatus, SignalsAgent},
    store::Account,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Register {
    brand_agent_id: String,
    name: String,
    endpoint_url: String,
    description: Option<String>,
    config: Option<Map<String, Value>>,
}

pub(super) fn register(call: &mut Call<'_>) -> ApiResult {
    let input: Register = call.input()?;
    check_brand_agent(call.account, &input.brand_agent_id)?;
    let configuration = call.arguments().clone();
    let account = &mut *call.account;
    let agent = add(account, input);
    // Scope3 logs a registration as a first request to the agent.
    let first = activity(account, &agent, "get_signals");
    account.signals_agents.activities.push(first);
    Ok(ApiResponse::success(
        format!("✅ **Signals agent registered**: {} ({})", agent.name, agent.id),
        json!({
            "agent": agent,
            "configuration": configuration,
            "integration": {
                "apiEndpoints": ["signals_agent_get_signals", "signals_agent_activate", "signals_agent_history"],
                "exampleUsage": {
                    "getSignals": format!("getSignals(\"{}\", \"Adults who hike on weekends\")", agent.id),
                    "activateSignal": format!("activateSignal(\"{}\", \"recommended_signal_id\")", agent.id),
                },
            },
            "metadata": {
                "agentId": agent.id, "isReadyForUse": true, "protocol": "ADCP",
                "registrationDate": agent.created_at, "status": "active",
            },
            "permissions": {
                "accountId": account.customer_id, "apiAccess": true, "segmentManagement": true,
            },
        }),
    ))
}

/// Adds an agent. As the description of `signals_agent_unregister` promises, an agent that is registered again keeps
/// its id.
fn add(account: &mut Account, input: Register) -> SignalsAgent {
    let now = account.clock.tick();
    let known = account.signals_agents.items.iter().position(|agent| {
        agent.status == AgentStatus::Inactive
            && agent.brand_agent_id == input.brand_agent_id
            && agent.endpoint_url == input.endpoint_url
    });
    let before = known.map(|at| account.signals_agents.items.remove(at));
    let agent = SignalsAgent {
        id: before.map_or_else(|| account.ids.uuid(), |before| before.id),
        name: input.name,
        brand_agent_id: input.brand_agent_id,
        endpoint_url: input.endpoint_url,
        status: AgentStatus::Active,
        description: input.description,
        config: input.config,
        registered_by: account.customer_id.to_string(),
        registered_at: now,
        created_at: now,
        updated_at: now,
    };
    account.signals_agents.items.push(agent.clone());
    agent
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Update {
    agent_id: String,
    name: Option<String>,
    description: Option<String>,
    endpoint_url: Option<String>,
    status: Option<AgentStatus>,
    config: Option<Map<String, Value>>,
}

pub(super) fn update(call: &mut Call<'_>) -> ApiResult {
    let input: Update = call.input()?;
    let mut updates = call.arguments().clone();
    if let Value::Object(updates) = &mut updates {
        updates.remove("agentId");
    }
    let before = find(call.account, &input.agent_id)?.clone();
    let has_config = input.config.is_some();
    let has_endpoint = input.endpoint_url.is_some();
    let account = &mut *call.account;
    let now = account.clock.tick();
    let agent = SignalsAgent {
        name: input.name.unwrap_or_else(|| before.name.clone()),
        description: input.description.or_else(|| before.description.clone()),
        endpoint_url: input.endpoint_url.unwrap_or_else(|| before.endpoint_url.clone()),
        status: input.status.unwrap_or(before.status),
        config: input.config.or_else(|| before.config.clone()),
        updated_at: now,
        ..before.clone()
    };
    replace(account, &agent);
    let changes = changes(&before, &agent, has_config);
    Ok(ApiResponse::success(
        format!("✅ **Signals agent updated**: {} ({})\n{}", agent.name, agent.id, changes.join("\n")),
        json!({
            "updatedAgent": agent,
            "previousAgent": before,
            "currentState": current_state(&agent),
            "changesSummary": {
                "changes": changes,
                "changesCount": changes.len(),
                "hasConfigUpdates": has_config,
                "hasEndpointChange": agent.endpoint_url != before.endpoint_url,
                "hasStatusChange": agent.status != before.status,
            },
            "configuration": {"agentId": agent.id, "updates": updates, "updateTime": now},
            "metadata": {
                "action": "update", "agentId": agent.id, "agentName": agent.name,
                "brandAgentId": agent.brand_agent_id,
                "isOperational": agent.status == AgentStatus::Active,
                "requiresConnectivityTest": has_endpoint,
                "status": agent.status,
            },
        }),
    ))
}

fn current_state(agent: &SignalsAgent) -> Value {
    let mut state = json!(agent);
    if let Value::Object(members) = &mut state {
        let shown = ["brandAgentId", "config", "description", "endpointUrl", "name", "status"];
        members.retain(|name, _| shown.contains(&name.as_str()));
    }
    state
}

fn changes(before: &SignalsAgent, after: &SignalsAgent, config: bool) -> Vec<String> {
    let none = || "(none)".to_owned();
    let mut changes = Vec::new();
    let mut compare = |what: &str, old: &str, new: &str| {
        if old != new {
            changes.push(format!("**{what}:** {old} → {new}"));
        }
    };
    compare("Name", &before.name, &after.name);
    let description = |agent: &SignalsAgent| agent.description.clone().unwrap_or_else(none);
    compare("Description", &description(before), &description(after));
    compare("Endpoint", &before.endpoint_url, &after.endpoint_url);
    compare("Status", before.status.as_str(), after.status.as_str());
    if config {
        let parameters = after.config.as_ref().map_or(0, Map::len);
        changes.push(format!("**Configuration:** Updated with {}", count(parameters, "parameter")));
    }
    changes
}

fn replace(account: &mut Account, agent: &SignalsAgent) {
    if let Some(old) = account.signals_agents.items.iter_mut().find(|old| old.id == agent.id) {
        old.clone_from(agent);
    }
}

pub(super) fn unregister(call: &mut Call<'_>) -> ApiResult {
    let ById { agent_id } = call.input()?;
    let before = find(call.account, &agent_id)?.clone();
    let now = call.account.clock.tick();
    let agent = SignalsAgent { status: AgentStatus::Inactive, updated_at: now, ..before.clone() };
    replace(call.account, &agent);
    Ok(ApiResponse::success(
        format!(
            "✅ **Signals agent unregistered**: {} ({}). History and segments stay.",
            agent.name, agent.id
        ),
        json!({
            "unregisteredAgent": agent,
            "configuration": {"agentId": agent.id, "unregistrationTime": now},
            "metadata": {
                "agentId": agent.id, "agentName": agent.name, "brandAgentId": agent.brand_agent_id,
                "previousStatus": before.status, "status": "revoked",
            },
            "preservation": {"activityHistoryPreserved": true, "segmentsPreserved": true},
            "revokedAccess": {"apiAccess": true, "segmentManagement": true},
        }),
    ))
}
