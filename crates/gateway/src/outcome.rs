//! The outcome of a call.

use scope3_mcp_client::MemoryPermit;
use serde_json::{Map, Value};

use crate::failure::Failure;

/// The result of a successful call.
#[derive(Debug)]
pub struct Success {
    /// The data, without the provider's envelope.
    pub data: Map<String, Value>,
    /// The sentence to show instead of the data, for tools that promise one. The data has it too, as `message`.
    pub sentence: Option<String>,
    /// What this server adds, shown as one member `scope3Mcp`: `sandbox`, `environment`, `amount`, `partial`, `replaced`.
    pub notes: Map<String, Value>,
    /// The memory reserved for the data.
    pub memory: MemoryPermit,
}

impl Success {
    /// A result that this server made itself.
    pub(super) fn local(data: Map<String, Value>) -> Self {
        Self { data, sentence: None, notes: Map::new(), memory: MemoryPermit::default() }
    }

    /// The data with the notes, as clients get it.
    #[must_use]
    pub fn into_value(self) -> Value {
        let mut data = self.data;
        if !self.notes.is_empty() {
            data.insert("scope3Mcp".to_owned(), self.notes.into());
        }
        data.into()
    }
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No tool has this name.
    #[error("unknown tool `{name}`{}", .nearest.as_ref().map_or_else(String::new, |near| format!("; did you mean `{near}`?")))]
    UnknownTool {
        /// The name, cut if it is long.
        name: String,
        /// The most similar name.
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
