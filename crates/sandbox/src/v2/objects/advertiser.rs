//! Advertisers.

use serde_json::{Map, Value, json};

use crate::clock::Moment;

/// An advertiser of a customer.
#[derive(Debug, Clone)]
pub(in crate::v2) struct Advertiser {
    /// Decimal digits.
    pub(in crate::v2) id: String,
    pub(in crate::v2) name: String,
    /// The domain of its brand.
    pub(in crate::v2) brand: String,
    pub(in crate::v2) currency: String,
    pub(in crate::v2) is_archived: bool,
    /// Whether it is for tests only. It never changes.
    pub(in crate::v2) is_sandbox: bool,
    /// Members that are stored as they were sent.
    pub(in crate::v2) others: Map<String, Value>,
    pub(in crate::v2) created: Moment,
    pub(in crate::v2) updated: Moment,
}

impl Advertiser {
    /// The JSON of one advertiser.
    pub(in crate::v2) fn to_json(&self, has_campaigns: bool) -> Value {
        let mut shown = self.row(has_campaigns);
        if let Value::Object(members) = &mut shown {
            members.shift_remove("linkedAccountCount");
            members.insert("optimizationApplyMode".to_owned(), "MANUAL".into());
            members.extend(self.others.clone());
            if let Some(caps) = members.get_mut("frequencyCaps") {
                *caps = super::caps(caps, "ADVERTISER", &self.id, self.updated);
            }
            for parameter in members.get_mut("utmConfig").and_then(Value::as_array_mut).into_iter().flatten()
            {
                parameter["source"] = "advertiser".into();
            }
        }
        shown
    }

    /// The JSON in a list.
    pub(in crate::v2) fn row(&self, has_campaigns: bool) -> Value {
        let linked = self.others.get("linkedAccounts").and_then(Value::as_array).map_or(0, Vec::len);
        json!({
            "id": self.id,
            "name": self.name,
            "status": if self.is_archived { "ARCHIVED" } else { "ACTIVE" },
            "sandbox": self.is_sandbox,
            "brand": self.brand,
            "linkedBrand": self.linked_brand(),
            "primaryCurrency": self.currency,
            "currencyLocked": has_campaigns,
            "createdAt": self.created,
            "updatedAt": self.updated,
            "linkedAccountCount": linked,
        })
    }

    fn linked_brand(&self) -> Value {
        let manifest = json!({ "name": self.name, "url": format!("https://{}/", self.brand) });
        json!({ "id": format!("brand_{}", self.id), "name": self.name, "domain": self.brand, "manifest": manifest })
    }
}
