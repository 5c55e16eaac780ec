//! Finds eight characters in a row of a secret, plain or encoded.

use std::{collections::HashSet, fmt, fmt::Write, ops::Range};

use base64::{
    Engine,
    engine::{
        GeneralPurpose,
        general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
    },
};
use secrecy::{ExposeSecret, SecretString};

/// The length of a window in bytes. It fits a register, so that a text is searched at about one byte per nanosecond.
const WINDOW_BYTES: usize = 8;

/// The number of bits in the filter: with the windows of a few keys, one position of a thousand passes it.
const FILTER_BITS: usize = 1 << 16;

/// The longest secret that is searched for, in bytes.
const MAX_SECRET_BYTES: usize = 1024;

/// The part of a secret that must not be shown.
#[derive(Clone)]
pub(crate) struct Sensitive {
    /// The part before the secret, which is removed with it.
    prefix: Option<Box<str>>,
    secret: SecretString,
}

impl Sensitive {
    /// A valid key.
    pub(crate) fn key(text: &str) -> Self {
        let id = text.get("scope3_".len()..).and_then(|rest| rest.split_once('_'));
        let secret = id.map_or(text, |(_, secret)| secret);
        // Shorter secrets have no window, so the end of the key has to do.
        let at = (text.len() - secret.len()).min(text.len().saturating_sub(WINDOW_BYTES));
        let (prefix, secret) = text.split_at(at);
        Self { prefix: Some(prefix.into()), ..Self::text(secret) }
    }

    /// A word of a text that should be a key and is none.
    pub(crate) fn malformed(text: &str) -> Self {
        Self::text(text.strip_prefix("scope3_").unwrap_or(text))
    }

    /// A text that is secret as a whole.
    pub(crate) fn text(text: &str) -> Self {
        let end = text.floor_char_boundary(MAX_SECRET_BYTES);
        Self { prefix: None, secret: text[..end].into() }
    }

    /// The texts in which plain or encoded secrets appear.
    fn forms(&self) -> Vec<String> {
        let secret = self.secret.expose_secret();
        let mut forms = vec![secret.to_owned(), escaped(secret), percent_encoded(secret, 'A')];
        forms.push(percent_encoded(secret, 'a'));
        for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            forms.extend((0..3).map(|before| base64(&engine, before, secret)));
        }
        forms
    }
}

/// All windows of some secrets.
#[derive(Default)]
pub(crate) struct Windows {
    filter: Vec<u64>,
    exact: HashSet<[u8; WINDOW_BYTES]>,
    /// Half a window of hexadecimal digits: alone, many an id would contain it.
    hex: HashSet<[u8; WINDOW_BYTES]>,
    prefixes: Vec<Box<str>>,
}

impl Windows {
    pub(crate) fn of<'a>(secrets: impl IntoIterator<Item = &'a Sensitive>) -> Self {
        let mut all = Self::default();
        for sensitive in secrets {
            if sensitive.secret.expose_secret().len() < WINDOW_BYTES {
                continue;
            }
            all.prefixes.extend(sensitive.prefix.clone());
            for form in sensitive.forms() {
                all.exact.extend(form.as_bytes().array_windows().copied());
            }
            let lower = hex(sensitive.secret.expose_secret());
            for digits in [lower.to_uppercase(), lower] {
                all.hex.extend(digits.as_bytes().array_windows().copied());
            }
        }
        if !all.exact.is_empty() {
            all.filter = vec![0; FILTER_BITS / 64];
            for window in all.exact.iter().chain(&all.hex) {
                let (word, bit) = place(*window);
                all.filter[word] |= bit;
            }
        }
        all
    }

    /// Adds the places of secrets in a text.
    pub(crate) fn find(&self, text: &[u8], found: &mut Vec<Range<usize>>) {
        if self.filter.is_empty() {
            return;
        }
        let already = found.len();
        for (start, window) in text.array_windows::<WINDOW_BYTES>().enumerate() {
            let (word, bit) = place(*window);
            if self.filter[word] & bit == 0 {
                continue;
            }
            let length = if self.exact.contains(window) {
                WINDOW_BYTES
            } else if self.hex.contains(window) && self.is_hex(&text[start + WINDOW_BYTES..]) {
                2 * WINDOW_BYTES
            } else {
                continue;
            };
            match found[already..].last_mut() {
                Some(last) if start <= last.end => last.end = start + length,
                _ => found.push(start..start + length),
            }
        }
        for range in &mut found[already..] {
            let before = &text[..range.start];
            let known = self.prefixes.iter().filter(|prefix| before.ends_with(prefix.as_bytes()));
            range.start -= known.map(|prefix| prefix.len()).max().unwrap_or_default();
        }
    }

    fn is_hex(&self, rest: &[u8]) -> bool {
        rest.first_chunk().is_some_and(|window| self.hex.contains(window))
    }
}

impl fmt::Debug for Windows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Windows").finish_non_exhaustive()
    }
}

/// The place of a window in the filter.
fn place(window: [u8; WINDOW_BYTES]) -> (usize, u64) {
    // Fibonacci hashing: the golden ratio spreads similar numbers.
    let hash = u64::from_le_bytes(window).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - FILTER_BITS.ilog2());
    // The hash has sixteen bits.
    #[expect(clippy::cast_possible_truncation)]
    let at = hash as usize;
    (at / 64, 1 << (at % 64))
}

fn hex(text: &str) -> String {
    text.bytes().fold(String::new(), |mut digits, byte| {
        let _infallible = write!(digits, "{byte:02x}");
        digits
    })
}

/// The secret as JSON and Rust's `Debug` write it.
fn escaped(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// The secret in a URL. `digit` says whether the digits above nine are capital letters.
fn percent_encoded(text: &str, digit: char) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        let _infallible = match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(byte.into());
                Ok(())
            }
            _ if digit == 'A' => write!(encoded, "%{byte:02X}"),
            _ => write!(encoded, "%{byte:02x}"),
        };
        encoded
    })
}

/// The characters in base64 that depend on the secret alone, if `before` bytes (modulo 3) come before it.
fn base64(engine: &GeneralPurpose, before: usize, secret: &str) -> String {
    let bytes = [&[0; 2][..before], secret.as_bytes()].concat();
    let mut encoded = engine.encode(&bytes);
    encoded.truncate(bytes.len() * 8 / 6);
    encoded.split_off((before * 8).div_ceil(6))
}
