//! Recommendations of signals agents, and their activation. The recommendations come from a fixed list, so that an
//! agent always recommends the same signals.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{ApiResponse, ApiResult, Call, activity, check_brand_agent, count, external, find, request};
use crate::{
    objects::{
        signals::{Cluster, Signal},
        signals_agents::{Activity, AgentStatus, SignalsAgent},
    },
    store::Account,
};

/// A signal that an agent recommends.
struct Offer {
    name: &'static str,
    description: &'static str,
    key_type: &'static str,
    region: &'static str,
    gdpr: bool,
    confidence: f64,
    /// Whether it has an id. Only signals with an id can be activated.
    ready: bool,
}

const OFFERS: [Offer; 3] = [
    Offer {
        name: "In-market households",
        description: "Households that compared products of this kind in the last 30 days",
        key_type: "postal_code",
        region: "us-east-1",
        gdpr: false,
        confidence: 0.87,
        ready: true,
    },
    Offer {
        name: "Fitting pages",
        description: "Pages whose topics fit the brief",
        key_type: "domain",
        region: "eu-west-1",
        gdpr: true,
        confidence: 0.74,
        ready: true,
    },
    Offer {
        name: "Lookalikes of buyers",
        description: "Devices like those of known buyers; the agent is still building it",
        key_type: "maid",
        region: "us-west-2",
        gdpr: false,
        confidence: 0.52,
        ready: false,
    },
];

impl Offer {
    fn cluster(&self) -> Cluster {
        Cluster { region: self.region.to_owned(), channel: None, gdpr: self.gdpr }
    }

    /// The id of this offer from an agent.
    fn id(&self, agent: &SignalsAgent) -> String {
        let short: String = agent.id.chars().take(8).collect();
        format!("rec_{short}_{}", self.key_type)
    }

    fn to_json(&self, agent: &SignalsAgent, brief: Option<&str>) -> Value {
        let mut shown = json!({
            "name": self.name, "description": self.description, "keyType": self.key_type,
            "clusters": [self.cluster()], "confidence": self.confidence,
        });
        if self.ready {
            shown["id"] = json!(self.id(agent));
        }
        if let Some(brief) = brief {
            shown["reasoning"] = json!(format!("Fits the brief: {brief}"));
        }
        shown
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GetSignals {
    brand_agent_id: String,
    brief: Option<String>,
    agent_ids: Option<Vec<String>>,
}

pub(super) fn get_signals(call: &mut Call<'_>) -> ApiResult {
    let GetSignals { brand_agent_id, brief, agent_ids } = call.input()?;
    check_brand_agent(call.account, &brand_agent_id)?;
    let account = &mut *call.account;
    let requested: Vec<SignalsAgent> = account
        .signals_agents
        .items
        .iter()
        .rev()
        .filter(|agent| agent.brand_agent_id == brand_agent_id && agent.status == AgentStatus::Active)
        .filter(|agent| agent_ids.as_ref().is_none_or(|ids| ids.contains(&agent.id)))
        .cloned()
        .collect();
    let (mut groups, mut names) = (Vec::new(), Vec::new());
    for agent in &requested {
        let log = ask(account, agent, brief.as_deref());
        // An agent that does not respond is omitted silently, and logged.
        if log.status == "success" {
            groups.push(group(agent, brief.as_deref()));
            names.push(format!("- {}", agent.name));
        }
        account.signals_agents.activities.push(log);
    }
    let signals = groups.len() * OFFERS.len();
    Ok(ApiResponse::success(
        format!(
            "**{}** from {}\n{}",
            count(signals, "recommended signal"),
            count(groups.len(), "agent"),
            names.join("\n")
        ),
        json!({"brandAgentId": brand_agent_id, "recommendations": groups, "count": signals}),
    ))
}

fn ask(account: &mut Account, agent: &SignalsAgent, brief: Option<&str>) -> Activity {
    let data = json!({"brandAgentId": agent.brand_agent_id, "brief": brief});
    let request = request(account, "get_signals", &data);
    Activity { request: Some(request), ..activity(account, agent, "get_signals") }
}

fn group(agent: &SignalsAgent, brief: Option<&str>) -> Value {
    json!({
        "agentId": agent.id,
        "agentName": agent.name,
        "signals": OFFERS.iter().map(|offer| offer.to_json(agent, brief)).collect::<Vec<_>>(),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Activate {
    agent_id: String,
    signal_id: String,
}

pub(super) fn activate(call: &mut Call<'_>) -> ApiResult {
    let Activate { agent_id, signal_id } = call.input()?;
    let account = &mut *call.account;
    let agent = find(account, &agent_id)?.clone();
    if agent.status != AgentStatus::Active {
        let status = agent.status.as_str();
        let message = format!("Signals agent \"{}\" is {status} and cannot activate signals", agent.name);
        return Ok(ApiResponse::failure_with_error_code("UNKNOWN_ERROR", &message));
    }
    let now = account.clock.tick();
    let request = request(account, "activate_signal", &json!({ "signalId": signal_id }));
    let requested = Activity { request: Some(request), ..activity(account, &agent, "activate_signal") };
    if !external::is_reachable(&agent.endpoint_url) {
        account.signals_agents.activities.push(requested);
        return Ok(ApiResponse::failure_with_error_code("SERVICE_UNAVAILABLE", external::UNREACHABLE));
    }
    let Some(offer) = OFFERS.iter().find(|offer| offer.ready && offer.id(&agent) == signal_id) else {
        let message = format!("{} does not recommend signal {signal_id}", agent.name);
        let failed = Activity { status: "failed", error_details: Some(message.clone()), ..requested };
        account.signals_agents.activities.push(failed);
        return Ok(ApiResponse::failure_with_error_code("UNKNOWN_ERROR", &message));
    };
    let segment = build(account, &agent, offer);
    let segment_ids = vec![segment.clone()];
    let built = Activity { segment_ids: segment_ids.clone(), ..activity(account, &agent, "segment_created") };
    let requested = Activity { segment_ids, ..requested };
    account.signals_agents.activities.extend([built, requested]);
    Ok(ApiResponse::success(
        format!("✅ **Signal activated** by {}: segment {segment}", agent.name),
        json!({
            "activationResult": {"segmentId": segment},
            "segments": {
                "primarySegmentId": segment, "allSegmentIds": [segment],
                "totalSegments": 1, "managedByAgent": true,
            },
            "configuration": {"agentId": agent.id, "signalId": signal_id, "activationTime": now},
            "metadata": {
                "action": "activate-signal", "agentId": agent.id, "agentName": agent.name,
                "brandAgentId": agent.brand_agent_id, "readyForCampaigns": true,
                "segmentOwnership": "agent-managed", "status": "completed",
            },
            "workflow": {
                "agentProcessed": true, "auditLogged": true, "requestSent": true, "segmentsCreated": true,
            },
            "agent": agent,
        }),
    ))
}

/// Adds a segment that the agent builds to the account. As promised, it becomes a signal that tactics can use.
fn build(account: &mut Account, agent: &SignalsAgent, offer: &Offer) -> String {
    let id = account.ids.uuid();
    account.signals.items.push(Signal {
        id: id.clone(),
        name: format!("{} ({})", offer.name, agent.name),
        description: offer.description.to_owned(),
        key: offer.key_type.to_owned(),
        clusters: vec![offer.cluster()],
        created_at: account.clock.now(),
        updated_at: None,
    });
    id
}
