//! `scope3-mcp`: an MCP server through which AI agents work with Scope3's advertising platform.
//!
//! # The map
//!
//! A call comes in from the top and goes down this list; nothing points up it. Below `mcp`, Cargo keeps that.
//!
//! | module or package | what it is for |
//! |---|---|
//! | [`app`] | puts the parts together as the settings say |
//! | [`cli`] | the command line: one file a command |
//! | [`config`] | every setting: flags, environment, file, default |
//! | [`telemetry`] | the log |
//! | [`transport`] | how messages get in and out: stdio; Streamable HTTP and HTTP+SSE, and who may come in |
//! | [`mcp`] | the MCP server: what clients see of the tools, and what they get back |
//! | [`scope3_mcp_gateway`] | **the path of a call**: policy, limits, attempts, failures; there is no second path to Scope3 |
//! | `crates/client` | one request to Scope3, one response; keys; the APIs as data |
//! | `crates/catalog` | what the tools are, as data; finding and showing them, checking arguments |
//! | [`scope3_mcp_sandbox`] | Scope3's API, simulated over real HTTP; it knows the catalogue alone |
//!
//! A new tool needs none of this: it is an entry in `tools/<surface>/<toolset>.yaml`.

pub mod app;
pub mod cli;
pub mod config;
pub mod mcp;
pub mod telemetry;
mod traceparent;
pub mod transport;
