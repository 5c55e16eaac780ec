//! The content rules. Scope3 reads texts with a language model; the sandbox looks for a few words.

use super::super::envelope::{Answer, Refusal};

/// Words that no campaign may contain.
const BANNED: [&str; 6] = ["counterfeit", "cocaine", "heroin", "ponzi", "ransomware", "stolen"];

/// The first word of a text that is not allowed.
pub(in crate::v2) fn banned(text: &str) -> Option<&'static str> {
    let text = text.to_lowercase();
    let mut words = text.split(|c: char| !c.is_alphanumeric());
    words.find_map(|word| BANNED.into_iter().find(|banned| *banned == word))
}

/// Rejects a text that is not allowed.
pub(super) fn check(field: &str, text: Option<&str>) -> Answer<()> {
    match text.and_then(banned) {
        Some(word) => Err(Refusal::blocked(field, word)),
        None => Ok(()),
    }
}
