//! Why a document cannot be imported, and where.

use std::fmt;

use crate::suggest::shortened;

/// Why a document cannot be imported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The document is larger than any document of an API.
    #[error("expected a document of at most {} MB, got a larger one", super::MAX_BYTES >> 20)]
    TooLarge,
    /// The document is neither YAML nor JSON, or exceeds what a document of an API needs.
    #[error("{at}{why}")]
    Unreadable {
        /// Where reading stopped.
        at: Line,
        /// What is wrong.
        why: String,
    },
    /// A part of the document is not as it must be.
    #[error("{line}{path}: {why}")]
    At {
        /// Its line, if it is known.
        line: Line,
        /// Its path in the document, such as `paths./things.get.operationId`.
        path: String,
        /// What was expected, and what the document has.
        why: String,
    },
}

/// A line of the document, if it is known. In an error, it stands before the rest: `line 5, `.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Line(pub Option<u64>);

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |line| write!(f, "line {line}, "))
    }
}

/// The location of a value in the document, from the inside out. It is only written down in an error.
#[derive(Debug, Clone, Copy)]
pub(super) enum At<'a> {
    /// The document.
    Root,
    /// A member of an object.
    Member(&'a At<'a>, &'a str),
    /// An item of a list.
    Item(&'a At<'a>, usize),
}

/// A fault at a location, before its line is known.
#[derive(Debug)]
pub(super) struct Fault {
    /// The steps from the root.
    pub(super) steps: Vec<String>,
    /// What was expected, and what the document has.
    pub(super) why: String,
}

impl<'a> At<'a> {
    /// A member of this value.
    pub(super) fn member(&'a self, name: &'a str) -> Self {
        Self::Member(self, name)
    }

    /// The fault that this value is not what was expected.
    pub(super) fn expected(&self, expected: &str, got: impl fmt::Display) -> Fault {
        self.fault(format!("expected {expected}, got {}", shortened(&got.to_string())))
    }

    /// A fault of this value.
    pub(super) fn fault(&self, why: impl Into<String>) -> Fault {
        Fault { steps: self.steps(), why: why.into() }
    }

    fn steps(&self) -> Vec<String> {
        let (outer, step) = match self {
            Self::Root => return Vec::new(),
            Self::Member(outer, name) => (outer, (*name).to_owned()),
            Self::Item(outer, position) => (outer, position.to_string()),
        };
        let mut steps = outer.steps();
        steps.push(step);
        steps
    }
}

impl Fault {
    /// The path of the value, without what is too long to be shown.
    pub(super) fn path(&self) -> String {
        let steps: Vec<_> = self.steps.iter().map(|step| shortened(step)).collect();
        if steps.is_empty() { "the document".to_owned() } else { steps.join(".") }
    }
}
