//! Why the state cannot be used.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use crate::journal::EntryId;

/// The state cannot be used. Nothing was recorded.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StateError {
    /// SQLite reports an error.
    #[error("{path}: {source}", path = path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// SQLite's error.
        source: Arc<rusqlite::Error>,
    },
    /// The file or its directory cannot be created.
    #[error("{path}: cannot create it: {source}{advice}", path = path.display(), advice = advice(source, path))]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: Arc<io::Error>,
    },
    /// The file belongs to another program.
    #[error("{path}: expected a state file of scope3-mcp, got another kind of file", path = .0.display())]
    Foreign(PathBuf),
    /// A newer version of this program wrote the file.
    #[error(
        "{path}: written by a newer version of scope3-mcp (format {found}; this version knows up to {known})",
        path = path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version of the file's format.
        found: u32,
        /// The newest version that this program knows.
        known: u32,
    },
    /// The file system has no locks that processes can share.
    #[error(
        "{path}: this file system does not support the locks that processes need to share a file; use a local disk",
        path = .0.display()
    )]
    NoLocks(PathBuf),
    /// The file was damaged. It was moved aside, and changes wait for the operator.
    #[error(
        "the state file was damaged and moved to {moved}; changes are refused until the operator runs \
         `scope3-mcp journal accept-loss`",
        moved = .0.display()
    )]
    Damaged(PathBuf),
    /// The Redis server cannot be reached, or refuses an operation.
    #[error("{location}: {source}")]
    Redis {
        /// The server, without its password.
        location: String,
        /// The client's error.
        source: Arc<redis::RedisError>,
    },
    /// The Redis server has lost the journal. Changes wait for the operator.
    #[error(
        "{0} has lost the journal; changes are refused until the operator runs `scope3-mcp journal accept-loss`"
    )]
    Lost(String),
    /// The journal entry of a change is gone or has ended, so the change must not be sent.
    #[error("the journal entry {0} is gone or has ended")]
    EntryGone(EntryId),
    /// Other processes changed the journal each time that this process had read it.
    #[error("{0}: too many processes change the journal at the same time")]
    Contended(String),
    /// There is no place for the file.
    #[error("no directory for the state file: set HOME, or name a file with --state")]
    NoPlace,
    /// The state did not answer in time.
    #[error("{location}: no response within {} s", after.as_secs())]
    Timeout {
        /// The state.
        location: String,
        /// How long this process waited.
        after: Duration,
    },
}

/// What to do about a directory that cannot be written to.
fn advice(source: &io::Error, path: &Path) -> String {
    let is_read_only =
        matches!(source.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied);
    match path.parent() {
        Some(directory) if is_read_only => {
            format!(
                "; mount a volume that this user can write to at {}, or name another file with --state",
                directory.display()
            )
        }
        _ => String::new(),
    }
}

impl StateError {
    /// What an agent reads of it. Paths are for the operator, whose log has them.
    #[must_use]
    pub fn for_agents(&self) -> String {
        match self {
            Self::Database { source, .. } => match source.sqlite_error() {
                Some(error) => format!("its database reports: {error}"),
                None => "its database reports an error".to_owned(),
            },
            Self::Io { source, .. } => format!("its file cannot be created: {source}"),
            Self::Foreign(_) => "its file belongs to another program".to_owned(),
            Self::Newer { .. } => "a newer version of scope3-mcp has written its file".to_owned(),
            Self::NoLocks(_) => "its file system has no locks that processes can share".to_owned(),
            Self::Damaged(_) => {
                "its file was damaged; changes are refused until the operator runs `scope3-mcp journal accept-loss`"
                    .to_owned()
            }
            Self::Redis { .. } => "its Redis server cannot be reached or refuses an operation".to_owned(),
            Self::Lost(_) => {
                "it has lost its journal; changes are refused until the operator runs `scope3-mcp journal accept-loss`"
                    .to_owned()
            }
            Self::EntryGone(_) => self.to_string(),
            Self::Contended(_) => "too many processes change the journal at the same time".to_owned(),
            Self::NoPlace => "there is no place for its file".to_owned(),
            Self::Timeout { after, .. } => format!("no response within {} s", after.as_secs()),
        }
    }

    /// Whether another setting of `--state` is needed: waiting does not help.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Database { .. }
            | Self::Io { .. }
            | Self::Foreign(_)
            | Self::Newer { .. }
            | Self::NoLocks(_)
            | Self::NoPlace => true,
            Self::Damaged(_)
            | Self::Redis { .. }
            | Self::Lost(_)
            | Self::EntryGone(_)
            | Self::Contended(_)
            | Self::Timeout { .. } => false,
        }
    }
}
