//! The sources of a key.

use std::{io, path::PathBuf, sync::Arc};

use scope3_mcp_catalog::echo;
use secrecy::SecretString;

use super::{
    command::CommandError,
    fetched::FetchedKey,
    file::KeyFile,
    key::{ApiKey, InvalidKey},
    keychain::{Keychain, KeychainError},
};

/// The maximum size of a key file or of the output of a key command.
pub(super) const MAX_KEY_BYTES: usize = 16 * 1024;

/// Where a key comes from.
#[derive(Debug)]
pub enum KeySource {
    /// No source is configured.
    None,
    /// A value given at startup.
    Given(Result<ApiKey, InvalidKey>),
    /// A file, read again when it changes or when Scope3 rejects its key.
    File(KeyFile),
    /// A command or the keychain, asked once, and again when Scope3 rejects its key.
    Fetched(FetchedKey),
}

/// Why there is no usable key. The causes are error sources; [`KeyError::in_full`] lists all of them.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KeyError {
    /// No source is configured.
    #[error("no Scope3 API key is set")]
    Missing,
    /// The source returned a text that is not a Scope3 key.
    #[error("the Scope3 API key from {from} is malformed")]
    Invalid {
        /// The source, as an operator knows it: a variable, a path or a program.
        from: String,
        /// What is wrong with the key.
        #[source]
        why: InvalidKey,
    },
    /// The file cannot be read.
    #[error("cannot read the Scope3 API key file {}", echo(&.path.to_string_lossy()))]
    File {
        /// The path of the file.
        path: PathBuf,
        /// The error from the operating system.
        #[source]
        cause: Arc<io::Error>,
    },
    /// The command failed. The message never contains its output.
    #[error("cannot get the Scope3 API key from the command `{}`", echo(.program))]
    Command {
        /// The first word of the command.
        program: String,
        /// Why the command failed.
        #[source]
        cause: CommandError,
    },
    /// The keychain returned no key.
    #[error(transparent)]
    Keychain(KeychainError),
}

impl KeyError {
    /// The message, followed by the messages of all causes.
    #[must_use]
    pub fn in_full(&self) -> String {
        let first: &dyn std::error::Error = self;
        let messages: Vec<String> =
            std::iter::successors(Some(first), |error| error.source()).map(ToString::to_string).collect();
        messages.join(": ")
    }
}

impl KeySource {
    /// A source for a value given at startup.
    #[must_use]
    pub fn given(text: &SecretString) -> Self {
        Self::Given(ApiKey::configured(text))
    }

    /// A source for a file.
    #[must_use]
    pub fn file(path: PathBuf) -> Self {
        Self::File(KeyFile::new(path))
    }

    /// A source for a command. `words` is the program and its arguments; they do not pass through a shell.
    #[must_use]
    pub fn command(words: Vec<String>) -> Self {
        Self::Fetched(FetchedKey::of_command(words))
    }

    /// A source for the key that `scope3-mcp key set` stored.
    #[must_use]
    pub fn keychain(keychain: Keychain) -> Self {
        Self::Fetched(FetchedKey::of_keychain(keychain))
    }

    /// The current key.
    ///
    /// # Errors
    /// When no source is configured, or the key cannot be read or is malformed.
    pub(super) async fn key(&self) -> Result<ApiKey, KeyError> {
        match self {
            Self::None => Err(KeyError::Missing),
            Self::Given(key) => {
                key.clone().map_err(|why| KeyError::Invalid { from: "SCOPE3_API_KEY".to_owned(), why })
            }
            Self::File(file) => file.key().await,
            Self::Fetched(fetched) => fetched.key().await,
        }
    }

    /// Records that Scope3 rejected this key. If it came from this source, the source is read again.
    pub(super) fn rejected(&self, key: &ApiKey) {
        match self {
            Self::None | Self::Given(_) => {}
            Self::File(file) => file.rejected(key),
            Self::Fetched(fetched) => fetched.rejected(key),
        }
    }
}

impl KeySource {
    /// Reads a file, runs a command or asks the keychain again for the next call.
    pub(super) fn reload(&self) {
        match self {
            Self::None | Self::Given(_) => {}
            Self::File(file) => file.reload(),
            Self::Fetched(fetched) => fetched.reload(),
        }
    }
}

/// Decodes a file or a command's output: UTF-8, or UTF-16 with a byte order mark, as Windows writes it.
pub(super) fn decode(bytes: Vec<u8>) -> Option<SecretString> {
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
