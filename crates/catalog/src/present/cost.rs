//! What a text costs in a model's context, estimated. A test compares the estimate with a real tokenizer.

/// The estimated number of tokens of a text. It is made for compact JSON with English words and `camelCase` names.
pub(super) fn tokens(text: &str) -> usize {
    #[derive(PartialEq, Clone, Copy)]
    enum Kind {
        Lower,
        Upper,
        Digit,
        Space,
        Sign,
    }
    let kind_of = |c: char| match c {
        c if c.is_lowercase() => Kind::Lower,
        c if c.is_alphabetic() => Kind::Upper,
        c if c.is_numeric() => Kind::Digit,
        c if c.is_whitespace() => Kind::Space,
        _ => Kind::Sign,
    };
    let cost = |kind: Kind, length: usize| match kind {
        Kind::Lower => length.div_ceil(10),
        // Words in capitals are rare, so they consist of several tokens.
        Kind::Upper | Kind::Digit => length.div_ceil(3),
        // A space belongs to the word after it.
        Kind::Space => length / 8,
        Kind::Sign => length.div_ceil(4),
    };
    let (mut total, mut length, mut last) = (0, 0, Kind::Space);
    for c in text.chars() {
        let kind = kind_of(c);
        // A capital begins a word in small letters.
        let continues = kind == last || (last == Kind::Upper && kind == Kind::Lower && length == 1);
        if !continues {
            total += cost(last, length);
            length = 0;
        }
        length += 1;
        last = kind;
    }
    total + cost(last, length)
}
