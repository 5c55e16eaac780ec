//! The initial signals, signals agents and deals.

use crate::{
    objects::{
        pmps::{Deal, Pmp, PmpStatus},
        signals::{Cluster, Signal},
        signals_agents::{Activity, AgentStatus, SignalsAgent},
    },
    store::Account,
};

/// Adds the initial data to an account.
pub(super) fn fill(account: &mut Account) {
    let brand_agents: Vec<String> = account.brand_agents.iter().map(|agent| agent.id.clone()).collect();
    if let [north, lumen, ..] = &brand_agents[..] {
        signal(
            account,
            "Store visitors",
            "Devices seen in our stores",
            "maid",
            &[("us-east-1", None, false)],
        );
        signal(
            account,
            "Delivery areas",
            "Post codes that we deliver to, by site",
            "postal_code,domain",
            &[("us-east-1", Some("web"), false), ("eu-west-1", Some("ctv"), true)],
        );
        agent(account, north, "Trailhead Data", "https://trailhead-data.example/adcp", AgentStatus::Active);
        agent(account, lumen, "Bean Signals", "https://bean-signals.example/adcp", AgentStatus::Suspended);
        pmp(account, north);
    } else {
        signal(
            account,
            "Book club",
            "Post codes of our book clubs",
            "postal_code",
            &[("us-east-1", None, false)],
        );
    }
}

fn signal(
    account: &mut Account,
    name: &str,
    description: &str,
    key: &str,
    clusters: &[(&str, Option<&str>, bool)],
) {
    let cluster = |&(region, channel, gdpr): &(&str, Option<&str>, bool)| Cluster {
        region: region.to_owned(),
        channel: channel.map(str::to_owned),
        gdpr,
    };
    let (id, created_at) = (account.ids.uuid(), account.clock.day(-42));
    account.signals.items.push(Signal {
        id,
        name: name.to_owned(),
        description: description.to_owned(),
        key: key.to_owned(),
        clusters: clusters.iter().map(cluster).collect(),
        created_at,
        updated_at: None,
    });
}

fn agent(account: &mut Account, brand_agent: &str, name: &str, endpoint: &str, status: AgentStatus) {
    let registered = account.clock.day(-35);
    let agent = SignalsAgent {
        id: account.ids.uuid(),
        name: name.to_owned(),
        brand_agent_id: brand_agent.to_owned(),
        endpoint_url: endpoint.to_owned(),
        status,
        description: Some(format!("{name}, a signals agent that the sandbox made up")),
        config: None,
        registered_by: account.customer_id.to_string(),
        registered_at: registered,
        created_at: registered,
        updated_at: registered,
    };
    let activity = Activity {
        id: account.ids.uuid(),
        signals_agent_id: agent.id.clone(),
        brand_agent_id: agent.brand_agent_id.clone(),
        activity_type: "get_signals",
        status: "success",
        executed_at: registered,
        request: None,
        response: None,
        response_time_ms: Some(120),
        segment_ids: Vec::new(),
        error_details: None,
    };
    account.signals_agents.items.push(agent);
    account.signals_agents.activities.push(activity);
}

fn pmp(account: &mut Account, brand_agent: &str) {
    let created = account.clock.day(-28);
    let stamp = Pmp::stamp(account.customer_id, created);
    account.pmps.items.push(Pmp {
        id: format!("pmp_{stamp}"),
        name: "Outdoor films".to_owned(),
        brand_agent_id: brand_agent.to_owned(),
        prompt: "Connected TV next to outdoor films and documentaries".to_owned(),
        status: PmpStatus::Active,
        summary: "Deals with three exchanges for connected TV next to outdoor films".to_owned(),
        deal_ids: Deal::all(stamp, PmpStatus::Active),
        created_at: created,
        updated_at: created,
    });
}
