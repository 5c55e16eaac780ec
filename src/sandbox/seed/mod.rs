//! What is there when a sandbox starts. Customer 12345 has much, customer 67890 little and different things.

mod brands;
mod campaigns;
mod creatives;
mod delivery;
mod others;

use super::{
    clock::Moment,
    objects::{
        Market,
        market::{SalesAgent, SellerAccount},
    },
    store::Account,
};

/// Fills what all customers share.
pub(crate) fn market(market: &mut Market) {
    let added = day("2026-01-12");
    let seller = |number: u32, name: &str, host: &str, scope3_account, own: &[u32]| SalesAgent {
        id: format!("agent_{}_sbox0{number}", added.as_millisecond()),
        name: name.to_owned(),
        description: Some(format!("{name}, a seller that the sandbox made up")),
        endpoint_url: format!("https://{host}.example/adcp"),
        protocol: "adcp".to_owned(),
        organisation: host.to_owned(),
        added_at: added,
        updated_at: added,
        scope3_account,
        accounts: own
            .iter()
            .map(|&customer_id| SellerAccount {
                customer_id,
                account_identifier: Some(format!("{host}-{customer_id}")),
                auth_config: None,
                active: true,
                registered_at: added,
            })
            .collect(),
    };
    market.sales_agents = vec![
        seller(1, "Aurora Media", "aurora", true, &[12345]),
        seller(2, "Borealis Streaming", "borealis", true, &[]),
        seller(3, "Cirrus Publishing", "cirrus", false, &[]),
    ];
}

/// Fills the account of one customer.
pub(crate) fn account(account: &mut Account, market: &mut Market) {
    brands::fill(account);
    creatives::fill(account, market);
    campaigns::fill(account, market);
    others::fill(account);
}

/// Midnight of a day of the seeds.
fn day(text: &str) -> Moment {
    Moment::parse(text).unwrap_or_else(|| super::clock::Clock::new().now())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use crate::sandbox::{customers::CUSTOMERS, objects::delivery::units, store::World};

    /// What was promised of the sums holds for every campaign and tactic at the start.
    #[test]
    fn nothing_is_overspent() {
        for customer in CUSTOMERS {
            let world = World::new();
            let account = world.account(customer.id).unwrap();
            assert!(!account.delivery.is_empty());
            let mut by_tactic: HashMap<&str, u64> = HashMap::new();
            let mut by_campaign: HashMap<&str, u64> = HashMap::new();
            let mut by_day: HashMap<(&str, jiff::civil::Date), u64> = HashMap::new();
            for row in &account.delivery {
                *by_tactic.entry(&row.tactic_id).or_default() += row.spend_cents;
                *by_campaign.entry(&row.campaign_id).or_default() += row.spend_cents;
                *by_day.entry((&row.campaign_id, row.date)).or_default() += row.spend_cents;
            }
            for tactic in &account.tactics {
                let spent = by_tactic.get(tactic.id.as_str()).copied().unwrap_or_default();
                assert!(units(spent) <= tactic.allocation.amount, "{}", tactic.name);
            }
            for campaign in &account.campaigns {
                let spent = by_campaign.get(campaign.id.as_str()).copied().unwrap_or_default();
                assert!(spent <= campaign.budget.total, "{}", campaign.name);
                let amounts: f64 = account
                    .tactics
                    .iter()
                    .filter(|tactic| tactic.campaign_id == campaign.id)
                    .map(|tactic| tactic.allocation.amount)
                    .sum();
                assert!(amounts <= units(campaign.budget.total), "{}", campaign.name);
                if let Some(cap) = campaign.budget.daily_cap {
                    let most =
                        by_day.iter().filter(|((id, _), _)| *id == campaign.id).map(|(_, spent)| *spent);
                    assert!(most.max().unwrap_or_default() <= cap, "{}", campaign.name);
                }
            }
        }
    }
}
