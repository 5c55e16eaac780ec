//! The account of one customer.

use crate::{
    clock::Clock,
    customers::Customer,
    ids::Ids,
    objects::{
        BrandAgent, Campaign, Creative, Delivery, Guide, MeasuredOutcome, Pmps, Signals, SignalsAgents,
        Strategy, Tactic, Webhooks, creative::Assignment, tactic::TacticStatus,
    },
    response::{ApiResponse, ApiResult},
};

/// The data of one customer. Lists are in the order of creation.
pub(crate) struct Account {
    pub(crate) customer_id: u32,
    /// The owner of the key.
    pub(crate) email: &'static str,
    /// Whether to behave like Scope3's published code where it does less than Scope3's documentation promises.
    pub(crate) as_published: bool,
    pub(crate) clock: Clock,
    pub(crate) ids: Ids,
    pub(crate) brand_agents: Vec<BrandAgent>,
    pub(crate) stories: Vec<Guide>,
    pub(crate) standards: Vec<Guide>,
    pub(crate) campaigns: Vec<Campaign>,
    pub(crate) strategies: Vec<Strategy>,
    pub(crate) tactics: Vec<Tactic>,
    pub(crate) delivery: Vec<Delivery>,
    pub(crate) outcomes: Vec<MeasuredOutcome>,
    pub(crate) creatives: Vec<Creative>,
    pub(crate) assignments: Vec<Assignment>,
    pub(crate) signals: Signals,
    pub(crate) signals_agents: SignalsAgents,
    pub(crate) pmps: Pmps,
    pub(crate) webhooks: Webhooks,
}

impl Account {
    pub(crate) fn new(customer: &Customer, clock: Clock, as_published: bool) -> Self {
        Self {
            customer_id: customer.id,
            email: customer.email,
            as_published,
            clock,
            ids: Ids::new(customer.id),
            brand_agents: Vec::new(),
            stories: Vec::new(),
            standards: Vec::new(),
            campaigns: Vec::new(),
            strategies: Vec::new(),
            tactics: Vec::new(),
            delivery: Vec::new(),
            outcomes: Vec::new(),
            creatives: Vec::new(),
            assignments: Vec::new(),
            signals: Signals::default(),
            signals_agents: SignalsAgents::default(),
            pmps: Pmps::default(),
            webhooks: Webhooks::default(),
        }
    }

    /// The brand agent with this id.
    pub(crate) fn brand_agent(&self, id: &str) -> ApiResult<&BrandAgent> {
        self.brand_agents
            .iter()
            .find(|agent| agent.id == id)
            .ok_or_else(|| ApiResponse::not_found("Brand agent", id))
    }

    /// The campaign with this id.
    pub(crate) fn campaign(&self, id: &str) -> ApiResult<&Campaign> {
        self.campaigns
            .iter()
            .find(|campaign| campaign.id == id)
            .ok_or_else(|| ApiResponse::not_found("Campaign", id))
    }

    /// The campaign with this id, for a change.
    pub(crate) fn campaign_mut(&mut self, id: &str) -> ApiResult<&mut Campaign> {
        self.campaigns
            .iter_mut()
            .find(|campaign| campaign.id == id)
            .ok_or_else(|| ApiResponse::not_found("Campaign", id))
    }

    /// The spend of a campaign, in cents.
    pub(crate) fn spend_cents(&self, campaign: &str) -> u64 {
        self.delivery.iter().filter(|row| row.campaign_id == campaign).map(|row| row.spend_cents).sum()
    }

    /// The creative with this id.
    pub(crate) fn creative(&self, id: &str) -> ApiResult<&Creative> {
        self.creatives
            .iter()
            .find(|creative| creative.creative_id == id)
            .ok_or_else(|| ApiResponse::not_found("Creative", id))
    }

    /// The creative with this id, for a change.
    pub(crate) fn creative_mut(&mut self, id: &str) -> ApiResult<&mut Creative> {
        self.creatives
            .iter_mut()
            .find(|creative| creative.creative_id == id)
            .ok_or_else(|| ApiResponse::not_found("Creative", id))
    }

    /// The tactics of a campaign that are not deleted.
    pub(crate) fn tactics_of<'a>(&'a self, campaign: &'a str) -> impl DoubleEndedIterator<Item = &'a Tactic> {
        self.tactics
            .iter()
            .filter(move |tactic| tactic.campaign_id == campaign && tactic.status != TacticStatus::Inactive)
    }

    /// The tactic with this id, for a change. Deleted tactics are not found.
    pub(crate) fn live_tactic(&mut self, id: &str) -> ApiResult<&mut Tactic> {
        self.tactics
            .iter_mut()
            .find(|tactic| tactic.id == id && tactic.status != TacticStatus::Inactive)
            .ok_or_else(|| ApiResponse::not_found("Tactic", id))
    }

    /// The ids of the creatives that are assigned to a campaign.
    pub(crate) fn creative_ids(&self, campaign: &str) -> Vec<&str> {
        self.assignments
            .iter()
            .filter(|assignment| assignment.campaign_id == campaign)
            .map(|assignment| assignment.creative_id.as_str())
            .collect()
    }

    /// Removes a campaign with its tactics, assignments, delivery and outcomes. Creatives stay. If `as_published`,
    /// tactics stay too.
    pub(crate) fn remove_campaign(&mut self, id: &str) {
        self.campaigns.retain(|campaign| campaign.id != id);
        self.tactics.retain(|tactic| tactic.campaign_id != id || self.as_published);
        self.assignments.retain(|assignment| assignment.campaign_id != id);
        self.delivery.retain(|row| row.campaign_id != id);
        self.outcomes.retain(|outcome| outcome.campaign_id != id);
    }

    /// Removes a brand agent with everything that it owns, as the tool description promises.
    pub(crate) fn remove_brand_agent(&mut self, id: &str) {
        let campaigns: Vec<String> = self
            .campaigns
            .iter()
            .filter(|campaign| campaign.brand_agent_id == id)
            .map(|campaign| campaign.id.clone())
            .collect();
        for campaign in &campaigns {
            self.remove_campaign(campaign);
        }
        for creative in self.creatives.iter().filter(|creative| creative.buyer_agent_id == id) {
            self.assignments.retain(|assignment| assignment.creative_id != creative.creative_id);
        }
        self.creatives.retain(|creative| creative.buyer_agent_id != id);
        self.stories.retain(|story| story.brand_agent_id != id);
        self.standards.retain(|standards| standards.brand_agent_id != id);
        self.signals_agents.remove_brand_agent(id);
        self.pmps.remove_brand_agent(id);
        self.webhooks.remove_brand_agent(id);
        self.brand_agents.retain(|agent| agent.id != id);
    }
}
