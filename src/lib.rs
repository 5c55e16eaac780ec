//! `scope3-mcp`: an MCP server through which AI agents work with Scope3's advertising platform.

pub mod catalog;
pub mod rate;
pub mod sandbox;
