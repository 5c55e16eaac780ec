//! Where a key comes from.

use std::{io, path::PathBuf, sync::Arc};

use secrecy::SecretString;

use super::{
    command::{CommandError, KeyCommand},
    file::KeyFile,
    key::{ApiKey, InvalidKey},
};

/// A file or a command that holds a key gives no more bytes than this.
pub(super) const MAX_KEY_BYTES: usize = 16 * 1024;

/// A place that holds a key.
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

/// No key can be had. The causes are kept as sources; [`KeyError::in_full`] tells them all.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KeyError {
    /// None was named.
    #[error("no Scope3 API key is set")]
    Missing,
    /// There is one, but it is no Scope3 key.
    #[error("the Scope3 API key from {from} is malformed")]
    Invalid {
        /// The place, as an operator knows it.
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
        /// The system's word.
        #[source]
        cause: Arc<io::Error>,
    },
    /// The command failed. What it printed is not repeated.
    #[error("the Scope3 API key command `{program}` returned no key")]
    Command {
        /// Its first word.
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

    /// A source for a command. `words` is the program and its arguments; no shell sees them.
    #[must_use]
    pub fn command(words: Vec<String>) -> Self {
        Self::Command(KeyCommand::new(words))
    }

    /// The key as it is now.
    ///
    /// # Errors
    /// When there is none, or it cannot be read, or it is malformed.
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

    /// Scope3 refused this key: if it came from here, there may be a newer one by now.
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
