//! Time limits, in one place because they depend on each other.
//!
//! A change that was sent runs to completion even if its client is gone. So on shutdown, with every transport, the
//! program waits as long as one request to Scope3 may take.

use std::time::Duration;

/// The time limit for opening a connection to Scope3.
pub const CONNECT: Duration = Duration::from_secs(10);

/// The time limit for each wait for more bytes of a response from Scope3.
pub const READ: Duration = Duration::from_secs(30);

/// The time limit for one HTTP request to Scope3, from opening the connection to the last byte of the response.
pub const ATTEMPT: Duration = Duration::from_mins(1);

/// The time limit for the shutdown: a request that was sent just before it, plus time to return the result.
pub const SHUTDOWN: Duration = Duration::from_secs(ATTEMPT.as_secs() + 5);
