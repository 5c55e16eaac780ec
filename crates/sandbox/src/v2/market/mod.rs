//! The market that all customers share: storefronts, what they sell, and the orders that they got. All of it is invented.

mod orders;
mod product;
mod stock;
mod wanted;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::{Map, Value, json};

use crate::clock::Moment;

use super::objects::units;

pub(super) use self::{
    orders::{Decision, Order, Trust},
    product::{Product, shown},
    stock::STOREFRONTS,
    wanted::Wanted,
};

/// A seller.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Storefront {
    pub(super) id: u32,
    pub(super) name: &'static str,
    pub(super) platform: &'static str,
    pub(super) description: &'static str,
    pub(super) channels: &'static [&'static str],
    pub(super) countries: &'static [&'static str],
    /// The currencies in which it has prices.
    pub(super) currencies: &'static [&'static str],
    /// Whether it can sell to the sandbox's customers. Otherwise they would have to connect an account first.
    pub(super) is_connected: bool,
    /// The customer who runs it, if it is one of the sandbox's.
    pub(super) operator: Option<u32>,
    /// Whether it reviews new orders at the start.
    pub(super) reviews_orders: bool,
    /// What it pays for the inventory that it sells, in percent of its price, if that is not its own.
    pub(super) cost_percent: Option<u64>,
}

/// The value of a US dollar in hundredths of some currencies.
const RATES: [(&str, u64); 10] = [
    ("USD", 100),
    ("EUR", 92),
    ("GBP", 79),
    ("CAD", 136),
    ("AUD", 152),
    ("CHF", 88),
    ("SEK", 1040),
    ("NOK", 1070),
    ("DKK", 686),
    ("NZD", 166),
];

/// A text in lower case, with one space around each word.
fn spaced(text: &str) -> String {
    let words: Vec<&str> =
        text.split(|c: char| !c.is_alphanumeric() && c != '-').filter(|word| !word.is_empty()).collect();
    format!(" {} ", words.join(" ").to_lowercase())
}

/// The changing part of the market. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Market(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// In the order of creation.
    listings: Vec<Listing>,
    desks: BTreeMap<u32, Desk>,
    orders: Vec<Order>,
    decisions: Vec<Decision>,
}

/// A product in its seller's words, and for buyers if it can be sold.
#[derive(Debug)]
struct Listing {
    storefront: &'static Storefront,
    code: String,
    object: Map<String, Value>,
    product: Option<Arc<Product>>,
}

impl Listing {
    fn new(storefront: &'static Storefront, code: &str, object: Map<String, Value>) -> Self {
        let channel = storefront.channels.first().copied().unwrap_or("display");
        let product = Product::of(&object, code, channel).map(Arc::new);
        Self { storefront, code: code.to_owned(), object, product }
    }

    fn offer(&self) -> Option<Offer> {
        Some(Offer { storefront: self.storefront, product: self.product.clone()? })
    }
}

/// What the operator of a storefront has set.
#[derive(Debug, Default)]
struct Desk {
    settings: Map<String, Value>,
    trusted: BTreeMap<u32, Trust>,
}

impl Desk {
    fn is_paused(&self) -> bool {
        self.settings.get("isPaused").is_some_and(|paused| *paused == true)
    }
}

