//! `scope3-mcp`: an MCP server through which AI agents work with Scope3's advertising platform.
//!
//! # The map
//!
//! A call comes in from the top and goes down this list; nothing points up it.
//!
//! | module | what it is for |
//! |---|---|
//! | [`cli`] | the command line: one file a command |
//! | [`config`] | every setting: flags, environment, file, default |
//! | [`app`] | puts the parts together as the settings say |
//! | [`transport`] | how messages get in and out: stdio; Streamable HTTP and HTTP+SSE, and who may come in |
//! | [`mcp`] | the MCP server: what clients see of the tools, and what they get back |
//! | [`gateway`] | **the way of a call**, from top to bottom; there is no second way to Scope3 |
//! | [`catalog`] | what the tools are, as data; finding and showing them, checking arguments |
//! | [`policy`] | may this tool run at all |
//! | [`limits`] | may one more request leave |
//! | [`scope3`] | the API client: one request, one answer; the APIs as data |
//! | [`credentials`] | what a key is, where keys come from, which one is used |
//! | [`failure`] | how trouble is told to an agent |
//! | [`sandbox`] | the API played over real HTTP; it knows the catalogue alone |
//!
//! [`rate`] (`500/h`), [`deadlines`], [`json`] (loosely written), [`telemetry`] (the log) and [`measure`] (what is counted)
//! serve several of them.
//!
//! A new tool needs none of this: it is an entry in `tools/<surface>/<toolset>.yaml`.

pub mod app;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod credentials;
pub mod deadlines;
pub mod failure;
pub mod gateway;
pub mod json;
pub mod limits;
mod local;
pub mod mcp;
pub mod measure;
pub mod policy;
pub mod rate;
pub mod sandbox;
pub mod scope3;
pub mod telemetry;
mod traceparent;
pub mod transport;
mod whoami;
