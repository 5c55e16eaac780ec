//! Private marketplace deals and DSP seats (`src/tools/pmps` and `src/tools/dsp` of `scope3data/activation-api`).
//! That code stores nothing: lists are empty and any id can be updated. The sandbox stores deals.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{ApiResponse, ApiResult, Call, Handler, count};
use crate::objects::{
    pmps::{Deal, DealStatus, Pmp, PmpStatus},
    signals::distinct,
};

/// The handlers of these operations.
pub(super) fn handler(tool: &str) -> Option<Handler> {
    match tool {
        "pmp_list" => Some(list),
        "dsp_get_seats" => Some(seats),
        "pmp_create" => Some(create),
        "pmp_update" => Some(update),
        _ => None,
    }
}

#[derive(Deserialize)]
struct List {
    brand_agent_id: String,
}

fn list(call: &mut Call<'_>) -> ApiResult {
    let List { brand_agent_id } = call.input()?;
    call.account.brand_agent(&brand_agent_id)?;
    let pmps: Vec<&Pmp> =
        call.account.pmps.items.iter().rev().filter(|pmp| pmp.brand_agent_id == brand_agent_id).collect();
    let with = |status| pmps.iter().filter(move |pmp| pmp.status == status);
    let deals = |status| pmps.iter().map(|pmp| pmp.deals(status)).sum::<usize>();
    let mut data = json!({
        "brandAgentId": brand_agent_id,
        "pmps": pmps,
        "count": pmps.len(),
        "summary": {
            "totalPmps": pmps.len(),
            "activePmps": with(PmpStatus::Active).count(),
            "draftPmps": with(PmpStatus::Draft).count(),
            "pausedPmps": with(PmpStatus::Paused).count(),
            "totalDealIds": pmps.iter().map(|pmp| pmp.deal_ids.len()).sum::<usize>(),
            "activeDealIds": deals(DealStatus::Active),
            "pendingDealIds": deals(DealStatus::Pending),
            "sspList": distinct(pmps.iter().flat_map(|pmp| pmp.ssps())),
        },
    });
    if !pmps.is_empty() {
        data["groupedByStatus"] = json!({
            "active": with(PmpStatus::Active).collect::<Vec<_>>(),
            "draft": with(PmpStatus::Draft).collect::<Vec<_>>(),
            "paused": with(PmpStatus::Paused).collect::<Vec<_>>(),
        });
    }
    let lines: Vec<String> = pmps.iter().map(|pmp| format!("- **{}** ({})", pmp.name, pmp.id)).collect();
    Ok(ApiResponse::success(format!("**{}**\n{}", count(pmps.len(), "PMP"), lines.join("\n")), data))
}

#[derive(Deserialize)]
struct Create {
    brand_agent_id: String,
    prompt: String,
    name: Option<String>,
}

fn create(call: &mut Call<'_>) -> ApiResult {
    let Create { brand_agent_id, prompt, name } = call.input()?;
    call.account.brand_agent(&brand_agent_id)?;
    let mut configuration = json!({"brandAgentId": brand_agent_id, "prompt": prompt});
    if let Some(name) = &name {
        configuration["name"] = json!(name);
    }
    let account = &mut *call.account;
    let now = account.clock.tick();
    let stamp = Pmp::stamp(account.customer_id, now);
    let pmp = Pmp {
        id: format!("pmp_{stamp}"),
        name: name.unwrap_or_else(|| "PMP Campaign".to_owned()),
        brand_agent_id,
        status: PmpStatus::Active,
        summary: summary(&prompt),
        prompt,
        deal_ids: Deal::all(stamp, PmpStatus::Active),
        created_at: now,
        updated_at: now,
    };
    let answer = ApiResponse::success(
        format!("✅ **PMP created** and active: {} ({})\n{}", pmp.name, pmp.id, lines(&pmp)),
        json!({
            "pmp": pmp, "dealIds": pmp.deal_ids, "summary": pmp.deal_counts(), "configuration": configuration,
        }),
    );
    account.pmps.items.push(pmp);
    Ok(answer)
}

fn summary(prompt: &str) -> String {
    format!("Deals with three exchanges for: {prompt}")
}

fn lines(pmp: &Pmp) -> String {
    let lines: Vec<String> =
        pmp.deal_ids.iter().map(|deal| format!("- {}: {}", deal.ssp, deal.deal_id)).collect();
    lines.join("\n")
}

#[derive(Deserialize)]
struct Update {
    pmp_id: String,
    prompt: Option<String>,
    #[serde(rename = "changeRequest")]
    change_request: Option<String>,
    name: Option<String>,
    status: Option<PmpStatus>,
}

impl Update {
    /// The new prompt, or `None` if it does not change. A change request is added to the old prompt.
    fn effective_prompt(&self, old: &str) -> Option<String> {
        match &self.change_request {
            Some(request) => {
                let base = self.prompt.as_deref().unwrap_or(old);
                Some(format!("{base}\n\nOPTIMIZATION REQUEST: {request}"))
            }
            None => self.prompt.clone(),
        }
    }

