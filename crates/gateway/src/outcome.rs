//! What a call brings.

use scope3_mcp_client::MemoryPermit;
use serde_json::{Map, Value};

use crate::failure::Failure;

/// What a call brought.
#[derive(Debug)]
pub struct Success {
    /// The data, without the provider's envelope.
    pub data: Map<String, Value>,
    /// The sentence to show in place of the data, where one is promised. It stands in the data as `message`, too.
    pub sentence: Option<String>,
    /// What this server adds, shown as one member `scope3Mcp`: `sandbox`, `environment`, `amount`, `partial`, `replaced`.
    pub notes: Map<String, Value>,
    /// The memory that the data is counted under.
    pub memory: MemoryPermit,
}

impl Success {
    /// What this server answers by itself.
    pub(super) fn local(data: Map<String, Value>) -> Self {
        Self { data, sentence: None, notes: Map::new(), memory: MemoryPermit::default() }
    }

    /// The data with the notes in it, as clients get it.
    #[must_use]
    pub fn into_value(self) -> Value {
        let mut data = self.data;
        if !self.notes.is_empty() {
            data.insert("scope3Mcp".to_owned(), self.notes.into());
        }
        data.into()
    }
}

/// Why a call brought nothing.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// There is no tool of that name.
    #[error("unknown tool `{name}`{}", .nearest.as_ref().map_or_else(String::new, |near| format!("; did you mean `{near}`?")))]
    UnknownTool {
        /// The name, cut where it is long.
        name: String,
        /// The name that was probably meant.
        nearest: Option<String>,
    },
    /// Everything else, in words for the agent.
    #[error("{}", .0.message)]
    Failed(Box<Failure>),
}

impl From<Failure> for CallError {
    fn from(failure: Failure) -> Self {
        Self::Failed(Box::new(failure.fitted()))
    }
}
