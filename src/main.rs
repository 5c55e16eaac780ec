//! The `scope3-mcp` command. See [`scope3_mcp::cli`] for what it does.

use std::process::ExitCode;

use mimalloc::MiMalloc;

// A call allocates in one thread what another frees. The system's allocator has them wait for each other: with it, a
// quarter of the server's time under load goes there (`benches/http.rs`).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    scope3_mcp::cli::run(std::env::args_os().collect())
}
