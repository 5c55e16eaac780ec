//! The transports: MCP over stdio and over HTTP.

pub mod http;
mod message;
mod pending;
pub mod stdio;
