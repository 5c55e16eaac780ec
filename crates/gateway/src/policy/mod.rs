//! Which tools may run: one ordered decision, used for both listing and calling tools.
//!
//! The operator's selection comes first, then what the request leaves of it, then the rules of the operator's policy file.
//! The first that rejects decides. No later part can allow what an earlier one rejects.

mod cedar;
mod file;
mod owner;
mod selection;

use std::{path::PathBuf, sync::Arc};

use scope3_mcp_catalog::{Catalog, Entry};

use self::selection::Selected;
pub(crate) use self::{
    cedar::UNKNOWN_OWNER,
    owner::{Lookup, Owners, lookup},
};
pub use self::{
    cedar::{CallFacts, Decision, Problem, Rule, Rules, RulesError, SchemaFault, Verdict},
    file::{PolicyFile, PolicyFileError, read_rules},
    owner::Owner,
    selection::{Narrowing, Selection, UnknownName},
};

/// A commented policy file for operators.
pub const EXAMPLE: &str = include_str!("example.cedar");

/// Why a tool may not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The tool changes something, and the server is read-only.
    #[error("this server is read-only")]
    ReadOnly,
    /// The operator excluded the tool.
    #[error("the operator of this server has excluded it")]
    Excluded,
    /// The tool belongs to an API that is not active.
    #[error("the tool's API is not active on this server")]
    OtherSurface,
    /// The tool finds or calls others, and the server lists its tools.
    #[error("this server lists its tools instead")]
    NotDiscovering,
    /// The tool is not in the operator's selection.
    #[error("the operator of this server did not select it")]
    NotChosen,
    /// The request's headers leave it out.
    #[error("the headers of this client's requests leave it out")]
    Narrowed,
    /// The operator's policy rejects the tool, whatever its arguments.
    #[error("{}", cedar::why(.0.as_deref()))]
    Forbidden(Option<Arc<Rule>>),
}

/// The operator's selection and rules.
#[derive(Debug)]
pub struct Policy {
    selected: Selected,
    file: Option<PolicyFile>,
    owners: Owners,
}

impl Policy {
    /// Validates a selection against the catalog.
    ///
    /// # Errors
    /// If the selection names an unknown tool or toolset: a typo in `--exclude-tools` must not be ignored.
    pub fn new(catalog: &Catalog, selection: Selection) -> Result<Self, UnknownName> {
        Ok(Self { selected: Selected::new(catalog, selection)?, file: None, owners: Owners::default() })
    }

    /// Adds the rules of a file.
    ///
    /// # Errors
    /// If the file cannot be used.
    pub fn with_file(self, path: PathBuf, catalog: &Catalog) -> Result<Self, PolicyFileError> {
        Ok(Self { file: Some(PolicyFile::open(path, catalog.clone())?), ..self })
    }

    /// Checks the rules against another catalog from now on. The operator's selection of names stays.
    ///
    /// # Errors
    /// If the rules cannot be used with it. Nothing changes then.
    pub fn adopt(&self, catalog: &Catalog) -> Result<(), PolicyFileError> {
        self.file.as_ref().map_or(Ok(()), |file| file.adopt(catalog))
    }

    /// Reads the policy file again if it has changed.
    pub async fn refresh(&self) {
        if let Some(file) = &self.file {
            file.refresh().await;
        }
    }

    /// The rules in force, if the operator has a policy file.
    #[must_use]
    pub fn rules(&self) -> Option<Arc<Rules>> {
        self.file.as_ref().map(PolicyFile::rules)
    }

    /// The brand agents to which campaigns and other things belong, as far as they were looked up.
    pub(crate) fn owners(&self) -> &Owners {
        &self.owners
    }

    /// Checks whether the operator's settings offer a tool, without the rules of a policy file.
    ///
    /// # Errors
    /// Why they do not.
    pub fn selection(&self, entry: &Entry) -> Result<(), Denied> {
        self.selected.check(entry)
    }

    /// Whether a tool that may run is in the list that clients see.
    #[must_use]
    pub fn lists(&self, entry: &Entry) -> bool {
        self.selected.lists(entry)
    }

    /// Checks whether a tool is listed and may run, as far as that does not depend on its arguments.
    ///
    /// # Errors
    /// Why the tool may not run.
    pub fn check(&self, entry: &Entry, narrowing: Option<&Narrowing>) -> Result<(), Denied> {
        self.selected.check(entry)?;
        narrowing.map_or(Ok(()), |narrowing| narrowing.check(entry))?;
        match self.rules() {
            Some(rules) => rules.check(entry).map_err(|why| Denied::Forbidden(why.0)),
            None => Ok(()),
        }
    }
}
