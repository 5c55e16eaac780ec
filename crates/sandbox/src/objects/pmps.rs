//! The private marketplace deals of one customer.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::signals::distinct;
use crate::clock::Moment;

/// All deals, in the order of creation.
#[derive(Debug, Default)]
pub(crate) struct Pmps {
    pub(crate) items: Vec<Pmp>,
}

/// A private marketplace: inventory that sellers reserve for a brand agent, with one deal id per exchange.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pmp {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) brand_agent_id: String,
    pub(crate) prompt: String,
    pub(crate) status: PmpStatus,
    pub(crate) summary: String,
    pub(crate) deal_ids: Vec<Deal>,
    pub(crate) created_at: Moment,
    pub(crate) updated_at: Moment,
}

/// The status of a PMP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PmpStatus {
    Active,
    Paused,
    Draft,
}

/// The deal at one exchange.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(clippy::struct_field_names, reason = "the names are Scope3's")]
#[serde(rename_all = "camelCase")]
pub(crate) struct Deal {
    pub(crate) deal_id: String,
    pub(crate) ssp: &'static str,
    pub(crate) status: DealStatus,
}

/// The status of a deal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DealStatus {
    Active,
    Paused,
    Pending,
}

impl Pmps {
    /// Removes the deals of a brand agent.
    pub(crate) fn remove_brand_agent(&mut self, id: &str) {
        self.items.retain(|item| item.brand_agent_id != id);
    }
}

impl Pmp {
    /// The number in the ids of a PMP and its deals: the time in milliseconds, as at Scope3. A fixed clock advances by
    /// whole seconds, so the milliseconds can hold part of the customer id. Two customers therefore never share an id.
    pub(crate) fn stamp(customer_id: u32, at: Moment) -> i64 {
        at.as_millisecond() + i64::from(customer_id % 1000)
    }

    /// The number of deals with this status.
    pub(crate) fn deals(&self, status: DealStatus) -> usize {
        self.deal_ids.iter().filter(|deal| deal.status == status).count()
    }

    /// The exchanges, without duplicates.
    pub(crate) fn ssps(&self) -> Vec<&str> {
        distinct(self.deal_ids.iter().map(|deal| deal.ssp))
    }

    /// The summary in the response to a creation.
    pub(crate) fn deal_counts(&self) -> Value {
        json!({
            "pmpId": self.id,
            "pmpName": self.name,
            "status": self.status,
            "totalDeals": self.deal_ids.len(),
            "activeDeals": self.deals(DealStatus::Active),
            "pendingDeals": self.deals(DealStatus::Pending),
            "sspList": self.ssps(),
        })
    }
}

impl Deal {
    /// The deals of a PMP. Amazon's deal stays pending: its approval takes a day, which the sandbox does not simulate.
    pub(crate) fn all(stamp: i64, status: PmpStatus) -> Vec<Self> {
        let exchanges = [
            ("GOOG", "Google Ad Manager", DealStatus::Active),
            ("AMZN", "Amazon Publisher Services", DealStatus::Pending),
            ("TTD", "The Trade Desk", DealStatus::Active),
        ];
        let deal_status = |if_active| match status {
            PmpStatus::Active => if_active,
            PmpStatus::Paused => DealStatus::Paused,
            PmpStatus::Draft => DealStatus::Pending,
        };
        exchanges
            .map(|(prefix, ssp, if_active)| Self {
                deal_id: format!("{prefix}_{stamp}"),
                ssp,
                status: deal_status(if_active),
            })
            .into()
    }
}
