//! What the API can do with a request, and with its response.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use flate2::{Compression, write::GzEncoder};
use jiff::{Timestamp, ToSpan};
use scope3_mcp_gateway::{ClientConfig, state::StateLocation};
use serde_json::{Value, json};
use tokio::{io::AsyncReadExt, net::TcpListener};

use super::{
    CREATE, LIST, TIMEOUT, alone, assert_read_fails, assert_read_is_retried, assert_refused, assert_unknown,
    brand, journal, with_config,
};
use crate::support::{
    Rig,
    api::{FaultyApi, Then, head, json_response, made, not_made, response, success},
    key_text,
};

const JSON: (&str, &str) = ("content-type", "application/json");

/// A process with the usual time limits: it takes a while to read a long response.
fn patient(url: &str) -> Rig {
    with_config(url, StateLocation::Memory.state(), &["only"], ClientConfig::default())
}

#[tokio::test]
async fn a_change_without_a_response_is_sent_again_only_with_its_confirmation() {
    assert_unknown(made(Then::Hang), 1, "TIMEOUT").await;
    assert_unknown(not_made(Then::Hang), 0, "TIMEOUT").await;
    assert_read_is_retried(made(Then::Hang)).await;
}

#[tokio::test]
async fn a_change_whose_connection_is_reset_is_sent_again_only_with_its_confirmation() {
    assert_unknown(made(Then::Reset(Vec::new())), 1, "CONNECTION_LOST").await;
    assert_unknown(not_made(Then::Reset(Vec::new())), 0, "CONNECTION_LOST").await;
    assert_read_is_retried(made(Then::Reset(Vec::new()))).await;
}

#[tokio::test]
async fn a_change_whose_response_breaks_off_is_sent_again_only_with_its_confirmation() {
    let whole = success();
    for length in [1, 20, whole.len() - 1] {
        let part = whole[..length].to_vec();
        assert_unknown(made(Then::Reset(part.clone())), 1, "CONNECTION_LOST").await;
        assert_unknown(made(Then::Send(part.clone())), 1, "CONNECTION_LOST").await;
        assert_read_is_retried(made(Then::Send(part))).await;
    }
}

#[tokio::test]
async fn a_change_whose_response_is_not_json_is_sent_again_only_with_its_confirmation() {
    let half = br#"{"success": true, "data": {"id": "#;
    let cases = [
        (response(200, &[JSON], half), "cut off"),
        (response(200, &[("content-type", "text/html")], "<html>Sign in</html>"), "web page"),
        (response(200, &[JSON], ""), "empty"),
        (response(200, &[JSON], b"\xff\xfe\x00"), "not JSON"),
    ];
    for (bytes, what) in cases {
        let failure = assert_unknown(made(Then::Send(bytes.clone())), 1, "INVALID_RESPONSE").await;
        assert!(failure["message"].as_str().unwrap().contains(what), "{failure}");
        assert_read_fails(made(Then::Send(bytes)), "INVALID_RESPONSE").await;
    }
}

#[tokio::test]
async fn a_change_that_a_gateway_did_not_answer_is_sent_again_only_with_its_confirmation() {
    for (status, code) in [(502, "BAD_GATEWAY"), (503, "SERVICE_UNAVAILABLE"), (504, "GATEWAY_TIMEOUT")] {
        let bytes = response(status, &[("content-type", "text/html")], "<html>nginx</html>");
        assert_unknown(made(Then::Send(bytes.clone())), 1, code).await;
        assert_unknown(not_made(Then::Send(bytes.clone())), 0, code).await;
        assert_read_is_retried(made(Then::Send(bytes))).await;
    }
}

#[tokio::test]
async fn a_change_that_an_envelope_declines_was_not_made() {
    let declined = json!({ "success": false, "message": "The name is taken.", "error": "NAME_TAKEN" });
    let bytes = json_response(200, &[], &declined);
    let failure = assert_refused(not_made(Then::Send(bytes.clone())), "NAME_TAKEN").await;
    assert_eq!(failure["status"], 200);
    assert_read_fails(not_made(Then::Send(bytes)), "NAME_TAKEN").await;
}

/// The ways in which Scope3 says when a limit resets, each for 30 seconds from now.
fn refusals() -> Vec<Vec<u8>> {
    let in_30_seconds = Timestamp::now() + 30.seconds();
    let date = in_30_seconds.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let error = json!({ "error": "Rate limit exceeded", "code": "RATE_LIMIT_EXCEEDED" });
    let mut with_time = error.clone();
    with_time["resetTime"] = in_30_seconds.to_string().into();
    let nested = json!({ "error": { "code": "RATE_LIMITED", "resetTime": in_30_seconds.to_string() } });
    let declined = json!({ "success": false, "message": "Slow down.", "error": "RATE_LIMIT_EXCEEDED" });
    vec![
        json_response(429, &[("retry-after", "30")], &error),
        json_response(429, &[("retry-after", &date)], &error),
        json_response(429, &[("ratelimit-reset", "30"), ("ratelimit-remaining", "0")], &error),
        json_response(429, &[], &with_time),
        json_response(429, &[], &nested),
        json_response(200, &[("retry-after", "30")], &declined),
    ]
}

