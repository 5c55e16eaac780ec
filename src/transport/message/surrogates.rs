//! Replaces lone surrogates. JavaScript writes them if a string was truncated in the middle of an emoji.

/// The text with U+FFFD in place of each lone surrogate, or `None` if there is none.
pub(super) fn replace_lone_surrogates(text: &[u8]) -> Option<Vec<u8>> {
    let mut replaced: Option<Vec<u8>> = None;
    let mut at = 0;
    while let Some(found) = text.get(at..).and_then(|rest| rest.iter().position(|&byte| byte == b'\\')) {
        at += found;
        match unit(text, at) {
            // Other escapes have one character after the backslash, which may be another backslash.
            None => at += 2,
            Some(0xD800..=0xDBFF) if matches!(unit(text, at + ESCAPE_BYTES), Some(0xDC00..=0xDFFF)) => {
                at += 2 * ESCAPE_BYTES;
            }
            Some(0xD800..=0xDFFF) => {
                replaced.get_or_insert_with(|| text.to_vec())[at..at + ESCAPE_BYTES]
                    .copy_from_slice(b"\\ufffd");
                at += ESCAPE_BYTES;
            }
            Some(_) => at += ESCAPE_BYTES,
        }
    }
    replaced
}

/// The length of an escape such as `\ud83d`.
const ESCAPE_BYTES: usize = 6;

/// The UTF-16 code unit of the escape at a position.
fn unit(text: &[u8], at: usize) -> Option<u16> {
    let digits = text.get(at..at + ESCAPE_BYTES)?.strip_prefix(b"\\u")?;
    // `from_str_radix` would accept a sign.
    let digits = digits.iter().all(u8::is_ascii_hexdigit).then_some(digits)?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lone_surrogates_are_replaced_and_pairs_kept() {
        for (text, expected) in [
            (r#""cut \ud83d""#, Some(r#""cut \ufffd""#)),
            (r#""\uDE00 x""#, Some(r#""\ufffd x""#)),
            (r#""\ud83d\ud83d\ude00""#, Some(r#""\ufffd\ud83d\ude00""#)),
            (r#""\ud83d\n""#, Some(r#""\ufffd\n""#)),
            (r#""\\\ud83d""#, Some(r#""\\\ufffd""#)),
            (r#""\ud83d\ude00""#, None),
            (r#""\\ud83d""#, None),
            (r#""\u00e9 \u+123""#, None),
            (r#""\ud8"#, None),
            (r"\", None),
        ] {
            let replaced = replace_lone_surrogates(text.as_bytes());
            assert_eq!(replaced.as_deref(), expected.map(str::as_bytes), "{text}");
            assert!(
                expected.is_none_or(|expected| serde_json::from_str::<String>(expected).is_ok()),
                "{text}"
            );
        }
    }
}
