//! Keys: without one the server starts and says how to set one; nothing of a key is ever shown.

use std::{fs, path::Path, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::mpsc,
};
use wiremock::{Mock, MockServer, Request, ResponseTemplate, matchers::any};

use crate::support::{Session, command, key_text, run};

async fn answer(environment: &[(&str, &str)]) -> (Value, String) {
    let mut program = command(&[]);
    program.envs(environment.iter().copied());
    let mut session = Session::start(&mut program, "2025-11-25").await;
    let result = session.call("check_auth_status", json!({})).await;
    let (_, code, log) = session.end().await;
    assert_eq!(code, Some(0));
    (result, log)
}

#[tokio::test]
async fn the_server_starts_without_a_key_and_each_call_says_how_to_set_one() {
    for environment in [[].as_slice(), &[("SCOPE3_API_KEY", "")]] {
        let (result, log) = answer(environment).await;
        assert_eq!(result["isError"], true);
        assert_eq!(result["structuredContent"]["code"], "AUTH_MISSING");
        assert_eq!(result["structuredContent"]["changed"], "no");
        assert!(result["structuredContent"]["hint"].as_str().unwrap().contains("SCOPE3_API_KEY"));
        assert!(log.contains("AUTH_MISSING"), "the operator is told, too: {log}");
    }
}

#[tokio::test]
async fn a_malformed_key_is_refused_at_once_and_not_repeated() {
    for key in ["sk-verysecret", "scope3_verysecret", "scope3_a verysecret_x"] {
        let (result, log) = answer(&[("SCOPE3_API_KEY", key)]).await;
        assert_eq!(result["structuredContent"]["code"], "AUTH_INVALID_FORMAT", "{result}");
        assert!(!result.to_string().contains("verysecret") && !log.contains("verysecret"), "{result} {log}");
    }
}

#[tokio::test]
async fn a_refused_key_and_an_unusual_one_are_named_by_fingerprint() {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(401)).mount(&server).await;
    let (result, log) =
        answer(&[("SCOPE3_API_KEY", "scope3_short_verysecret"), ("SCOPE3_API_URL", &server.uri())]).await;
    assert_eq!(result["structuredContent"]["code"], "AUTH_INVALID_KEY");
    assert!(log.contains("is not 32 characters long"), "{log}");
    assert!(log.contains("rejected this API key"), "authentication failures are logged: {log}");
    for shown in [result.to_string(), log] {
        assert!(!shown.contains("verysecret") && !shown.contains("scope3_short"), "{shown}");
    }
}

#[tokio::test]
async fn an_old_key_gets_a_reminder() {
    let server = MockServer::start().await;
    let answer_as = json!({ "success": true, "data": { "authenticated": true, "customerId": 7 } });
    Mock::given(any()).respond_with(ResponseTemplate::new(200).set_body_json(answer_as)).mount(&server).await;
    let key = key_text("old");
    let (result, _) = answer(&[
        ("SCOPE3_API_KEY", key.as_str()),
        ("SCOPE3_API_URL", &server.uri()),
        ("SCOPE3_API_KEY_ISSUED", "2026-01-01"),
    ])
    .await;
    let text = result["content"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("✅ Authenticated as customer 7 (Customer ID: 7)\n⚠️ The API key is"), "{text}");
    assert_eq!(result["structuredContent"]["message"], text);
}

#[tokio::test]
async fn with_the_sandbox_the_operators_key_stays_unused() {
    let (result, _) = answer(&[("SCOPE3_API_KEY", &key_text("real")), ("SCOPE3_SANDBOX", "true")]).await;
    assert_eq!(result["isError"], false, "{result}");
}

#[tokio::test]
async fn the_program_shows_no_key_at_any_level() {
    let key = key_text("verysecret");
    let mut program = command(&["tools", "call", "brand_agent_list"]);
    program.envs([
        ("SCOPE3_API_KEY", key.as_str()),
        ("SCOPE3_API_URL", "http://127.0.0.1:9"),
        ("RUST_LOG", "trace"),
    ]);
    let outcome = run(&mut program).await;
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.contains("CONNECTION_FAILED"), "{}", outcome.stderr);
    assert!(!format!("{}{}", outcome.stdout, outcome.stderr).contains("verysecret"), "{}", outcome.stderr);
}

/// An API that accepts one key.
async fn api_of(accepted: &'static str) -> MockServer {
    let server = MockServer::start().await;
    let answer = move |request: &Request| {
        if request.headers["x-scope3-api-key"] == key_text(accepted) {
            let data = json!({ "authenticated": true, "customerId": 7 });
            ResponseTemplate::new(200).set_body_json(json!({ "success": true, "data": data }))
        } else {
            ResponseTemplate::new(401).set_body_json(json!({ "error": "Invalid or expired API key" }))
        }
    };
    Mock::given(any()).respond_with(answer).mount(&server).await;
    server
}

/// A command line that notes in `runs` that it ran, and then does what `script` says.
fn noting(folder: &Path, script: &str) -> String {
    format!("sh -c \"cd '{}'; echo x >>runs; {script}\"", folder.display())
}

