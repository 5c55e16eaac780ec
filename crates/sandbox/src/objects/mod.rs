//! The objects of the API, with Scope3's names. Their structure follows the types and responses in the public
//! repository `scope3data/activation-api`. Optional members are absent, not null.

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
