//! `scope3-mcp`: an MCP server that lets AI agents work with Scope3's advertising platform.
//!
//! # Modules and packages
//!
//! A call passes through this list from top to bottom. No module depends on one above it; below `mcp`, Cargo enforces
//! this. `docs/ARCHITECTURE.md` lists the place for each kind of change.
//!
//! | module or package | purpose |
//! |---|---|
//! | [`cli`] | the command line: one file for each command |
//! | [`app`] | builds the parts from the settings |
//! | [`documents`] | newer documents of the API: pulled, chosen, noticed while the server runs |
//! | [`config`] | every setting: flags, environment, file, default |
//! | [`telemetry`] | the log |
//! | [`transport`] | carries messages over stdio, Streamable HTTP and HTTP+SSE; authenticates clients |
//! | [`mcp`] | the MCP server: lists tools, takes calls, returns results |
//! | [`scope3_mcp_gateway`] | **the path of a call**: policy, limits, attempts, failures; the only path to Scope3 |
//! | `crates/client` | one request to Scope3, one response; keys; the APIs as data |
//! | `crates/catalog` | the tools as data: search, presentation, argument checks |
//! | [`scope3_mcp_sandbox`] | Scope3's API, simulated over HTTP; depends only on the catalog |
//!
//! A new tool needs no code here: it is an entry in `tools/<surface>/<toolset>.yaml`.

pub mod app;
pub mod cli;
pub mod config;
pub mod documents;
mod hygiene;
pub mod mcp;
pub mod telemetry;
mod traceparent;
pub mod transport;
