//! `scope3-mcp http`, over real sockets.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "tests")]

mod arguments;
mod audit;
mod auth;
mod bounds;
mod canary;
mod changes;
mod consent;
mod deadlines;
mod documents;
// Reads /proc.
#[cfg(target_os = "linux")]
mod floods;
mod found_tools;
mod guide;
mod invented_keys;
mod isolation;
mod logs;
mod messages;
mod narrowing;
mod negotiation;
mod operation;
mod origin;
mod policy;
mod reconnection;
#[cfg(unix)]
mod replicas;
#[cfg(unix)]
mod rotation;
#[cfg(unix)]
mod shutdown;
mod sse;
mod start;
mod support;