fn runs(folder: &Path) -> usize {
    fs::read_to_string(folder.join("runs")).unwrap_or_default().lines().count()
}

#[tokio::test]
async fn a_key_that_was_rotated_is_found_within_the_call() {
    let server = api_of("new").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    let by_file = ("SCOPE3_API_KEY_FILE", file.display().to_string());
    let by_command = ("SCOPE3_API_KEY_COMMAND", noting(folder.path(), "cat key"));
    for (name, value) in [by_file, by_command] {
        fs::write(&file, key_text("old")).unwrap();
        let mut program = command(&[]);
        program.env(name, &value).env("SCOPE3_API_URL", server.uri());
        let mut session = Session::start(&mut program, "2025-11-25").await;
        let refused = session.call("check_auth_status", json!({})).await;
        assert_eq!(refused["structuredContent"]["code"], "AUTH_INVALID_KEY", "{name}: {refused}");
        let runs_before = runs(folder.path());

        fs::write(&file, key_text("new")).unwrap();
        if name == "SCOPE3_API_KEY_COMMAND" {
            // A command that has printed a refused key twice rests for five seconds.
            assert_eq!(runs_before, 2, "once, and once more as the key was refused");
            tokio::time::sleep(Duration::from_secs(6)).await;
        }
        let accepted = session.call("check_auth_status", json!({})).await;
        assert_eq!(accepted["isError"], false, "{name}: {accepted}");
        session.call("check_auth_status", json!({})).await;
        if name == "SCOPE3_API_KEY_COMMAND" {
            assert_eq!(runs(folder.path()), 3, "a key that is accepted is kept");
        }
        session.end().await;
    }
}

#[tokio::test]
async fn a_revoked_key_is_replaced_by_its_successor_within_the_same_call() {
    let server = api_of("new").await;
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("key"), key_text("old")).unwrap();
    let mut program = command(&[]);
    program
        .env("SCOPE3_API_KEY_COMMAND", noting(folder.path(), "cat key"))
        .env("SCOPE3_API_URL", server.uri());
    let mut session = Session::start(&mut program, "2025-11-25").await;
    while runs(folder.path()) == 0 || session.call("get_usage", json!({})).await["isError"] == true {}
    fs::write(folder.path().join("key"), key_text("new")).unwrap();

    let result = session.call("check_auth_status", json!({})).await;
    assert_eq!(result["isError"], false, "the first call after the rotation succeeds: {result}");
    session.call("check_auth_status", json!({})).await;
    assert_eq!(runs(folder.path()), 2);
    let keys: Vec<_> = server.received_requests().await.unwrap();
    let keys: Vec<_> = keys.iter().map(|request| &request.headers["x-scope3-api-key"]).collect();
    assert_eq!(
        keys,
        [&key_text("old"), &key_text("new"), &key_text("new")],
        "the old key is not tried again"
    );
}

#[tokio::test]
async fn the_key_command_runs_once_for_all_calls_and_cannot_read_the_clients_messages() {
    let server = api_of("only").await;
    let folder = tempfile::tempdir().unwrap();
    let script = format!("cat >/dev/null; sleep 0.3; echo {}", key_text("only"));
    let mut program = command(&[]);
    program.env("SCOPE3_API_KEY_COMMAND", noting(folder.path(), &script)).env("SCOPE3_API_URL", server.uri());
    let mut session = Session::start(&mut program, "2025-11-25").await;
    for _ in 0..20 {
        session.ask("tools/call", json!({ "name": "check_auth_status", "arguments": {} })).await;
    }
    for _ in 0..20 {
        let answer = tokio::time::timeout(Duration::from_secs(10), session.receive()).await;
        let answer = answer.expect("the command took the client's messages").unwrap();
        assert_eq!(answer["result"]["isError"], false, "{answer}");
    }
    assert_eq!(runs(folder.path()), 1);
    session.end().await;
}

#[tokio::test]
async fn the_key_command_gets_only_the_variables_that_it_needs() {
    let server = api_of("only").await;
    let folder = tempfile::tempdir().unwrap();
    let script = format!("env >seen; echo {}", key_text("only"));
    let (result, _) = answer(&[
        ("SCOPE3_API_KEY_COMMAND", &noting(folder.path(), &script)),
        ("SCOPE3_API_URL", &server.uri()),
        ("SCOPE3_MCP_TOKEN", "hidden-token"),
        ("SCOPE3_BACKUP_API_KEYS", &key_text("hidden")),
        ("DATABASE_PASSWORD", "hidden"),
        ("VAULT_ADDR", "https://vault.example"),
        ("https_proxy", ""),
    ])
    .await;
    assert_eq!(result["isError"], false, "{result}");
    let seen = fs::read_to_string(folder.path().join("seen")).unwrap();
    assert!(seen.contains("PATH=") && seen.contains("VAULT_ADDR="), "{seen}");
    assert!(!seen.contains("hidden") && !seen.contains("SCOPE3_"), "{seen}");
}

