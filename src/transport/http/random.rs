//! What nobody can guess.

use std::{fmt::Write, io};

/// The id of a session: 128 bits.
pub(super) fn id() -> io::Result<String> {
    hex::<16>()
}

/// A token to let clients in by: 256 bits.
///
/// # Errors
/// When the system gives no random bytes.
pub fn token() -> io::Result<String> {
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
