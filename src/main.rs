//! The `scope3-mcp` command.
fn main() {}
