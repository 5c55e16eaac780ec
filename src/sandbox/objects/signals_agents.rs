//! The signals agents, with what they did of one customer.

/// All of them, in the order of creation.
#[derive(Debug, Default)]
pub(crate) struct SignalsAgents {
    pub(crate) items: Vec<SignalsAgent>,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct SignalsAgent {
    pub(crate) brand_agent_id: String,
}

impl SignalsAgents {
    /// Takes away what belongs to a brand agent.
    pub(crate) fn remove_brand_agent(&mut self, id: &str) {
        self.items.retain(|item| item.brand_agent_id != id);
    }
}
