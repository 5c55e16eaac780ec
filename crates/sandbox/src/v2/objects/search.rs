//! Searches, and the carts in them.

use serde_json::{Map, Value, json};

use crate::clock::Moment;

use super::{
    super::market::{Offer, Wanted},
    units,
};

/// A search, with its results and its cart.
#[derive(Debug, Clone)]
pub(in crate::v2) struct Search {
    pub(in crate::v2) id: String,
    pub(in crate::v2) wanted: Wanted,
    pub(in crate::v2) found: Vec<Offer>,
    pub(in crate::v2) cart: Vec<Line>,
}

/// A product in a cart.
#[derive(Debug, Clone)]
pub(in crate::v2) struct Line {
    /// Tells lines with the same product apart.
    pub(in crate::v2) selection: String,
    pub(in crate::v2) offer: Offer,
    pub(in crate::v2) budget_cents: Option<u64>,
    pub(in crate::v2) bid_cents: Option<u64>,
    /// Members that are stored as they were sent, such as `targetingOverlay`.
    pub(in crate::v2) others: Map<String, Value>,
    pub(in crate::v2) selected: Moment,
}

impl Line {
    fn to_json(&self) -> Value {
        let storefront = self.offer.storefront;
        let mut shown = json!({
            "productId": self.offer.id(),
            "storefrontId": storefront.id.to_string(),
            "selectionId": self.selection,
            "salesAgentId": storefront.sales_agent(),
            "selectedAt": self.selected,
            "groupId": format!("group_{}", storefront.id),
            "groupName": storefront.name,
        });
        for (name, cents) in [("budget", self.budget_cents), ("bidPrice", self.bid_cents)] {
            if let Some(cents) = cents {
                shown[name] = units(cents);
            }
        }
        if let Value::Object(members) = &mut shown {
            members.extend(self.others.clone());
        }
        shown
    }
}

impl Search {
    /// The sum of the budgets in the cart, in cents.
    fn allocated(&self) -> u64 {
        self.cart.iter().filter_map(|line| line.budget_cents).sum()
    }

    pub(in crate::v2) fn budget(&self) -> Value {
        let allocated = self.allocated();
        let budget = self.wanted.budget_cents;
        let mut shown = json!({
            "sessionBudget": budget.map(units),
            "allocatedBudget": units(allocated),
            "remainingBudget": budget.map(|budget| units(budget.saturating_sub(allocated))),
        });
        if budget.is_some_and(|budget| allocated > budget) {
            shown["budgetWarning"] = "The products cost more than the budget of the search.".into();
        }
        shown
    }

    /// The cart in answers. `campaign` is the campaign that uses it.
    pub(in crate::v2) fn cart(&self, campaign: Option<&str>) -> Value {
        let mut shown = json!({
            "discoveryId": self.id,
            "products": self.cart.iter().map(Line::to_json).collect::<Vec<_>>(),
            "totalProducts": self.cart.len(),
            "budgetContext": self.budget(),
            "campaignBound": campaign.is_some(),
        });
        if campaign.is_none() {
            shown["campaignWarning"] = "No campaign uses this cart yet.".into();
        }
        shown
    }
}
