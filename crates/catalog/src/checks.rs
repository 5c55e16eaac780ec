//! Checks between arguments that the schema cannot express, as catalog data.
//!
//! The build script includes this file too, so it does not depend on the rest of the crate.

use super::tool::Text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What must hold between arguments where they are given. Paths are written like
/// `tacticAdjustments[].budgetAllocation.amount`; two paths through one list are compared item by item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Check {
    /// The first is not more than the second, or not later. Both are numbers, or both are dates.
    LessOrEqual(Text, Text),
    /// The first date is earlier than the second.
    Before(Text, Text),
    /// The date is at most this many days in the past.
    NotPast {
        /// Its path.
        date: Text,
        /// How many days.
        days: u16,
    },
    /// The code is one of ISO 4217.
    Currency(Text),
    /// No two items of a list have the same value here.
    Unique(Text),
    /// The first has no effect without the second.
    Needs(Text, Text),
}

/// The list that both paths pass through, and the rest of each path after it.
pub(crate) fn split_at_shared_list<'a>(first: &'a str, second: &'a str) -> (&'a str, &'a str, &'a str) {
    let common = first
        .rmatch_indices("[].")
        .map(|(at, _)| at + "[]".len())
        .find(|end| second.starts_with(&first[..*end]) && second[*end..].starts_with('.'));
    common.map_or(("", first, second), |end| (&first[..end], &first[end + 1..], &second[end + 1..]))
}
