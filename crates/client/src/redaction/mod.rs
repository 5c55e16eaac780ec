//! Removes secrets from everything that leaves the program: results, logs, the journal, errors.
//!
//! Types that cannot be printed protect a key within the program. They do not help when somebody else repeats it: an API
//! in its response, a client in its arguments, a library in an error. So each text is searched as well, for any eight
//! characters in a row of a secret, plain or encoded. A key that was cut off is found, too.
//!
//! A client may send any text in the form of a key. If its parts were searched for everywhere, a client could make words
//! disappear from the results of others and from the log. So the parts of a client's key are searched for in its own
//! calls only, and everywhere else the entire key is.

mod windows;

use std::{
    borrow::Cow,
    collections::VecDeque,
    fmt,
    num::NonZeroUsize,
    ops::Range,
    sync::{Arc, LazyLock, Mutex, PoisonError, RwLock},
};

use lru::LruCache;
use secrecy::{ExposeSecret, SecretString};

pub(crate) use self::windows::{Sensitive, Windows};
use crate::credentials::{ApiKey, Fingerprint};

/// What replaces a secret.
pub const REDACTED: &str = "[redacted]";

/// How many secrets of the operator are known: keys that were rotated count.
const MAX_CONFIGURED: usize = 64;

/// How many keys of clients are known.
const MAX_RECEIVED: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

/// The longest key of a client that is found in a text, in bytes.
const MAX_KEY_BYTES: usize = 512;

/// The start of every key.
const KEY_PREFIX: &str = "scope3_";

/// The secrets that this process knows.
#[derive(Default)]
pub struct Secrets {
    configured: RwLock<Configured>,
    received: Mutex<Option<LruCache<Fingerprint, ()>>>,
}

/// The secrets of the operator.
#[derive(Default)]
struct Configured {
    secrets: VecDeque<(Fingerprint, Vec<Sensitive>)>,
    windows: Arc<Windows>,
}

/// The secrets of this process.
#[must_use]
pub fn secrets() -> &'static Secrets {
    static SECRETS: LazyLock<Secrets> = LazyLock::new(Secrets::default);
    &SECRETS
}

impl Secrets {
    /// Adds a key that the operator configured.
    pub fn add_key(&self, key: &ApiKey) {
        self.add(key.fingerprint(), || vec![key.sensitive()]);
    }

    /// Adds a token that the operator configured.
    pub fn add_token(&self, token: &SecretString) {
        let text = token.expose_secret().trim();
        self.add(Fingerprint::of(text), || vec![Sensitive::text(text)]);
    }

    /// Adds a text that the operator configured as a key, and that is none: it may be a key with a typing error. Its
    /// parts count, and not the name of a variable or a placeholder.
    pub fn add_malformed(&self, text: &SecretString) {
        let text = text.expose_secret();
        let is_separator =
            |c: char| c.is_whitespace() || matches!(c, '=' | '"' | '\'' | '`' | ',' | '\u{feff}');
        let parts = text.split(is_separator).filter(|part| !part.starts_with(['$', '#', '/', '.', '~']));
        let parts = parts.filter(|part| !part.starts_with("SCOPE3_"));
        let parts: Vec<Sensitive> = parts.map(Sensitive::malformed).collect();
        self.add(Fingerprint::of(text), || parts);
    }

    /// Adds a key that a client sent.
    pub fn add_received(&self, key: &ApiKey) {
        let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        received.get_or_insert_with(|| LruCache::new(MAX_RECEIVED)).put(key.fingerprint(), ());
    }

