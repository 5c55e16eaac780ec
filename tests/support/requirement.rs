//! What a test needs of the machine. A test without it says that it was skipped.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]
#![allow(clippy::expect_used, clippy::panic, clippy::print_stderr, clippy::unwrap_used, reason = "tests")]
#![allow(clippy::missing_panics_doc, missing_docs, reason = "tests")]

use std::io::Write;

/// Says that a test is skipped, also in the file that the variable `SKIPPED_TESTS` names: test runners hide the output of
/// tests that pass. Panics where CI has to have what is missing.
pub fn skip(missing: &str, is_required_in_ci: bool) {
    let is_ci = std::env::var("CI").as_deref() == Ok("true");
    assert!(!(is_ci && is_required_in_ci), "{missing}");
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    eprintln!("skipped: {test}: {missing}");
    if let Some(list) = std::env::var_os("SKIPPED_TESTS") {
        let mut list = std::fs::OpenOptions::new().append(true).create(true).open(list).unwrap();
        // One write, so that lines of tests that run at the same time stay whole.
        list.write_all(format!("{test}: {missing}\n").as_bytes()).unwrap();
    }
}

/// Whether a program is installed. If not, the test is skipped. On Linux, CI has every program.
pub fn has_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = std::env::split_paths(&path).any(|directory| directory.join(name).is_file());
    if !is_there {
        skip(&format!("{name} is missing"), cfg!(target_os = "linux"));
    }
    is_there
}
