//! Responses are data. This module makes the texts in them harmless, and removes secrets from them, in one pass.
//!
//! Names of creatives and messages of sellers come from strangers, and end in the context of a model and on the terminal
//! of a person. Characters that nobody sees can hide instructions from the person and show them to the model; characters
//! that control a terminal or the direction of text can make a sentence look like another. They are replaced by a visible
//! notation, such as `\u{202e}`: the text stays complete, and a reader notices.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::redaction::Redactor;

/// Whether a character is invisible or controls how other text is shown.
///
/// These are the control characters but line feed and tab, the marks of text direction, zero-width characters, and the
/// tags that encode text invisibly (U+E0000 to U+E007F).
#[must_use]
pub fn is_deceptive(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'
        | '\u{2066}'..='\u{2069}'
        | '\u{61c}'
        | '\u{feff}'
        | '\u{e0000}'..='\u{e007f}' => true,
        c => c.is_control(),
    }
}

/// A text in which deceptive characters are visible, and their number. A line break of Windows becomes one of Unix, and
/// the joiner within an emoji stays.
#[must_use]
pub fn neutralized(text: &str) -> (Cow<'_, str>, usize) {
    if !text.bytes().any(is_suspicious) || !text.contains(is_deceptive) {
        return (Cow::Borrowed(text), 0);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    let mut count = 0;
    let mut before = None;
    let mut letters = text.chars().peekable();
    while let Some(c) = letters.next() {
        let next = letters.peek().copied();
        match c {
            '\r' if next == Some('\n') => {}
            '\u{200d}' if before.is_some_and(is_emoji) && next.is_some_and(is_emoji) => shown.push(c),
            c if is_deceptive(c) => {
                shown.extend(c.escape_unicode());
                count += 1;
            }
            c => shown.push(c),
        }
        before = Some(c);
    }
    (Cow::Owned(shown), count)
}

/// Whether a byte can be a part of a deceptive character: ASCII controls, and the first bytes of the others in UTF-8.
fn is_suspicious(byte: u8) -> bool {
    matches!(byte, 0..=8 | 0x0b..=0x1f | 0x7f | 0xc2 | 0xd8 | 0xe2 | 0xef | 0xf3)
}

fn is_emoji(c: char) -> bool {
    matches!(c, '\u{2600}'..='\u{27bf}' | '\u{2b00}'..='\u{2bff}' | '\u{fe0f}' | '\u{1f000}'..='\u{1faff}' | '\u{2190}'..='\u{21ff}')
}

/// Cleans texts for one caller, and counts the characters that it neutralized.
#[derive(Debug, Default)]
pub struct Sanitizer {
    redactor: Redactor,
    /// The number of characters that were neutralized so far.
    pub neutralized: usize,
}

impl Sanitizer {
    /// Removes the secrets that this redactor knows.
    #[must_use]
    pub fn new(redactor: Redactor) -> Self {
        Self { redactor, neutralized: 0 }
    }

    /// Cleans a text.
    pub fn text(&mut self, text: &mut String) {
        let redacted = self.redactor.redact(text);
        let (clean, count) = neutralized(&redacted);
        self.neutralized += count;
        let is_unchanged = matches!((&redacted, &clean), (Cow::Borrowed(_), Cow::Borrowed(_)));
        if !is_unchanged {
            *text = clean.into_owned();
        }
    }

    /// Cleans all texts and names in a value.
    pub fn value(&mut self, value: &mut Value) {
        match value {
            Value::String(text) => self.text(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::Object(members) => self.members(members),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// Cleans all texts and names in an object.
    pub fn members(&mut self, members: &mut Map<String, Value>) {
        let mut has_unclean_name = false;
        for (name, value) in members.iter_mut() {
            has_unclean_name |=
                neutralized(name).1 > 0 || matches!(self.redactor.redact(name), Cow::Owned(_));
            self.value(value);
        }
        if !has_unclean_name {
            return;
        }
        for (mut name, value) in std::mem::take(members) {
            self.text(&mut name);
            // Two names can become the same. Neither value is lost.
            while members.contains_key(&name) {
                name.push('_');
            }
            members.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn clean(value: Value) -> (Value, usize) {
        let mut sanitizer = Sanitizer::default();
        let mut value = value;
        sanitizer.value(&mut value);
        (value, sanitizer.neutralized)
    }

    #[test]
    fn deceptive_characters_become_visible_and_all_others_are_kept() {
        for (text, shown, count) in [
            ("plain text,\n\twith a tab and ü, 日本語, €", "plain text,\n\twith a tab and ü, 日本語, €", 0),
            ("two\r\nlines", "two\nlines", 0),
            ("\u{1b}[2Jgone\r", r"\u{1b}[2Jgone\u{d}", 2),
            ("pay \u{202e}000,1\u{202c}", r"pay \u{202e}000,1\u{202c}", 2),
            ("in\u{200b}vis\u{2060}ible\u{feff}", r"in\u{200b}vis\u{2060}ible\u{feff}", 3),
            ("\u{9b}31m\u{7f}\u{61c}\u{2067}", r"\u{9b}31m\u{7f}\u{61c}\u{2067}", 4),
            ("\u{e0049}\u{e0067}", r"\u{e0049}\u{e0067}", 2),
            ("👩\u{200d}🚀 ❤\u{fe0f}\u{200d}🔥", "👩\u{200d}🚀 ❤\u{fe0f}\u{200d}🔥", 0),
            ("a\u{200d}b", r"a\u{200d}b", 1),
        ] {
            assert_eq!(neutralized(text), (shown.into(), count), "{text:?}");
        }
    }

    #[test]
    fn names_are_cleaned_too_in_their_order_and_no_value_is_lost() {
        let (clean, count) = clean(json!({
            "first": ["\u{7}", { "in\u{200b}side": 1 }], "a\u{202e}": 1, r"a\u{202e}": 2, "last": "\u{1b}",
        }));
        let expected = json!({
            "first": [r"\u{7}", { r"in\u{200b}side": 1 }], r"a\u{202e}": 1, r"a\u{202e}_": 2, "last": r"\u{1b}",
        });
        assert_eq!(clean.to_string(), expected.to_string());
        assert_eq!(count, 4);
    }

    proptest! {
        #[test]
        fn nothing_deceptive_remains(text in "[\\x00-\\x20a\u{80}-\u{a0}\u{200a}-\u{2070}\u{feff}]{0,40}") {
            let (shown, _) = neutralized(&text);
            prop_assert!(!shown.contains(is_deceptive), "{shown:?}");
            let (again, count) = neutralized(&shown);
            prop_assert_eq!((again, count), (shown.clone(), 0));
        }
    }
}
