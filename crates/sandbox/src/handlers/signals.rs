//! Custom signals (`src/tools/signals` of `scope3data/activation-api`). That code creates signals in one backend and
//! reads them from another; the sandbox has only one.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{ApiResponse, ApiResult, Call, Handler, count};
use crate::{
    objects::{
        campaign::Status,
        signals::{Cluster, KEY_TYPES, Signal, distinct},
        tactic::TacticStatus,
    },
    store::Account,
};

/// The handlers of these operations.
pub(super) fn handler(tool: &str) -> Option<Handler> {
    match tool {
        "signal_list" => Some(list),
        "signal_get" => Some(get),
        "signal_create" => Some(create),
        "signal_update" => Some(update),
        "signal_delete" => Some(delete),
        _ => None,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct List {
    region: Option<String>,
    channel: Option<String>,
    seat_id: Option<String>,
}

fn list(call: &mut Call<'_>) -> ApiResult {
    let List { region, channel, seat_id } = call.input()?;
    let own_seat = format!("seat_{}", call.account.customer_id);
    let found: Vec<&Signal> = call
        .account
        .signals
        .items
        .iter()
        .rev()
        .filter(|signal| region.as_deref().is_none_or(|region| signal.regions().contains(&region)))
        .filter(|signal| channel.as_deref().is_none_or(|channel| signal.channels().contains(&channel)))
        // A handler sees only one customer's signals, so the seats of customers who granted access appear empty.
        .filter(|_| seat_id.as_ref().is_none_or(|seat| *seat == own_seat))
        .collect();
    let lines: Vec<String> =
        found.iter().map(|signal| format!("- **{}** ({}): {}", signal.name, signal.id, signal.key)).collect();
    let composite = found.iter().filter(|signal| signal.is_composite()).count();
    Ok(ApiResponse::success(
        format!("**{}**\n{}", count(found.len(), "custom signal"), lines.join("\n")),
        json!({
            "signals": found,
            "count": found.len(),
            "filters": call.arguments(),
            "statistics": {
                "compositeSignals": composite,
                "singleKeySignals": found.len() - composite,
                "gdprCompliantSignals": found.iter().filter(|signal| signal.gdpr_clusters() > 0).count(),
                "totalRegions": distinct(found.iter().flat_map(|signal| signal.regions())).len(),
                "totalChannels": distinct(found.iter().flat_map(|signal| signal.channels())).len(),
            },
        }),
    ))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ById {
    signal_id: String,
}

fn get(call: &mut Call<'_>) -> ApiResult {
    let ById { signal_id } = call.input()?;
    let signal = call.account.signals.get(&signal_id)?;
    let mut metadata = metadata(signal);
    metadata["signalId"] = json!(signal.id);
    metadata["uniqueChannels"] = json!(signal.channels());
    let gdpr = signal.gdpr_clusters();
    Ok(ApiResponse::success(
        format!("**{}** ({}): {}", signal.name, signal.id, signal.description),
        json!({
            "signal": signal,
            "configuration": {
                "clusters": signal.clusters,
                "keyFormat": signal.key,
                "regionalCoverage": signal.regions(),
                "complianceSettings": {
                    "gdprEnabled": gdpr > 0, "gdprClusters": gdpr, "totalCompliantRegions": gdpr,
                },
            },
            "metadata": metadata,
            "usageExamples": {
                "apiEndpoint": format!("/signals/{}", signal.key),
                "exampleKey": signal.key_types().into_iter().map(example).collect::<Vec<_>>().join(","),
            },
        }),
    ))
}

/// An example of a key of this type.
fn example(key_type: &str) -> String {
    match key_type {
        "domain" => "news.example".to_owned(),
        "maid" => "abcd-1234".to_owned(),
        "postal_code" => "90210".to_owned(),
        other => format!("{other}_value"),
    }
}

fn metadata(signal: &Signal) -> Value {
    json!({
        "isComposite": signal.is_composite(),
        "keyTypes": signal.key_types(),
        "regions": signal.regions(),
        "totalClusters": signal.clusters.len(),
        "gdprCompliantClusters": signal.gdpr_clusters(),
        "channelSpecificClusters": signal.channel_clusters(),
    })
}

#[derive(Deserialize)]
struct Create {
    name: String,
    description: String,
    key: String,
    clusters: Vec<Cluster>,
}

fn create(call: &mut Call<'_>) -> ApiResult {
    let input: Create = call.input()?;
    not_blank("name", &input.name)?;
    not_blank("description", &input.description)?;
    if let Some(unknown) = input.key.split(',').map(str::trim).find(|part| !KEY_TYPES.contains(part)) {
        return Err(ApiResponse::bad_request(format!(
            "Failed to create custom signal: Invalid key type: {unknown}. Known: {}",
            KEY_TYPES.join(", ")
        )));
    }
    let configuration = call.arguments().clone();
    let account = &mut *call.account;
    let now = account.clock.tick();
    let signal = Signal {
        id: account.ids.uuid(),
        name: input.name,
        description: input.description,
        key: input.key,
        clusters: input.clusters,
        created_at: now,
        updated_at: None,
    };
    let answer = ApiResponse::success(
        format!("✅ **Custom signal created**: {} ({})", signal.name, signal.id),
        json!({"signal": signal, "configuration": configuration, "metadata": metadata(&signal)}),
    );
    account.signals.items.push(signal);
    Ok(answer)
}

fn not_blank(field: &str, text: &str) -> ApiResult<()> {
    if text.trim().is_empty() {
        return Err(ApiResponse::bad_request(format!("Invalid signal: {field} must not be blank")));
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Update {
    signal_id: String,
    name: Option<String>,
    description: Option<String>,
    clusters: Option<Vec<Cluster>>,
}

fn update(call: &mut Call<'_>) -> ApiResult {
    let input: Update = call.input()?;
    for (field, text) in [("name", &input.name), ("description", &input.description)] {
        not_blank(field, text.as_deref().unwrap_or(field))?;
    }
    let configuration = call.arguments().clone();
    let account = &mut *call.account;
    let before = account.signals.get(&input.signal_id)?.clone();
    let now = account.clock.tick();
    let signal = account.signals.get_mut(&input.signal_id)?;
    if let Some(name) = input.name {
        signal.name = name;
    }
    if let Some(description) = input.description {
        signal.description = description;
    }
    if let Some(clusters) = input.clusters {
        signal.clusters = clusters;
    }
    signal.updated_at = Some(now);
    Ok(ApiResponse::success(
        format!("✅ **Custom signal updated**: {} ({})", signal.name, signal.id),
        json!({
            "signal": signal,
            "previousValues": {
                "name": before.name, "description": before.description, "clusters": before.clusters,
            },
            "changesApplied": {
                "nameChanged": signal.name != before.name,
                "descriptionChanged": signal.description != before.description,
                "clustersChanged": signal.clusters != before.clusters,
            },
            "configuration": configuration,
            "metadata": metadata(signal),
        }),
    ))
}

fn delete(call: &mut Call<'_>) -> ApiResult {
    let ById { signal_id } = call.input()?;
    let signal = call.account.signals.get(&signal_id)?.clone();
    if in_use(call.account, &signal_id) {
        return Err(ApiResponse::bad_request(
            "Failed to delete custom signal: Signal deletion failed. The signal may be in use by active campaigns.",
        ));
    }
    call.account.clock.tick();
    call.account.signals.items.retain(|signal| signal.id != signal_id);
    let previous = json!({
        "name": signal.name, "description": signal.description,
        "key": signal.key, "clusters": signal.clusters,
    });
    let mut deleted = previous.clone();
    deleted["id"] = json!(signal.id);
    Ok(ApiResponse::success(
        format!("🗑️ **Custom signal deleted** with its data: {} ({})", signal.name, signal.id),
        json!({
            "deletedSignal": deleted,
            "deletionResult": {"id": signal.id, "deleted": true},
            "impact": {
                "apiEndpointsRemoved": [
                    format!("/signals/{}", signal.key),
                    format!("/signals/{}/{{identifier}}", signal.key),
                ],
                "clustersRemoved": signal.clusters.len(),
                "gdprClustersRemoved": signal.gdpr_clusters(),
                "channelSpecificClustersRemoved": signal.channel_clusters(),
                "isComposite": signal.is_composite(),
                "keyTypes": signal.key_types(),
                "regionsAffected": signal.regions(),
            },
            "configuration": {"signalId": signal.id},
            "recoveryData": {"previousConfiguration": previous},
        }),
    ))
}

/// Whether a tactic of an active campaign uses this signal.
fn in_use(account: &Account, signal: &str) -> bool {
    account
        .tactics
        .iter()
        .filter(|tactic| tactic.signal_id.as_deref() == Some(signal))
        .filter(|tactic| matches!(tactic.status, TacticStatus::Active | TacticStatus::PendingApproval))
        .any(|tactic| {
            account.campaign(&tactic.campaign_id).is_ok_and(|campaign| campaign.status == Status::Active)
        })
}
