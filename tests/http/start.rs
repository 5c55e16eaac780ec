//! At startup, invalid settings are rejected, and the URL and credentials to use are printed.

use std::time::Duration;

use crate::support::{FIRST, Server, command, initialize};
use reqwest::Method;

fn rejected_with(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let all = [&["http", "--sandbox", "--bind", "127.0.0.1:0"], arguments].concat();
    let output = command(&all, environment).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?} {environment:?}: {error}");
    error
}

/// Waits until the log contains this text.
async fn log_with(server: &Server, text: &str) -> String {
    for _ in 0..500 {
        let log = server.log();
        if log.contains(text) {
            return log;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("`{text}` is not in the log: {}", server.log());
}

#[test]
fn invalid_settings_are_rejected() {
    for time in ["0s", "0ms", "50ms", "-1s"] {
        let error = rejected_with(&[&format!("--session-idle={time}")], &[]);
        assert!(error.contains("--session-idle"), "{time}: {error}");
    }
    for url in [
        "mcp.example.com",
        "ftp://a.example",
        "https://me@a.example",
        "https://a.example/?a=b",
        "https://*.a.example",
    ] {
        let error = rejected_with(&["--public-url", url], &[]);
        assert!(error.contains("--public-url"), "{url}: {error}");
    }
    let error = rejected_with(&["--allow-origin", "https://*.example.com"], &[]);
    assert!(error.contains("--allow-origin"), "{error}");
}

#[tokio::test]
async fn behind_a_proxy_the_printed_url_is_the_proxys() {
    let bind = ["--bind", "0.0.0.0:0"];
    for (arguments, url) in [
        (["--allow-host", "mcp.example.com"], "https://mcp.example.com/mcp"),
        (["--allow-host", "mcp.example.com:8443"], "https://mcp.example.com:8443/mcp"),
        (["--public-url", "https://mcp.example.com/scope3"], "https://mcp.example.com/scope3/mcp"),
    ] {
        let all = [&["http", "--sandbox"], arguments.as_slice(), &bind].concat();
        let server = Server::start(&all, &[]);
        // The listening address is printed, too, for setting up the proxy.
        assert!(server.url.starts_with("http://localhost:"), "{}", server.url);
        assert_eq!(reqwest::get(format!("{}/healthz", server.url)).await.unwrap().status(), 200);
        let log = log_with(&server, "\n}\n").await;
        assert!(log.contains(&format!("clients connect to {url}\n")), "{log}");
        assert!(log.contains(&format!("\"url\": \"{url}\"")) && !log.contains("http://mcp"), "{log}");
    }
}

#[tokio::test]
async fn the_host_of_the_public_url_is_allowed() {
    let server = Server::sandbox(&["--public-url", "https://mcp.example.com:8443", "--auth", "key"]);
    for (host, status) in
        [("mcp.example.com", 200), ("mcp.example.com:8443", 200), ("other.example.com", 403)]
    {
        let request = server.client().request(Method::GET, "/healthz").header("host", host);
        assert_eq!(request.send().await.unwrap().status(), status, "{host}");
    }
    // A public URL implies a proxy. Behind it, all requests seem to come from this machine.
    rejected_with(&["--public-url", "https://mcp.example.com", "--auth", "none"], &[]);
}

#[tokio::test]
async fn a_token_for_a_network_without_tls_comes_with_a_warning() {
    let arguments = ["http", "--sandbox", "--bind", "0.0.0.0:0", "--public-url", "http://10.0.0.7"];
    let server = Server::start(&arguments, &[]);
    let log = log_with(&server, "--public-url").await;
    assert!(log.contains("TLS") && !log.contains("mcpServers") && !log.contains("Authorization"), "{log}");
    let token = log.split_once("until the server ends: ").unwrap().1.lines().next().unwrap();
    let client = server.client().with("authorization", &format!("Bearer {token}"));
    assert_eq!(client.status(&initialize("2025-06-18")).await, 200);
}

#[tokio::test]
async fn a_token_can_come_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let file = path.to_str().unwrap();
    for text in ["a token in a file", "a token in a file\n", "\u{feff}a token in a file\r\n"] {
        std::fs::write(&path, text).unwrap();
        let environment = [("SCOPE3_MCP_TOKEN_FILE", file)];
        let server = Server::start(&["http", "--sandbox", "--bind", "127.0.0.1:0"], &environment);
        assert!(server.log().contains("(auth: token)"));
        assert_eq!(server.client().status(&initialize("2025-06-18")).await, 401);
        let client = server.client().with("authorization", "Bearer a token in a file");
        assert_eq!(client.status(&initialize("2025-06-18")).await, 200, "{text:?}");
    }
    let error = rejected_with(&["--mcp-token-file", file], &[("SCOPE3_MCP_TOKEN", "another")]);
    assert!(error.contains("not both") && !error.contains("another"), "{error}");
    assert!(rejected_with(&["--mcp-token-file", "/no/such/file"], &[]).contains("/no/such/file"));
    for bad in ["", "\n", "one\ntwo", "t\u{f6}ken"] {
        std::fs::write(&path, bad).unwrap();
        let error = rejected_with(&["--mcp-token-file", file], &[]);
        assert!(error.contains("--mcp-token-file") && !error.contains("two"), "{error}");
    }
    assert!(rejected_with(&[], &[("SCOPE3_MCP_TOKEN", "t\u{f6}ken")]).contains("SCOPE3_MCP_TOKEN"));
}

#[tokio::test]
async fn an_open_server_with_a_key_warns_that_others_on_the_machine_can_use_it() {
    let arguments = ["http", "--bind", "127.0.0.1:0", "--api-url", "http://127.0.0.1:9/"];
    let warning = "every program and user of this machine";
    let server = Server::start(&arguments, &[("SCOPE3_API_KEY", FIRST)]);
    log_with(&server, warning).await;
    // No warning: nothing can be spent in the sandbox, without a key, or without the token.
    let token = [("SCOPE3_API_KEY", FIRST), ("SCOPE3_MCP_TOKEN", "a token of some length")];
    for server in [Server::sandbox(&[]), Server::start(&arguments, &[]), Server::start(&arguments, &token)] {
        server.client().status(&initialize("2025-06-18")).await;
        assert!(!server.log().contains(warning), "{}", server.log());
    }
}

#[tokio::test]
async fn the_operator_is_warned_of_ignored_keys() {
    let warning = "a client sends a Scope3 key";
    for (name, value) in
        [("x-scope3-api-key", FIRST.to_owned()), ("authorization", format!("Bearer {FIRST}"))]
    {
        let server = Server::sandbox(&[]);
        server.client().status(&initialize("2025-06-18")).await;
        assert!(!server.log().contains(warning));
        for _ in 0..3 {
            server.client().with(name, &value).status(&initialize("2025-06-18")).await;
        }
        let log = log_with(&server, warning).await;
        assert!(log.matches(warning).count() == 1 && !log.contains("sandboxsecret"), "{log}");
    }
    let server = Server::sandbox(&["--auth", "key"]);
    server.with_key(FIRST).begin("2025-06-18").await;
    assert!(!server.log().contains(warning));
}

#[tokio::test]
async fn healthcheck_finds_the_server_on_any_address() {
    for bind in ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0", "[::]:0"] {
        let server = Server::start(&["http", "--sandbox", "--bind", bind, "--auth", "key"], &[]);
        let bound = format!("{}:{}", bind.strip_suffix(":0").unwrap(), server.port());
        let ask = || command(&["healthcheck"], &[("SCOPE3_BIND", &bound)]).output().unwrap();
        let response = ask();
        assert_eq!(response.status.code(), Some(0), "{bound}: {}", String::from_utf8_lossy(&response.stderr));
        drop(server);
        assert_eq!(ask().status.code(), Some(1), "{bound}");
    }
}

#[tokio::test]
async fn an_app_with_its_own_scheme_can_be_allowed() {
    let server = Server::sandbox(&["--allow-origin", "app://obsidian.md,chrome-extension://abcdefgh"]);
    for origin in ["app://obsidian.md", "chrome-extension://abcdefgh"] {
        let response = server.client().with("origin", origin).post(&initialize("2025-06-18")).await;
        assert_eq!(response.status(), 200, "{origin}");
        assert_eq!(response.headers()["access-control-allow-origin"], origin);
    }
    for origin in ["null", "app://other.md", "chrome-extension://other"] {
        let client = server.client().with("origin", origin);
        assert_eq!(client.status(&initialize("2025-06-18")).await, 403, "{origin}");
    }
}
