//! Brand agents (`src/tools/brand-agents/core` of `scope3data/activation-api`).

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{ApiResponse, ApiResult, Call, Handler, count};
use crate::objects::BrandAgent;

/// The handlers of these operations.
pub(super) fn handler(tool: &str) -> Option<Handler> {
    match tool {
        "brand_agent_list" => Some(list),
        "brand_agent_get" => Some(get),
        "brand_agent_create" => Some(create),
        "brand_agent_update" => Some(update),
        "brand_agent_delete" => Some(delete),
        _ => None,
    }
}

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    r#where: Where,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Where {
    name: Option<String>,
    customer_id: Option<u32>,
}

fn list(call: &mut Call<'_>) -> ApiResult {
    let List { r#where: Where { name, customer_id } } = call.input()?;
    let name = name.map(|name| name.to_lowercase());
    let found: Vec<&BrandAgent> = call
        .account
        .brand_agents
        .iter()
        .rev()
        .filter(|agent| name.as_ref().is_none_or(|part| agent.name.to_lowercase().contains(part)))
        .filter(|agent| customer_id.is_none_or(|id| agent.customer_id == id))
        .collect();
    let lines: Vec<String> =
        found.iter().map(|agent| format!("- **{}** ({})", agent.name, agent.id)).collect();
    Ok(ApiResponse::success(
        format!("**{}**\n{}", count(found.len(), "brand agent"), lines.join("\n")),
        json!({"brandAgents": found, "count": found.len()}),
    ))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ById {
    pub(super) brand_agent_id: String,
}

fn get(call: &mut Call<'_>) -> ApiResult {
    let ById { brand_agent_id } = call.input()?;
    let agent = call.account.brand_agent(&brand_agent_id)?;
    Ok(ApiResponse::success(format!("**{}** ({})", agent.name, agent.id), json!({ "brandAgent": agent })))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Create {
    name: String,
    advertiser_domains: Vec<String>,
    description: Option<String>,
    external_id: Option<String>,
    nickname: Option<String>,
}

fn create(call: &mut Call<'_>) -> ApiResult {
    let input: Create = call.input()?;
    let account = &mut *call.account;
    let now = account.clock.tick();
    let agent = BrandAgent {
        id: account.ids.number(),
        name: input.name,
        customer_id: account.customer_id,
        created_at: now,
        updated_at: now,
        description: input.description,
        external_id: input.external_id,
        nickname: input.nickname,
        advertiser_domains: input.advertiser_domains,
        dsp_seats: Vec::new(),
        tactic_seed_data_coop: None,
    };
    let answer = ApiResponse::success(
        format!("✅ **Brand agent created**: {} ({})", agent.name, agent.id),
        json!({ "brandAgent": agent }),
    );
    account.brand_agents.push(agent);
    Ok(answer)
}

fn update(call: &mut Call<'_>) -> ApiResult {
    let ById { brand_agent_id } = call.input()?;
    let changes: Map<String, Value> = ["name", "description", "tacticSeedDataCoop"]
        .into_iter()
        .filter_map(|field| Some((field.to_owned(), call.arguments().get(field)?.clone())))
        .collect();
    if changes.is_empty() {
        return Ok(ApiResponse::failure(
            "INVALID_REQUEST",
            "Nothing to change: give name, description or tacticSeedDataCoop",
            json!({"brandAgentId": brand_agent_id, "changes": {}}),
        ));
    }
    call.account.brand_agent(&brand_agent_id)?;
    let now = call.account.clock.tick();
    let Some(agent) = call.account.brand_agents.iter_mut().find(|agent| agent.id == brand_agent_id) else {
        return Err(ApiResponse::not_found("Brand agent", &brand_agent_id));
    };
    if let Some(Value::String(name)) = changes.get("name") {
        agent.name.clone_from(name);
    }
    if let Some(Value::String(description)) = changes.get("description") {
        agent.description = Some(description.clone());
    }
    if let Some(Value::Bool(coop)) = changes.get("tacticSeedDataCoop") {
        agent.tactic_seed_data_coop = Some(*coop);
    }
    agent.updated_at = now;
    Ok(ApiResponse::success(
        format!("✅ **Brand agent updated**: {} ({})", agent.name, agent.id),
        json!({"brandAgent": agent, "changes": changes}),
    ))
}

fn delete(call: &mut Call<'_>) -> ApiResult {
    let ById { brand_agent_id } = call.input()?;
    let agent = call.account.brand_agent(&brand_agent_id)?.clone();
    let now = call.account.clock.tick();
    call.account.remove_brand_agent(&brand_agent_id);
    Ok(ApiResponse::success(
        format!("🗑️ **Brand agent deleted** with all that it owned: {} ({})", agent.name, agent.id),
        json!({
            "deletedBrandAgent": {"id": agent.id, "name": agent.name},
            "operation": "delete",
            "timestamp": now,
        }),
    ))
}
