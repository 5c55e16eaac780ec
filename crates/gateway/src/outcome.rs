//! The outcome of a call.

use scope3_mcp_client::{MemoryPermit, sanitize::Sanitizer};
use serde_json::{Map, Value};

use crate::failure::Failure;

/// The result of a successful call.
#[derive(Debug, Default)]
pub struct Success {
    /// The data, without Scope3's envelope.
    pub data: Map<String, Value>,
    /// The sentence to show instead of the data, for tools that promise one. The data also has it, as `message`.
    pub sentence: Option<String>,
    /// What this server adds, as the member `scope3Mcp`: `sandbox`, `environment`, `amount`, `changed`, `message`,
    /// `partial`, `replaced`, `neutralized`, `backupKey`, `repeated`, `madeAt`,
    /// `confirmation`.
    pub notes: Map<String, Value>,
    /// The permit for the memory that the data uses.
    pub memory: MemoryPermit,
}

impl Success {
    /// The result of a local tool.
    pub(super) fn local(data: Map<String, Value>) -> Self {
        Self { data, sentence: None, notes: Map::new(), memory: MemoryPermit::default() }
    }

    /// The result of a dry run: the request that was not sent.
    pub(super) fn dry_run(request: Map<String, Value>, amount: Option<String>) -> Self {
        let mut success = Self::local(request);
        let message = "Nothing was sent. A real call sends this request.";
        success.notes.insert("changed".to_owned(), "no".into());
        success.notes.insert("message".to_owned(), message.into());
        success.notes.extend(amount.map(|amount| ("amount".to_owned(), amount.into())));
        success
    }

    /// The data including the notes, as clients receive it.
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
    /// The tool does not exist.
    #[error("unknown tool `{name}`{}", .nearest.as_ref().map_or_else(String::new, |near| format!("; did you mean `{near}`?")))]
    UnknownTool {
        /// The name, shortened if it is long.
        name: String,
        /// The name that the caller probably meant.
        nearest: Option<String>,
    },
    /// A person has to consent, and the client asks. It repeats the call with the answer and the code.
    #[error("the consent of a person is needed")]
    ConsentNeeded {
        /// What the person reads.
        question: String,
        /// The code of the question.
        code: String,
    },
    /// Any other failure, in words for the agent.
    #[error("{}", .0.message)]
    Failed(Box<Failure>),
}

impl CallError {
    /// Removes secrets and deceptive characters, which arguments can bring into an error.
    pub(super) fn sanitized(self, sanitizer: &mut Sanitizer) -> Self {
        match self {
            Self::UnknownTool { mut name, nearest } => {
                sanitizer.text(&mut name);
                Self::UnknownTool { name, nearest }
            }
            Self::ConsentNeeded { mut question, code } => {
                sanitizer.text(&mut question);
                Self::ConsentNeeded { question, code }
            }
            Self::Failed(mut failure) => {
                failure.sanitize(sanitizer);
                Self::Failed(failure)
            }
        }
    }
}

impl From<Failure> for CallError {
    fn from(failure: Failure) -> Self {
        Self::Failed(Box::new(failure.fitted()))
    }
}
