//! The state of the sandbox: an account for each customer, and the market that all customers share.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    call::{Call, Handler},
    clock::Clock,
    customers::CUSTOMERS,
    objects::Market,
    response::{ApiResponse, ApiResult},
    seed,
    store::Account,
};

/// The accounts of all customers, and the market.
pub(crate) struct World {
    accounts: BTreeMap<u32, Account>,
    market: Market,
}

impl World {
    /// Creates the initial state.
    pub(crate) fn new(clock: &Clock, as_published: bool) -> Self {
        let mut market = Market::default();
        let mut accounts: BTreeMap<u32, Account> = CUSTOMERS
            .iter()
            .map(|customer| (customer.id, Account::new(customer, clock.clone(), as_published)))
            .collect();
        seed::market(&mut market, clock);
        for account in accounts.values_mut() {
            seed::account(account, &mut market);
        }
        Self { accounts, market }
    }

    /// The account of one customer, for tests.
    #[cfg(test)]
    pub(crate) fn account(&self, customer: u32) -> Option<&Account> {
        self.accounts.get(&customer)
    }

    /// Runs a handler on the account of the calling customer.
    pub(crate) fn serve(&mut self, customer: u32, arguments: Value, handler: Handler) -> ApiResult {
        let account = self.accounts.get_mut(&customer).ok_or_else(ApiResponse::invalid_key)?;
        handler(&mut Call::new(account, &mut self.market, arguments))
    }
}

#[cfg(test)]
mod tests;
