//! What bounds calls: the customer, the caps, and the quotas.

use std::collections::HashSet;

use scope3_mcp_gateway::{
    Profile,
    budget::Caps,
    catalog::Surface,
    limits::{Class, Quota},
};

use super::{ConfigError, Settings};

impl Settings {
    /// The customer that requests name.
    ///
    /// # Errors
    /// If none of the APIs takes one: the setting would have no effect.
    pub fn customer(&self) -> Result<Option<u64>, ConfigError> {
        let takes_one =
            |surface: &Surface| Profile::of(*surface).is_some_and(|it| it.customer_header.is_some());
        if self.customer.is_some() && !self.api.iter().any(takes_one) {
            let apis: Vec<&str> = self.api.iter().map(|surface| surface.as_str()).collect();
            let problem = format!(
                "expected an API that takes a customer, such as `buyer`, got `{}`: there, each key has one customer",
                apis.join(",")
            );
            return Err(ConfigError::value(self.name_of("customer"), problem));
        }
        Ok(self.customer)
    }

    /// The most that calls may commit.
    ///
    /// # Errors
    /// If there are two caps for one currency.
    pub fn caps(&self) -> Result<Caps, ConfigError> {
        for (id, caps) in [("max_budget", &self.max_budget), ("max_budget_per_day", &self.max_budget_per_day)]
        {
            let mut seen = HashSet::new();
            if let Some(second) = caps.iter().find(|cap| !seen.insert(cap.currency())) {
                let problem =
                    format!("expected one amount for each currency, got several in {}", second.currency());
                return Err(ConfigError::value(self.name_of(id), problem));
            }
        }
        Ok(Caps { per_call: self.max_budget.clone(), per_day: self.max_budget_per_day.clone() })
    }

    /// The quotas of an API, with the rates that the operator set.
    #[must_use]
    pub fn quotas(&self, profile: &Profile) -> Vec<Quota> {
        let rate_of = |class| match class {
            Class::MCP => Some(self.mcp_limit),
            Class::API => Some(self.api_limit),
            Class::EXPORT => Some(self.export_limit),
            _ => None,
        };
        let quotas = profile.quotas.iter();
        quotas.map(|quota| Quota { rate: rate_of(quota.class).unwrap_or(quota.rate), ..*quota }).collect()
    }
}
