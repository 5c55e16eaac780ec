//! The tool catalogue: every tool as plain data, read from `tools/<surface>/<toolset>.yaml` when the project is
//! built.
//!
//! Who wants to know what a tool is, looks here; what a call does with it stands in [`crate::gateway`].

mod arguments;
mod present;
mod schema;
mod search;
mod tool;

use std::{borrow::Cow, fmt, str::FromStr, sync::OnceLock};

use serde::Serialize;

pub use self::{
    arguments::Problem,
    schema::Schema,
    search::search,
    tool::{Effect, Method, Money, MoneyUnit, Request, RequestError, SpecialLimit, Text, Toolset},
};

/// A tool that an agent can call.
pub type Tool = tool::Tool<Schema>;

// `static ENTRIES: [Entry; …]`, as the build script wrote it.
include!(concat!(env!("OUT_DIR"), "/catalog.rs"));

/// Which of Scope3's APIs a tool belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Surface {
    /// The Campaign API, v1.
    Campaign,
    /// What this server answers by itself.
    Local,
}

impl Surface {
    /// The word of `--api`, and the folder in `tools/`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Campaign => "campaign",
            Self::Local => "local",
        }
    }
}

impl fmt::Display for Surface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Surface {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "campaign" => Ok(Self::Campaign),
            _ => Err(format!("`{text}` is no surface; there is `campaign`")),
        }
    }
}

/// All tools that were built in, in the order in which they are listed.
#[derive(Debug, Clone, Copy)]
pub struct Catalog {
    entries: &'static [Entry],
}

/// A tool and where it stands in the catalogue.
#[derive(Debug)]
pub struct Entry {
    /// The API behind it.
    pub surface: Surface,
    /// The toolset whose file it stands in.
    pub toolset: &'static str,
    /// The entry itself.
    pub tool: Tool,
    // Compiling a schema takes longer than reading the catalogue: it happens at the first call of a tool.
    validator: OnceLock<Option<jsonschema::Validator>>,
}

impl Entry {
    const fn new(surface: Surface, toolset: &'static str, tool: Tool) -> Self {
        Self { surface, toolset, tool, validator: OnceLock::new() }
    }
}

impl Catalog {
    /// The catalogue that was built in.
    #[must_use]
    pub fn embedded() -> Self {
        Self { entries: &ENTRIES }
    }

    /// Every tool, in the order in which they are listed.
    pub fn entries(self) -> impl Iterator<Item = &'static Entry> {
        self.entries.iter()
    }

    /// The tool of that name.
    #[must_use]
    pub fn get(self, name: &str) -> Option<&'static Entry> {
        self.entries.iter().find(|entry| entry.tool.name == name)
    }

    /// The name of a tool that is spelt much like `name`, for those who mistyped.
    #[must_use]
    pub fn nearest(self, name: &str) -> Option<&'static str> {
        nearest(name, self.entries.iter().map(|entry| &*entry.tool.name))
    }
}

/// The candidate that is spelt most like `word`, if any comes close.
pub(crate) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    /// Below this similarity a suggestion confuses more than it helps.
    const CLOSE: f64 = 0.85;
    let plain = |text: &str| text.to_lowercase().replace(['_', '-', ' '], "");
    let word = plain(word);
    candidates
        .map(|candidate| (strsim::jaro_winkler(&word, &plain(candidate)), candidate))
        .filter(|(similarity, _)| *similarity >= CLOSE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}
