//! Why a newer document cannot be used.

use std::{io, path::PathBuf};

use scope3_mcp_gateway::catalog::{
    Surface,
    import::{ImportError, MAX_BYTES},
    newer::JoinError,
};

/// Why a newer document cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// A file cannot be read.
    #[error("{}: cannot be read: {cause}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error from the operating system.
        #[source]
        cause: io::Error,
    },
    /// A file cannot be written.
    #[error("{}: cannot be written: {cause}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The error from the operating system.
        #[source]
        cause: io::Error,
    },
    /// A file is larger than any document.
    #[error("{place}: expected a document of at most {} MB, got a larger one", MAX_BYTES >> 20)]
    TooLarge {
        /// The file or URL.
        place: String,
    },
    /// The document itself cannot be used.
    #[error("{place}: {source}")]
    Import {
        /// The file or URL.
        place: String,
        /// What is wrong, and where.
        source: ImportError,
    },
    /// It does not fit what is built in.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// A file of this program was changed by others.
    #[error("{}: expected what `scope3-mcp catalog` wrote: {cause}", .path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        cause: serde_json::Error,
    },
    /// The stored document is not the one that was pulled.
    #[error("{}: expected the document that was pulled, got another; pull it again", .0.display())]
    Changed(PathBuf),
    /// The system names no folder for caches.
    #[error("expected a folder for caches: set XDG_CACHE_HOME or HOME to an absolute path")]
    NoFolder,
    /// Nothing was pulled.
    #[error("no document of `{0}` was pulled; run `scope3-mcp catalog pull --surface {0}`")]
    NotPulled(Surface),
    /// The API is not active.
    #[error("expected a document of an active API, got one of `{0}`; see --api")]
    Inactive(Surface),
    /// Two documents are given for an API.
    #[error("expected one document for each API, got two of `{0}`")]
    Twice(Surface),
    /// The request failed.
    #[error("{url}: {cause}")]
    Request {
        /// Where the document is published.
        url: String,
        /// What happened.
        #[source]
        cause: reqwest::Error,
    },
    /// The response is no document.
    #[error("{url}: expected a document, got status {status}")]
    Status {
        /// Where the document is published.
        url: String,
        /// The status of the response.
        status: u16,
    },
}
