//! Short digests of texts.
//!
//! The build script includes this file too.

use std::fmt::Write;

use sha2::{Digest, Sha256};

/// The number of bytes of a short digest. Nobody finds another text with the same ones.
const BYTES: usize = 10;

/// A short digest of a text, in hexadecimal.
pub(crate) fn digest(text: &str) -> String {
    let mut short = String::with_capacity(2 * BYTES);
    for byte in Sha256::digest(text).iter().take(BYTES) {
        // Writing to a text cannot fail.
        let _infallible = write!(short, "{byte:02x}");
    }
    short
}

/// The digest of a description. Line breaks and spaces do not count: publishers wrap texts anew.
pub(crate) fn digest_of_prose(text: &str) -> String {
    digest(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_a_description_depends_on_its_words_alone() {
        let first = digest_of_prose("Starts at once.\n  Costs money.");
        assert_eq!(first, digest_of_prose(" Starts at once. Costs money."));
        assert_ne!(first, digest_of_prose("Starts at once. Costs no money."));
        assert_eq!(first.len(), 2 * BYTES);
    }
}
