//! Brand stories: target audiences in natural language (`src/tools/brand-stories` of `scope3data/activation-api`).

use serde_json::{Value, json};

use super::{
    ApiResponse, ApiResult, Call, Handler,
    brand_agents::ById as BrandAgentById,
    guides::{self, ById, Create, Update},
};

/// The handlers of these operations.
pub(super) fn handler(tool: &str) -> Option<Handler> {
    match tool {
        "brand_story_list" => Some(list),
        "brand_story_create" => Some(create),
        "brand_story_update" => Some(update),
        "brand_story_delete" => Some(delete),
        _ => None,
    }
}

fn list(call: &mut Call<'_>) -> ApiResult {
    let BrandAgentById { brand_agent_id } = call.input()?;
    let agent = call.account.brand_agent(&brand_agent_id)?;
    let stories = guides::active(&call.account.stories, &brand_agent_id);
    let with_model = stories.iter().filter(|story| story.primary().is_some()).count();
    let lines: Vec<String> =
        stories.iter().map(|story| format!("- **{}** ({})", story.name, story.id)).collect();
    Ok(ApiResponse::success(
        format!("**{} brand story(ies)** of {}\n{}", stories.len(), agent.name, lines.join("\n")),
        json!({
            "brandAgentId": agent.id,
            "brandAgentName": agent.name,
            "brandStories": stories.iter().map(|story| story.listed()).collect::<Vec<Value>>(),
            "count": stories.len(),
            "statistics": {
                "totalStories": stories.len(),
                "totalModels": with_model,
                "withPrimaryModel": with_model,
                "withoutPrimaryModel": stories.len() - with_model,
            },
        }),
    ))
}

fn create(call: &mut Call<'_>) -> ApiResult {
    let input: Create = call.input()?;
    let story = guides::create(call, input)?;
    let mut configuration = json!(story.scope);
    configuration["brandAgentId"] = json!(story.brand_agent_id);
    configuration["name"] = json!(story.name);
    configuration["prompt"] = call.arguments()["prompt"].clone();
    let answer = ApiResponse::success(
        format!("✅ **Brand story created**: {} ({})", story.name, story.id),
        json!({"brandStory": story.created(), "configuration": configuration}),
    );
    call.account.stories.push(story);
    Ok(answer)
}

/// Returns a text, as Scope3 does.
fn update(call: &mut Call<'_>) -> ApiResult {
    let input: Update = call.input()?;
    guides::find(&mut call.account.stories, "Brand story", &input.id)?;
    let (now, model_id) = (call.account.clock.tick(), call.account.ids.number());
    let story = guides::find(&mut call.account.stories, "Brand story", &input.id)?;
    let model = guides::add_version(story, model_id, input, "Brand Story", now);
    Ok(ApiResponse::text(format!(
        "✅ Brand story updated\n\n• Story ID: {}\n• Model ID: {}\n• Model name: {}\n• Status: PRIMARY",
        story.id, model.id, model.name
    )))
}

/// Returns a text, as Scope3 does.
fn delete(call: &mut Call<'_>) -> ApiResult {
    let ById { id } = call.input()?;
    guides::find(&mut call.account.stories, "Brand story", &id)?;
    let now = call.account.clock.tick();
    let story = guides::find(&mut call.account.stories, "Brand story", &id)?;
    story.archived_at = Some(now);
    for campaign in &mut call.account.campaigns {
        campaign.audience_ids.retain(|audience| *audience != id);
    }
    Ok(ApiResponse::text(format!("🗄️ Brand story archived\n\n• Story ID: {id}\n• Archived at: {now}")))
}
