//! At the end of a session over standard input and output, no response is lost and every change is reported or logged.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Session, command};

const HELLO: &str = "✅ Authenticated as dana@acme-outdoor.example (Customer ID: 12345). \
                     This is the sandbox: its data is invented, and nothing is spent.";

fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap()
}

#[tokio::test]
async fn accepted_requests_get_responses_after_the_end_of_the_input() {
    let sandbox = SlowSandbox::start("700ms").await;
    let mut session = Session::start(&mut sandbox.client(), "2025-11-25").await;
    let first = session.ask("tools/call", json!({ "name": "check_auth_status", "arguments": {} })).await;
    let second = session.ask("tools/call", json!({ "name": "brand_agent_list", "arguments": {} })).await;
    let (rest, code, _) = session.end().await;
    let mut ids: Vec<u64> = rest.iter().map(|message| message["id"].as_u64().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!((ids, code), (vec![first, second], Some(0)));
    assert!(rest.iter().all(|message| message["result"]["isError"] == false), "{rest:?}");
}

#[tokio::test]
async fn the_program_waits_for_a_call_that_was_just_read() {
    // rmcp by itself waits only five seconds.
    let sandbox = SlowSandbox::start("6s").await;
    let mut session = Session::start(&mut sandbox.client(), "2025-11-25").await;
    // The last line has no line feed, as from a shell's `printf`.
    let call = json!({ "name": "check_auth_status", "arguments": {} });
    let call = json!({ "jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": call });
    session.send_raw(call.to_string().as_bytes()).await;
    let (rest, code, log) = session.end().await;
    assert_eq!((rest.len(), code), (1, Some(0)), "{log}");
    assert_eq!(text(&rest[0]["result"]), HELLO);
}

#[cfg(unix)]
#[tokio::test]
async fn a_client_that_no_longer_reads_ends_the_program() {
    let sandbox = SlowSandbox::start("2s").await;
    let mut session = Session::start(sandbox.client().env("RUST_LOG", "scope3_mcp=info"), "2025-11-25").await;
    let create = json!({ "name": "brand_agent_create", "arguments": { "name": "Under way", "advertiserDomains": ["example.com"] } });
    session.ask("tools/call", create).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    session.close_output();
    tokio::time::sleep(Duration::from_millis(300)).await;
    // The input stays open, but new calls are not started.
    let late = json!({ "name": "brand_agent_create", "arguments": { "name": "Too late", "advertiserDomains": ["example.com"] } });
    let late = json!({ "jsonrpc": "2.0", "id": 99, "method": "tools/call", "params": late });
    let input = session.stdin.as_mut().unwrap();
    drop(tokio::io::AsyncWriteExt::write_all(input, format!("{late}\n").as_bytes()).await);
    let status = tokio::time::timeout(Duration::from_secs(15), session.child.wait()).await;
    assert_eq!(status.expect("it ends").unwrap().code(), Some(0));
    let mut log = String::new();
    let stderr = session.child.stderr.as_mut().unwrap();
    tokio::io::AsyncReadExt::read_to_string(stderr, &mut log).await.unwrap();
    let calls: Vec<&str> = log.lines().filter(|line| line.contains("brand_agent_create")).collect();
    assert_eq!(calls.len(), 1, "{log}");
    assert!(calls[0].contains("outcome=ok"), "{log}");

    let mut after = Session::start(&mut sandbox.client(), "2025-11-25").await;
    let made = after.call("brand_agent_list", json!({})).await.to_string();
    assert!(made.contains("Under way") && !made.contains("Too late"), "{made}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_client_that_no_longer_reads_ends_an_idle_program() {
    let mut session = Session::sandbox(&[]).await;
    session.close_output();
    let status = tokio::time::timeout(Duration::from_secs(10), session.child.wait()).await;
    assert_eq!(status.expect("it ends").unwrap().code(), Some(0));
}

#[cfg(unix)]
#[tokio::test]
async fn a_socket_that_the_client_closes_ends_the_program() {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let theirs = std::os::fd::OwnedFd::from(theirs);
    let mut program = command(&["--sandbox"]);
    let mut child = program
        .stdin(std::process::Stdio::piped())
        .stdout(theirs)
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    // The `Command` keeps the program's end of the socket open.
    drop(program);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(child.try_wait().unwrap().is_none(), "it runs while the socket is open");
    drop(ours);
    let status = tokio::time::timeout(Duration::from_secs(10), child.wait()).await.expect("it ends").unwrap();
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn an_output_to_a_file_is_supported() {
    let path = std::env::temp_dir().join(format!("scope3-mcp-output-{}", std::process::id()));
    let mut program = command(&["--sandbox"]);
    let mut child = program
        .stdin(std::process::Stdio::piped())
        .stdout(std::fs::File::create(&path).unwrap())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let ping = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n";
    tokio::io::AsyncWriteExt::write_all(&mut input, ping).await.unwrap();
    drop(input);
    let status = tokio::time::timeout(Duration::from_secs(10), child.wait()).await.expect("it ends").unwrap();
    assert_eq!(status.code(), Some(0));
    let written = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(written.contains("\"result\":{}"), "{written}");
}

#[cfg(unix)]
#[tokio::test]
async fn accepted_requests_get_responses_after_a_signal() {
    let sandbox = SlowSandbox::start("700ms").await;
    let mut session = Session::start(&mut sandbox.client(), "2025-11-25").await;
    session.ask("tools/call", json!({ "name": "check_auth_status", "arguments": {} })).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let pid = session.child.id().unwrap().to_string();
    // The input stays open, so only the signal ends the program.
    std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap();
    let (rest, code, _) = session.finish().await;
    assert_eq!((rest.len(), code), (1, Some(0)));
    assert_eq!(text(&rest[0]["result"]), HELLO);
}

#[cfg(unix)]
#[tokio::test]
async fn a_signal_ends_the_program_if_the_input_is_a_socket() {
    // Node uses sockets as pipes of its children. A read from one cannot be interrupted.
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let theirs = std::os::fd::OwnedFd::from(theirs);
    let mut program = command(&["--sandbox"]);
    let mut child = program.stdin(theirs).stderr(std::process::Stdio::null()).spawn().unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let pid = child.id().unwrap().to_string();
    std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap();
    let status = tokio::time::timeout(Duration::from_secs(10), child.wait()).await.expect("it ends").unwrap();
    assert_eq!(status.code(), Some(0));
    drop(ours);
}

#[tokio::test]
async fn a_cancelled_call_ends_its_request_and_gets_no_response() {
    let sandbox = SlowSandbox::start("60s").await;
    let mut session = Session::start(&mut sandbox.client(), "2025-11-25").await;
    let id = session.ask("tools/call", json!({ "name": "check_auth_status", "arguments": {} })).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let cancel = json!({ "requestId": id, "reason": "changed my mind" });
    session.send(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancel })).await;
    // If the request were still running, the end of the session would wait for its response.
    let (rest, code, _) = tokio::time::timeout(Duration::from_secs(20), session.end()).await.unwrap();
    assert_eq!((rest.len(), code), (0, Some(0)));
}

#[tokio::test]
async fn an_input_that_ends_before_initialize_is_not_an_error() {
    let (rest, code, log) = Session::spawn(&mut command(&["--sandbox"])).end().await;
    assert_eq!((rest.len(), code), (0, Some(0)), "{log}");
}

#[tokio::test]
async fn a_disconnected_client_ends_the_program_without_a_panic() {
    let mut session = Session::sandbox(&[]).await;
    // The pipe of the server's output breaks.
    session.close_output();
    for id in 100..110 {
        let call = json!({ "jsonrpc": "2.0", "id": id, "method": "tools/list", "params": {} });
        session.send(&call).await;
    }
    drop(session.stdin.take());
    let status = tokio::time::timeout(Duration::from_secs(20), session.child.wait()).await.unwrap().unwrap();
    assert!(status.code().is_some(), "the program was ended by a signal: {status}");
    let mut log = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut session.child.stderr.take().unwrap(), &mut log)
        .await
        .unwrap();
    assert!(!log.contains("panicked"), "{log}");
}

/// A slow sandbox in a separate process.
struct SlowSandbox {
    _session: Session,
    url: String,
    key: String,
}

impl SlowSandbox {
    async fn start(latency: &str) -> Self {
        let mut session = Session::spawn(&mut command(&["sandbox", "--latency", latency]));
        let value = |line: String| line.split_once('=').unwrap().1.to_owned();
        let url = value(session.line().await);
        let key = value(session.line().await);
        Self { _session: session, url, key }
    }

    fn client(&self) -> tokio::process::Command {
        let mut client = command(&["stdio"]);
        client.env("SCOPE3_API_URL", &self.url).env("SCOPE3_API_KEY", &self.key);
        client
    }
}
