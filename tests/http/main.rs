//! `scope3-mcp http`, over real sockets.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "tests")]

mod admission;
mod arguments;
mod bounds;
mod changes;
mod hosts;
mod isolation;
mod messages;
mod operation;
mod shutdown;
mod support;
