//! Measures how long it takes to acquire a permit from a state file that eight processes share.
//!
//! Each process takes a permit every 20 milliseconds, as 16 busy agents might in a moment of haste: 400 in a second,
//! where the limit of a key is 500 in an hour.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

use std::{
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use scope3_mcp_gateway::{
    credentials::ApiKey,
    limits::Class,
    state::{Request, StateLocation, Window},
};

const PROCESSES: usize = 8;
const PERMITS: u32 = 500;
const PAUSE: Duration = Duration::from_millis(20);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--state") {
        return acquire(Path::new(&arguments[at + 1])).await;
    }
    let directory = tempfile::tempdir().unwrap();
    let start = |_| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg("--state").arg(directory.path().join("state.db")).stdout(Stdio::piped()).spawn().unwrap()
    };
    let processes: Vec<_> = (0..PROCESSES).map(start).collect();
    let mut times: Vec<f64> = Vec::new();
    for process in processes {
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success());
        times.extend(
            String::from_utf8(output.stdout).unwrap().lines().map(|line| line.parse::<f64>().unwrap()),
        );
    }
    times.sort_by(f64::total_cmp);
    let at = |percent: usize| times[times.len() * percent / 100];
    println!(
        "time to acquire a permit with {PROCESSES} processes: p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms; target: p99 at \
         most 1 ms ({} permits)",
        at(50),
        at(90),
        at(99),
        times.len()
    );
}

/// Acquires permits, and prints how long each took in milliseconds.
async fn acquire(file: &Path) {
    let state = StateLocation::File(file.to_owned()).state();
    let key = ApiKey::parse(&format!("scope3_{}_bench", "a".repeat(32)).into()).unwrap().fingerprint();
    let window = |class, rate: &str| Window { class, limit: rate.parse().unwrap() };
    let windows = vec![window(Class::MCP, "1000000/h"), window(Class::API, "1000000/h")];
    state.open().await.unwrap();
    for _ in 0..PERMITS {
        let request = Request { key, windows: windows.clone(), taken: Vec::new(), sends: None };
        let started = Instant::now();
        state.acquire(request).await.unwrap().unwrap();
        println!("{}", started.elapsed().as_secs_f64() * 1000.0);
        tokio::time::sleep(PAUSE).await;
    }
}
