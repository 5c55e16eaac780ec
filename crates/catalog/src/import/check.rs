//! Everything that is wrong with a document, for people.

use super::{
    error::{Fault, ImportError},
    operations, reading, with_stack,
};

/// The maximum number of faults that are listed.
const MAX_FAULTS: usize = 200;

/// How many faults get their line. The document is read once for each.
const MAX_LINES: usize = 20;

/// What is wrong with a document, each with its location.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checked {
    /// What prevents that an operation is used.
    pub faults: Vec<String>,
    /// What is left out or corrected.
    pub notes: Vec<String>,
}

/// Lists what a document gets wrong, each with its location. Unlike an import, this does not stop at the first fault.
///
/// # Errors
/// If the document is not an OpenAPI document at all.
pub fn check(document: &[u8]) -> Result<Checked, ImportError> {
    with_stack(|| {
        let value = reading::read(document)?;
        let mut faults = Vec::new();
        let read = operations::of(&value, None, Some(&mut faults));
        let mut notes = Vec::new();
        match read {
            Ok(imported) => notes = imported.notes,
            Err(fault) => faults.push(fault),
        }
        let count = faults.len();
        let mut faults: Vec<String> = faults
            .into_iter()
            .take(MAX_FAULTS)
            .enumerate()
            .map(|(position, fault)| located(document, fault, position < MAX_LINES))
            .collect();
        if count > MAX_FAULTS {
            faults.push(format!("and {} more", count - MAX_FAULTS));
        }
        Ok(Checked { faults, notes })
    })
}

fn located(document: &[u8], fault: Fault, with_line: bool) -> String {
    if with_line {
        reading::locate(document, fault).to_string()
    } else {
        format!("{}: {}", fault.path(), fault.why)
    }
}
