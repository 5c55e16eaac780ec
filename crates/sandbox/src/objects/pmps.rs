//! The private marketplace deals of one customer.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::signals::distinct;
use crate::clock::Moment;

/// All of them, in the order of creation.
#[derive(Debug, Default)]
pub(crate) struct Pmps {
    pub(crate) items: Vec<Pmp>,
}

/// Inventory that sellers set aside for a brand agent, with a deal id by exchange.
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

/// What a PMP is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PmpStatus {
    Active,
    Paused,
    Draft,
}

/// One exchange's id for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(clippy::struct_field_names, reason = "the names are Scope3's")]
#[serde(rename_all = "camelCase")]
pub(crate) struct Deal {
    pub(crate) deal_id: String,
    pub(crate) ssp: &'static str,
    pub(crate) status: DealStatus,
}

/// What a deal is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DealStatus {
    Active,
    Paused,
    Pending,
}

impl Pmps {
    /// Takes away what belongs to a brand agent.
    pub(crate) fn remove_brand_agent(&mut self, id: &str) {
        self.items.retain(|item| item.brand_agent_id != id);
    }
}

impl Pmp {
    /// A number that is in the id of a PMP and in those of its deals: milliseconds, as with Scope3. The clock of an
    /// account moves by whole seconds, which leaves room for the customer's number: no two customers share an id.
    pub(crate) fn stamp(customer_id: u32, at: Moment) -> i64 {
        at.as_millisecond() + i64::from(customer_id % 1000)
    }

    /// How many deals are at that.
    pub(crate) fn deals(&self, status: DealStatus) -> usize {
        self.deal_ids.iter().filter(|deal| deal.status == status).count()
    }

    /// The exchanges, each once.
    pub(crate) fn ssps(&self) -> Vec<&str> {
        distinct(self.deal_ids.iter().map(|deal| deal.ssp))
    }

    /// The summary that creation answers.
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
    /// The deals of a PMP. Amazon's needs a day for its approval, which in the sandbox never passes.
    pub(crate) fn all(stamp: i64, status: PmpStatus) -> Vec<Self> {
        let exchanges = [
            ("GOOG", "Google Ad Manager", DealStatus::Active),
            ("AMZN", "Amazon Publisher Services", DealStatus::Pending),
            ("TTD", "The Trade Desk", DealStatus::Active),
        ];
        let under = |running| match status {
            PmpStatus::Active => running,
            PmpStatus::Paused => DealStatus::Paused,
            PmpStatus::Draft => DealStatus::Pending,
        };
        exchanges
            .map(|(prefix, ssp, running)| Self {
                deal_id: format!("{prefix}_{stamp}"),
                ssp,
                status: under(running),
            })
            .into()
    }
}