    /// Replaces each secret in a text.
    #[must_use]
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        replaced(text, self.found(text.as_bytes(), &[]))
    }

    fn add(&self, id: Fingerprint, sensitive: impl FnOnce() -> Vec<Sensitive>) {
        let mut configured = self.configured.write().unwrap_or_else(PoisonError::into_inner);
        if configured.secrets.iter().any(|(known, _)| *known == id) {
            return;
        }
        configured.secrets.push_front((id, sensitive()));
        configured.secrets.truncate(MAX_CONFIGURED);
        let windows = Windows::of(configured.secrets.iter().flat_map(|(_, sensitive)| sensitive));
        configured.windows = Arc::new(windows);
    }

    fn is_configured(&self, key: Fingerprint) -> bool {
        let configured = self.configured.read().unwrap_or_else(PoisonError::into_inner);
        configured.secrets.iter().any(|(known, _)| *known == key)
    }

    /// Where the secrets are in a text: sorted, and apart from each other.
    fn found(&self, text: &[u8], more: &[Arc<Windows>]) -> Vec<Range<usize>> {
        let configured = {
            let configured = self.configured.read().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(&configured.windows)
        };
        let mut found = Vec::new();
        for windows in std::iter::once(&configured).chain(more) {
            windows.find(text, &mut found);
        }
        self.find_received(text, &mut found);
        merged(found)
    }

    /// Finds entire keys of clients.
    fn find_received(&self, text: &[u8], found: &mut Vec<Range<usize>>) {
        let mut from = 0;
        while let Some(at) = text.get(from..).and_then(|rest| position(rest, KEY_PREFIX.as_bytes())) {
            let start = from + at;
            let is_of_key = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
            let length = text[start..].iter().take(MAX_KEY_BYTES).take_while(is_of_key).count();
            let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(received) = received.as_mut() else { return };
            if let Ok(key) = std::str::from_utf8(&text[start..start + length])
                && received.contains(&Fingerprint::of(key))
            {
                found.push(start..start + length);
            }
            from = start + length.max(1);
        }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

/// Replaces the secrets of this process, and those of one caller.
#[derive(Debug, Clone, Default)]
pub struct Redactor {
    own: Vec<Arc<Windows>>,
}

impl Redactor {
    /// Also replaces the parts of these keys.
    #[must_use]
    pub fn with<'a>(keys: impl IntoIterator<Item = &'a ApiKey>) -> Self {
        let others = keys.into_iter().filter(|key| !secrets().is_configured(key.fingerprint()));
        Self { own: others.map(ApiKey::windows).collect() }
    }

    /// Replaces each secret in a text.
    #[must_use]
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        replaced(text, secrets().found(text.as_bytes(), &self.own))
    }

    /// Replaces each secret in bytes that may not be UTF-8.
    pub(crate) fn redact_bytes(&self, bytes: &mut Vec<u8>) {
        let found = secrets().found(bytes, &self.own);
        if found.is_empty() {
            return;
        }
        let mut kept = Vec::with_capacity(bytes.len());
        let mut from = 0;
        for Range { start, end } in found {
            kept.extend_from_slice(&bytes[from..start]);
            kept.extend_from_slice(REDACTED.as_bytes());
            from = end;
        }
        kept.extend_from_slice(&bytes[from..]);
        *bytes = kept;
    }
}

fn position(text: &[u8], wanted: &[u8]) -> Option<usize> {
    let (&first, rest) = wanted.split_first()?;
    let mut from = 0;
    loop {
        let at = from + text.get(from..)?.iter().position(|&byte| byte == first)?;
        if text[at + 1..].starts_with(rest) {
            return Some(at);
        }
        from = at + 1;
    }
}

/// Joins ranges that overlap or touch.
fn merged(mut found: Vec<Range<usize>>) -> Vec<Range<usize>> {
    found.sort_unstable_by_key(|range| range.start);
    let mut merged: Vec<Range<usize>> = Vec::new();
    for range in found {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

fn replaced(text: &str, found: Vec<Range<usize>>) -> Cow<'_, str> {
    if found.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut kept = String::with_capacity(text.len());
    let mut from = 0;
    for Range { start, end } in found {
        // A window may begin or end within a character.
        let start = text.floor_char_boundary(start).max(from);
        kept.push_str(&text[from..start]);
        kept.push_str(REDACTED);
        from = text.ceil_char_boundary(end);
    }
    kept.push_str(&text[from..]);
    Cow::Owned(kept)
}

#[cfg(test)]
mod tests;
