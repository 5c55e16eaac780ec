//! The initial data. Customer 12345 has much data, customer 67890 has little, and they share none of it. Dates are in
//! days from the start day.

mod brands;
mod campaigns;
mod creatives;
mod delivery;
mod signals_and_deals;

use crate::{
    clock::Clock,
    objects::{
        Market,
        market::{SalesAgent, SellerAccount},
    },
    store::Account,
};

/// Fills the market that all customers share.
pub(crate) fn market(market: &mut Market, clock: &Clock) {
    let added = clock.day(-154);
    let seller = |number: u32, name: &str, host: &str, scope3_account, own: &[u32]| SalesAgent {
        id: format!("agent_{}_sbox0{number}", added.as_millisecond()),
        name: name.to_owned(),
        description: Some(format!("{name}, a seller that the sandbox made up")),
        endpoint_url: format!("https://{host}.example/adcp"),
        protocol: "adcp".to_owned(),
        organization: host.to_owned(),
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
    signals_and_deals::fill(account);
    if account.as_published {
        // The published code has no delivery data and no approvals.
        account.delivery.clear();
        account.creatives.iter_mut().for_each(|creative| creative.publisher_approvals.clear());
    }
}
