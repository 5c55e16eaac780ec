//! `scope3-mcp`: an MCP server that lets AI agents work with Scope3's advertising platform.
//!
//! # The map
//!
//! A call goes down this list from top to bottom. No module depends on one above it; below `mcp`, Cargo enforces that.
//! `docs/ARCHITECTURE.md` says where each kind of change belongs.
//!
//! | module or package | what it is for |
//! |---|---|
//! | [`cli`] | the command line: one file for each command |
//! | [`app`] | builds the parts from the settings |
//! | [`config`] | every setting: flags, environment, file, default |
//! | [`telemetry`] | the log |
//! | [`transport`] | how messages get in and out: stdio, Streamable HTTP and HTTP+SSE; authentication |
//! | [`mcp`] | the MCP server: what clients see of the tools, and what they get back |
//! | [`scope3_mcp_gateway`] | **the path of a call**: policy, limits, attempts, failures; there is no second path to Scope3 |
//! | `crates/client` | one request to Scope3, one response; keys; the APIs as data |
//! | `crates/catalog` | what the tools are, as data; finding and showing them, checking arguments |
//! | [`scope3_mcp_sandbox`] | Scope3's API, simulated over real HTTP; it depends only on the catalog |
//!
//! A new tool needs no code here: it is an entry in `tools/<surface>/<toolset>.yaml`.

pub mod app;
pub mod cli;
pub mod config;
pub mod mcp;
pub mod telemetry;
mod traceparent;
pub mod transport;
