//! Where a key comes from.

use std::{io, path::PathBuf, sync::Arc};

use secrecy::SecretString;

use super::{
    command::{CommandError, KeyCommand},
    file::KeyFile,
    key::{ApiKey, InvalidKey},
};

/// Maximum size of a key file or of the output of a key command, in bytes.
pub(super) const MAX_KEY_BYTES: usize = 16 * 1024;

/// A source of a key.
#[derive(Debug)]
pub enum KeySource {
    /// None was named.
    None,
    /// A value that was given at start.
    Given(Result<ApiKey, InvalidKey>),
    /// A file, read again when it changes or its key is refused.
    File(KeyFile),
    /// A program and its arguments, run once and again when its key is refused.
    Command(KeyCommand),
}

/// No key is available. Causes are kept as sources; [`KeyError::in_full`] lists them all.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KeyError {
    /// None was named.
    #[error("no Scope3 API key is set")]
    Missing,
    /// The value is not a Scope3 API key.
    #[error("the Scope3 API key from {from} is malformed")]
    Invalid {
        /// The setting that holds it.
        from: String,
        /// What is wrong.
        #[source]
        why: InvalidKey,
    },
    /// The file cannot be read.
    #[error("cannot read the Scope3 API key file {path}")]
    File {
        /// Its path.
        path: PathBuf,
        /// The error of the system.
        #[source]
        cause: Arc<io::Error>,
    },
    /// The command failed. What it printed is not repeated.
    #[error("the Scope3 API key command `{program}` returned no key")]
    Command {
        /// The program.
        program: String,
        /// What happened.
        #[source]
        cause: CommandError,
    },
}

impl KeyError {
    /// The message and those of all its causes.
    #[must_use]
    pub fn in_full(&self) -> String {
        let first: &dyn std::error::Error = self;
        let messages: Vec<String> =
            std::iter::successors(Some(first), |error| error.source()).map(ToString::to_string).collect();
        messages.join(": ")
    }
}

impl KeySource {
    /// A source for a value that was given at start.
    #[must_use]
    pub fn given(text: &SecretString) -> Self {
        Self::Given(ApiKey::parse(text))
    }

    /// A source for a file.
    #[must_use]
    pub fn file(path: PathBuf) -> Self {
        Self::File(KeyFile::new(path))
    }

    /// A source for a command. `words` is the program and its arguments; it runs without a shell.
    #[must_use]
    pub fn command(words: Vec<String>) -> Self {
        Self::Command(KeyCommand::new(words))
    }

    /// The current key.
    ///
    /// # Errors
    /// When there is none, or it cannot be read or is malformed.
    pub(super) async fn key(&self) -> Result<ApiKey, KeyError> {
        match self {
            Self::None => Err(KeyError::Missing),
            Self::Given(key) => {
                key.clone().map_err(|why| KeyError::Invalid { from: "SCOPE3_API_KEY".to_owned(), why })
            }
            Self::File(file) => file.key().await,
            Self::Command(command) => command.key().await,
        }
    }

    /// Notes that Scope3 rejected this key. If it came from this source, there may be a newer one.
    pub(super) fn refused(&self, key: &ApiKey) {
        match self {
            Self::None | Self::Given(_) => {}
            Self::File(file) => file.refused(key),
            Self::Command(command) => command.refused(key),
        }
    }
}

/// The text of a file or of a command's output, in UTF-8, or in UTF-16 as Windows writes it.
pub(super) fn text(bytes: Vec<u8>) -> Option<SecretString> {
    let utf16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let (pairs, []) = bytes.as_chunks() else { return None };
        String::from_utf16(&pairs.iter().copied().map(unit).collect::<Vec<_>>()).ok()
    };
    let text = match bytes.as_slice() {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        _ => String::from_utf8(bytes).ok(),
    };
    text.map(SecretString::from)
}