#[tokio::test]
async fn a_change_that_a_rate_limit_refused_waits_as_long_as_the_response_says() {
    for refusal in refusals() {
        let text = String::from_utf8(refusal.clone()).unwrap();
        let api = FaultyApi::start([not_made(Then::Send(refusal))]).await;
        let rig = alone(&api.url);
        for call in 0..2 {
            let failure = rig.failure(CREATE, brand("Acme")).await;
            assert_eq!(failure["code"], "RATE_LIMIT_EXCEEDED", "{text}: {failure}");
            assert_eq!((&failure["changed"], &failure["retryable"]), (&json!("no"), &json!(true)));
            let seconds = failure["retryAfterSeconds"].as_u64().unwrap();
            assert!((28..=30).contains(&seconds), "{text}: {failure}");
            assert_eq!((api.made("Acme"), api.received().len()), (0, 1), "call {call}: {text}");
        }
        assert!(journal(&rig).await.iter().all(|state| !state.is_open()));
    }
}

#[tokio::test]
async fn a_change_whose_response_is_too_long_is_sent_again_only_with_its_confirmation() {
    const GIGABYTE: u64 = 1 << 30;
    let head = head(200, &[JSON, ("content-length", &GIGABYTE.to_string())]);
    let endless = || Then::Stream { head: head.clone(), block: vec![b' '; 1 << 20], total: GIGABYTE };
    // It stops at the size limit, long before its time limit.
    let api = FaultyApi::start([made(endless()), made(endless())]).await;
    let rig = patient(&api.url);
    for (tool, arguments, changed) in [(CREATE, brand("Acme"), "unknown"), (LIST, json!({}), "no")] {
        let failure = rig.failure(tool, arguments).await;
        assert_eq!((&failure["code"], &failure["changed"]), (&json!("INVALID_RESPONSE"), &json!(changed)));
        assert!(failure["message"].as_str().unwrap().contains("longer than"), "{failure}");
    }
    assert!(api.written() < 128 << 20, "{} bytes were taken", api.written());
    let again = rig.failure(CREATE, brand("Acme")).await;
    assert_eq!((&again["code"], api.made("Acme")), (&json!("OUTCOME_UNKNOWN"), 1), "{again}");
}

#[tokio::test]
async fn a_change_whose_response_is_a_decompression_bomb_is_sent_again_only_with_its_confirmation() {
    // 64 MiB of blanks are 64 KiB on the wire.
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&vec![b' '; 64 << 20]).unwrap();
    let bytes = response(200, &[JSON, ("content-encoding", "gzip")], encoder.finish().unwrap());
    let api = FaultyApi::start([made(Then::Send(bytes))]).await;
    let rig = patient(&api.url);
    let failure = rig.failure(CREATE, brand("Acme")).await;
    assert_eq!((&failure["code"], &failure["changed"]), (&json!("INVALID_RESPONSE"), &json!("unknown")));
    let again = rig.failure(CREATE, brand("Acme")).await;
    assert_eq!((&again["code"], api.made("Acme")), (&json!("OUTCOME_UNKNOWN"), 1), "{again}");
}

#[tokio::test]
async fn a_response_that_trickles_in_is_cut_off_at_the_time_limit() {
    let trickle = || Then::Trickle(success(), Duration::from_millis(20));
    let started = Instant::now();
    assert_unknown(made(trickle()), 1, "TIMEOUT").await;
    assert!(started.elapsed() < 3 * TIMEOUT, "{:?}", started.elapsed());
    assert_read_is_retried(made(trickle())).await;
}

#[tokio::test]
async fn a_redirect_to_another_host_is_not_followed_and_the_key_stays() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let location = format!("http://{}/", elsewhere.local_addr().unwrap());
    for status in [301, 302, 303, 307, 308] {
        let bytes = response(status, &[("location", &location)], "");
        assert_unknown(not_made(Then::Send(bytes.clone())), 0, "UNEXPECTED_REDIRECT").await;
        assert_read_fails(not_made(Then::Send(bytes)), "UNEXPECTED_REDIRECT").await;
    }
    let visit = async {
        let (mut stream, _) = elsewhere.accept().await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    };
    let visit = tokio::time::timeout(Duration::from_millis(100), visit).await;
    assert!(visit.is_err(), "the other host received {visit:?}");
}

#[tokio::test]
async fn each_request_carries_the_key_once() {
    let api = FaultyApi::start([]).await;
    alone(&api.url).call(CREATE, brand("Acme")).await.unwrap();
    let received = api.received();
    assert_eq!(received[0].header("x-scope3-api-key"), Some(&*key_text("only")));
    assert_eq!(received[0].text.matches("scope3_").count(), 1, "{}", received[0].text);
    let body = received[0].text.split_once("\r\n\r\n").unwrap().1;
    assert_eq!(serde_json::from_str::<Value>(body).unwrap(), brand("Acme"));
}
