//! Sellers, and customers' accounts with them (`src/tools/sales-agents` of `scope3data/activation-api`). That code
//! returns the list only in the message; the sandbox also returns it as data.

use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::{ApiResponse, ApiResult, Call, Handler, count};
use crate::objects::market::{Access, SalesAgent, SellerAccount};

/// The handlers of these operations.
pub(super) fn handler(tool: &str) -> Option<Handler> {
    match tool {
        "sales_agents_list" => Some(list),
        "sales_agents_register" => Some(register),
        "sales_agents_update" => Some(update),
        "sales_agents_unregister" => Some(unregister),
        _ => None,
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct List {
    filter_available: bool,
    include_details: bool,
}

fn list(call: &mut Call<'_>) -> ApiResult {
    let List { filter_available, include_details } = call.input()?;
    let customer = call.account.customer_id;
    let all = &call.market.sales_agents;
    let with = |access| all.iter().filter(|agent| agent.access(customer) == access).count();
    let (own, scope3, unavailable) = (with(Access::Own), with(Access::Scope3), with(Access::Unavailable));
    let shown: Vec<&SalesAgent> = all
        .iter()
        .filter(|agent| !filter_available || agent.access(customer) != Access::Unavailable)
        .collect();
    let lines: Vec<String> = shown
        .iter()
        .map(|agent| format!("- **{}** ({}): {}", agent.name, agent.id, access_name(agent.access(customer))))
        .collect();
    let agents: Vec<Value> = shown.iter().map(|agent| view(agent, customer, include_details)).collect();
    Ok(ApiResponse::success(
        format!("**{}**\n{}", count(shown.len(), "sales agent"), lines.join("\n")),
        json!({
            "customerId": customer,
            "totalAgents": all.len(),
            "availableAgents": own + scope3,
            "yourAgents": own,
            "scope3Agents": scope3,
            "unavailableAgents": if filter_available { 0 } else { unavailable },
            "salesAgents": agents,
        }),
    ))
}

fn access_name(access: Access) -> &'static str {
    match access {
        Access::Own => "your_account",
        Access::Scope3 => "scope3_account",
        Access::Unavailable => "unavailable",
    }
}

/// A seller as one customer sees it. The account's `auth_config` is private, as the update's message promises.
fn view(agent: &SalesAgent, customer: u32, details: bool) -> Value {
    let mut view = json!({
        "id": agent.id, "name": agent.name, "endpoint_url": agent.endpoint_url, "protocol": agent.protocol,
        "auth_type": "bearer", "status": "active", "account_type": access_name(agent.access(customer)),
    });
    if details {
        if let Some(description) = &agent.description {
            view["description"] = json!(description);
        }
        view["added_at"] = json!(agent.added_at);
        view["updated_at"] = json!(agent.updated_at);
    }
    if let Some(account) = agent.accounts.iter().find(|account| account.customer_id == customer) {
        view["account"] = json!({
            "customer_id": customer, "sales_agent_id": agent.id,
            "status": if account.active { "active" } else { "inactive" },
            "registered_at": account.registered_at,
        });
        if let Some(identifier) = &account.account_identifier {
            view["account"]["account_identifier"] = json!(identifier);
        }
    }
    view
}

#[derive(Deserialize)]
struct Register {
    name: String,
    endpoint_url: String,
    protocol: Option<String>,
    description: Option<String>,
    account_identifier: Option<String>,
    auth_config: Option<Value>,
}

fn register(call: &mut Call<'_>) -> ApiResult {
    let input: Register = call.input()?;
    let customer = call.account.customer_id;
    let known = call.market.sales_agents.iter().position(|agent| agent.endpoint_url == input.endpoint_url);
    if let Some(at) = known
        && call.market.sales_agents[at].access(customer) == Access::Own
    {
        let name = &call.market.sales_agents[at].name;
        return Ok(ApiResponse::failure_with_error_code(
            "UNKNOWN_ERROR",
            &format!("You already have a registered account with '{name}'"),
        ));
    }
    let now = call.account.clock.tick();
    let account = SellerAccount {
        customer_id: customer,
        account_identifier: input.account_identifier,
        auth_config: input.auth_config,
        active: true,
        registered_at: now,
    };
    let agents = &mut call.market.sales_agents;
    let id = if let Some(at) = known {
        // This reactivates an inactive account. Scope3's code rejects it, so an inactive account can never be used
        // again.
        agents[at].accounts.retain(|old| old.customer_id != customer);
        agents[at].accounts.push(account);
        agents[at].id.clone()
    } else {
        let agent = SalesAgent {
            id: call.account.ids.dated("agent", now),
            organization: organization(&input.endpoint_url),
            name: input.name,
            description: input.description,
            endpoint_url: input.endpoint_url,
            protocol: input.protocol.unwrap_or_else(|| "adcp".to_owned()),
            added_at: now,
            updated_at: now,
            scope3_account: false,
            accounts: vec![account],
        };
        let id = agent.id.clone();
        let at = agents.partition_point(|other| other.name <= agent.name);
        agents.insert(at, agent);
        id
    };
    let name = agents.iter().find(|agent| agent.id == id).map_or("", |agent| agent.name.as_str());
    Ok(ApiResponse::success(
        format!("✅ **Account registered** with {name} ({id})"),
        json!({"agentId": id, "customerId": customer, "isNewAgent": known.is_none()}),
    ))
}

/// The organization whose inventory a seller sells, from the host of its endpoint.
fn organization(endpoint: &str) -> String {
    let url = Url::parse(endpoint).ok();
    url.as_ref().and_then(Url::host_str).unwrap_or("unknown").replace('.', "_")
}

/// The index of a seller with which the customer has its own account, active or not.
fn own(call: &Call<'_>, id: &str) -> ApiResult<usize> {
    let customer = call.account.customer_id;
    let agents = &call.market.sales_agents;
    let Some(at) = agents.iter().position(|agent| agent.id == id) else {
        return Err(ApiResponse::failure_with_error_code(
            "UNKNOWN_ERROR",
            &format!("Sales agent with ID '{id}' not found."),
        ));
    };
    if agents[at].accounts.iter().any(|account| account.customer_id == customer) {
        return Ok(at);
    }
    Err(ApiResponse::failure_with_error_code(
        "UNKNOWN_ERROR",
        &format!(
            "You don't have a registered account with '{}'. Use 'sales_agents_register' to create an account \
             first.",
            agents[at].name
        ),
    ))
}

#[derive(Deserialize)]
struct Update {
    sales_agent_id: String,
    account_identifier: Option<String>,
    auth_config: Option<Value>,
    status: Option<String>,
}

fn update(call: &mut Call<'_>) -> ApiResult {
    let input: Update = call.input()?;
    let at = own(call, &input.sales_agent_id)?;
    let fields: Vec<&str> = [
        ("account_identifier", input.account_identifier.is_some()),
        ("auth_config", input.auth_config.is_some()),
        ("status", input.status.is_some()),
    ]
    .into_iter()
    .filter_map(|(field, given)| given.then_some(field))
    .collect();
    let customer = call.account.customer_id;
    call.account.clock.tick();
    let agent = &mut call.market.sales_agents[at];
    for account in agent.accounts.iter_mut().filter(|account| account.customer_id == customer) {
        if let Some(identifier) = &input.account_identifier {
            account.account_identifier = Some(identifier.clone());
        }
        if let Some(config) = &input.auth_config {
            account.auth_config = Some(config.clone());
        }
        if let Some(status) = &input.status {
            account.active = status == "active";
        }
    }
    Ok(ApiResponse::success(
        format!("✅ **Account updated** with {} ({}): {}", agent.name, agent.id, fields.join(", ")),
        json!({"agentId": agent.id, "customerId": customer, "updatedFields": fields}),
    ))
}

#[derive(Deserialize)]
struct Unregister {
    sales_agent_id: String,
    #[serde(default)]
    confirm: bool,
}

fn unregister(call: &mut Call<'_>) -> ApiResult {
    let Unregister { sales_agent_id, confirm } = call.input()?;
    let at = own(call, &sales_agent_id)?;
    let customer = call.account.customer_id;
    let name = call.market.sales_agents[at].name.clone();
    if !confirm {
        // At Scope3, this is a success.
        return Ok(ApiResponse::success(
            format!("⚠️ **Nothing changed**: set confirm to remove your account with {name}"),
            json!({"agentId": sales_agent_id, "agentName": name, "requiresConfirmation": true}),
        ));
    }
    call.account.clock.tick();
    let agent = &mut call.market.sales_agents[at];
    agent.accounts.retain(|account| account.customer_id != customer);
    let fallback = access_name(agent.access(customer));
    Ok(ApiResponse::success(
        format!("✅ **Account removed** with {name}; from now on: {fallback}"),
        json!({
            "agentId": sales_agent_id, "agentName": name, "customerId": customer, "fallbackType": fallback,
        }),
    ))
}
