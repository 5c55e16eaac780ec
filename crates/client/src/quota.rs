//! What a request counts as, and how many of it may leave.

use std::fmt;

use scope3_mcp_catalog::{SpecialLimit, rate::Rate};
use serde::Serialize;

/// A class of requests. Each class has a limit of its own for each key.
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

    /// The word in results, metrics and settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

/// As people write it: acronyms in capitals.
impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::MCP => f.pad("MCP"),
            Self::API => f.pad("API"),
            Self(name) => f.pad(name),
        }
    }
}

/// What one unit of a class is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counts {
    /// A tool call, however many HTTP requests it takes.
    Calls,
    /// An HTTP request.
    Requests,
    /// A call of a tool with this entry under `limit`.
    CallsWith(SpecialLimit),
}

/// How many requests of a class each key may make. A surface has some of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// The class.
    pub class: Class,
    /// What is counted.
    pub counts: Counts,
    /// How many, in any span of the rate's length.
    pub rate: Rate,
}
