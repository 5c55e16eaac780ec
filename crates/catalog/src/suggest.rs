//! Similar names, and how to repeat input from outside.

use std::borrow::Cow;

/// How much of input from outside is compared or repeated.
const MAX_TEXT_BYTES: usize = 64;

/// The candidate that is most similar to `word`, if it is similar enough. Long words have none.
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    /// Below this similarity a suggestion confuses more than it helps.
    const MIN_SIMILARITY: f64 = 0.85;
    if word.len() > MAX_TEXT_BYTES {
        return None;
    }
    let plain = |text: &str| text.to_lowercase().replace(['_', '-', ' '], "");
    let word = plain(word);
    candidates
        .map(|candidate| (strsim::jaro_winkler(&word, &plain(candidate)), candidate))
        .filter(|(similarity, _)| *similarity >= MIN_SIMILARITY)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

/// Input from outside as an error may repeat it: its beginning, in at most 64 bytes and on one line.
#[must_use]
pub fn shortened(text: &str) -> Cow<'_, str> {
    const ELLIPSIS: char = '…';
    let is_plain = |c: char| !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}');
    if text.len() <= MAX_TEXT_BYTES && text.chars().all(is_plain) {
        return text.into();
    }
    let fits = text.len() <= MAX_TEXT_BYTES;
    let room = if fits { MAX_TEXT_BYTES } else { MAX_TEXT_BYTES - ELLIPSIS.len_utf8() };
    let mut end = room.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut short: String = text[..end].chars().map(|c| if is_plain(c) { c } else { ' ' }).collect();
    if !fits {
        short.push(ELLIPSIS);
    }
    short.into()
}

/// The part of an invalid setting that an error may repeat: at most 64 bytes, without keys, without user names and
/// passwords of URLs, and without their queries and fragments.
#[must_use]
pub fn echo(text: &str) -> Cow<'_, str> {
    // Paths such as `/run/secrets/scope3_api_key` are neither keys nor URLs.
    let is_path = text.starts_with(['/', '.', '~']) && !text.starts_with("//");
    if is_path {
        return shortened(text);
    }
    if text.contains("scope3_") {
        return "scope3_…".into();
    }
    // A password may contain any character, so nothing of the text is certain to be outside of it.
    if text.contains('@') {
        return "…".into();
    }
    match text.find(['?', '#']) {
        Some(end) if text.contains("://") => shortened(&format!("{}…", &text[..=end])).into_owned().into(),
        _ => shortened(text),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_long_name_is_not_compared() {
        assert_eq!(nearest("campaign_creat", ["campaign_create"].into_iter()), Some("campaign_create"));
        let long = "campaign_create".repeat(5);
        assert_eq!(nearest(&long, [&*long].into_iter()), None);
    }

    #[test]
    fn a_repeated_value_is_truncated_and_contains_no_key() {
        assert_eq!(echo("maybe"), "maybe");
        assert!(echo(&"é".repeat(1_000)).len() <= MAX_TEXT_BYTES);
        assert!(!echo("x scope3_aaaa_secret").contains("secret"));
        assert_eq!(echo("https://example.com:8443/a"), "https://example.com:8443/a");
        assert_eq!(echo("https://example.com/a?token=secret"), "https://example.com/a?…");
        for url in
            ["https://user:secret@example.com", "user:secret@example.com", "//secret@example.com", "secret@x"]
        {
            assert_eq!(echo(url), "…", "{url}");
        }
        for path in ["/run/credentials/mcp@1.service/token", "/run/secrets/scope3_api_key", "./a?b"] {
            assert_eq!(echo(path), path);
        }
        let long = format!("https://example.com/{}?token=secret", "x".repeat(1_000));
        assert!(echo(&long).len() <= MAX_TEXT_BYTES && !echo(&long).contains("secret"));
    }

    #[test]
    fn a_text_is_shortened_to_one_line() {
        assert_eq!(shortened("budget"), "budget");
        assert_eq!(shortened("a\nb\u{1b}[31m\u{2028}"), "a b [31m ");
        assert_eq!(shortened(&"x".repeat(64)), "x".repeat(64));
        assert_eq!(shortened(&"x".repeat(65)), format!("{}…", "x".repeat(61)));
    }

    proptest! {
        #[test]
        fn any_text_stays_short_and_on_one_line(text in any::<String>(), times in 1..40usize) {
            let short = shortened(&text.repeat(times)).into_owned();
            prop_assert!(short.len() <= 64);
            prop_assert!(!short.contains(char::is_control));
        }
    }
}
