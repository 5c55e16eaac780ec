//! The `scope3-mcp` command. See [`scope3_mcp::cli`].

use std::process::ExitCode;

use mimalloc::MiMalloc;

// Threads free memory that other threads allocated. With the system's allocator they contend for a lock, which takes a
// quarter of the server's time under load (`benches/http.rs`).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    scope3_mcp::cli::run(std::env::args_os().collect())
}
