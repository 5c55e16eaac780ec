//! `scope3-mcp http`, over real sockets.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "tests")]

mod admission;
mod arguments;
mod bounds;
mod changes;
mod deadlines;
// They look at the process in /proc.
#[cfg(target_os = "linux")]
mod floods;
mod hosts;
mod isolation;
mod legacy;
mod messages;
mod operation;
#[cfg(unix)]
mod shutdown;
mod support;
