//! The webhooks of one customer.

/// All of them, in the order of creation.
#[derive(Debug, Default)]
pub(crate) struct Webhooks {
    pub(crate) items: Vec<Webhook>,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Webhook {
    pub(crate) brand_agent_id: String,
}

impl Webhooks {
    /// Takes away what belongs to a brand agent.
    pub(crate) fn remove_brand_agent(&mut self, id: &str) {
        self.items.retain(|item| item.brand_agent_id != id);
    }
}
