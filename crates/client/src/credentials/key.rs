//! An API key that is never printed.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::redaction::{Sensitive, Windows, secrets};

/// The documented length of a key's client id, in bytes.
const CLIENT_ID_BYTES: usize = 32;

/// Some editors write this mark at the start of a text file. It is not part of the text.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// A Scope3 API key: `scope3_<client id>_<secret>`. Cheap to clone. `Debug` prints only its fingerprint.
#[derive(Clone)]
pub struct ApiKey {
    header: HeaderValue,
    bearer: HeaderValue,
    fingerprint: Fingerprint,
    usual_length: bool,
    // Wiped from memory when the last clone is dropped.
    secret: Arc<SecretString>,
    /// Computed when a text is searched for the key for the first time.
    windows: Arc<OnceLock<Arc<Windows>>>,
}

/// Why a text is not a valid key. Never contains the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// The text does not start with `scope3_`: it may be another kind of token.
    #[error("it does not start with `scope3_`")]
    Prefix,
    /// The text is a variable that the client's configuration did not replace by its value.
    #[error("it is an unreplaced placeholder; set the variable that it names")]
    Placeholder,
    /// The client id or the secret is missing: the key may be cut off.
    #[error("expected `scope3_<client id>_<secret>`, but the client id or the secret is missing")]
    NoSecret,
    /// The text contains a character that keys do not have, usually a line break or a quotation mark.
    #[error(
        "it contains characters other than letters, digits, `-` and `_`; check for quotation marks and spaces"
    )]
    Characters,
}

impl ApiKey {
    /// Parses a key. Removes surrounding white space, because files and commands end in a line break, and the byte
    /// order mark that editors on Windows write at the start of a file.
    ///
    /// # Errors
    /// When the text does not have the form of a key. A client id of an unusual length is accepted: Scope3's newer
    /// documents do not specify the length.
    pub fn parse(text: &SecretString) -> Result<Self, InvalidKey> {
        let text = text.expose_secret().trim_matches(|c: char| c.is_whitespace() || c == BYTE_ORDER_MARK);
        if text.starts_with('$') {
            return Err(InvalidKey::Placeholder);
        }
        let rest = text.strip_prefix("scope3_").ok_or(InvalidKey::Prefix)?;
        if !rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
            return Err(InvalidKey::Characters);
        }
        let (client_id, secret) = rest.split_once('_').ok_or(InvalidKey::NoSecret)?;
        if client_id.is_empty() || secret.is_empty() {
            return Err(InvalidKey::NoSecret);
        }
        let sensitive = |text: &str| {
            let mut value = HeaderValue::from_str(text).map_err(|_| InvalidKey::Characters)?;
            value.set_sensitive(true);
            Ok(value)
        };
        Ok(Self {
            header: sensitive(text)?,
            bearer: sensitive(&format!("Bearer {text}"))?,
            fingerprint: Fingerprint::of(text),
            usual_length: client_id.len() == CLIENT_ID_BYTES,
            secret: Arc::new(text.into()),
            windows: Arc::default(),
        })
    }

    /// Parses a key that the operator configured, and makes sure that neither it nor a malformed one is ever shown.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn configured(text: &SecretString) -> Result<Self, InvalidKey> {
        let key = Self::parse(text);
        match &key {
            Ok(key) => secrets().add_key(key),
            Err(_) => secrets().add_malformed(text),
        }
        key
    }

    /// Parses a key that a client sent, and makes sure that it is never shown.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn received(text: &SecretString) -> Result<Self, InvalidKey> {
        Self::parse(text).inspect(|key| secrets().add_received(key))
    }

    /// The text of the key, to be stored in a keychain.
    pub(super) fn expose(&self) -> &str {
        self.secret.expose_secret()
    }

    /// What must not be shown of the key.
    pub(crate) fn sensitive(&self) -> Sensitive {
        Sensitive::key(self.secret.expose_secret())
    }

    /// How to find the key in a text.
    pub(crate) fn windows(&self) -> Arc<Windows> {
        Arc::clone(self.windows.get_or_init(|| Arc::new(Windows::of([&self.sensitive()]))))
    }

    /// The key as the value of `x-scope3-api-key`, marked sensitive. Outside of this module, only this and
    /// [`Self::bearer`] expose the key.
    #[must_use]
    pub fn header(&self) -> HeaderValue {
        self.header.clone()
    }

    /// The key as the value of `Authorization`, in the Bearer scheme, marked sensitive.
    #[must_use]
    pub fn bearer(&self) -> HeaderValue {
        self.bearer.clone()
    }

    /// The fingerprint, which replaces the key in logs, comparisons and counts.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Whether the client id has the documented length. If not, the key may be cut off.
    #[must_use]
    pub fn has_usual_length(&self) -> bool {
        self.usual_length
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({})", self.fingerprint)
    }
}

