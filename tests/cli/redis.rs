//! A state in Redis, as an operator and an agent see it.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

use crate::support::{
    Session, command, key_text,
    redis::{RedisServer, free_port},
    run,
};

const CREATE: [&str; 8] = [
    "tools",
    "call",
    "brand_agent_create",
    "name=Acme",
    "advertiserDomains[]=example.com",
    "--toolsets",
    "all",
    "--json",
];

/// The program in front of this API, with its state in Redis.
fn program(arguments: &[&str], server: &MockServer, state: &str) -> Command {
    let mut program = command(arguments);
    program
        .env("SCOPE3_API_KEY", key_text("only"))
        .env("SCOPE3_API_URL", server.uri())
        .env("SCOPE3_STATE", state);
    program
}

async fn api(delay: Duration) -> MockServer {
    let server = MockServer::start().await;
    let body = json!({ "success": true, "data": { "id": "b1" } });
    let response = ResponseTemplate::new(200).set_body_json(body).set_delay(delay);
    Mock::given(any()).respond_with(response).mount(&server).await;
    server
}

async fn sent(server: &MockServer) -> usize {
    server.received_requests().await.unwrap().len()
}

#[tokio::test]
async fn processes_share_one_journal_and_one_limit_through_redis() {
    let Some(redis) = RedisServer::start(&[]) else { return };
    let api = api(Duration::ZERO).await;
    let start = |arguments: &[&str]| program(arguments, &api, &redis.url());
    for repeated in [false, true] {
        let outcome = run(&mut start(&CREATE)).await;
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        let result: Value = serde_json::from_str(&outcome.stdout).unwrap();
        assert_eq!(result["scope3Mcp"]["repeated"] == true, repeated, "{result}");
    }
    assert_eq!(sent(&api).await, 1);
    let outcome = run(&mut start(&["journal"])).await;
    assert!(outcome.stdout.contains("brand_agent_create"), "{} {}", outcome.stdout, outcome.stderr);
    let outcome = run(&mut start(&["usage", "--json"])).await;
    let usage: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!((&usage["limits"][0]["used"], &usage["calls"][0]["calls"]), (&json!(1), &json!(2)), "{usage}");
    let outcome = run(&mut start(&["tools", "call", "brand_agent_list", "--mcp-limit", "1/h"])).await;
    assert!(outcome.stderr.contains("all 1 MCP requests"), "{}", outcome.stderr);

    redis.command("FLUSHALL");
    let outcome = run(&mut start(&["journal", "accept-loss"])).await;
    assert_eq!(
        (outcome.code, &*outcome.stdout),
        (Some(0), "Nothing was lost.\n"),
        "a new process knew no other"
    );
}

#[tokio::test]
async fn a_wrong_url_is_a_usage_error_that_shows_no_password() {
    let api = api(Duration::ZERO).await;
    for url in ["redis://:hush@host:port", "rediss://:hush@host/first", "redis://me:hush@host#insecure"] {
        for mut start in [program(&["journal"], &api, url), {
            let mut start = program(&["journal", "--state", url], &api, "memory");
            start.env_remove("SCOPE3_STATE");
            start
        }] {
            let outcome = run(&mut start).await;
            assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
            assert!(outcome.stderr.contains("expected redis://[USER:PASSWORD@]HOST"), "{}", outcome.stderr);
            assert!(!outcome.stderr.contains("hush"), "{}", outcome.stderr);
        }
    }
}

#[tokio::test]
async fn without_its_redis_a_server_starts_reads_and_changes_nothing() {
    let api = api(Duration::ZERO).await;
    let url = format!("redis://:hush@127.0.0.1:{}", free_port());
    let mut session =
        Session::start(&mut program(&["stdio", "--toolsets", "all"], &api, &url), "2025-11-25").await;
    let read = session.call("brand_agent_list", json!({})).await;
    assert_ne!(read["isError"], true, "{read}");
    let change = json!({ "name": "Acme", "advertiserDomains": ["example.com"] });
    let change = session.call("brand_agent_create", change).await;
    assert!(change.to_string().contains("STATE_UNAVAILABLE"), "{change}");
    assert_eq!(sent(&api).await, 1);
    let (_, _, log) = session.end().await;
    assert!(log.contains("the state is unavailable") && !log.contains("hush"), "{log}");
    let outcome = run(&mut program(&["journal"], &api, &url)).await;
    assert_eq!(outcome.code, Some(1), "waiting may help: {}", outcome.stderr);
}

/// Processes call one tool until they have been refused, and return how many calls were answered.
async fn hammer(processes: usize, calls: usize, limit: &str, expected: usize) {
    let Some(redis) = RedisServer::start(&[]) else { return };
    let api = api(Duration::ZERO).await;
    let hammer = || async {
        let mut start = program(&["stdio", "--mcp-limit", limit], &api, &redis.url());
        let mut session = Session::start(&mut start, "2025-11-25").await;
        let mut answered = 0;
        for _ in 0..calls {
            let result = session.call("brand_agent_list", json!({})).await;
            answered += usize::from(result["isError"] != true);
        }
        answered
    };
    let answered: Vec<usize> = futures_util::future::join_all((0..processes).map(|_| hammer())).await;
    assert_eq!((answered.iter().sum::<usize>(), sent(&api).await), (expected, expected), "{answered:?}");
}

#[tokio::test]
async fn two_processes_that_hammer_one_key_through_redis_send_exactly_the_limit() {
    hammer(2, 50, "40/h", 40).await;
}

#[tokio::test]
async fn eight_processes_that_hammer_one_key_through_redis_send_exactly_500() {
    hammer(8, 80, "500/h", 500).await;
}

#[tokio::test]
async fn a_change_that_eight_processes_make_at_once_is_sent_once() {
    let Some(redis) = RedisServer::start(&[]) else { return };
    let api = api(Duration::from_secs(1)).await;
    let calls = (0..8).map(|_| async { run(&mut program(&CREATE, &api, &redis.url())).await });
    for outcome in futures_util::future::join_all(calls).await {
        assert_eq!(outcome.code, Some(0), "{} {}", outcome.stdout, outcome.stderr);
    }
    assert_eq!(sent(&api).await, 1);
}
