//! The tool catalog: every tool as plain data, read from `tools/<surface>/<toolset>.yaml` when the project is
//! built.
//!
//! Who wants to know what a tool is, looks here; what a call does with it stands in `crates/gateway`.

mod arguments;
mod binding;
mod checks;
mod contradictions;
mod entry;
mod index;
mod money;
mod present;
mod problem;
pub mod rate;
mod reading;
mod request;
mod schema;
mod search;
mod suggest;
mod tool;
mod types;
mod walk;

use std::{borrow::Cow, fmt, str::FromStr};

use serde::Serialize;

pub use self::{
    binding::{Misplaced, Placed, Why},
    checks::Check,
    entry::{Entry, EntryRef},
    index::{Catalog, Live},
    money::money_in_words,
    problem::{Problem, Problems},
    request::{Binding, Method, Place, Request, RequestError, Style},
    schema::Schema,
    search::search,
    tool::{Effect, Local, Money, MoneyUnit, Sentence, SpecialLimit, Text, Toolset, Unchanged},
};

pub use self::suggest::{echo, nearest, shortened};

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
    /// The Interchange for buyers, v2.
    Buyer,
    /// The Interchange for sellers, v2.
    Storefront,
    /// Carbon measurement, v2.
    Measurement,
    /// What this server answers by itself.
    Local,
}

impl Surface {
    /// The word of `--api`, and the folder in `tools/`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Campaign => "campaign",
            Self::Buyer => "buyer",
            Self::Storefront => "storefront",
            Self::Measurement => "measurement",
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
