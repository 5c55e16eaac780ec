//! How requests are counted, and how many each key may send.

use std::fmt;

use scope3_mcp_catalog::{SpecialLimit, rate::Rate};
use serde::Serialize;

/// A class of requests. Each key has a separate limit for each class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Class(&'static str);

impl Class {
    /// A tool call that reaches Scope3.
    pub const MCP: Self = Self("mcp");
    /// An HTTP request to Scope3, retries included.
    pub const API: Self = Self("api");
    /// A data export.
    pub const EXPORT: Self = Self("export");
    /// An HTTP request to the v2 APIs, which Scope3 counts by the minute.
    pub const INTERCHANGE: Self = Self("interchange");

    /// The name in results, metrics and settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

/// The name for people: acronyms are in capitals.
impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::MCP => f.pad("MCP"),
            Self::API => f.pad("API"),
            Self(name) => f.pad(name),
        }
    }
}

/// What a quota counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counts {
    /// A tool call, however many HTTP requests it takes.
    Calls,
    /// An HTTP request.
    Requests,
    /// A call of a tool with this entry under `limit`.
    CallsWith(SpecialLimit),
}

/// The limit of a class for each key. A surface has several quotas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// The class.
    pub class: Class,
    /// What is counted.
    pub counts: Counts,
    /// The maximum, within any window of the rate's length.
    pub rate: Rate,
}
