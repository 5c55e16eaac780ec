//! The account of one customer in the Interchange.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    clock::{Clock, Moment},
    customers::Customer,
    ids::Ids,
};

use super::{
    envelope::{Answer, Refusal},
    generic::Things,
    market::{Decision, Market, Order},
    objects::{
        advertiser::Advertiser,
        campaign::{Campaign, Phase, Surroundings},
        creative::Creative,
        media_buy::MediaBuy,
        search::Search,
    },
    seller::Import,
};

/// What one customer has. Lists are in the order of creation.
pub(super) struct Account {
    pub(super) customer: Customer,
    pub(super) clock: Clock,
    pub(super) market: Market,
    pub(super) ids: Ids,
    pub(super) advertisers: Vec<Advertiser>,
    pub(super) campaigns: Vec<Campaign>,
    pub(super) searches: Vec<Search>,
    pub(super) creatives: Vec<Creative>,
    /// Everything else.
    pub(super) things: Things,
    /// The imports of account mappings, and the mappings.
    pub(super) imports: Vec<Import>,
    pub(super) mapped: BTreeSet<String>,
    /// How often each task was read.
    pub(super) tasks_read: BTreeMap<String, u32>,
}

impl Account {
    pub(super) fn new(customer: Customer, clock: Clock, market: Market) -> Self {
        Self {
            ids: Ids::new(customer.id),
            customer,
            clock,
            market,
            advertisers: Vec::new(),
            campaigns: Vec::new(),
            searches: Vec::new(),
            creatives: Vec::new(),
            things: Things::default(),
            imports: Vec::new(),
            mapped: BTreeSet::new(),
            tasks_read: BTreeMap::new(),
        }
    }

    pub(super) fn advertiser(&self, id: &str) -> Answer<&Advertiser> {
        self.advertisers
            .iter()
            .find(|advertiser| advertiser.id == id)
            .ok_or_else(|| Refusal::not_found("Advertiser", id))
    }

    pub(super) fn advertiser_mut(&mut self, id: &str) -> Answer<&mut Advertiser> {
        self.advertisers
            .iter_mut()
            .find(|advertiser| advertiser.id == id)
            .ok_or_else(|| Refusal::not_found("Advertiser", id))
    }

    pub(super) fn has_campaigns(&self, advertiser: &str) -> bool {
        self.campaigns.iter().any(|campaign| campaign.advertiser == advertiser)
    }

    pub(super) fn campaign(&self, id: &str) -> Answer<&Campaign> {
        self.campaigns
            .iter()
            .find(|campaign| campaign.id == id)
            .ok_or_else(|| Refusal::not_found("Campaign", id))
    }

    pub(super) fn campaign_mut(&mut self, id: &str) -> Answer<&mut Campaign> {
        self.campaigns
            .iter_mut()
            .find(|campaign| campaign.id == id)
            .ok_or_else(|| Refusal::not_found("Campaign", id))
    }

    pub(super) fn search(&self, id: &str) -> Answer<&Search> {
        self.searches.iter().find(|search| search.id == id).ok_or_else(|| Refusal::not_found("Search", id))
    }

    pub(super) fn search_mut(&mut self, id: &str) -> Answer<&mut Search> {
        self.searches
            .iter_mut()
            .find(|search| search.id == id)
            .ok_or_else(|| Refusal::not_found("Search", id))
    }

    pub(super) fn media_buy(&self, id: &str) -> Answer<&MediaBuy> {
        let buys = self.campaigns.iter().flat_map(|campaign| &campaign.buys);
        buys.into_iter().find(|buy| buy.id == id).ok_or_else(|| Refusal::not_found("Media buy", id))
    }

    pub(super) fn media_buy_mut(&mut self, id: &str) -> Answer<&mut MediaBuy> {
        let buys = self.campaigns.iter_mut().flat_map(|campaign| &mut campaign.buys);
        buys.into_iter().find(|buy| buy.id == id).ok_or_else(|| Refusal::not_found("Media buy", id))
    }

    pub(super) fn creative(&self, id: &str) -> Answer<&Creative> {
        self.creatives
            .iter()
            .find(|creative| creative.id == id)
            .ok_or_else(|| Refusal::not_found("Creative", id))
    }

    pub(super) fn creative_mut(&mut self, id: &str) -> Answer<&mut Creative> {
        self.creatives
            .iter_mut()
            .find(|creative| creative.id == id)
            .ok_or_else(|| Refusal::not_found("Creative", id))
    }

    /// The campaign that buys the cart of a search.
    pub(super) fn buyer_of(&self, discovery: &str) -> Option<&str> {
        let bound = self.campaigns.iter().find(|campaign| campaign.discovery.as_deref() == Some(discovery));
        bound.map(|campaign| campaign.id.as_str())
    }

    /// What the account adds to the JSON of a campaign.
    pub(super) fn around(&self, campaign: &Campaign) -> Surroundings {
        let search = campaign.discovery.as_deref().and_then(|id| self.search(id).ok());
        let in_cart = search.into_iter().flat_map(|search| &search.cart).map(|line| &line.offer);
        let bought = campaign.buys.iter().flat_map(|buy| &buy.packages).map(|package| &package.offer);
        let mut offers = Vec::new();
        for offer in in_cart.chain(bought) {
            if !offers.contains(&offer) {
                offers.push(offer);
            }
        }
        let mut required: Vec<String> = offers.iter().map(|offer| offer.product.format.clone()).collect();
        required.sort_unstable();
        required.dedup();
        let covered = self.creatives.iter().filter(|creative| creative.campaigns.contains(&campaign.id));
        Surroundings {
            products: offers.iter().map(|offer| offer.id()).collect(),
            required,
            covered: covered.map(|creative| creative.format.clone()).collect(),
        }
    }

    /// The orders of this customer for the sellers: all media buys that were sent.
    pub(super) fn orders(&self) -> Vec<Order> {
        let of = |campaign: &'_ Campaign| -> Vec<Order> {
            let advertiser = self.advertiser(&campaign.advertiser).ok();
            let sent = campaign.buys.iter().filter(|buy| buy.approval.is_some() || buy.forwarded.is_some());
            let order = |buy: &MediaBuy| Order {
                buyer: self.customer,
                advertiser: campaign.advertiser.clone(),
                advertiser_name: advertiser.map(|one| one.name.clone()).unwrap_or_default(),
                brand: advertiser.map(|one| one.brand.clone()).unwrap_or_default(),
                brief: campaign.brief.clone(),
                buy: buy.clone(),
            };
            sent.map(order).collect()
        };
        self.campaigns.iter().flat_map(of).collect()
    }

    /// Lets a seller's decision take effect.
    pub(super) fn settle(&mut self, decision: Decision) {
        let Decision { media_buy, review, reviewer, notes, at, .. } = decision;
        for campaign in &mut self.campaigns {
            let is_paused = campaign.phase == Phase::Paused;
            if let Some(buy) = campaign.buys.iter_mut().find(|buy| buy.id == media_buy) {
                buy.decide(review, reviewer, notes.clone(), is_paused, at);
            }
        }
    }

    /// The JSON of one campaign.
    pub(super) fn shown(&self, id: &str) -> Answer<Value> {
        let campaign = self.campaign(id)?;
        Ok(campaign.to_json(self.now(), &self.around(campaign), &[], true))
    }

    /// The time.
    pub(super) fn now(&self) -> Moment {
        self.clock.now()
    }

    /// The time of a change.
    pub(super) fn tick(&self) -> Moment {
        self.clock.tick()
    }
}
