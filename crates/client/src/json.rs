//! A lenient JSON parser.
//!
//! A text that is cut in the middle of an emoji ends in half of a surrogate pair (`\ud83d`). Some servers write `NaN`,
//! a byte order mark or Latin-1. A strict parser rejects the whole text for any of these. This parser reports what it
//! replaced, so that nobody mistakes a replacement for data.

use std::borrow::Cow;

use encoding_rs::Encoding;
use serde_json::Value;

/// A parsed text, and what had to be replaced to parse it.
#[derive(Debug, PartialEq)]
pub(crate) struct Reading {
    /// The value.
    pub(crate) value: Value,
    /// A description of what was replaced. `None` if only the encoding was not standard JSON.
    pub(crate) replaced: Option<String>,
}

/// Parses a JSON text. `charset` is the encoding that the sender declares; the default is UTF-8.
///
/// # Errors
/// When the text is not JSON even after replacements. The error has the line and column.
pub(crate) fn read(text: &[u8], charset: Option<&str>) -> Result<Reading, serde_json::Error> {
    if let Ok(value) = serde_json::from_slice(text) {
        return Ok(Reading { value, replaced: None });
    }
    let encoding = charset.and_then(|label| Encoding::for_label(label.as_bytes()));
    let (text, _, undecodable) = encoding.unwrap_or(encoding_rs::UTF_8).decode(text);
    let mut repair = Repair { characters: undecodable, ..Repair::default() };
    let repaired = repair.text(&text);
    let value = serde_json::from_str(&repaired)?;
    Ok(Reading { value, replaced: repair.words() })
}

#[derive(Debug, Default)]
struct Repair {
    characters: bool,
    numbers: bool,
}

impl Repair {
    /// Copies a text and replaces what a strict parser rejects. Other syntax errors stay as they are.
    fn text(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        let mut in_string = false;
        while let Some(first) = rest.chars().next() {
            let (kept, length) =
                if in_string { self.in_string(rest, first) } else { self.outside_string(rest, first) };
            if first == '"' {
                in_string = !in_string;
            }
            out.push_str(&kept);
            rest = &rest[length..];
        }
        out
    }

    /// The replacement for the start of `rest`, which is inside a string, and the number of bytes that it replaces.
    fn in_string<'a>(&mut self, rest: &'a str, first: char) -> (Cow<'a, str>, usize) {
        if first != '\\' {
            if first.is_ascii_control() {
                self.characters = true;
                return (Cow::Owned(format!("\\u{:04x}", u32::from(first))), 1);
            }
            return (Cow::Borrowed(&rest[..first.len_utf8()]), first.len_utf8());
        }
        match (code_unit(rest), code_unit(rest.get(6..).unwrap_or_default())) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => (Cow::Borrowed(&rest[..12]), 12),
            (Some(0xD800..=0xDFFF), _) => {
                self.characters = true;
                (Cow::Borrowed("\\ufffd"), 6)
            }
            _ => {
                let length = 1 + rest[1..].chars().next().map_or(0, char::len_utf8);
                (Cow::Borrowed(&rest[..length]), length)
            }
        }
    }

    fn outside_string<'a>(&mut self, rest: &'a str, first: char) -> (Cow<'a, str>, usize) {
        for word in ["NaN", "Infinity", "-Infinity"] {
            if rest.starts_with(word) {
                self.numbers = true;
                return (Cow::Borrowed("null"), word.len());
            }
        }
        (Cow::Borrowed(&rest[..first.len_utf8()]), first.len_utf8())
    }

    fn words(&self) -> Option<String> {
        let characters = self.characters.then_some("invalid characters in texts were replaced");
        let numbers = self.numbers.then_some("NaN or Infinity was read as null");
        let words: Vec<&str> = characters.into_iter().chain(numbers).collect();
        (!words.is_empty()).then(|| words.join("; "))
    }
}

/// The UTF-16 code unit of an escape such as `\ud83d` at the start of a text.
fn code_unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn loose_json_is_parsed_and_replacements_are_reported() {
        let cut = "invalid characters in texts were replaced";
        let number = "NaN or Infinity was read as null";
        for (text, value, replaced) in [
            (r#"{"a":"cut \ud83d"}"#, json!({"a": "cut \u{fffd}"}), Some(cut)),
            (r#"{"a":"\ude00 \ud83d\ude00 \ud83dx"}"#, json!({"a": "\u{fffd} 😀 \u{fffd}x"}), Some(cut)),
            (r#"{"a":"\\ud83d"}"#, json!({"a": "\\ud83d"}), None),
            ("{\"a\":\"line\nbreak\"}", json!({"a": "line\nbreak"}), Some(cut)),
            (r#"{"a":NaN,"b":[-Infinity,1]}"#, json!({"a": null, "b": [null, 1]}), Some(number)),
            (r#"{"a":"NaN"}"#, json!({"a": "NaN"}), None),
            ("\u{feff}{\"a\":1}", json!({"a": 1}), None),
        ] {
            let reading = read(text.as_bytes(), None).unwrap();
            assert_eq!((reading.value, reading.replaced.as_deref()), (value, replaced), "{text}");
        }
        let latin = read(b"{\"a\":\"Z\xfcrich\"}", Some("ISO-8859-1")).unwrap();
        assert_eq!((latin.value, latin.replaced), (json!({"a": "Zürich"}), None));
        let wrong = read(b"{\"a\":\"Z\xfcrich\"}", None).unwrap();
        assert_eq!((wrong.value, wrong.replaced.as_deref()), (json!({"a": "Z\u{fffd}rich"}), Some(cut)));
    }

    #[test]
    fn an_error_has_the_line() {
        let error = read(b"{\"a\": 1,\n \"b\": nope}", None).unwrap_err();
        assert_eq!(error.line(), 2);
        for text in ["", "{", "nonsense", "{\"a\":\"\\ud8\"}", "\\u", "\"\\"] {
            assert!(read(text.as_bytes(), None).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn valid_json_is_never_changed(value in "\\PC{0,40}") {
            let text = json!({ "a": value, "n": 12.5 }).to_string();
            prop_assert_eq!(Repair::default().text(&text), text);
        }

        #[test]
        fn any_bytes_are_parsed_or_rejected_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _outcome = read(&bytes, Some("windows-1252"));
        }
    }
}