    fn fields(&self) -> Vec<&'static str> {
        let requirements = self.prompt.is_some() || self.change_request.is_some();
        [("name", self.name.is_some()), ("requirements", requirements), ("status", self.status.is_some())]
            .into_iter()
            .filter_map(|(field, changed)| changed.then_some(field))
            .collect()
    }
}

fn update(call: &mut Call<'_>) -> ApiResult {
    let input: Update = call.input()?;
    let account = &mut *call.account;
    let Some(at) = account.pmps.items.iter().position(|pmp| pmp.id == input.pmp_id) else {
        return Err(ApiResponse::not_found("PMP", &input.pmp_id));
    };
    let now = account.clock.tick();
    let stamp = Pmp::stamp(account.customer_id, now);
    let pmp = &mut account.pmps.items[at];
    let effective_prompt = input.effective_prompt(&pmp.prompt);
    apply(pmp, &input, effective_prompt.clone(), stamp);
    pmp.updated_at = now;
    let fields = input.fields();
    let mut counted = pmp.deal_counts();
    counted["pausedDeals"] = json!(pmp.deals(DealStatus::Paused));
    let message =
        format!("✅ **PMP updated** ({}): {} ({})\n{}", fields.join(", "), pmp.name, pmp.id, lines(pmp));
    let data = json!({
        "pmp": pmp,
        "dealIds": pmp.deal_ids,
        "summary": counted,
        "changes": changes(&input, effective_prompt.as_deref(), &fields),
        "optimization": {
            "changeRequestUsed": input.change_request.is_some(),
            "nameChanged": input.name.is_some(),
            "promptModified": effective_prompt.is_some(),
            "statusChanged": input.status.is_some(),
        },
        "configuration": configuration(call.arguments(), effective_prompt),
        "updatedAt": now,
    });
    Ok(ApiResponse::success(message, data))
}

fn apply(pmp: &mut Pmp, input: &Update, prompt: Option<String>, stamp: i64) {
    if let Some(name) = &input.name {
        pmp.name.clone_from(name);
    }
    if let Some(status) = input.status {
        pmp.status = status;
    }
    let ids = prompt.as_ref().map(|_| stamp);
    if let Some(prompt) = prompt {
        pmp.summary = summary(&prompt);
        pmp.prompt = prompt;
    }
    // As promised, new requirements change the deal ids. A new status changes only the status of the deals.
    let mut deals = Deal::all(ids.unwrap_or_default(), pmp.status);
    if ids.is_none() {
        for (deal, old) in deals.iter_mut().zip(&pmp.deal_ids) {
            deal.deal_id.clone_from(&old.deal_id);
        }
    }
    pmp.deal_ids = deals;
}

fn changes(input: &Update, effective_prompt: Option<&str>, fields: &[&str]) -> Value {
    let brief: Vec<String> =
        input.change_request.iter().map(|request| format!("• Applied optimization: {request}")).collect();
    let mut changes = json!({
        "fieldsUpdated": fields,
        "changeRequestApplied": input.change_request.is_some(),
        "briefChanges": brief,
    });
    if let Some(prompt) = effective_prompt {
        changes["effectivePrompt"] = json!(prompt);
    }
    changes
}

/// The input as Scope3 repeats it, with the effective prompt.
fn configuration(arguments: &Value, prompt: Option<String>) -> Value {
    let mut configuration = arguments.clone();
    if let Value::Object(members) = &mut configuration
        && let Some(id) = members.remove("pmp_id")
    {
        members.insert("pmpId".to_owned(), id);
        if let Some(prompt) = prompt {
            members.insert("prompt".to_owned(), prompt.into());
        }
    }
    configuration
}

#[derive(Deserialize)]
struct Seats {
    dsp: String,
    search_term: Option<String>,
}

/// Lists seats. Every DSP has the same three. Scope3 returns only a message; the sandbox also returns the data.
fn seats(call: &mut Call<'_>) -> ApiResult {
    let Seats { dsp, search_term } = call.input()?;
    let term = search_term.unwrap_or_default().to_lowercase();
    let names = ["Primary Trading Desk", "Premium Inventory Seat", "Programmatic Reserved"];
    let found: Vec<(u32, &str)> =
        (1..).zip(names).filter(|(_, name)| name.to_lowercase().contains(&term)).collect();
    let lines: Vec<String> =
        found.iter().map(|(number, name)| format!("- **{name}** (seat_{})", 122 + number)).collect();
    let seats: Vec<Value> = found
        .iter()
        .map(|(number, name)| {
            json!({
                "id": format!("seat_{number}"),
                "seatId": format!("seat_{}", 122 + number),
                "seatName": name,
                "dspName": dsp,
            })
        })
        .collect();
    Ok(ApiResponse::success(
        format!("**{} of {dsp}**\n{}", count(seats.len(), "seat"), lines.join("\n")),
        json!({"dsp": dsp, "count": seats.len(), "seats": seats}),
    ))
}
