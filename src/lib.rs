//! `scope3-mcp`: an MCP server through which AI agents work with Scope3's advertising platform.

pub mod app;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod credentials;
pub mod failure;
pub mod gateway;
pub mod limits;
mod local;
pub mod mcp;
pub mod measure;
pub mod policy;
pub mod rate;
pub mod sandbox;
pub mod scope3;
pub mod telemetry;
pub mod transport;
mod whoami;
