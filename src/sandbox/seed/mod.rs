//! What is there when a sandbox starts. Customer 12345 has much, customer 67890 little and different things.

mod brands;
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
    others::fill(account, market);
}

/// Midnight of a day of the seeds.
fn day(text: &str) -> Moment {
    Moment::parse(text).unwrap_or_else(|| super::clock::Clock::new().now())
}
