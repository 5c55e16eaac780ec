//! Two servers that share their state in Redis, behind the nginx of `docs/replicas/nginx.conf`.

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use reqwest::{Client, StatusCode, header::HeaderMap};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    FIRST, Mcp, Server, Sse, call, message, modern_call,
    redis::{RedisServer, free_port, has_program},
    upstream::Upstream,
};

/// The proxy. Dropping it ends the process.
struct Nginx {
    process: Child,
    url: String,
    directory: TempDir,
}

impl Nginx {
    async fn before(servers: &[Server]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().display();
        let port = free_port();
        let mut config = include_str!("../../docs/replicas/nginx.conf").to_owned();
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {place}/{name};\n"));
        for (documented, used) in [
            ("server-1:8080", servers[0].url.trim_start_matches("http://")),
            ("server-2:8080", servers[1].url.trim_start_matches("http://")),
            ("listen 8000;", &format!("listen 127.0.0.1:{port};")),
            ("http {\n", &format!("http {{\n{}access_log off;\n", temporary.concat())),
        ] {
            assert!(config.contains(documented), "{documented}");
            config = config.replace(documented, used);
        }
        std::fs::write(directory.path().join("nginx.conf"), config).unwrap();
        let process = Command::new("nginx")
            .arg("-p")
            .arg(directory.path())
            .arg("-c")
            .arg(directory.path().join("nginx.conf"))
            .arg("-g")
            .arg(format!("daemon off; master_process off; pid {place}/pid; error_log {place}/error.log;"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let nginx = Self { process, url: format!("http://127.0.0.1:{port}"), directory };
        for _ in 0..400 {
            if reqwest::get(format!("{}/healthz", nginx.url)).await.is_ok() {
                return nginx;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let log = std::fs::read_to_string(nginx.directory.path().join("error.log"));
        panic!("nginx does not start: {log:?}");
    }

    fn client(&self) -> Mcp {
        Mcp { http: Client::new(), url: self.url.clone(), headers: HeaderMap::new() }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

struct Replicas {
    upstream: Upstream,
    servers: Vec<Server>,
    nginx: Nginx,
    _redis: RedisServer,
}

impl Replicas {
    async fn start(arguments: &[&str]) -> Option<Self> {
        if !has_program("nginx") {
            return None;
        }
        let redis = RedisServer::start(&[])?;
        let upstream = Upstream::start(Duration::from_millis(100)).await;
        let server = || {
            let common = ["http", "--bind", "127.0.0.1:0", "--auth", "key", "--allow-host", "127.0.0.1"];
            let all = [&common[..], &["--api-url", &upstream.url, "--toolsets", "all"], arguments].concat();
            Server::start(&all, &[("SCOPE3_STATE", &redis.url())])
        };
        let servers = vec![server(), server()];
        let nginx = Nginx::before(&servers).await;
        Some(Self { upstream, servers, nginx, _redis: redis })
    }
}

fn key(number: usize) -> String {
    format!("scope3_{}_{number}", "a".repeat(32))
}

async fn stateless(client: &Mcp, tool: &str, arguments: Value) -> Value {
    let mut request = modern_call(tool);
    request["params"]["arguments"] = arguments;
    let response = client.stateless_message(&request, tool).send().await.unwrap();
    assert_eq!(response.status(), 200);
    message(response).await["result"].clone()
}

#[tokio::test]
async fn replicas_have_one_limit_and_one_journal() {
    let Some(replicas) = Replicas::start(&["--mcp-limit", "12/h"]).await else { return };
    let client = replicas.nginx.client().with("x-scope3-api-key", FIRST);
    let change = json!({ "brandAgentId": "1", "name": "n" });
    let calls = (0..6).map(|_| stateless(&client, "brand_agent_update", change.clone()));
    for result in futures_util::future::join_all(calls).await {
        assert_ne!(result["isError"], true, "{result}");
    }
    assert_eq!(replicas.upstream.seen().len(), 1, "the change was sent once");
    let mut made = 1;
    for _ in 0..20 {
        let result = stateless(&client, "brand_agent_list", json!({})).await;
        made += usize::from(result["isError"] != true);
    }
    assert_eq!((made, replicas.upstream.seen().len()), (12, 12));
    for server in &replicas.servers {
        let answered = r#"scope3_mcp_calls_total{tool="brand_agent_list",class="mcp",outcome="ok"}"#;
        assert!(server.metric(answered).await >= Some(2.0), "both servers take part: {}", server.log());
    }
}

#[tokio::test]
async fn sessions_stay_with_their_server_and_begin_anew_when_it_is_gone() {
    let Some(mut replicas) = Replicas::start(&[]).await else { return };
    let mut sessions = Vec::new();
    for number in 0..12 {
        let client = replicas.nginx.client().with("x-scope3-api-key", &key(number));
        sessions.push(client.begin("2025-11-25").await);
    }
    for session in &sessions {
        for id in 1..4 {
            assert_eq!(session.status(&call(id, "get_usage")).await, 200);
        }
    }
    assert_eq!(sessions[0].stream().await.status(), 200);
    // HTTP+SSE has two requests for each message, and its events must not wait in a buffer.
    let mut sse = Sse::begin(&replicas.nginx.client().with("x-scope3-api-key", &key(0))).await;
    let answer = tokio::time::timeout(Duration::from_secs(5), sse.call("get_usage")).await;
    assert!(answer.unwrap().contains("limits"));

    drop(replicas.servers.remove(0));
    let mut lost = 0;
    for session in &sessions {
        let status = session.post(&call(4, "get_usage")).await.status();
        if status == StatusCode::NOT_FOUND {
            lost += 1;
            let again = session.clone().without("mcp-session-id").begin("2025-11-25").await;
            assert_eq!(again.status(&call(1, "get_usage")).await, 200);
        } else {
            assert_eq!(status, 200, "it was at the other server");
        }
    }
    assert!((1..12).contains(&lost), "{lost} of 12 sessions were at the server that is gone");
}
