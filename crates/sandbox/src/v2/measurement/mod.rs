//! The measurement API: figures that are plausible, invented and always the same for the same input. No model of Scope3 is
//! in here.

#![expect(clippy::unnecessary_wraps, reason = "all handlers have the same type")]

mod data;
mod emissions;
mod model;
mod quality;

use super::{
    call::{Call, Handler},
    envelope::{Answer, Refusal, Reply},
    seller::number_of,
};

/// The handler of the operation with this id.
pub(super) fn handler(operation: &str) -> Option<Handler> {
    let tables = [data::handler, emissions::handler, quality::handler];
    tables.into_iter().find_map(|table| table(operation))
}
