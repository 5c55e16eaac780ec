//! The key in the keychain of the operating system: the Keychain of macOS, the Credential Manager of Windows, or the keyring of
//! the Linux kernel, which forgets it when the machine restarts. A client of the Secret Service, which does not forget, would
//! add 2.5 MB to the program; `--api-key-command 'secret-tool …'` asks it without that.
//!
//! The stored text is the key, and in a second line the date on which it was stored. Whatever another program stored there
//! needs no date.

use std::{sync::Arc, time::Duration};

use jiff::civil::Date;
use keyring_core::{CredentialStore, Entry, Error};
use secrecy::{ExposeSecret, SecretString};

use super::{
    key::{ApiKey, InvalidKey},
    source::KeyError,
};

/// The name of this program in a keychain.
const SERVICE: &str = "scope3-mcp";

/// The name of the key in a keychain.
const USER: &str = "api-key";

/// How long a call waits for the keychain. A system may ask its user first.
const TIMEOUT: Duration = Duration::from_mins(1);

/// A keychain with at most one key of this program. It is opened by each operation, and not before.
#[derive(Debug, Clone, Default)]
pub struct Keychain {
    /// A store of a test, instead of that of the system.
    store: Option<Arc<CredentialStore>>,
}

/// A key in a keychain.
#[derive(Debug, Clone)]
pub struct StoredKey {
    /// The key.
    pub key: ApiKey,
    /// The date on which it was stored, if it is known.
    pub stored: Option<Date>,
}

/// Why a keychain cannot be used, or has no key. The messages never contain what it holds.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KeychainError {
    /// The system has no keychain, or does not let this process use it.
    // The cause names its own cause.
    #[error("the keychain of this system cannot be used: {0}")]
    Unavailable(Arc<Error>),
    /// This program knows no keychain of this system.
    #[error("this program knows no keychain of this system; use a key file or a key command")]
    Unsupported,
    /// The keychain has no key of this program.
    #[error("the keychain of this system has no Scope3 API key; store one with `scope3-mcp key set`")]
    Empty,
    /// What the keychain holds is not a key.
    #[error("what the keychain of this system holds is not a Scope3 API key")]
    Invalid(#[source] InvalidKey),
    /// The keychain did not answer in time.
    #[error("the keychain of this system did not answer within {} s", TIMEOUT.as_secs())]
    TimedOut,
}

impl Keychain {
    /// What people call the keychain of this system, and how long it keeps a key.
    pub const NAME: &str = if cfg!(target_os = "macos") {
        "Keychain of macOS"
    } else if cfg!(windows) {
        "Credential Manager of Windows"
    } else {
        "keyring of the Linux kernel, which forgets it at a restart"
    };

    /// The key, if the keychain holds one.
    ///
    /// # Errors
    /// If the keychain cannot be used or has no key, or what it holds is not a key.
    pub fn get(&self) -> Result<StoredKey, KeychainError> {
        let text: SecretString = self.entry()?.get_password().map_err(failed)?.into();
        let mut lines = text.expose_secret().lines();
        let key = lines.next().unwrap_or_default();
        let key = ApiKey::configured(&key.into()).map_err(KeychainError::Invalid)?;
        Ok(StoredKey { key, stored: lines.next().and_then(|date| date.trim().parse().ok()) })
    }

    /// Stores a key in the place of the one before it.
    ///
    /// # Errors
    /// If the keychain cannot be used.
    pub fn set(&self, key: &ApiKey, today: Date) -> Result<(), KeychainError> {
        let text: SecretString = format!("{}\n{today}", key.expose()).into();
        self.entry()?.set_password(text.expose_secret()).map_err(failed)
    }

    /// Removes the key.
    ///
    /// # Errors
    /// If the keychain cannot be used or has no key.
    pub fn remove(&self) -> Result<(), KeychainError> {
        self.entry()?.delete_credential().map_err(failed)
    }

    fn entry(&self) -> Result<Entry, KeychainError> {
        let store = self.store.clone().map_or_else(of_system, Ok)?;
        store.build(SERVICE, USER, None).map_err(failed)
    }
}

