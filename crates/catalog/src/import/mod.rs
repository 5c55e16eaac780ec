//! Reads a published OpenAPI document and keeps its facts: a [`Contract`].
//!
//! Only requests are needed, so only requests are read strictly: a broken response does not stop the import.
//!
//! | module | what it does |
//! |---|---|
//! | `reading` | the document as plain values, within limits, and the line of a value |
//! | `operations` | the operations, their parameters and bodies |
//! | `schemas` | schemas without prose, as JSON Schema 2020-12 |
//! | `writing` | the text of a contract |
//! | `changes` | what a newer contract changes |
//! | `error` | why a document cannot be imported, and where |

mod changes;
mod error;
mod operations;
mod reading;
mod schemas;
#[cfg(test)]
mod tests;
mod writing;

pub(crate) use self::changes::references;
pub use self::{
    changes::{Change, Changes, changes},
    error::{ImportError, Line},
    reading::MAX_BYTES,
    writing::to_text,
};
use std::collections::BTreeMap;

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

/// Reads an OpenAPI 3.0 or 3.1 document, in YAML or JSON.
///
/// # Errors
/// If the document cannot be read, or a request in it is not as OpenAPI says. The error names the place.
pub fn import(document: &[u8]) -> Result<Imported, ImportError> {
    /// Reading is recursive, and the stacks of some threads are small.
    const STACK_BYTES: usize = 64 << 20;
    let read = || {
        let value = reading::read(document)?;
        operations::of(&value).map_err(|fault| reading::locate(document, fault))
    };
    std::thread::scope(|threads| {
        let reader = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(threads, read);
        reader.ok().and_then(|reader| reader.join().ok()).unwrap_or_else(|| {
            Err(ImportError::Unreadable { at: Line(None), why: "the reader failed".to_owned() })
        })
    })
}
