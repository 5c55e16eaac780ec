//! Creates campaigns.

use serde::Deserialize;
use serde_json::{Value, json};

use super::money;
use crate::{
    brief::{self, BriefValidation},
    call::Call,
    clock::Moment,
    objects::{
        Campaign,
        campaign::{Budget, Status, Weights},
        creative::Assignment,
    },
    response::{ApiResponse, ApiResult},
    store::Account,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Create {
    brand_agent_id: String,
    name: String,
    prompt: String,
    budget: Budget,
    start_date: Option<String>,
    end_date: Option<String>,
    #[serde(default)]
    creative_ids: Vec<String>,
    #[serde(default)]
    skip_brief_validation: bool,
    brief_validation_threshold: Option<f64>,
}

/// Creates a campaign, unless the brief scores below the threshold. Scope3 does not check the brand agent and the
/// creatives. The sandbox checks them, to protect other customers' data, and assigns the creatives as promised. The
/// published code returns the creatives without assigning them, and its campaign has no dates.
pub(super) fn create(call: &mut Call<'_>) -> ApiResult {
    let input: Create = call.input()?;
    let validation =
        if input.skip_brief_validation { None } else { Some(validated(&input, call.account.as_published)?) };
    call.account.brand_agent(&input.brand_agent_id)?;
    let creative_ids = creatives_to_assign(call.account, &input)?;
    let [start_date, end_date] = [date(input.start_date.as_deref())?, date(input.end_date.as_deref())?];
    if !call.account.as_published {
        check_consistency(&input.budget, start_date, end_date)?;
    }
    let configuration = configuration(&input, call.arguments());
    let now = call.account.clock.tick();
    let campaign = Campaign {
        id: call.account.ids.dated("campaign", now),
        name: input.name,
        prompt: input.prompt,
        brand_agent_id: input.brand_agent_id,
        status: Status::Draft,
        budget: input.budget,
        audience_ids: Vec::new(),
        created_at: now,
        updated_at: now,
        start_date,
        end_date,
        outcome_score_window_days: 7,
        scoring_weights: Weights::default(),
    };
    call.account.assignments.extend(creative_ids.iter().map(|creative_id| Assignment {
        creative_id: creative_id.clone(),
        campaign_id: campaign.id.clone(),
        assigned_date: now,
    }));
    let ids: Vec<&str> = creative_ids.iter().map(String::as_str).collect();
    let mut shown = campaign.to_json(&ids);
    if call.account.as_published
        && let Value::Object(members) = &mut shown
    {
        members.retain(|name, _| name != "startDate" && name != "endDate");
    }
    let answer = ApiResponse::success(
        format!(
            "✅ **Campaign created**: {} ({})\n\n• Budget: {}\n• Optimization and delivery begin.",
            campaign.name,
            campaign.id,
            money(&campaign)
        ),
        json!({
            "campaign": shown,
            "briefValidation": validation,
            "configuration": configuration,
        }),
    );
    call.account.campaigns.push(campaign);
    Ok(answer)
}

fn validated(input: &Create, as_published: bool) -> ApiResult<BriefValidation> {
    let threshold = input.brief_validation_threshold.unwrap_or(brief::DEFAULT_THRESHOLD);
    let validation = brief::validate(&input.prompt, threshold, as_published);
    if validation.meets_threshold {
        Ok(validation)
    } else {
        Err(ApiResponse::bad_request(weak_brief_error(&validation)))
    }
}

/// The error for a weak brief. It contains all suggestions, because Scope3 returns them nowhere else.
fn weak_brief_error(validation: &BriefValidation) -> String {
    let list = |lines: &[&str]| lines.iter().map(|line| format!("• {line}")).collect::<Vec<_>>().join("\n");
    format!(
        "Failed to create campaign: the brief is too weak, and nothing was created.\n\n\
         Score: {}/100\nRequired score: {}\nQuality level: {}\n\n\
         Missing elements:\n{}\n\nSuggestions:\n{}\n\n\
         Options:\n• Improve the brief, and check it with campaign_validate_brief\n\
         • Lower briefValidationThreshold\n• Set skipBriefValidation to true",
        validation.score,
        validation.threshold,
        validation.quality_level,
        list(&validation.missing_elements),
        list(&validation.suggestions),
    )
}

/// The creatives to assign, without duplicates. They must belong to the campaign's brand agent, as `creative_assign`
/// promises.
fn creatives_to_assign(account: &Account, input: &Create) -> ApiResult<Vec<String>> {
    let mut ids: Vec<String> = Vec::new();
    if account.as_published {
        return Ok(ids);
    }
    for id in &input.creative_ids {
        if account.creative(id)?.buyer_agent_id != input.brand_agent_id {
            return Err(ApiResponse::bad_request(format!(
                "Failed to create campaign: creative {id} belongs to another brand agent"
            )));
        }
        if !ids.contains(id) {
            ids.push(id.clone());
        }
    }
    Ok(ids)
}

/// Rejects contradictory dates and budgets.
fn check_consistency(budget: &Budget, start: Option<Moment>, end: Option<Moment>) -> ApiResult<()> {
    let problem = match (start.zip(end), budget.daily_cap) {
        (Some((start, end)), _) if end < start => "endDate is before startDate",
        (_, Some(daily_cap)) if daily_cap > budget.total => "budget.dailyCap is more than budget.total",
        _ => return Ok(()),
    };
    Err(ApiResponse::bad_request(format!("Failed to create campaign: {problem}")))
}

fn date(text: Option<&str>) -> ApiResult<Option<Moment>> {
    let Some(text) = text else { return Ok(None) };
    let moment =
        Moment::parse(text).ok_or_else(|| ApiResponse::bad_request(format!("Invalid date: {text}")))?;
    Ok(Some(moment))
}

/// The part of the input that Scope3 repeats.
fn configuration(input: &Create, arguments: &Value) -> Value {
    let mut configuration = json!({
        "brandAgentId": input.brand_agent_id,
        "budget": input.budget,
        "creativeIds": input.creative_ids,
        "prompt": input.prompt,
    });
    for name in ["startDate", "endDate"] {
        if let Some(value) = arguments.get(name) {
            configuration[name] = value.clone();
        }
    }
    configuration
}
