//! Only authenticated callers are served, and no caller uses another's key.

use crate::support::{FIRST, SECOND, Server, Sse, command, initialize, message, upstream::Upstream};
use reqwest::Method;
use serde_json::Value;

#[tokio::test]
async fn with_keys_each_caller_acts_with_their_own() {
    let server = Server::sandbox(&["--auth", "key"]);
    for (key, customer) in [(FIRST, "12345"), (SECOND, "67890")] {
        let bearer = server.client().with("authorization", &format!("Bearer {key}"));
        for client in [server.with_key(key), bearer] {
            let session = client.begin("2025-06-18").await;
            assert!(session.call("check_auth_status").await.contains(customer));
            let response = client.stateless("check_auth_status").send().await.unwrap();
            assert!(response.text().await.unwrap().contains(customer));
            let mut sse = Sse::begin(&client).await;
            assert!(sse.call("check_auth_status").await.contains(customer));
        }
    }
}

#[tokio::test]
async fn without_a_key_the_servers_own_key_is_not_used() {
    let upstream = Upstream::start(std::time::Duration::ZERO).await;
    let server = Server::before(&upstream.url, &["--auth", "key"]);
    let session = server.with_key(FIRST).begin("2025-06-18").await;
    for client in [session.without("x-scope3-api-key"), server.client()] {
        for (method, path) in
            [(Method::POST, "/mcp"), (Method::GET, "/mcp"), (Method::DELETE, "/mcp"), (Method::GET, "/sse")]
        {
            let response = client.request(method, path).send().await.unwrap();
            assert_eq!(response.status(), 401, "{path}");
            assert!(response.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer "));
            let body: Value = response.json().await.unwrap();
            assert_eq!(body["error"]["data"]["code"], "AUTH_MISSING");
            assert!(body["error"]["data"]["hint"].as_str().unwrap().contains("x-scope3-api-key"));
        }
        assert_eq!(client.stateless("check_auth_status").send().await.unwrap().status(), 401);
        let response = client.request(Method::POST, "/messages?sessionId=1").send().await.unwrap();
        assert_eq!(response.status(), 401);
    }
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn an_invalid_key_is_rejected_and_not_repeated() {
    let server = Server::sandbox(&["--auth", "key"]);
    let wrong = server.with_key("sk-verysecret-123");
    let response = wrong.post(&initialize("2025-06-18")).await;
    assert_eq!(response.status(), 401);
    assert!(response.headers()["www-authenticate"].to_str().unwrap().contains("invalid_token"));
    let body = response.text().await.unwrap();
    assert!(body.contains("AUTH_INVALID_FORMAT") && !body.contains("verysecret"), "{body}");

    let both = server.with_key(FIRST).with("authorization", &format!("Bearer {SECOND}"));
    assert_eq!(both.status(&initialize("2025-06-18")).await, 400);
    let log = server.log();
    assert!(!log.contains("verysecret") && !log.contains(FIRST) && !log.contains(SECOND), "{log}");
}

#[tokio::test]
async fn keys_are_not_logged() {
    // Requests higher levels of libraries than the server permits.
    let deep = "rmcp::transport::streamable_http_server=trace,rmcp::service::server=trace,hyper::proto=trace,\
                hyper_util::client=trace,reqwest::async_impl=trace,reqwest::connect=trace,rustls::client=trace";
    let environment = [("RUST_LOG", &*format!("trace,{deep}"))];
    let server =
        Server::start(&["http", "--sandbox", "--bind", "127.0.0.1:0", "--auth", "key"], &environment);
    let session = server.with_key(FIRST).begin("2025-06-18").await;
    session.call("check_auth_status").await;
    session.clone().with("authorization", &format!("Bearer {FIRST}")).call("brand_agent_list").await;
    let log = server.log();
    assert!(!log.contains("sandboxsecret"), "{log}");
    assert!(!log.contains(session.session()), "a session id is a credential: {log}");
}

#[tokio::test]
async fn with_a_token_only_requests_with_it_are_served() {
    let environment = [("SCOPE3_MCP_TOKEN", "correct horse battery staple")];
    let server =
        Server::start(&["http", "--sandbox", "--bind", "127.0.0.1:0", "--auth", "token"], &environment);
    let good = server.client().with("authorization", "Bearer correct horse battery staple");
    let session = good.begin("2025-06-18").await;
    assert!(session.call("check_auth_status").await.contains("12345"));
    let wrong = "Bearer correct horse battery stapl";
    for client in [server.client(), server.client().with("authorization", wrong), server.with_key(FIRST)] {
        let response = client.post(&initialize("2025-06-18")).await;
        assert_eq!(response.status(), 401);
        assert!(response.headers().contains_key("www-authenticate"));
        let stolen = client.with("mcp-session-id", session.session());
        assert_eq!(stolen.stream().await.status(), 401);
        assert_eq!(stolen.delete().await, 401);
    }
    assert_eq!(server.client().request(Method::GET, "/metrics").send().await.unwrap().status(), 401);
    assert_eq!(good.request(Method::GET, "/metrics").send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn on_a_network_a_server_with_a_key_generates_a_token_and_prints_the_configuration() {
    let server = Server::start(&["http", "--sandbox", "--bind", "0.0.0.0:0"], &[]);
    assert!(server.log().contains("(auth: token)"));
    let log = loop {
        let log = server.log();
        if log.contains("\n}\n") {
            break log;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    let start = log.find("\n{").unwrap();
    let end = log[start..].find("\n}\n").unwrap() + start + 2;
    let configuration: Value = serde_json::from_str(&log[start..end]).unwrap();
    let scope3 = &configuration["mcpServers"]["scope3"];
    let authorization = scope3["headers"]["Authorization"].as_str().unwrap();
    assert!(authorization.strip_prefix("Bearer ").unwrap().len() >= 43);
    assert_eq!(scope3["url"], format!("{}/mcp", server.url));
    assert_eq!(log.matches(authorization).count(), 1);

    let session = server.client().with("authorization", authorization).begin("2025-11-25").await;
    assert!(session.call("check_auth_status").await.contains("12345"));
    assert_eq!(server.client().status(&initialize("2025-11-25")).await, 401);
}

#[tokio::test]
async fn on_a_network_a_server_without_a_key_requires_keys() {
    let server = Server::start(&["http", "--bind", "0.0.0.0:0"], &[]);
    assert!(server.log().contains("(auth: key)"));
    assert_eq!(server.client().status(&initialize("2025-11-25")).await, 401);
    server.with_key(FIRST).begin("2025-11-25").await;
}

#[tokio::test]
async fn on_this_machine_no_credential_is_required() {
    let server = Server::sandbox(&[]);
    assert!(server.log().contains("(auth: none)"));
    let session = server.client().begin("2025-11-25").await;
    assert!(session.call("check_auth_status").await.contains("12345"));
}

#[tokio::test]
async fn a_configured_token_is_required_on_this_machine_too() {
    let environment = [("SCOPE3_MCP_TOKEN", "a token of some length")];
    let server = Server::start(&["http", "--sandbox", "--bind", "127.0.0.1:0"], &environment);
    assert!(server.log().contains("(auth: token)"));
    assert_eq!(server.client().status(&initialize("2025-11-25")).await, 401);
}

#[tokio::test]
async fn on_a_network_serving_without_authentication_requires_an_explicit_flag() {
    let arguments = ["http", "--sandbox", "--bind", "0.0.0.0:0", "--auth", "none"];
    let output = command(&arguments, &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("--dangerously-allow-unauthenticated"), "{error}");

    let mut arguments = arguments.to_vec();
    arguments.push("--dangerously-allow-unauthenticated");
    let server = Server::start(&arguments, &[]);
    assert_eq!(server.client().status(&initialize("2025-11-25")).await, 200);
    assert!(server.log().contains("warning: "), "{}", server.log());
}

#[tokio::test]
async fn a_host_name_other_than_this_machines_counts_as_a_network() {
    let server = Server::sandbox(&["--allow-host", "mcp.example.com"]);
    assert!(server.log().contains("(auth: token)"), "{}", server.log());
    assert_eq!(server.client().status(&initialize("2025-11-25")).await, 401);
    let arguments = ["http", "--sandbox", "--auth", "none", "--allow-host", "mcp.example.com"];
    let output = command(&arguments, &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let local = Server::sandbox(&["--allow-host", "localhost"]);
    assert!(local.log().contains("(auth: none)"));
}

#[tokio::test]
async fn an_invalid_list_entry_is_a_usage_error() {
    for flag in [["--allow-host", "http://a"], ["--allow-origin", "null"], ["--auth", "maybe"]] {
        let mut arguments = vec!["http", "--sandbox", "--bind", "127.0.0.1:0"];
        arguments.extend(flag);
        let output = command(&arguments, &[]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{flag:?}");
        assert!(String::from_utf8(output.stderr).unwrap().contains(flag[0]));
    }
}

#[tokio::test]
async fn no_authorization_server_is_discovered() {
    let server = Server::sandbox(&["--auth", "key"]);
    let path = "/.well-known/oauth-protected-resource";
    let response = server.client().request(Method::GET, path).send().await.unwrap();
    assert_eq!(response.status(), 404);
    let session = server.with_key(FIRST).begin("2025-11-25").await;
    let listed =
        message(session.post(&serde_json::json!({"jsonrpc":"2.0","id":1,"method":"tools/list"})).await).await;
    assert!(listed["result"]["tools"].as_array().unwrap().len() > 3);
}