#[tokio::test]
async fn the_output_of_a_failing_key_command_is_not_logged() {
    let folder = tempfile::tempdir().unwrap();
    let failing = noting(folder.path(), "echo verysecret; echo verysecret >&2; exit 3");
    let (result, log) = answer(&[("SCOPE3_API_KEY_COMMAND", &failing)]).await;
    assert_eq!(result["structuredContent"]["code"], "AUTH_UNAVAILABLE", "{result}");
    assert!(result.to_string().contains("exit status: 3"), "what happened is told: {result}");
    assert!(log.contains("exit status: 3"), "{log}");
    assert!(!result.to_string().contains("verysecret") && !log.contains("verysecret"), "{result} {log}");
    assert_eq!(runs(folder.path()), 1, "a command that fails is not run on every call");
}

#[tokio::test]
async fn the_backups_are_used_if_the_primary_key_is_unavailable() {
    let server = api_of("backup").await;
    let (result, log) = answer(&[
        ("SCOPE3_API_KEY_FILE", "/nowhere/key"),
        ("SCOPE3_BACKUP_API_KEYS", &key_text("backup")),
        ("SCOPE3_API_URL", &server.uri()),
    ])
    .await;
    assert_eq!(result["isError"], false, "{result}");
    assert_eq!(result["structuredContent"]["scope3Mcp"]["backupKey"], 1, "{result}");
    assert!(log.contains("/nowhere/key") && log.contains("No such file"), "the operator is told: {log}");
}

#[tokio::test]
async fn a_key_file_may_begin_with_a_byte_order_mark() {
    let server = api_of("only").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    let file_name = file.display().to_string();
    let text = format!("\u{feff}{}\r\n", key_text("only"));
    let utf16 = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for bytes in [text.into_bytes(), utf16] {
        fs::write(&file, &bytes).unwrap();
        let (result, _) =
            answer(&[("SCOPE3_API_KEY_FILE", &file_name), ("SCOPE3_API_URL", &server.uri())]).await;
        assert_eq!(result["isError"], false, "{bytes:?}: {result}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_key_file_on_a_hanging_file_system_blocks_only_the_calls_that_need_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    // Opening a pipe waits until somebody writes to it.
    assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
    let mut program = command(&[]);
    let mut session = Session::start(program.env("SCOPE3_API_KEY_FILE", &file), "2025-11-25").await;
    let call = session.ask("tools/call", json!({ "name": "check_auth_status", "arguments": {} })).await;
    let pong = tokio::time::timeout(Duration::from_secs(3), session.request("ping", json!({}))).await;
    assert_eq!(pong.expect("the whole server hangs")["result"], json!({}));
    let answer = session.receive().await.unwrap();
    assert_eq!(answer["id"], call, "{answer}");
    assert_eq!(answer["result"]["structuredContent"]["code"], "AUTH_UNAVAILABLE", "{answer}");
    session.end().await;
}

/// A proxy that tells the first line of each request and serves none.
async fn proxy() -> (String, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (tell, told) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = vec![0; 8192];
            let length = stream.read(&mut head).await.unwrap_or_default();
            let head = String::from_utf8_lossy(&head[..length]).into_owned();
            let _written = stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n").await;
            tell.send(head).unwrap();
        }
    });
    (url, told)
}

#[tokio::test]
async fn a_proxy_is_used_for_scope3_but_not_for_this_machine() {
    let server = api_of("only").await;
    let key = key_text("only");
    for variables in
        [["HTTP_PROXY", "HTTPS_PROXY"], ["http_proxy", "https_proxy"], ["ALL_PROXY", "all_proxy"]]
    {
        let (proxy, mut asked) = proxy().await;
        let [first, second] = variables.map(|name| (name, proxy.as_str()));
        let (result, _) =
            answer(&[first, second, ("SCOPE3_API_KEY", &key), ("SCOPE3_API_URL", &server.uri())]).await;
        assert_eq!(result["isError"], false, "{variables:?}: {result}");
        assert!(asked.try_recv().is_err(), "the key was shown to a proxy, in the clear: {variables:?}");

        let elsewhere = ("SCOPE3_API_URL", "https://api.invalid/v1");
        let (result, _) = answer(&[first, second, ("SCOPE3_API_KEY", &key), elsewhere]).await;
        assert_eq!(result["isError"], true, "{variables:?}: {result}");
        let head = asked.try_recv().expect("the proxy is passed by");
        assert!(head.starts_with("CONNECT api.invalid:443 "), "{variables:?}: {head}");
        assert!(!head.contains("scope3_"), "{head}");
    }
}

#[tokio::test]
async fn each_environment_has_its_own_host() {
    let key = key_text("only");
    for (environment, host) in
        [("production", "api.agentic.scope3.com"), ("staging", "api.agentic.staging.scope3.com")]
    {
        let (proxy, mut asked) = proxy().await;
        answer(&[("SCOPE3_ENVIRONMENT", environment), ("ALL_PROXY", &proxy), ("SCOPE3_API_KEY", &key)]).await;
        let head = asked.try_recv().unwrap();
        assert!(head.starts_with(&format!("CONNECT {host}:443 ")), "{environment}: {head}");
    }
}
