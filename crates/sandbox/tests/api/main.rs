//! The sandbox over real HTTP.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "tests")]

mod brand_agents;
mod brand_guides;
mod campaigns;
mod creatives;
mod interchange;
mod pmps_and_webhooks;
mod published;
mod reporting;
mod sellers;
mod shell;
mod signals;
mod support;
mod tactics;
