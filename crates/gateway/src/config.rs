//! The parts of a gateway, and what it connects to.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use scope3_mcp_catalog::Catalog;

use crate::{
    OnLimit, Surfaces, budget::Caps, consent::Confirm, policy::Policy, state::State, uploads::Uploads,
};

/// The parts of a gateway.
#[derive(Debug)]
pub struct GatewayConfig {
    /// All tools, offered or not.
    pub catalog: Catalog,
    /// Which tools may run.
    pub policy: Policy,
    /// The APIs that the tools call. Their quotas are the rate limits.
    pub surfaces: Surfaces,
    /// What a call does when a rate limit is used up.
    pub on_limit: OnLimit,
    /// The maximum requests per minute, in total, with callers' keys that Scope3 has not accepted yet.
    pub unproven_per_minute: NonZeroU32,
    /// What all processes that use the same keys share.
    pub state: Arc<dyn State>,
    /// How long after its success an identical change is not made again, if it is not idempotent.
    pub repeat_guard: Duration,
    /// Whether the journal keeps the arguments of changes.
    pub journal_arguments: bool,
    /// Which calls need the consent of a person.
    pub confirm: Confirm,
    /// The most that calls may commit.
    pub caps: Caps,
    /// The most tokens of a result that a model gets, about.
    pub max_result: usize,
    /// From where files may be sent.
    pub uploads: Uploads,
    /// What the APIs connect to.
    pub target: Backend,
}

/// What the APIs connect to. Results say so when it is not production.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// Scope3's production environment: live, real money.
    Production,
    /// Scope3's staging environment, for testing.
    Staging,
    /// The embedded sandbox.
    Sandbox,
}
