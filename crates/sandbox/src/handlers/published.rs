//! Operations that always fail in Scope3's published code (`scope3data/activation-api`), because they have no backend.
//! If `as_published`, these handlers take precedence over the others. Other differences are branches on `as_published`.

use super::{ApiResponse, ApiResult, Call, Handler, brand_agents::ById};

/// The handlers of these operations.
pub(super) fn handler(tool: &str) -> Option<Handler> {
    match tool {
        "brand_agent_delete" => Some(brand_agent_delete),
        "campaign_get_summary" => Some(campaign_get_summary),
        "reporting_provide_outcomes" => Some(provide_outcomes),
        _ => None,
    }
}

fn brand_agent_delete(call: &mut Call<'_>) -> ApiResult {
    let ById { brand_agent_id } = call.input()?;
    let agent = call.account.brand_agent(&brand_agent_id)?;
    Ok(ApiResponse::failure(
        "DELETION_FAILED",
        &format!("❌ **Brand agent not deleted**: {} ({brand_agent_id})", agent.name),
        serde_json::json!({ "brandAgentId": brand_agent_id }),
    ))
}

fn campaign_get_summary(_: &mut Call<'_>) -> ApiResult {
    Err(ApiResponse::bad_request("Failed to generate campaign summary: delivery data is not available"))
}

fn provide_outcomes(_: &mut Call<'_>) -> ApiResult {
    Err(ApiResponse::bad_request("Failed to provide scoring outcomes: outcomes are not available"))
}
