//! Keys: without one the server starts and says how to set one; nothing of a key is ever shown.

use serde_json::{Value, json};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

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
async fn an_absent_key_does_not_stop_the_server_and_each_call_says_how_to_set_one() {
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
async fn a_refused_key_and_an_unusual_one_are_told_by_fingerprint() {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(401)).mount(&server).await;
    let (result, log) =
        answer(&[("SCOPE3_API_KEY", "scope3_short_verysecret"), ("SCOPE3_API_URL", &server.uri())]).await;
    assert_eq!(result["structuredContent"]["code"], "AUTH_INVALID_KEY");
    assert!(log.contains("has not the usual 32 characters"), "{log}");
    assert!(log.contains("refused this API key"), "authentication failures are logged: {log}");
    for shown in [result.to_string(), log] {
        assert!(!shown.contains("verysecret") && !shown.contains("scope3_short"), "{shown}");
    }
}

#[tokio::test]
async fn an_old_key_is_reminded_of() {
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
