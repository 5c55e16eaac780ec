//! What the API is about, with the names that Scope3 gives it. Source of the shapes: the types and the answers of
//! the public repository `scope3data/activation-api`. Optional members are absent, not null.

pub(crate) mod brand;
pub(crate) mod campaign;
pub(crate) mod creative;
pub(crate) mod delivery;
pub(crate) mod market;
pub(crate) mod pmps;
pub(crate) mod product;
pub(crate) mod signals;
pub(crate) mod signals_agents;
pub(crate) mod tactic;
pub(crate) mod webhooks;

pub(crate) use self::{
    brand::{BrandAgent, Guide},
    campaign::{Campaign, Strategy},
    creative::Creative,
    delivery::{Delivery, MeasuredOutcome},
    market::Market,
    pmps::Pmps,
    signals::Signals,
    signals_agents::SignalsAgents,
    tactic::Tactic,
    webhooks::Webhooks,
};
