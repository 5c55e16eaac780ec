//! `tools call` in a terminal: its layout, its progress with a sandbox API, and Ctrl-C.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

use crate::support::{
    Outcome, command,
    pty::{TIMEOUT, Terminal},
};

/// Runs a command in a terminal of this width. Returns its exit code and its output.
async fn in_terminal(command: &mut Command, columns: u16) -> (Option<i32>, String) {
    Terminal::start(command, columns).end().await
}

/// A separate sandbox process, and a command for calls to it.
struct SlowSandbox {
    _server: Child,
    // The server ends if its output is closed.
    _output: Lines<BufReader<ChildStdout>>,
    environment: Vec<(String, String)>,
}

impl SlowSandbox {
    async fn start(options: &[&str]) -> Self {
        let mut server = command(&["sandbox", "--bind", "127.0.0.1:0"])
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
        let mut environment = Vec::new();
        for _ in 0..2 {
            let line = lines.next_line().await.unwrap().unwrap();
            let (name, value) = line.split_once('=').unwrap();
            environment.push((name.to_owned(), value.to_owned()));
        }
        Self { _server: server, _output: lines, environment }
    }

    fn call(&self, arguments: &[&str]) -> Command {
        let mut call = command(&["tools", "call"]);
        call.args(arguments).envs(self.environment.iter().cloned());
        call
    }
}

#[tokio::test]
async fn a_terminal_gets_the_message_and_a_table_that_fits() {
    for columns in [60, 80, 120] {
        let (code, output) =
            in_terminal(&mut command(&["tools", "call", "campaign_list", "--sandbox"]), columns).await;
        assert_eq!(code, Some(0), "{output}");
        let lines: Vec<&str> = output.lines().collect();
        assert!(lines[0].contains("sandbox"), "{output}");
        assert!(output.contains("6 campaigns"), "{output}");
        let heading = lines.iter().position(|line| line.starts_with("ID ")).unwrap();
        assert!(lines[heading].contains("NAME"), "{output}");
        assert_eq!(lines.len() - heading - 1, 6, "one line per campaign: {output}");
        assert!(output.contains("Storm Season") && !output.contains('{'), "{output}");
        for line in lines {
            assert!(line.chars().count() <= columns.into(), "{line}");
        }
    }
}

#[tokio::test]
async fn a_terminal_gets_json_with_the_json_flag() {
    let (code, output) =
        in_terminal(&mut command(&["tools", "call", "campaign_list", "--sandbox", "--json"]), 80).await;
    assert_eq!(code, Some(0), "{output}");
    let answer: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!(answer["scope3Mcp"]["sandbox"], true);
}

#[tokio::test]
async fn a_list_fits_the_terminal() {
    for columns in [40, 60, 80] {
        let (_, output) = in_terminal(&mut command(&["tools", "list", "--toolsets", "all"]), columns).await;
        assert_eq!(output.lines().count(), 69, "{output}");
        for line in output.lines() {
            assert!(line.chars().count() <= columns.into(), "{line}");
        }
    }
}

#[tokio::test]
async fn a_terminal_shows_the_progress_of_a_slow_call() {
    let sandbox = SlowSandbox::start(&["--latency", "3s"]).await;
    let (code, output) = in_terminal(&mut sandbox.call(&["campaign_list"]), 80).await;
    assert_eq!(code, Some(0), "{output}");
    assert!(output.starts_with("\rwaiting for the response, 2 s"), "{output:?}");
    let rest = output.rsplit('\r').next().unwrap();
    assert!(rest.starts_with('['), "the progress line is gone when the response arrives: {output:?}");

    let quick = SlowSandbox::start(&["--latency", "0s"]).await;
    let (_, output) = in_terminal(&mut quick.call(&["campaign_list"]), 80).await;
    assert!(!output.contains("waiting"), "{output:?}");

    let piped = sandbox.call(&["campaign_list"]).stdin(Stdio::null()).output().await.unwrap();
    assert!(piped.stderr.is_empty(), "{piped:?}");
}

/// Starts a call, and interrupts it this many times after a delay.
async fn interrupted(mut call: Command, interrupts: u32) -> (Outcome, Duration) {
    let child = call.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = Pid::from_raw(child.id().unwrap().try_into().unwrap()).unwrap();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let started = Instant::now();
    for _ in 0..interrupts {
        kill_process(pid, Signal::INT).unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let output = tokio::time::timeout(TIMEOUT, child.wait_with_output()).await.unwrap().unwrap();
    let outcome = Outcome {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    };
    (outcome, started.elapsed())
}

const NEW_BRAND: [&str; 3] = ["brand_agent_create", "name=X", "advertiserDomains[]=x.example"];

#[tokio::test]
async fn an_interrupted_change_is_reported_as_possibly_made() {
    let sandbox = SlowSandbox::start(&["--latency", "25s"]).await;
    for (interrupts, at_most) in [(1, Duration::from_secs(15)), (2, Duration::from_secs(3))] {
        let (outcome, elapsed) = interrupted(sandbox.call(&NEW_BRAND), interrupts).await;
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(1), ""));
        assert!(outcome.stderr.contains("may have been made"), "{}", outcome.stderr);
        assert!(outcome.stderr.contains("scope3-mcp tools call brand_agent_list"), "{}", outcome.stderr);
        assert!(elapsed < at_most, "{elapsed:?}");
    }
}

#[tokio::test]
async fn an_interrupted_change_prints_its_outcome_if_it_arrives_soon() {
    let sandbox = SlowSandbox::start(&["--latency", "3s"]).await;
    let (outcome, _) = interrupted(sandbox.call(&NEW_BRAND), 1).await;
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.contains("may have been made"), "{}", outcome.stderr);
    assert!(outcome.stdout.contains("x.example"), "{}", outcome.stdout);
}

#[tokio::test]
async fn an_interrupted_read_reports_that_nothing_changed() {
    let sandbox = SlowSandbox::start(&["--latency", "25s"]).await;
    let (outcome, elapsed) = interrupted(sandbox.call(&["campaign_list"]), 1).await;
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.contains("Nothing was changed."), "{}", outcome.stderr);
    assert!(elapsed < Duration::from_secs(3), "{elapsed:?}");
}

#[tokio::test]
async fn an_interrupted_change_that_waits_for_a_permit_is_abandoned() {
    let sandbox = SlowSandbox::start(&["--rate-limit", "1/h"]).await;
    let first = sandbox.call(&["campaign_list"]).stdin(Stdio::null()).output().await.unwrap();
    assert!(first.status.success(), "{first:?}");
    let waiting = [&NEW_BRAND[..], &["--on-limit", "wait", "--max-wait", "2h"]].concat();
    let (outcome, elapsed) = interrupted(sandbox.call(&waiting), 1).await;
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(1), ""));
    assert!(outcome.stderr.contains("Interrupted"), "{}", outcome.stderr);
    assert!(elapsed < Duration::from_secs(5), "{elapsed:?}");
}
