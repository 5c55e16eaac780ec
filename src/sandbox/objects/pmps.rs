//! The private marketplace deals of one customer.

/// All of them, in the order of creation.
#[derive(Debug, Default)]
pub(crate) struct Pmps {
    pub(crate) items: Vec<Pmp>,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Pmp {
    pub(crate) brand_agent_id: String,
}

impl Pmps {
    /// Takes away what belongs to a brand agent.
    pub(crate) fn remove_brand_agent(&mut self, id: &str) {
        self.items.retain(|item| item.brand_agent_id != id);
    }
}
