//! The market that all customers share: the sellers.

use serde_json::Value;

use crate::clock::Moment;

/// The sellers, with the accounts of customers.
#[derive(Debug, Default)]
pub(crate) struct Market {
    /// Sorted by name, as in lists.
    pub(crate) sales_agents: Vec<SalesAgent>,
}

/// A seller of media.
#[derive(Debug, Clone)]
pub(crate) struct SalesAgent {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) endpoint_url: String,
    /// `adcp`, `mcp` or `a2a`.
    pub(crate) protocol: String,
    /// The organization whose inventory it sells.
    pub(crate) organization: String,
    pub(crate) added_at: Moment,
    pub(crate) updated_at: Moment,
    /// Whether customers without their own account use Scope3's account.
    pub(crate) scope3_account: bool,
    pub(crate) accounts: Vec<SellerAccount>,
}

/// A customer's own account with a seller.
#[derive(Debug, Clone)]
pub(crate) struct SellerAccount {
    pub(crate) customer_id: u32,
    pub(crate) account_identifier: Option<String>,
    pub(crate) auth_config: Option<Value>,
    pub(crate) active: bool,
    pub(crate) registered_at: Moment,
}

/// How a customer can buy from a seller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// With its own account.
    Own,
    /// With Scope3's account.
    Scope3,
    /// Not at all.
    Unavailable,
}

impl SalesAgent {
    /// How a customer can buy from this seller. The customer's own account takes precedence over Scope3's.
    pub(crate) fn access(&self, customer_id: u32) -> Access {
        if self.accounts.iter().any(|account| account.customer_id == customer_id && account.active) {
            Access::Own
        } else if self.scope3_account {
            Access::Scope3
        } else {
            Access::Unavailable
        }
    }
}

impl Market {
    /// The sellers from which a customer can buy. Those with an account of the customer come first.
    pub(crate) fn sellers(&self, customer_id: u32) -> Vec<&SalesAgent> {
        let with = |access| self.sales_agents.iter().filter(move |agent| agent.access(customer_id) == access);
        with(Access::Own).chain(with(Access::Scope3)).collect()
    }
}
