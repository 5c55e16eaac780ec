//! A key that cannot be printed.

use std::{fmt, sync::Arc};

use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// The length of the client id in the documented form of a key.
const CLIENT_ID: usize = 32;

/// Begins a text file of some editors, and is no part of its text.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// A Scope3 API key: `scope3_<client id>_<secret>`. Cheap to clone; shows its fingerprint alone.
#[derive(Clone)]
pub struct ApiKey {
    header: HeaderValue,
    bearer: HeaderValue,
    fingerprint: Fingerprint,
    usual_length: bool,
    // Held so that the text is wiped when the last clone goes.
    _secret: Arc<SecretString>,
}

/// Why a text is no key. Says nothing of the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// Another kind of token, or a placeholder.
    #[error("it does not start with `scope3_`")]
    Prefix,
    /// A variable that a client's configuration did not fill in.
    #[error("it is a placeholder whose variable is not set")]
    Placeholder,
    /// Cut off, or joined wrongly.
    #[error("it has no secret after the client id; expected `scope3_<client id>_<secret>`")]
    NoSecret,
    /// A line break or a quotation mark, most often.
    #[error(
        "it contains characters other than letters, digits, `-` and `_`, such as quotation marks or spaces"
    )]
    Characters,
}

impl ApiKey {
    /// Reads a key. White space around it is dropped, as files and commands end in a line break, and so is the byte
    /// order mark with which editors on Windows begin a file.
    ///
    /// # Errors
    /// When the form is wrong. A client id of unusual length is no error: newer documents leave it open.
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
            usual_length: client_id.len() == CLIENT_ID,
            _secret: Arc::new(text.into()),
        })
    }

    /// The key as the value of `x-scope3-api-key`, marked sensitive. With [`Self::bearer`], the only way to the key.
    #[must_use]
    pub fn header(&self) -> HeaderValue {
        self.header.clone()
    }

    /// The key as the value of `Authorization`, in the Bearer scheme, marked sensitive.
    #[must_use]
    pub fn bearer(&self) -> HeaderValue {
        self.bearer.clone()
    }

    /// What stands for the key wherever it is named, compared or counted.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Whether the client id has the documented length. If not, the key may have been cut.
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

/// Stands for a key without being part of it: the start of a SHA-256.
///
/// It is compared at 128 bits, so that nobody can make a key with another's fingerprint, and shown at 48.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(pub(super) [u8; 16]);

impl Fingerprint {
    fn of(text: &str) -> Self {
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
    fn a_wrong_form_is_refused_and_a_wrong_length_is_not() {
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
    fn what_editors_and_shells_put_around_a_key_is_dropped() {
        for text in ["\u{feff}scope3_a_b-c_d\r\n", " \u{feff} scope3_a_b-c_d\n\n", "\tscope3_a_b-c_d"] {
            assert_eq!(parse(text).unwrap().header().as_bytes(), b"scope3_a_b-c_d", "{text:?}");
        }
    }

    #[test]
    fn nothing_of_a_key_is_shown() {
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