/// The key in a keychain, without blocking the runtime.
pub(super) async fn fetch(keychain: &Keychain) -> Result<ApiKey, KeyError> {
    let keychain = keychain.clone();
    let asked = tokio::task::spawn_blocking(move || keychain.get());
    let stored = match tokio::time::timeout(TIMEOUT, asked).await {
        Ok(Ok(stored)) => stored,
        // The task does not panic, and is not aborted.
        Ok(Err(_)) | Err(_) => Err(KeychainError::TimedOut),
    };
    stored.map(|stored| stored.key).map_err(KeyError::Keychain)
}

#[cfg(any(target_os = "linux", target_os = "macos", windows))]
fn of_system() -> Result<Arc<CredentialStore>, KeychainError> {
    #[cfg(target_os = "macos")]
    use apple_native_keyring_store::keychain::Store;
    #[cfg(target_os = "linux")]
    use linux_keyutils_keyring_store::Store;
    #[cfg(windows)]
    use windows_native_keyring_store::Store;

    let store: Arc<CredentialStore> = Store::new().map_err(failed)?;
    Ok(store)
}

#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
fn of_system() -> Result<Arc<CredentialStore>, KeychainError> {
    Err(KeychainError::Unsupported)
}

fn failed(error: Error) -> KeychainError {
    match error {
        Error::NoEntry => KeychainError::Empty,
        // These hold what the keychain holds.
        Error::BadEncoding(_) | Error::BadDataFormat(..) => KeychainError::Invalid(InvalidKey::Characters),
        error => KeychainError::Unavailable(Arc::new(error)),
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use keyring_core::mock;

    use super::*;

    fn keychain() -> Keychain {
        Keychain { store: Some(mock::Store::new().unwrap()) }
    }

    fn key(secret: &str) -> ApiKey {
        ApiKey::parse(&format!("scope3_a_{secret}").into()).unwrap()
    }

    #[test]
    fn a_keychain_keeps_one_key_and_the_date_until_it_is_removed() {
        let keychain = keychain();
        assert!(matches!(keychain.get(), Err(KeychainError::Empty)));
        assert!(matches!(keychain.remove(), Err(KeychainError::Empty)));
        for secret in ["first", "second"] {
            keychain.set(&key(secret), date(2026, 1, 31)).unwrap();
            let stored = keychain.get().unwrap();
            assert_eq!(stored.key.fingerprint(), key(secret).fingerprint());
            assert_eq!(stored.stored, Some(date(2026, 1, 31)));
        }
        keychain.remove().unwrap();
        assert!(matches!(keychain.get(), Err(KeychainError::Empty)));
    }

    #[test]
    fn what_another_program_stored_needs_no_date_and_must_be_a_key() {
        let keychain = keychain();
        let entry = keychain.entry().unwrap();
        entry.set_password("scope3_a_other\n").unwrap();
        let stored = keychain.get().unwrap();
        assert_eq!((stored.key.fingerprint(), stored.stored), (key("other").fingerprint(), None));
        for bytes in [b"hunter2hunter2".as_slice(), b"scope3_a_hunter2\xff"] {
            entry.set_secret(bytes).unwrap();
            let error = keychain.get().unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(matches!(error, KeychainError::Invalid(_)) && !shown.contains("hunter2"), "{shown}");
        }
    }

    #[tokio::test]
    async fn a_rejected_key_is_read_from_the_keychain_again() {
        let keychain = keychain();
        let source = super::super::KeySource::keychain(keychain.clone());
        let error = source.key().await.unwrap_err().in_full();
        assert!(error.contains("store one with `scope3-mcp key set`"), "{error}");
        source.reload();
        keychain.set(&key("old"), date(2026, 1, 31)).unwrap();
        assert_eq!(source.key().await.unwrap().fingerprint(), key("old").fingerprint());
        keychain.set(&key("new"), date(2026, 2, 1)).unwrap();
        assert_eq!(source.key().await.unwrap().fingerprint(), key("old").fingerprint());
        source.rejected(&key("old"));
        assert_eq!(source.key().await.unwrap().fingerprint(), key("new").fingerprint());
    }
}
