//! The key in the keychain of the system: here in keyrings of the kernel, which each test has for itself.

use std::{process::Stdio, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::Command,
};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::header};

use crate::support::{
    Outcome, command, key, key_text,
    redis::requirement::{has_program, skip},
    run,
};

/// A command in a session with keyrings of its own. The user namespace separates the persistent keyring, which all sessions of a
/// user share. Its variable `PROGRAM` is the program under test.
fn session(arguments: &[&str]) -> Command {
    let template = command(&[]);
    let template = template.as_std();
    let mut session = Command::new("unshare");
    session.env_clear().envs(template.get_envs().filter_map(|(name, value)| Some((name, value?))));
    session.env("PROGRAM", template.get_program()).kill_on_drop(true);
    session.args(["--user", "--map-root-user", "keyctl", "session", "-"]).args(arguments);
    session
}

/// Runs a shell script in a session. In it, `$KEY` is a key.
async fn in_session(script: &str, environment: &[(&str, &str)]) -> Option<Outcome> {
    if !has_program("keyctl") {
        return None;
    }
    let probe = run(&mut session(&["true"])).await;
    if probe.code != Some(0) {
        // Containers usually forbid it, and some systems to users other than root.
        let missing = format!("no keyring of its own: {}", probe.stderr.trim_end());
        skip(&missing, rustix::process::geteuid().is_root());
        return None;
    }
    let mut script = session(&["sh", "-c", script]);
    Some(run(script.env("KEY", key_text("only")).envs(environment.iter().copied())).await)
}

#[tokio::test]
async fn a_key_is_stored_shown_by_its_fingerprint_used_and_removed() {
    let api = MockServer::start().await;
    let body = serde_json::json!({ "success": true, "data": [] });
    Mock::given(header("x-scope3-api-key", key_text("only").as_str()))
        .respond_with(ResponseTemplate::new(200).set_body_json(body))
        .mount(&api)
        .await;
    let script = r#"
        set -e
        echo "$KEY" | "$PROGRAM" key set
        "$PROGRAM" key show
        "$PROGRAM" tools call brand_agent_list --json --api-key-keychain
        "$PROGRAM" key remove
        "$PROGRAM" key remove
        "$PROGRAM" key show || echo "code $?"
        "$PROGRAM" tools call brand_agent_list --json --api-key-keychain || echo "code $?"
    "#;
    let Some(outcome) = in_session(script, &[("SCOPE3_API_URL", &api.uri())]).await else { return };
    let Outcome { code, stdout, stderr } = outcome;
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    let fingerprint = key("only").fingerprint().to_string();
    for text in [
        &format!("Stored the key {fingerprint} in this system's keychain"),
        &format!("key     {fingerprint}\nstored  20"),
        "Removed the key.\nThe keychain has no key.\ncode 1\n",
        "AUTH_MISSING",
    ] {
        assert!(stdout.contains(text), "{text} is missing in\n{stdout}{stderr}");
    }
    assert!(stderr.contains("scope3-mcp key set"), "{stderr}");
    assert!(!format!("{stdout}{stderr}").contains(&key_text("only")), "{stdout}{stderr}");
    let (of_commands, _) = stdout.split_once('{').unwrap();
    assert!(of_commands.lines().all(|line| line.len() <= 80), "{of_commands}");
    assert_eq!(api.received_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_stored_key_is_used_only_if_the_operator_says_so() {
    let script = r#"
        echo "$KEY" | "$PROGRAM" key set >/dev/null
        "$PROGRAM" tools call brand_agent_list --json
        "$PROGRAM" tools call brand_agent_list --api-key-keychain --api-key-file some-file
        SCOPE3_API_KEY=$KEY SCOPE3_API_KEY_KEYCHAIN=yes "$PROGRAM" stdio
    "#;
    let Some(Outcome { stdout, stderr, .. }) = in_session(script, &[]).await else { return };
    assert!(stdout.contains("AUTH_MISSING"), "{stdout}{stderr}");
    for names in ["(--api-key-file, --api-key-keychain)", "(SCOPE3_API_KEY, SCOPE3_API_KEY_KEYCHAIN)"] {
        assert!(stderr.contains(&format!("given more than once {names}; set one of them")), "{stderr}");
    }
}

#[tokio::test]
async fn what_is_not_a_key_is_not_stored_and_not_repeated() {
    let script = r#"
        for text in "" hunter2hunter2 "scope3_hunter2" "scope3_a b_hunter2" '${SCOPE3_API_KEY}'; do
            printf %s "$text" | "$PROGRAM" key set && echo stored
        done
        "$PROGRAM" key set "$KEY" && echo stored
        "$PROGRAM" key show || echo "code $?"
    "#;
    let Some(Outcome { stdout, stderr, .. }) = in_session(script, &[]).await else { return };
    assert_eq!(stdout, "code 1\n", "{stderr}");
    assert_eq!(stderr.matches("nothing was stored: the key is malformed").count(), 5, "{stderr}");
    assert!(!stderr.contains("hunter2") && !stderr.contains(&key_text("only")[..20]), "{stderr}");
}

#[tokio::test]
async fn without_a_keychain_the_commands_fail_and_nothing_else_does() {
    // Nobody may use this keyring.
    let script = r#"
        keyctl setperm @s 0 >/dev/null
        for command in show remove set; do
            echo "$KEY" | "$PROGRAM" key $command || echo "code $?"
        done
        "$PROGRAM" tools call brand_agent_list --json --api-key-keychain
        "$PROGRAM" stdio </dev/null && echo started
    "#;
    let Some(Outcome { stdout, stderr, .. }) = in_session(script, &[]).await else { return };
    assert!(
        stdout.starts_with("code 1\ncode 1\ncode 1\n") && stdout.ends_with("started\n"),
        "{stdout}{stderr}"
    );
    let refused = "error: the keychain of this system cannot be used";
    assert_eq!(stderr.matches(refused).count(), 3, "{stderr}");
    assert!(stdout.contains("AUTH_UNAVAILABLE"), "{stdout}{stderr}");
    assert!(!format!("{stdout}{stderr}").contains("aaaaaaaa"), "{stdout}{stderr}");
}

#[tokio::test]
async fn a_terminal_does_not_show_the_key_that_is_typed() {
    if in_session("true", &[]).await.is_none() || !has_program("script") {
        return;
    }
    let mut terminal = session(&["script", "-qec", "\"$PROGRAM\" key set", "/dev/null"]);
    let mut child = terminal.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut shown = Vec::new();
    let typing = async {
        while !String::from_utf8_lossy(&shown).contains("it is not shown") {
            assert_ne!(stdout.read_buf(&mut shown).await.unwrap(), 0, "{}", String::from_utf8_lossy(&shown));
        }
        // The program asks, and then turns the echo off.
        tokio::time::sleep(Duration::from_millis(500)).await;
        stdin.write_all(format!("{}\n", key_text("only")).as_bytes()).await.unwrap();
        stdout.read_to_end(&mut shown).await.unwrap();
    };
    tokio::time::timeout(Duration::from_secs(30), typing).await.unwrap();
    let shown = String::from_utf8(shown).unwrap();
    assert!(shown.contains(&format!("Stored the key {}", key("only").fingerprint())), "{shown}");
    assert!(!shown.contains("aaaaaaaa"), "{shown}");
}
