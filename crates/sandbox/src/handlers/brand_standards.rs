//! Brand standards: brand safety rules in natural language (`src/tools/brand-standards` of
//! `scope3data/activation-api`).

use serde_json::{Value, json};

use super::{
    ApiResponse, ApiResult, Call, Handler,
    brand_agents::ById as BrandAgentById,
    count,
    guides::{self, ById, Create, Update},
};
use crate::objects::brand::Scope;

/// The handlers of these operations.
pub(super) fn handler(tool: &str) -> Option<Handler> {
    match tool {
        "brand_standards_list" => Some(list),
        "brand_standards_create" => Some(create),
        "brand_standards_update" => Some(update),
        "brand_standards_delete" => Some(delete),
        _ => None,
    }
}

fn list(call: &mut Call<'_>) -> ApiResult {
    let BrandAgentById { brand_agent_id } = call.input()?;
    let agent = call.account.brand_agent(&brand_agent_id)?;
    let standards = guides::active(&call.account.standards, &brand_agent_id);
    let with_model = standards.iter().filter(|one| one.primary().is_some()).count();
    let lines: Vec<String> = standards.iter().map(|one| format!("- **{}** ({})", one.name, one.id)).collect();
    Ok(ApiResponse::success(
        format!("**{}** of {}\n{}", count(standards.len(), "brand standard"), agent.name, lines.join("\n")),
        json!({
            "brandAgentId": agent.id,
            "brandAgentName": agent.name,
            "standardsAgents": standards.iter().map(|one| one.listed()).collect::<Vec<Value>>(),
            "count": standards.len(),
            "statistics": {
                "totalStandards": standards.len(),
                "totalModels": with_model,
                "withPrimaryModel": with_model,
                "withoutPrimaryModel": standards.len() - with_model,
            },
        }),
    ))
}

fn create(call: &mut Call<'_>) -> ApiResult {
    let input: Create = call.input()?;
    let agent_name = call.account.brand_agent(&input.brand_agent_id)?.name.clone();
    let standards = guides::create(call, input)?;
    let answer = ApiResponse::success(
        format!("✅ **Brand standards created**: {} ({})", standards.name, standards.id),
        json!({
            "standardsAgent": standards.created(),
            "configuration": {
                "brandAgentId": standards.brand_agent_id,
                "brandAgentName": agent_name,
                "name": standards.name,
                "prompt": call.arguments()["prompt"],
                "targeting": standards.scope,
            },
            "metadata": {
                "standardsId": standards.id,
                "status": "active",
                "createdAt": standards.created_at,
                "appliesToAllCampaigns": true,
            },
            "targeting": targeting(&standards.scope),
        }),
    );
    call.account.standards.push(standards);
    Ok(answer)
}

fn targeting(scope: &Scope) -> Value {
    let mut targeting = json!(scope);
    targeting["isGlobal"] = json!({
        "brands": scope.brands.is_empty(),
        "channels": scope.channels.is_empty(),
        "countries": scope.countries.is_empty(),
        "languages": scope.languages.is_empty(),
    });
    targeting
}

fn update(call: &mut Call<'_>) -> ApiResult {
    let input: Update = call.input()?;
    let custom_name = input.name.clone();
    guides::find(&mut call.account.standards, "Brand standards", &input.id)?;
    let (now, model_id) = (call.account.clock.tick(), call.account.ids.number());
    let standards = guides::find(&mut call.account.standards, "Brand standards", &input.id)?;
    let model = guides::add_version(standards, model_id, input, "Standards", now);
    let mut configuration = json!({
        "standardsId": standards.id, "prompt": model.prompt, "modelName": model.name,
    });
    if let Some(name) = custom_name {
        configuration["customName"] = json!(name);
    }
    Ok(ApiResponse::success(
        format!("✅ **Brand standards updated**: {} is the current version", model.name),
        json!({
            "updatedModel": {
                "id": model.id, "name": model.name, "prompt": model.prompt, "status": "PRIMARY",
                "createdAt": model.created_at,
            },
            "configuration": configuration,
            "metadata": {"standardsId": standards.id, "previousVersionsKept": true},
            "versionInfo": {
                "modelId": model.id, "modelName": model.name, "isPrimary": true, "versionType": "updated",
                "createdAt": model.created_at,
            },
        }),
    ))
}

fn delete(call: &mut Call<'_>) -> ApiResult {
    let ById { id } = call.input()?;
    guides::find(&mut call.account.standards, "Brand standards", &id)?;
    let now = call.account.clock.tick();
    guides::find(&mut call.account.standards, "Brand standards", &id)?.archived_at = Some(now);
    Ok(ApiResponse::success(
        format!("🗄️ **Brand standards archived**: {id} no longer protects campaigns"),
        json!({
            "archivedStandards": {"id": id, "archivedAt": now},
            "archivalInfo": {
                "action": "soft-delete", "archivedAt": now, "preservedForAudit": true, "standardsId": id,
            },
            "configuration": {"standardsId": id},
            "impact": {"removedFromActiveCampaigns": true, "affectsAllCampaigns": true},
            "metadata": {"standardsId": id, "reversible": false},
        }),
    ))
}