impl Market {
    /// The market at the start.
    pub(super) fn new() -> Self {
        let stock: BTreeMap<String, Vec<Map<String, Value>>> =
            serde_json::from_str(include_str!("products.json")).unwrap_or_default();
        let mut listings = Vec::new();
        let mut desks = BTreeMap::new();
        for storefront in &STOREFRONTS {
            for object in stock.get(&storefront.id.to_string()).into_iter().flatten() {
                let code = object.get("productId").and_then(Value::as_str).unwrap_or_default();
                listings.push(Listing::new(storefront, code, object.clone()));
            }
            let approval = if storefront.reviews_orders { "manual" } else { "auto" };
            let settings =
                json!({ "mediaBuyApproval": approval, "creativeApproval": "auto", "isPaused": false });
            let settings = settings.as_object().cloned().unwrap_or_default();
            desks.insert(storefront.id, Desk { settings, ..Desk::default() });
        }
        Self(Arc::new(Mutex::new(State { listings, desks, orders: Vec::new(), decisions: Vec::new() })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All products that can be bought, by storefront.
    pub(super) fn offers(&self) -> Vec<Offer> {
        let state = self.state();
        let is_open =
            |storefront: &&Storefront| state.desks.get(&storefront.id).is_none_or(|desk| !desk.is_paused());
        let of = |storefront: &'static Storefront| {
            state.listings.iter().filter(move |listing| listing.storefront == storefront)
        };
        STOREFRONTS.iter().filter(is_open).flat_map(of).filter_map(Listing::offer).collect()
    }

    /// The product with an id such as `sf1:501:news-video`.
    pub(super) fn offer(&self, id: &str) -> Option<Offer> {
        self.offers().into_iter().find(|offer| offer.id() == id)
    }

    /// The products of a storefront in its own words.
    pub(super) fn products(&self, storefront: &Storefront) -> Vec<Map<String, Value>> {
        let state = self.state();
        let own = state.listings.iter().filter(|listing| listing.storefront == storefront);
        own.map(|listing| listing.object.clone()).collect()
    }

    /// Adds a product, or replaces the one with this code.
    pub(super) fn put_product(
        &self,
        storefront: &'static Storefront,
        code: &str,
        object: Map<String, Value>,
    ) {
        let listing = Listing::new(storefront, code, object);
        let mut state = self.state();
        let is_it = |other: &&mut Listing| other.storefront == storefront && other.code == code;
        match state.listings.iter_mut().find(is_it) {
            Some(old) => *old = listing,
            None => state.listings.push(listing),
        }
    }

    /// Removes a product.
    pub(super) fn remove_product(&self, storefront: &Storefront, code: &str) {
        self.state().listings.retain(|other| other.storefront != storefront || other.code != code);
    }

    /// What the operator of a storefront has set.
    pub(super) fn settings(&self, storefront: &Storefront) -> Map<String, Value> {
        self.state().desks.get(&storefront.id).map(|desk| desk.settings.clone()).unwrap_or_default()
    }

    pub(super) fn set(&self, storefront: &Storefront, settings: Map<String, Value>) {
        self.state().desks.entry(storefront.id).or_default().settings = settings;
    }

    /// The buyers that a storefront trusts or did once, by customer.
    pub(super) fn trusted(&self, storefront: &Storefront) -> BTreeMap<u32, Trust> {
        self.state().desks.get(&storefront.id).map(|desk| desk.trusted.clone()).unwrap_or_default()
    }

    pub(super) fn trust(&self, storefront: &Storefront, buyer: u32, trust: Trust) {
        self.state().desks.entry(storefront.id).or_default().trusted.insert(buyer, trust);
    }

    /// Whether a new order of a customer waits for the seller's decision. An order that skips a review is counted.
    pub(super) fn needs_review(&self, storefront: &Storefront, buyer: u32, now: Moment) -> bool {
        let mut state = self.state();
        let desk = state.desks.entry(storefront.id).or_default();
        if desk.settings.get("mediaBuyApproval").is_none_or(|approval| *approval != "manual") {
            return false;
        }
        let trust = desk.trusted.get_mut(&buyer).filter(|trust| trust.is_on);
        let is_trusted = trust.is_some();
        if let Some(trust) = trust {
            trust.bypassed += 1;
            trust.last_bypassed = Some(now);
        }
        !is_trusted
    }

    /// The orders of a storefront, the newest first.
    pub(super) fn orders(&self, storefront: &Storefront) -> Vec<Order> {
        let state = self.state();
        let own = state.orders.iter().filter(|order| order.buy.storefront == storefront);
        let mut own: Vec<Order> = own.cloned().collect();
        own.sort_by_key(|order| std::cmp::Reverse(order.buy.submitted()));
        own
    }

    /// Renews the orders of a customer.
    pub(super) fn publish(&self, buyer: u32, orders: Vec<Order>) {
        let mut state = self.state();
        state.orders.retain(|order| order.buyer.id != buyer);
        state.orders.extend(orders);
    }

    /// Keeps a decision until the buyer's account has it.
    pub(super) fn decide(&self, decision: Decision) {
        self.state().decisions.push(decision);
    }

    /// The decisions that the buyers' accounts do not have yet.
    pub(super) fn take_decisions(&self) -> Vec<Decision> {
        std::mem::take(&mut self.state().decisions)
    }
}

/// A product of a storefront.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) storefront: &'static Storefront,
    pub(super) product: Arc<Product>,
}

impl Storefront {
    pub(super) fn by_id(id: &str) -> Option<&'static Self> {
        STOREFRONTS.iter().find(|storefront| storefront.id.to_string() == id)
    }

    /// The storefront that a customer runs.
    pub(super) fn of_operator(customer: u32) -> Option<&'static Self> {
        STOREFRONTS.iter().find(|storefront| storefront.operator == Some(customer))
    }

    /// The number of its ad server.
    pub(super) fn ad_server(&self) -> u32 {
        self.id * 10 + 1
    }

    pub(super) fn domain(&self) -> String {
        format!("{}.example", self.platform)
    }

    pub(super) fn sales_agent(&self) -> String {
        format!("sa_{}", self.platform)
    }
}

impl Offer {
    pub(super) fn id(&self) -> String {
        format!("sf1:{}:{}", self.storefront.id, self.product.code)
    }

    /// The price of a thousand impressions in hundredths of a currency, if there is one.
    pub(super) fn cpm_cents(&self, currency: &str) -> Option<u64> {
        let is_sold = self.storefront.currencies.contains(&currency);
        self.product.cpm_cents(currency).filter(|_| is_sold)
    }

    /// The product in the answer of a search.
    pub(super) fn to_json(&self, currency: &str, brief: &str) -> Value {
        let Self { storefront, product } = self;
        let cpm = self.cpm_cents(currency).map(units);
        let brief = spaced(brief);
        let words = product.words_in(&brief);
        let relevance = if words.is_empty() {
            format!("In the channel {}.", product.channel)
        } else {
            format!("Fits \"{}\" in the brief.", words.join("\", \""))
        };
        json!({
            "productId": self.id(),
            "name": product.name,
            "description": product.description,
            "channel": product.channel,
            "channels": [product.channel],
            "formatTypes": [product.format],
            "cpm": cpm,
            "currency": currency,
            "salesAgentId": storefront.sales_agent(),
            "salesAgentName": storefront.name,
            "storefrontId": storefront.id.to_string(),
            "storefrontName": storefront.name,
            "deliveryType": if product.is_guaranteed { "guaranteed" } else { "non_guaranteed" },
            "briefRelevance": relevance,
            "pricingOptions": [{
                "pricingOptionId": product.pricing_option, "pricingModel": "cpm", "isFixed": true,
                "rate": cpm, "fixedPrice": cpm, "currency": currency,
            }],
            "publisherProperties": [{ "publisherDomain": storefront.domain(), "propertyType": "website" }],
            "isSandbox": true,
            "formatOptions": [{ "format_kind": product.format, "format_option_id": product.format }],
            "productCard": { "title": product.name, "cta_label": "Add" },
        })
    }
}
