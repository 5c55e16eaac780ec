//! The `scope3-mcp` command. What it does stands in [`scope3_mcp::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    scope3_mcp::cli::run(std::env::args_os().collect())
}
