//! Orders, as sellers see them: copies of the buyers' media buys, renewed after each change.

use crate::{clock::Moment, customers::Customer};

use super::super::objects::media_buy::{MediaBuy, Review};

/// A media buy at a storefront, and who ordered it.
#[derive(Debug, Clone)]
pub(in crate::v2) struct Order {
    pub(in crate::v2) buyer: Customer,
    pub(in crate::v2) advertiser: String,
    pub(in crate::v2) advertiser_name: String,
    pub(in crate::v2) brand: String,
    pub(in crate::v2) brief: Option<String>,
    pub(in crate::v2) buy: MediaBuy,
}

/// What a seller decided about an order.
#[derive(Debug, Clone)]
pub(in crate::v2) struct Decision {
    /// The customer who ordered.
    pub(in crate::v2) buyer: u32,
    pub(in crate::v2) media_buy: String,
    /// Approved or rejected.
    pub(in crate::v2) review: Review,
    /// The customer who decided.
    pub(in crate::v2) reviewer: u32,
    pub(in crate::v2) notes: Option<String>,
    pub(in crate::v2) at: Moment,
}

/// A buyer whose orders a seller takes without a review, or did once.
#[derive(Debug, Clone)]
pub(in crate::v2) struct Trust {
    pub(in crate::v2) is_on: bool,
    pub(in crate::v2) reason: Option<String>,
    pub(in crate::v2) created: Moment,
    pub(in crate::v2) updated: Moment,
    /// How many orders were taken without a review, and when the last one was.
    pub(in crate::v2) bypassed: u32,
    pub(in crate::v2) last_bypassed: Option<Moment>,
}
