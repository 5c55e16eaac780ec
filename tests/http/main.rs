//! `scope3-mcp http`, over real sockets.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "tests")]

mod admission;
mod bounds;
mod changes;
mod guide;
mod hosts;
mod isolation;
mod logs;
mod messages;
mod negotiation;
mod operation;
mod reconnection;
mod shutdown;
mod start;
mod support;
