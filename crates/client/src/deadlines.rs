//! How long things may take, in one place, because they depend on each other.
//!
//! A change that has left runs to its end, whoever waits for it; so the end of the program, over whatever transport,
//! waits as long as one request to Scope3 may take.

use std::time::Duration;

/// Opening a connection to Scope3.
pub const CONNECT: Duration = Duration::from_secs(10);

/// Silence within an answer of Scope3.
pub const READ: Duration = Duration::from_secs(30);

/// One HTTP request to Scope3, from opening the connection to the last byte of the answer.
pub const ATTEMPT: Duration = Duration::from_mins(1);

/// The end of the program: a request that left just before it, and a moment to answer.
pub const SHUTDOWN: Duration = Duration::from_secs(ATTEMPT.as_secs() + 5);
