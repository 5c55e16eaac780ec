//! Reads a published OpenAPI document and keeps its facts: a [`Contract`].
//!
//! Only requests are needed, so only requests are read strictly: a broken response does not stop the import.
//!
//! | module | what it does |
//! |---|---|
//! | `reading` | the document as plain values, within limits, and the line of a value |
//! | `operations` | the operations, their parameters and bodies |
//! | `schemas` | schemas without prose, as JSON Schema 2020-12 |
//! | `limits` | how far schemas may apply each other |
//! | `writing` | the text of a contract |
//! | `changes` | what a newer contract changes |
//! | `check` | everything that is wrong with a document, for people |
//! | `error` | why a document cannot be imported, and where |

mod changes;
mod check;
mod error;
mod limits;
mod operations;
mod reading;
mod schemas;
#[cfg(test)]
mod tests;
mod writing;

pub(crate) use self::{changes::references, limits::is_heavy};
pub use self::{
    changes::{Change, Changes, changes},
    check::{Checked, check},
    error::{ImportError, Line},
    reading::MAX_BYTES,
    writing::to_text,
};
use std::{collections::BTreeMap, time::Instant};

use serde::{Deserialize, Serialize};

use crate::contract::Contract;

/// A contract, and what was left out of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// The facts of the document.
    pub contract: Contract,
    /// What the document says about its operations in prose, by their ids.
    pub prose: BTreeMap<String, Prose>,
    /// What was left out, one sentence each, for people.
    pub notes: Vec<String>,
}

/// What a document says about an operation in prose, as it stands there. It is not clean.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Prose {
    /// One line.
    pub summary: String,
    /// All that an operation does.
    pub description: String,
}

/// What a document may say if it is used while the server runs, and how long reading it may take.
#[derive(Debug, Clone)]
pub struct Expected {
    /// The base URL of the API.
    pub server: String,
    /// The paths of the base URLs to which operations may send requests.
    pub bases: Vec<String>,
    /// When reading has to be done.
    pub until: Instant,
}

/// Reads an OpenAPI 3.0 or 3.1 document, in YAML or JSON.
///
/// # Errors
/// If the document cannot be read, or a request in it is not as OpenAPI says. The error names the place.
pub fn import(document: &[u8]) -> Result<Imported, ImportError> {
    with_stack(|| {
        let value = reading::read(document)?;
        operations::of(&value, None, None).map_err(|fault| reading::locate(document, fault))
    })
}

/// Reads a document that may only send requests where the API is known to be.
///
/// # Errors
/// As [`import()`], and if a request would go elsewhere, or reading takes too long.
pub fn import_expected(document: &[u8], expected: &Expected) -> Result<Imported, ImportError> {
    with_stack(|| {
        let value = reading::read(document)?;
        operations::of(&value, Some(expected), None).map_err(|fault| reading::locate(document, fault))
    })
}

/// Runs a reader on a thread with a large stack: reading is recursive, and the stacks of some threads are small.
fn with_stack<Made: Send>(
    read: impl FnOnce() -> Result<Made, ImportError> + Send,
) -> Result<Made, ImportError> {
    const STACK_BYTES: usize = 64 << 20;
    std::thread::scope(|threads| {
        let reader = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(threads, read);
        reader.ok().and_then(|reader| reader.join().ok()).unwrap_or_else(|| {
            Err(ImportError::Unreadable { at: Line(None), why: "the reader failed".to_owned() })
        })
    })
}
