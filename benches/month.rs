//! Measures the resident memory of a server after as many calls as a key may make in a month, in about two minutes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark"
)]

#[path = "../tests/http/support/mod.rs"]
mod support;

use std::time::Instant;

use support::{Mcp, Server};

const CALLS_PER_DAY: usize = 12_000;
const DAYS: usize = 30;
const CALLERS: usize = 16;
const MIB: u64 = 1024 * 1024;

/// A leak of 16 bytes for each call after the first day would be more.
const MAX_GROWN: u64 = 5 * MIB;

#[tokio::main]
async fn main() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("state.db");
    // Permits count for a second instead of an hour, so as many are kept as if the calls took a month.
    let limits = ["--mcp-limit", "1000000/s", "--api-limit", "1000000/s"];
    let server = Server::sandbox(&[&limits, ["--state", file.to_str().unwrap()].as_slice()].concat());
    let started = Instant::now();
    call(&server.client(), CALLS_PER_DAY).await;
    let day = server.resident();
    call(&server.client(), (DAYS - 1) * CALLS_PER_DAY).await;
    let month = server.resident();
    println!(
        "resident memory after a month of 12,000 calls a day: {} KiB; after its first day: {} KiB; target: at most {} KiB \
         more ({:.0?})",
        month / 1024,
        day / 1024,
        MAX_GROWN / 1024,
        started.elapsed(),
    );
    assert!(month < day + MAX_GROWN, "memory grows");
}

/// Calls a tool this many times.
async fn call(client: &Mcp, calls: usize) {
    let callers = (0..CALLERS).map(|_| {
        let client = Mcp { http: reqwest::Client::new(), ..client.clone() };
        tokio::spawn(async move {
            for _ in 0..calls / CALLERS {
                let response = client.stateless("check_auth_status").send().await.unwrap();
                assert_eq!(response.status(), 200);
                response.bytes().await.unwrap();
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
}
