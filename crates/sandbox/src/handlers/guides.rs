//! The common part of brand stories and brand standards: prompts with versions (`src/tools/brand-stories`,
//! `src/tools/brand-standards` of `scope3data/activation-api`).

use serde::Deserialize;

use super::{ApiResponse, ApiResult, Call};
use crate::{
    clock::Moment,
    objects::{
        Guide,
        brand::{Model, Scope},
    },
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Create {
    pub(super) brand_agent_id: String,
    pub(super) name: String,
    pub(super) prompt: String,
    #[serde(flatten)]
    scope: Scope,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Update {
    #[serde(alias = "brandStoryId", alias = "standardsId")]
    pub(super) id: String,
    pub(super) prompt: String,
    pub(super) name: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct ById {
    #[serde(alias = "brandStoryId", alias = "standardsId")]
    pub(super) id: String,
}

/// Creates a guide of an existing brand agent.
pub(super) fn create(call: &mut Call<'_>, input: Create) -> ApiResult<Guide> {
    call.account.brand_agent(&input.brand_agent_id)?;
    let now = call.account.clock.tick();
    let ids = &mut call.account.ids;
    Ok(Guide {
        id: ids.number(),
        brand_agent_id: input.brand_agent_id,
        models: vec![Model {
            id: ids.number(),
            name: input.name.clone(),
            prompt: input.prompt,
            created_at: now,
        }],
        name: input.name,
        scope: input.scope,
        created_at: now,
        updated_at: now,
        archived_at: None,
    })
}

/// The guides of a brand agent that are not archived, newest first.
pub(super) fn active<'a>(guides: &'a [Guide], brand_agent: &str) -> Vec<&'a Guide> {
    guides
        .iter()
        .rev()
        .filter(|guide| guide.brand_agent_id == brand_agent && guide.archived_at.is_none())
        .collect()
}

/// The guide with this id, unless it is archived.
pub(super) fn find<'a>(guides: &'a mut [Guide], what: &str, id: &str) -> ApiResult<&'a mut Guide> {
    guides
        .iter_mut()
        .find(|guide| guide.id == id && guide.archived_at.is_none())
        .ok_or_else(|| ApiResponse::not_found(what, id))
}

/// Adds a version, which becomes the current one. The name and the scope stay.
pub(super) fn add_version(
    guide: &mut Guide,
    model_id: String,
    input: Update,
    kind: &str,
    now: Moment,
) -> Model {
    let name = input.name.unwrap_or_else(|| format!("Updated {kind} - {}", now.date()));
    let model = Model { id: model_id, name, prompt: input.prompt, created_at: now };
    guide.models.push(model.clone());
    guide.updated_at = now;
    model
}
