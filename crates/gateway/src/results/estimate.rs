//! How many tokens a model pays for a text, about.
//!
//! An exact count needs the tables of one tokenizer, which are larger than this program, and other models count
//! differently. The estimate follows what tokenizers have in common: words are one token or a few, digits go in groups of
//! three, and punctuation joins. `tests/gateway/results.rs` compares it with a tokenizer.

use serde_json::Value;

/// About how many tokens a text takes.
pub(crate) fn of_text(text: &str) -> usize {
    let mut tokens = 0;
    let mut kind = Kind::Space;
    let mut length = 0;
    for c in text.chars() {
        let next = Kind::of(c);
        // A capital letter within a word begins a new part, as in `campaignId`.
        if next != kind || c.is_ascii_uppercase() {
            tokens += kind.tokens(length);
            (kind, length) = (next, 0);
        }
        length += 1;
    }
    tokens + kind.tokens(length)
}

/// About how many tokens a value takes as compact JSON.
pub(crate) fn of_value(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 1,
        Value::Number(number) => of_text(&number.to_string()),
        // Quotation marks join with what is around them.
        Value::String(text) => of_text(text) + 1,
        Value::Array(items) => 1 + items.iter().map(|item| of_value(item) + 1).sum::<usize>(),
        Value::Object(members) => {
            1 + members.iter().map(|(name, value)| of_member(name, value)).sum::<usize>()
        }
    }
}

/// Whether an object takes at most about this many tokens as compact JSON. A long one is not read to its end.
pub(crate) fn of_value_within(members: &serde_json::Map<String, Value>, budget: usize) -> bool {
    let mut spent = 0_usize;
    members.iter().all(|(name, value)| {
        spent = spent.saturating_add(of_member(name, value));
        spent <= budget
    })
}

/// About how many tokens a member of an object takes.
pub(crate) fn of_member(name: &str, value: &Value) -> usize {
    of_text(name) + of_value(value) + 2
}

/// What tokenizers keep together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Space,
    Letters,
    Digits,
    Punctuation,
    Other,
}

impl Kind {
    fn of(c: char) -> Self {
        match c {
            ' ' => Self::Space,
            c if c.is_ascii_alphabetic() => Self::Letters,
            c if c.is_ascii_digit() => Self::Digits,
            c if c.is_ascii() => Self::Punctuation,
            _ => Self::Other,
        }
    }

    fn tokens(self, length: usize) -> usize {
        match self {
            // A space belongs to the word after it.
            Self::Space => length / 8,
            Self::Letters => length.div_ceil(6),
            Self::Digits | Self::Punctuation => length.div_ceil(3),
            Self::Other => length,
        }
    }
}
