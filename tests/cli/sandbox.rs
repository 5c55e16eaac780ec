//! The sandbox as a separate server: `scope3-mcp sandbox`.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use reqwest::Client;
use serde_json::{Value, json};

use crate::support::{command, run};

/// A running program. Dropping it ends the program.
struct Program {
    child: Child,
    url: String,
    key: String,
    buyer: String,
}

impl Program {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_scope3-mcp"))
            .arg("sandbox")
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut value = |name: &str| lines.next().unwrap().unwrap().strip_prefix(name).unwrap().to_owned();
        let [url, key, _second, buyer, _storefront, _measurement] = [
            "SCOPE3_API_URL=",
            "SCOPE3_API_KEY=",
            "SCOPE3_API_KEY=",
            "SCOPE3_API_URL=buyer=",
            "SCOPE3_API_URL=storefront=",
            "SCOPE3_API_URL=measurement=",
        ]
        .map(&mut value);
        Self { child, url, key, buyer }
    }

    async fn post(&self, operation: &str, body: Value) -> Value {
        let request = Client::new().post(format!("{}/{operation}", self.url));
        request.header("x-scope3-api-key", &self.key).json(&body).send().await.unwrap().json().await.unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn as_published_behaves_like_the_published_code() {
    let program = Program::start(&["--as-published"]);
    let failed = program.post("campaign-get-summary", json!({"campaignId": "c"})).await;
    assert!(failed["error"].as_str().unwrap().starts_with("Failed to generate campaign summary"), "{failed}");
}

#[tokio::test]
async fn the_clock_starts_at_the_given_time() {
    let program = Program::start(&["--now", "2028-02-29"]);
    let checked = program.post("auth-check", json!({})).await;
    assert_eq!(checked["data"]["timestamp"], "2028-02-29T00:00:00.000Z");
    let listed = program.post("campaign-list", json!({"status": "scheduled"})).await;
    assert_eq!(listed["data"]["campaigns"][0]["startDate"], "2028-03-16T00:00:00.000Z");
}

#[tokio::test]
async fn both_apis_are_served_at_their_published_paths() {
    let program = Program::start(&[]);
    let accounts = program.buyer.replace("/buyer", "/accounts/current");
    let account: Value =
        Client::new().get(accounts).bearer_auth(&program.key).send().await.unwrap().json().await.unwrap();
    assert_eq!((&account["data"]["id"], &account["error"]), (&json!(12345), &Value::Null));
    assert!(program.url.ends_with("/rest/v1"));
}

#[tokio::test]
async fn tools_of_every_api_are_answered_by_the_sandbox() {
    for (api, tool) in [
        ("buyer", "list_advertisers"),
        ("buyer,campaign", "list_advertisers"),
        ("buyer,campaign", "brand_agent_list"),
        ("storefront", "get_own_storefront"),
        ("measurement", "get_saved_lists"),
    ] {
        let outcome = run(&mut command(&["tools", "call", tool, "--sandbox", "--api", api, "--json"])).await;
        assert_eq!(outcome.code, Some(0), "{api}: {}", outcome.stderr);
        let result: Value = serde_json::from_str(&outcome.stdout).unwrap();
        assert!(result.to_string().contains("\"sandbox\":true"), "{result}");
    }
}
