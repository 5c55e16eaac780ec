//! Unguessable ids and tokens.

use std::io;

use sha2::{Digest, Sha256};

/// A session id: 128 random bits in hexadecimal.
///
/// # Errors
/// If the system provides no random bytes.
pub(super) fn session_id() -> io::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}

/// A token for clients to authenticate with: 256 random bits in hexadecimal.
///
/// # Errors
/// If the system provides no random bytes.
pub fn random_token() -> io::Result<String> {
    Ok(session_id()? + &session_id()?)
}

/// A session id as the journal and the log name it. Nobody can use it to join the session.
pub(super) fn session_digest(id: &[u8]) -> Option<String> {
    let digest = Sha256::digest(id);
    digest.first_chunk().map(|start| format!("{:08x}", u32::from_be_bytes(*start)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_tokens_are_random_in_every_part() {
        for (make, digits) in [(session_id as fn() -> io::Result<String>, 32), (random_token, 64)] {
            let made: Vec<String> = (0..50).map(|_| make().unwrap()).collect();
            assert!(made.iter().all(|text| text.len() == digits));
            assert!(made.iter().flat_map(|text| text.chars()).all(|digit| digit.is_ascii_hexdigit()));
            for start in (0..digits).step_by(8) {
                let parts: std::collections::HashSet<_> =
                    made.iter().map(|text| &text[start..start + 8]).collect();
                assert!(parts.len() > 48, "digits {start} to {} repeat", start + 8);
            }
        }
    }
}
