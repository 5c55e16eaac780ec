//! `tools call` where a person watches it: in a terminal, with an API that takes its time, and with Ctrl-C.

use std::{
    fs::File,
    io::Read,
    process::Stdio,
    sync::mpsc,
    time::{Duration, Instant},
};

use rustix::{
    process::{Pid, Signal, kill_process},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

use crate::support::{Outcome, command};

/// Nothing under test takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs a command in a terminal of so many columns and returns its exit code and what the terminal was shown.
async fn in_terminal(command: &mut Command, columns: u16) -> (Option<i32>, String) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    tcsetwinsize(&master, Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    let path = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let slave = File::options().read(true).write(true).open(path).unwrap();
    let mut child = command
        .stdin(slave.try_clone().unwrap())
        .stdout(slave.try_clone().unwrap())
        .stderr(slave)
        .spawn()
        .unwrap();
    // The command holds ends of the terminal, too: with them open, the reading would never end.
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let (send, received) = mpsc::channel();
    std::thread::spawn(move || {
        let mut shown = Vec::new();
        let mut master = File::from(master);
        let mut chunk = [0; 4096];
        // A terminal whose last program has ended gives an error on Linux, and nothing elsewhere.
        while let Ok(length @ 1..) = master.read(&mut chunk) {
            shown.extend_from_slice(&chunk[..length]);
        }
        send.send(shown).unwrap();
    });
    let status = tokio::time::timeout(PATIENCE, child.wait()).await.unwrap().unwrap();
    let shown = tokio::task::spawn_blocking(move || received.recv_timeout(PATIENCE).unwrap()).await.unwrap();
    (status.code(), String::from_utf8(shown).unwrap().replace("\r\n", "\n"))
}

/// A sandbox of its own that takes its time, and a command for calls to it.
struct Slow {
    _server: Child,
    // Closed, it would end the server.
    _output: Lines<BufReader<ChildStdout>>,
    environment: Vec<(String, String)>,
}

impl Slow {
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
        let (code, shown) =
            in_terminal(&mut command(&["tools", "call", "campaign_list", "--sandbox"]), columns).await;
        assert_eq!(code, Some(0), "{shown}");
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines[0].contains("sandbox"), "{shown}");
        assert!(shown.contains("6 campaigns"), "{shown}");
        let heading = lines.iter().position(|line| line.starts_with("ID ")).unwrap();
        assert!(lines[heading].contains("NAME"), "{shown}");
        assert_eq!(lines.len() - heading - 1, 6, "a line a campaign: {shown}");
        assert!(shown.contains("Storm Season") && !shown.contains('{'), "{shown}");
        for line in lines {
            assert!(line.chars().count() <= columns.into(), "{line}");
        }
    }
}

#[tokio::test]
async fn a_terminal_gets_json_when_it_asks() {
    let (code, shown) =
        in_terminal(&mut command(&["tools", "call", "campaign_list", "--sandbox", "--json"]), 80).await;
    assert_eq!(code, Some(0), "{shown}");
    let answer: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(answer["scope3Mcp"]["sandbox"], true);
}

#[tokio::test]
async fn a_list_in_a_terminal_fits_it() {
    for columns in [40, 60, 80] {
        let (_, shown) = in_terminal(&mut command(&["tools", "list", "--toolsets", "all"]), columns).await;
        assert_eq!(shown.lines().count(), 68, "{shown}");
        for line in shown.lines() {
            assert!(line.chars().count() <= columns.into(), "{line}");
        }
    }
}

#[tokio::test]
async fn a_terminal_sees_that_a_call_is_under_way() {
    let slow = Slow::start(&["--latency", "3s"]).await;
    let (code, shown) = in_terminal(&mut slow.call(&["campaign_list"]), 80).await;
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.starts_with("\rwaiting for the response, 2 s"), "{shown:?}");
    let rest = shown.rsplit('\r').next().unwrap();
    assert!(rest.starts_with('['), "the progress line is gone when the response arrives: {shown:?}");

    let quick = Slow::start(&["--latency", "0s"]).await;
    let (_, shown) = in_terminal(&mut quick.call(&["campaign_list"]), 80).await;
    assert!(!shown.contains("waiting"), "{shown:?}");

    let piped = slow.call(&["campaign_list"]).stdin(Stdio::null()).output().await.unwrap();
    assert!(piped.stderr.is_empty(), "{piped:?}");
}

/// Starts a call, and after a moment presses Ctrl-C, once or twice.
async fn interrupted(mut call: Command, presses: u32) -> (Outcome, Duration) {
    let child = call.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = Pid::from_raw(child.id().unwrap().try_into().unwrap()).unwrap();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let started = Instant::now();
    for _ in 0..presses {
        kill_process(pid, Signal::INT).unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.unwrap().unwrap();
    let outcome = Outcome {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    };
    (outcome, started.elapsed())
}

const NEW_BRAND: [&str; 3] = ["brand_agent_create", "name=X", "advertiserDomains[]=x.example"];

#[tokio::test]
async fn an_interrupted_change_may_have_been_made() {
    let slow = Slow::start(&["--latency", "25s"]).await;
    for (presses, at_most) in [(1, Duration::from_secs(15)), (2, Duration::from_secs(3))] {
        let (outcome, took) = interrupted(slow.call(&NEW_BRAND), presses).await;
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(1), ""));
        assert!(outcome.stderr.contains("may have been made"), "{}", outcome.stderr);
        assert!(outcome.stderr.contains("scope3-mcp tools call brand_agent_list"), "{}", outcome.stderr);
        assert!(took < at_most, "{took:?}");
    }
}

#[tokio::test]
async fn an_interrupted_change_tells_its_outcome_if_that_comes_soon() {
    let slow = Slow::start(&["--latency", "3s"]).await;
    let (outcome, _) = interrupted(slow.call(&NEW_BRAND), 1).await;
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.contains("may have been made"), "{}", outcome.stderr);
    assert!(outcome.stdout.contains("x.example"), "{}", outcome.stdout);
}

#[tokio::test]
async fn an_interrupted_read_has_changed_nothing() {
    let slow = Slow::start(&["--latency", "25s"]).await;
    let (outcome, took) = interrupted(slow.call(&["campaign_list"]), 1).await;
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.contains("Nothing was changed."), "{}", outcome.stderr);
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[tokio::test]
async fn an_interrupted_change_that_waits_for_a_permit_is_given_up() {
    let slow = Slow::start(&["--rate-limit", "1/h"]).await;
    let first = slow.call(&["campaign_list"]).stdin(Stdio::null()).output().await.unwrap();
    assert!(first.status.success(), "{first:?}");
    let waiting = [&NEW_BRAND[..], &["--on-limit", "wait", "--max-wait", "2h"]].concat();
    let (outcome, took) = interrupted(slow.call(&waiting), 1).await;
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(1), ""));
    assert!(outcome.stderr.contains("Interrupted"), "{}", outcome.stderr);
    assert!(took < Duration::from_secs(5), "{took:?}");
}
