//! What an agent reads when a file is not sent.

use scope3_mcp_catalog::{Entry, Problem};

use super::Failure;
use crate::uploads::UploadError;

impl Failure {
    /// A file argument that cannot be sent. Nothing was sent.
    #[must_use]
    pub(crate) fn upload(entry: &Entry, argument: &str, error: UploadError) -> Self {
        let failure = Self::arguments(entry, &Problem::at(argument, error.to_string()).into());
        match error {
            // The operator can do more about these.
            UploadError::Directory(_) => failure.caused_by(error),
            _ => failure,
        }
    }
}
