//! The log: its default level, and where it goes.

use std::time::Duration;

use serde_json::Value;
use tempfile::tempdir;

use crate::support::{Session, command, run};

#[tokio::test]
async fn commands_other_than_servers_log_only_warnings_by_default() {
    for arguments in
        [["stdio", "--sandbox"].as_slice(), &["--sandbox"], &["tools", "call", "get_usage", "--sandbox"]]
    {
        for (level, expected) in
            [(None, false), (Some(""), false), (Some("info"), true), (Some("off"), false)]
        {
            let mut program = command(arguments);
            if let Some(level) = level {
                program.env("RUST_LOG", level);
            }
            let outcome = run(&mut program).await;
            assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
            assert_eq!(
                outcome.stderr.contains("INFO"),
                expected,
                "{arguments:?} {level:?}: {}",
                outcome.stderr
            );
        }
    }
    let outcome = run(&mut command(&["stdio"])).await;
    assert!(outcome.stderr.contains("WARN") && outcome.stderr.contains("no API key"), "{}", outcome.stderr);
}

#[cfg(unix)]
#[tokio::test]
async fn servers_log_at_info_by_default() {
    for (arguments, line) in [
        (["http", "--sandbox", "--bind", "127.0.0.1:0"].as_slice(), "starting"),
        (&["sandbox"], "shutting down"),
    ] {
        let mut session = Session::spawn(&mut command(arguments));
        tokio::time::sleep(Duration::from_secs(1)).await;
        let pid = session.child.id().unwrap().to_string();
        std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        let mut log = String::new();
        let mut stderr = session.child.stderr.take().unwrap();
        tokio::io::AsyncReadExt::read_to_string(&mut stderr, &mut log).await.unwrap();
        assert!(log.lines().any(|text| text.contains("INFO") && text.contains(line)), "{log}");
    }
}

#[tokio::test]
async fn a_log_file_replaces_standard_error() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("scope3.log");
    let path = path.to_str().unwrap();
    let starts = |text: &str| text.lines().filter(|line| line.contains("starting")).count();
    for count in 1..=2 {
        let outcome = run(&mut command(&["stdio", "--sandbox", "--log-file", path])).await;
        assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
        assert_eq!(starts(&std::fs::read_to_string(path).unwrap()), count, "the log is appended");
    }
    let mut program = command(&["stdio", "--sandbox"]);
    program.env("SCOPE3_LOG_FILE", path).env("RUST_LOG", "warn").env("CLICOLOR_FORCE", "1");
    assert_eq!(run(&mut program).await.stderr, "");
    let text = std::fs::read_to_string(path).unwrap();
    assert_eq!(starts(&text), 2, "RUST_LOG sets the level");
    assert!(!text.contains('\u{1b}'), "no colors in a file");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "only the owner can read it");
    }
}

#[tokio::test]
async fn a_failure_is_reported_in_the_log_format() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let bind = port.local_addr().unwrap().to_string();
    let arguments = ["http", "--sandbox", "--bind", &bind];
    let outcome = run(&mut command(&arguments)).await;
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.contains("error: cannot listen on"), "{}", outcome.stderr);

    let outcome = run(command(&arguments).env("SCOPE3_LOG_FORMAT", "json")).await;
    assert_eq!(outcome.code, Some(1));
    let lines: Vec<Value> =
        outcome.stderr.lines().map(|line| serde_json::from_str(line).expect("every line is JSON")).collect();
    let last = lines.last().unwrap();
    assert_eq!(last["level"], "ERROR");
    assert!(last["fields"]["message"].as_str().unwrap().contains("cannot listen on"), "{last}");
}

#[tokio::test]
async fn invalid_settings_are_reported_in_the_log_format() {
    let json = [("SCOPE3_LOG_FORMAT", "json")];
    for (arguments, environment) in [
        (["http", "--log-format", "json", "--max-calls", "x"].as_slice(), [].as_slice()),
        (&["http", "--log-format=json", "--port", "1"], &[]),
        (&["http", "--max-calls", "x"], &json),
        (&["http"], &[json[0], ("SCOPE3_MAX_CALLS", "x")]),
        (&["http"], &[json[0], ("SCOPE3_READONLY", "1")]),
        (&["http", "--auth", "none", "--bind", "0.0.0.0:0"], &json),
    ] {
        let outcome = run(command(arguments).envs(environment.iter().copied())).await;
        assert_eq!(outcome.code, Some(2), "{arguments:?}: {}", outcome.stderr);
        let line: Value = serde_json::from_str(&outcome.stderr).expect("one line of JSON");
        assert_eq!(line["level"], "ERROR", "{arguments:?}");
    }
}
