//! What nobody can guess.

use std::{fmt::Write, io};

/// The id of a session: 128 bits.
pub(super) fn session_id() -> io::Result<String> {
    hex::<16>()
}

/// A token to let clients in by: 256 bits.
///
/// # Errors
/// When the system gives no random bytes.
pub fn random_token() -> io::Result<String> {
    hex::<32>()
}

fn hex<const N: usize>() -> io::Result<String> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    let mut text = String::with_capacity(2 * N);
    for byte in bytes {
        // Writing to a string does not fail.
        let _written = write!(text, "{byte:02x}");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_tokens_have_all_their_bits_and_nothing_in_common() {
        for (make, digits) in [(session_id as fn() -> io::Result<String>, 32), (random_token, 64)] {
            let made: Vec<String> = (0..50).map(|_| make().unwrap()).collect();
            assert!(made.iter().all(|text| text.len() == digits));
            assert!(made.iter().flat_map(|text| text.chars()).all(|digit| digit.is_ascii_hexdigit()));
            for place in (0..digits).step_by(8) {
                let parts: std::collections::HashSet<_> =
                    made.iter().map(|text| &text[place..place + 8]).collect();
                assert!(parts.len() > 48, "digits {place} to {} repeat", place + 8);
            }
        }
    }
}
