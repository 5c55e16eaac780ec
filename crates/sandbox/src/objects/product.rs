//! Media products. Scope3's tool server derives a product from its id (`src/tools/tactics/create.ts`), and so does the
//! sandbox.

use serde::Serialize;

use crate::clock::Moment;

/// A product of a publisher.
#[derive(Debug, Clone, Serialize)]
#[expect(clippy::struct_field_names, reason = "the names are Scope3's")]
#[serde(rename_all = "camelCase")]
pub(crate) struct Product {
    pub(crate) id: String,
    pub(crate) product_id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) publisher_id: String,
    pub(crate) publisher_name: String,
    /// `guaranteed` or `non_guaranteed`.
    pub(crate) delivery_type: &'static str,
    /// `premium`, `run_of_site` or `targeted_package`.
    pub(crate) inventory_type: &'static str,
    pub(crate) formats: Vec<&'static str>,
    pub(crate) base_pricing: Pricing,
    pub(crate) supported_targeting: Vec<&'static str>,
    pub(crate) created_at: Moment,
    pub(crate) updated_at: Moment,
}

/// The price of a product, in currency units per thousand impressions.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase", tag = "model")]
pub(crate) enum Pricing {
    #[serde(rename = "fixed_cpm", rename_all = "camelCase")]
    Fixed { fixed_cpm: f64 },
    #[serde(rename = "auction", rename_all = "camelCase")]
    Auction { floor_cpm: f64, target_cpm: f64 },
}

impl Product {
    /// The product with this id. Every id is valid; the names in it determine the product.
    pub(crate) fn from_id(id: &str, at: Moment) -> Self {
        let lower = id.to_lowercase();
        let named = |name: &str| lower.contains(name);
        let (publisher, guaranteed, formats, base_pricing) = if named("hulu") {
            ("Hulu", true, vec!["video"], Pricing::Fixed { fixed_cpm: 15.0 })
        } else if named("netflix") {
            ("Netflix", true, vec!["video"], Pricing::Fixed { fixed_cpm: 25.0 })
        } else if named("youtube") || named("google") {
            ("YouTube", false, vec!["video"], Pricing::Auction { floor_cpm: 5.0, target_cpm: 12.0 })
        } else {
            (
                "Sandbox Publisher",
                false,
                vec!["display", "video"],
                Pricing::Auction { floor_cpm: 2.5, target_cpm: 8.0 },
            )
        };
        let known = publisher != "Sandbox Publisher";
        Self {
            id: id.to_owned(),
            product_id: id.to_owned(),
            name: format!("{publisher} {}", if known { "premium video" } else { "run of site" }),
            description: format!(
                "{} of {publisher}",
                if known { "Premium video" } else { "Display and video" }
            ),
            publisher_id: publisher.to_lowercase().replace(' ', "_"),
            publisher_name: publisher.to_owned(),
            delivery_type: if guaranteed { "guaranteed" } else { "non_guaranteed" },
            inventory_type: if known { "premium" } else { "run_of_site" },
            formats,
            base_pricing,
            supported_targeting: vec!["geo", "demographic", "behavioral"],
            created_at: at,
            updated_at: at,
        }
    }
}
