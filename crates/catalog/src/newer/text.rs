//! Scope3's words, as agents and people may read them: on one line, in short, and without what deceives.

/// The most characters of Scope3's words that are shown.
pub(super) const MAX_CHARACTERS: usize = 200;

/// A text on one line of at most `max` characters. Only letters, digits and usual signs are left: invisible characters can
/// hide instructions, and quotation marks would end the quotation.
#[must_use]
pub fn one_line(text: &str, max: usize) -> String {
    let mut line = String::new();
    let mut count = 0;
    // Nothing beyond this can be shown, whatever is left out.
    for c in text.chars().take(max.saturating_mul(20)) {
        let shown = match c {
            c if c.is_whitespace() => ' ',
            '"' | '“' | '”' | '„' | '`' => '\'',
            c if is_plain(c) => c,
            _ => continue,
        };
        if shown == ' ' && (line.is_empty() || line.ends_with(' ')) {
            continue;
        }
        if count == max {
            line.pop();
            line.push('…');
            break;
        }
        line.push(shown);
        count += 1;
    }
    line.trim_end().to_owned()
}

fn is_plain(c: char) -> bool {
    // The first are letters that nobody sees.
    let is_invisible =
        matches!(c, '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{3164}' | '\u{ffa0}');
    !is_invisible && (c.is_alphanumeric() || c.is_ascii_graphic() || "–—‘’…•€£¥§°×".contains(c))
}

/// The parts of two texts around their first difference, each on one line.
pub(super) fn differing(before: &str, now: &str) -> (String, String) {
    const CONTEXT: usize = 40;
    let (before, now) = (one_line(before, 4_000), one_line(now, 4_000));
    let same = before.chars().zip(now.chars()).take_while(|(a, b)| a == b).count();
    let start = if same <= MAX_CHARACTERS / 2 { 0 } else { same - CONTEXT };
    let part = |text: &str| {
        let rest: String = text.chars().skip(start).collect();
        let shown = one_line(&rest, MAX_CHARACTERS);
        if start > 0 { format!("…{shown}") } else { shown }
    };
    (part(&before), part(&now))
}
