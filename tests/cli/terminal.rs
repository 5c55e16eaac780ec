//! What a person at a terminal sees: a startup message, and colors unless they are disabled.

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

/// The output of a program whose standard output and standard error are a terminal.
fn terminal_output(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let (mut ours, theirs) = terminal();
    let mut program = command(arguments).into_std();
    program.envs(environment.iter().copied()).stdin(Stdio::null());
    program.stdout(theirs.try_clone().unwrap()).stderr(theirs);
    let mut child = program.spawn().unwrap();
    drop(program);
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        // On Linux, a terminal without writers returns an error at its end.
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

/// Starts the program with a terminal as its input, initializes a session and ends the program. Returns its standard
/// error.
fn startup_message(arguments: &[&str]) -> String {
    let (mut ours, theirs) = terminal();
    let mut program = command(arguments).into_std();
    program.env("SCOPE3_SANDBOX", "1").stdin(theirs).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = program.spawn().unwrap();
    drop(program);
    let hello = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"hand","version":"1"}}}"#;
    writeln!(ours, "{hello}").unwrap();
    let mut response = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut response).unwrap();
    assert!(response.contains("\"serverInfo\""), "the session starts: {response}");
    child.kill().unwrap();
    child.wait().unwrap();
    let mut message = String::new();
    child.stderr.take().unwrap().read_to_string(&mut message).unwrap();
    message
}

#[test]
fn at_a_terminal_the_program_prints_a_message_and_serves() {
    let message = startup_message(&[]);
    for word in ["waiting for an MCP client", "scope3-mcp demo", "scope3-mcp --help", "mcp.json.example"] {
        assert!(message.contains(word), "{message}");
    }
    assert!(message.lines().all(|line| line.len() <= 80), "{message}");
    let message = startup_message(&["stdio"]);
    assert!(message.contains("waiting for an MCP client") && message.lines().count() == 1, "{message}");
}

#[tokio::test]
async fn a_client_gets_no_startup_message() {
    for arguments in [[].as_slice(), &["stdio"]] {
        let outcome = run(command(arguments).env("SCOPE3_SANDBOX", "1")).await;
        assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
    }
}

/// A command for each kind of colored output.
const OUTPUTS: [(&str, &[&str]); 3] = [
    ("help", &["--help"]),
    ("an error", &["stdio", "--on-limit", "maybe"]),
    ("the log", &["stdio", "--sandbox"]),
];

#[test]
fn color_settings_apply_to_help_errors_and_the_log() {
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
            let text = terminal_output(arguments, &environment);
            assert!(text.len() > 50, "{what}: {text}");
            assert_eq!(text.contains('\u{1b}'), colored, "{what} with {environment:?}: {text}");
        }
    }
}

#[tokio::test]
async fn a_pipe_gets_colors_only_if_forced() {
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