/// Identifies a key without revealing it: the first bytes of a SHA-256 hash.
///
/// Comparisons use 128 bits, so that nobody can make a key with the fingerprint of another key. Only 48 bits are
/// printed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(pub(super) [u8; 16]);

impl Fingerprint {
    /// The bytes that identify the key. They are derived from the key, and do not reveal it.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    pub(crate) fn of(text: &str) -> Self {
        let digest = Sha256::new().chain_update(b"scope3-mcp key\0").chain_update(text).finalize();
        let mut start = [0; 16];
        start.copy_from_slice(&digest[..16]);
        Self(start)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..6].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ApiKey, InvalidKey> {
        ApiKey::parse(&text.into())
    }

    #[test]
    fn the_documented_example_is_a_key() {
        let key = parse("scope3_abc123def456ghi789jkl012mno345pq_xyz789\n").unwrap();
        assert!(key.header().is_sensitive());
        assert_eq!(key.header().as_bytes(), b"scope3_abc123def456ghi789jkl012mno345pq_xyz789");
    }

    #[test]
    fn a_malformed_key_is_rejected_and_an_unusual_length_is_accepted() {
        assert_eq!(parse("sk-123").unwrap_err(), InvalidKey::Prefix);
        assert_eq!(parse("").unwrap_err(), InvalidKey::Prefix);
        assert_eq!(parse("${SCOPE3_API_KEY}").unwrap_err(), InvalidKey::Placeholder);
        assert_eq!(parse("\"scope3_a_b\"").unwrap_err(), InvalidKey::Prefix);
        assert_eq!(parse("scope3_abc").unwrap_err(), InvalidKey::NoSecret);
        assert_eq!(parse("scope3_abc_").unwrap_err(), InvalidKey::NoSecret);
        assert_eq!(parse("scope3__secret").unwrap_err(), InvalidKey::NoSecret, "no client id");
        assert_eq!(parse("scope3_a_b\"").unwrap_err(), InvalidKey::Characters);
        assert_eq!(parse("scope3_a b_c").unwrap_err(), InvalidKey::Characters);
        assert!(!parse("scope3_short_secret").unwrap().has_usual_length());
        assert!(parse(&format!("scope3_{}_secret", "a".repeat(32))).unwrap().has_usual_length());
    }

    #[test]
    fn white_space_and_byte_order_marks_around_a_key_are_removed() {
        for text in ["\u{feff}scope3_a_b-c_d\r\n", " \u{feff} scope3_a_b-c_d\n\n", "\tscope3_a_b-c_d"] {
            assert_eq!(parse(text).unwrap().header().as_bytes(), b"scope3_a_b-c_d", "{text:?}");
        }
    }

    #[test]
    fn no_part_of_a_key_is_printed() {
        let key = parse("scope3_abc123def456ghi789jkl012mno345pq_topsecret").unwrap();
        let shown = format!("{key:?} {:?} {}", key.header(), key.fingerprint());
        for part in ["abc123", "topsecret", "scope3_"] {
            assert!(!shown.contains(part), "{shown}");
        }
    }

    #[test]
    fn different_keys_have_different_fingerprints() {
        let fingerprint = |text| parse(text).unwrap().fingerprint();
        assert_eq!(fingerprint("scope3_a_b"), fingerprint(" scope3_a_b "));
        assert_ne!(fingerprint("scope3_a_b"), fingerprint("scope3_a_c"));
    }
}
