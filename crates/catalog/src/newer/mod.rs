//! A newer document of an API, used while the server runs, on top of what is built in.
//!
//! It adds operations, and changes the arguments of known ones. It never changes where a request goes, and it never makes a
//! known tool less dangerous than the built-in words say: what does not fit our words stays as it is built in.
//!
//! | module | what it does |
//! |---|---|
//! | `address` | where an operation is, and whether two can be the same |
//! | `join` | the tools of known operations |
//! | `added` | the tools of new operations |
//! | `outline`, `report` | what differs |
//! | `text` | Scope3's words on one line, without what deceives |

mod added;
mod address;
mod join;
mod outline;
mod report;
#[cfg(test)]
mod tests;
mod text;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use serde_json::json;

pub use self::{
    added::TOOLSET,
    join::{JoinError, with_newer},
    report::{Changed, Kept, Report},
    text::one_line,
};
use super::{
    ENTRIES, SERVERS, Surface,
    contract::Contract,
    digest::digest,
    import::{self, Expected, ImportError, Line, Prose, is_heavy},
    join::facts,
    request::Place,
};

/// How long reading a document may take.
pub const PATIENCE: Duration = Duration::from_secs(if cfg!(debug_assertions) { 60 } else { 4 });

/// The version of the form in which documents are kept, with that of the program. A document that another program kept is
/// read anew.
const FORM: &str = concat!("1 ", env!("CARGO_PKG_VERSION"));

/// What was read from a newer document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// The form in which it is kept.
    form: String,
    /// The API that it describes.
    pub surface: Surface,
    /// The digest of its bytes.
    pub digest: String,
    /// Its facts.
    pub contract: Contract,
    /// What it says in prose, by the ids of the operations. It is not clean.
    pub prose: BTreeMap<String, Prose>,
    /// What was left out.
    pub notes: Vec<String>,
    /// The digest of the facts of each operation.
    facts: BTreeMap<String, String>,
}

/// A newer document, and what the operator said about it.
#[derive(Debug, Clone, Copy)]
pub struct Newer<'a> {
    /// The document.
    pub document: &'a Document,
    /// The digests of the descriptions whose changes the operator acknowledged, by the ids of the operations.
    pub acknowledged: &'a BTreeMap<String, String>,
    /// The prose of an earlier document, by the ids of the operations.
    pub earlier: &'a BTreeMap<String, Prose>,
}

/// The base URL of an API in its built-in document. `None` if no document describes it.
#[must_use]
pub fn server_of(surface: Surface) -> Option<&'static str> {
    SERVERS.iter().find(|(known, _)| *known == surface).map(|(_, server)| *server)
}

impl Document {
    /// Reads a newer document of an API.
    ///
    /// # Errors
    /// If the document cannot be read, or sends requests to where the API is not known to be.
    pub fn read(surface: Surface, bytes: &[u8]) -> Result<Self, ImportError> {
        let Some(server) = server_of(surface) else {
            let why = format!("the tools of the API `{surface}` do not come from a document");
            return Err(ImportError::Unreadable { at: Line::default(), why });
        };
        let own = address::path_of(server).to_owned();
        let bases = ENTRIES.iter().filter(|entry| entry.is_of(surface));
        let bases = bases.filter_map(|entry| Some(entry.tool.request.as_ref()?.base.as_ref()?.to_string()));
        let bases = bases.chain([own]).collect();
        let expected = Expected { server: server.to_owned(), bases, until: Instant::now() + PATIENCE };
        let read = import::import_expected(bytes, &expected)?;
        let (mut contract, prose, mut notes) = (read.contract, read.prose, read.notes);
        for (id, operation) in &mut contract.operations {
            // A header can change what a request does, and who makes it. No known operation needs one.
            let before = operation.parameters.len();
            operation.parameters.retain(|parameter| parameter.place != Place::Header);
            if operation.parameters.len() < before {
                notes.push(format!("operation {id}: its headers are left out"));
            }
        }
        for (id, operation) in &contract.operations {
            if operation.body.as_ref().is_some_and(|body| is_heavy(&json!(body.schema), &contract.schemas)) {
                let why = "expected a body with fewer alternatives".to_owned();
                let path = format!("the operation `{id}`");
                return Err(ImportError::At { line: Line::default(), path, why });
            }
        }
        let facts = contract
            .operations
            .iter()
            .map(|(id, operation)| (id.clone(), facts(&contract, operation)))
            .collect();
        Ok(Self { form: FORM.to_owned(), surface, digest: digest_of(bytes), contract, prose, notes, facts })
    }

    /// Reads a document as it was kept. `None` if it has to be read anew.
    #[must_use]
    pub fn kept(text: &str, surface: Surface, digest: &str) -> Option<Self> {
        let document: Self = serde_json::from_str(text).ok()?;
        let is_same = document.form == FORM && document.surface == surface && document.digest == digest;
        is_same.then_some(document)
    }

    /// The document as it is kept.
    #[must_use]
    pub fn to_text(&self) -> String {
        // Nothing in it can fail to be written.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The digest of the bytes of a document.
#[must_use]
pub fn digest_of(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => digest(text),
        Err(_) => digest(&String::from_utf8_lossy(bytes)),
    }
}
