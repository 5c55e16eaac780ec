//! The operations of the buyer's flow, written by hand: from the account to the report. The rest is in `generic`.

#![expect(clippy::unnecessary_wraps, reason = "all handlers have the same type")]

mod account;
mod advertisers;
mod audiences;
mod campaigns;
mod creatives;
mod discovery;
mod execute;
mod media_buys;
mod moderation;
mod progress;
mod query;
pub(super) mod reports;
mod storefronts;

use super::{
    call::{Call, Handler},
    envelope::{Answer, Refusal, Reply},
};

pub(super) use self::{execute::launch, moderation::banned, storefronts::card as storefront_card};

/// The handler of the operation with this id.
pub(super) fn handler(operation: &str) -> Option<Handler> {
    let tables = [
        account::handler,
        advertisers::handler,
        audiences::handler,
        campaigns::handler,
        creatives::handler,
        discovery::handler,
        execute::handler,
        media_buys::handler,
        progress::handler,
        query::handler,
        reports::handler,
        storefronts::handler,
    ];
    tables.into_iter().find_map(|table| table(operation))
}
