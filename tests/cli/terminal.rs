//! What a person at a terminal sees: a word instead of silence, and colors where they are welcome.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Write},
    process::Stdio,
    time::{Duration, Instant},
};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::support::{command, run};

/// A terminal: the user's side, and the program's.
fn terminal() -> (File, File) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
    let theirs = File::options().read(true).write(true).open(name).unwrap();
    (File::from(ours), theirs)
}

/// What a program writes whose three streams are a terminal, or whose output alone is.
fn shown(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let (mut ours, theirs) = terminal();
    let mut program = command(arguments).into_std();
    program.envs(environment.iter().copied()).stdin(Stdio::null());
    program.stdout(theirs.try_clone().unwrap()).stderr(theirs);
    let mut child = program.spawn().unwrap();
    drop(program);
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        // A terminal whose last writer is gone answers with an error on Linux.
        let _ended = ours.read_to_end(&mut text);
        String::from_utf8(text).unwrap()
    });
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(started.elapsed() < Duration::from_secs(30), "{arguments:?} does not end");
        std::thread::sleep(Duration::from_millis(10));
    }
    reader.join().unwrap()
}

/// Starts the program with a terminal for its input, says hello and ends; returns what it said to the person.
fn greeted(arguments: &[&str]) -> String {
    let (mut ours, theirs) = terminal();
    let mut program = command(arguments).into_std();
    program.env("SCOPE3_SANDBOX", "1").stdin(theirs).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = program.spawn().unwrap();
    drop(program);
    let hello = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"hand","version":"1"}}}"#;
    writeln!(ours, "{hello}").unwrap();
    let mut answer = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut answer).unwrap();
    assert!(answer.contains("\"serverInfo\""), "it serves all the same: {answer}");
    child.kill().unwrap();
    child.wait().unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    said
}

#[test]
fn at_a_terminal_it_says_what_it_waits_for_and_serves() {
    let said = greeted(&[]);
    for word in ["waiting for an MCP client", "scope3-mcp demo", "scope3-mcp --help", "mcp.json.example"] {
        assert!(said.contains(word), "{said}");
    }
    assert!(said.lines().all(|line| line.len() <= 80), "{said}");
    let said = greeted(&["stdio"]);
    assert!(said.contains("waiting for an MCP client") && said.lines().count() == 1, "{said}");
}

#[tokio::test]
async fn a_client_is_not_told_what_a_person_is() {
    for arguments in [[].as_slice(), &["stdio"]] {
        let outcome = run(command(arguments).env("SCOPE3_SANDBOX", "1")).await;
        assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
    }
}

/// A command for each kind of output that could be colored.
const OUTPUTS: [(&str, &[&str]); 3] = [
    ("help", &["--help"]),
    ("an error", &["stdio", "--on-limit", "maybe"]),
    ("the log", &["stdio", "--sandbox"]),
];

#[test]
fn one_choice_of_colors_holds_for_help_errors_and_the_log_at_a_terminal() {
    let xterm = ("TERM", "xterm-256color");
    for (environment, colored) in [
        ([xterm].as_slice(), true),
        (&[xterm, ("NO_COLOR", "")], true),
        (&[xterm, ("NO_COLOR", "1")], false),
        (&[xterm, ("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], false),
        (&[xterm, ("CLICOLOR", "0")], false),
        (&[xterm, ("CLICOLOR", "0"), ("CLICOLOR_FORCE", "1")], true),
        (&[("TERM", "dumb")], false),
        (&[("TERM", "dumb"), ("CLICOLOR_FORCE", "1")], true),
        (&[], false),
    ] {
        for (what, arguments) in OUTPUTS {
            let environment = [environment, &[("RUST_LOG", "info")]].concat();
            let text = shown(arguments, &environment);
            assert!(text.len() > 50, "{what}: {text}");
            assert_eq!(text.contains('\u{1b}'), colored, "{what} with {environment:?}: {text}");
        }
    }
}

#[tokio::test]
async fn a_pipe_gets_colors_by_force_alone() {
    for (force, colored) in [(None, false), (Some("1"), true)] {
        for (what, arguments) in OUTPUTS {
            let mut program = command(arguments);
            program.env("RUST_LOG", "info").env("TERM", "xterm-256color");
            if let Some(force) = force {
                program.env("CLICOLOR_FORCE", force);
            }
            let outcome = run(&mut program).await;
            let text = outcome.stdout + &outcome.stderr;
            assert!(text.len() > 50, "{what}: {text}");
            assert_eq!(text.contains('\u{1b}'), colored, "{what} with {force:?}: {text}");
        }
    }
}
