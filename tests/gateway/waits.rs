//! When a request leaves: pauses between attempts, waits that Scope3 asks for, permits under load, and timeouts.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use jiff::Timestamp;
use metrics_exporter_prometheus::PrometheusBuilder;
use scope3_mcp_gateway::{Caller, ClientConfig, OnLimit, credentials::KeyRing};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
};
use wiremock::{Request, ResponseTemplate};

use crate::{
    api_client::{READ, WRITE, api, in_turn, ok, requests},
    support::{Rig, Session, key},
};

const RATES: [&str; 3] = ["500/h", "1000/h", "50/h"];

fn as_caller(rig: &mut Rig, name: &str) {
    rig.caller = Caller { keys: Arc::new(KeyRing::of(key(name))), ..rig.caller.clone() };
}

#[tokio::test]
async fn a_short_pause_that_scope3_asks_for_is_kept_and_a_long_one_is_reported() {
    let down = |seconds: &str| ResponseTemplate::new(503).insert_header("retry-after", seconds);
    let server = api(in_turn(vec![down("1"), ok()])).await;
    let started = Instant::now();
    Rig::new(&server.uri()).call(READ.0, READ.1()).await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(1), "{:?}", started.elapsed());
    assert_eq!(requests(&server).await, 2);

    let server = api(down("60")).await;
    let failure = Rig::new(&server.uri()).failure(READ.0, READ.1()).await;
    assert_eq!(requests(&server).await, 1, "nobody waits a minute");
    assert_eq!(
        (&failure["retryAfterSeconds"], &failure["retryable"]),
        (&json!(60), &json!(true)),
        "{failure}"
    );
}

#[tokio::test]
async fn a_wait_is_understood_in_every_form_and_a_caller_who_keeps_it_is_not_early() {
    let now = Timestamp::now();
    let in_half_a_minute = now.checked_add(Duration::from_millis(30_500)).unwrap();
    let date =
        jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&in_half_a_minute).unwrap();
    let refused = || ResponseTemplate::new(429);
    for (answer, seconds) in [
        (refused().insert_header("retry-after", "30"), 29..=30),
        (refused().insert_header("retry-after", date.as_str()), 20..=32),
        (refused().insert_header("ratelimit-reset", "30"), 29..=30),
        (refused().set_body_json(json!({ "resetTime": in_half_a_minute.to_string() })), 20..=32),
        (refused(), 59..=60),
    ] {
        let server = api(answer).await;
        let failure = Rig::new(&server.uri()).failure(READ.0, READ.1()).await;
        assert!(seconds.contains(&failure["retryAfterSeconds"].as_u64().unwrap()), "{seconds:?}: {failure}");
    }
    // Between two seconds, both figures are rounded up. A busy machine may take some of them to ask.
    for millis in [31_200, 31_700] {
        let until = Timestamp::now().checked_add(Duration::from_millis(millis)).unwrap();
        let server = api(refused().set_body_json(json!({ "resetTime": until.to_string() }))).await;
        let failure = Rig::new(&server.uri()).failure(READ.0, READ.1()).await;
        let told: Timestamp = failure["resetTime"].as_str().unwrap().parse().unwrap();
        assert!(told >= until, "{told} is before {until}");
        // Scope3's clock is read to whole seconds, from the answer's `Date`.
        assert!((20..=33).contains(&failure["retryAfterSeconds"].as_u64().unwrap()), "{failure}");
    }
}

#[tokio::test]
async fn a_cooldown_of_one_key_outlives_another_keys() {
    let server = api(ResponseTemplate::new(429).insert_header("retry-after", "120")).await;
    let mut rig = Rig::new(&server.uri());
    for name in ["a", "b", "a", "b", "a"] {
        as_caller(&mut rig, name);
        let failure = rig.failure(READ.0, READ.1()).await;
        assert_eq!(failure["code"], "RATE_LIMIT_EXCEEDED");
    }
    assert_eq!(requests(&server).await, 2, "each key was told once");
}

#[tokio::test]
async fn a_cooldown_for_one_class_does_not_affect_the_others() {
    let last = ok().insert_header("ratelimit-remaining", "0").insert_header("ratelimit-reset", "30");
    let server = api(last).await;
    let rig = Rig::new(&server.uri());
    rig.call(READ.0, READ.1()).await.unwrap();
    let usage = rig.call("get_usage", json!({})).await.unwrap().data;
    let left = |class: &str| {
        let limits = usage["limits"].as_array().unwrap();
        limits.iter().find(|row| row["class"] == class).unwrap()["left"].clone()
    };
    assert_eq!((left("mcp"), left("api"), left("export")), (json!(499), json!(0), json!(50)), "{usage:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn calls_from_many_threads_share_the_permits_exactly() {
    let server = api(ok()).await;
    let rates = ["200/h", "1000/h", "50/h"];
    let rig = Arc::new(Rig::with(&server.uri(), &["only"], OnLimit::Reject, rates, ClientConfig::default()));
    let calls = (0..64).map(|_| {
        let rig = Arc::clone(&rig);
        tokio::spawn(async move {
            let mut succeeded = 0;
            for _ in 0..4 {
                succeeded += usize::from(rig.call(READ.0, READ.1()).await.is_ok());
            }
            succeeded
        })
    });
    let succeeded: usize = join_all(calls).await.into_iter().map(Result::unwrap).sum();
    assert_eq!((succeeded, requests(&server).await), (200, 200), "of 256 calls");
}

#[tokio::test]
async fn a_waiting_call_reports_progress_about_once_a_second() {
    let refused = ResponseTemplate::new(429).insert_header("retry-after", "2");
    let server = api(in_turn(vec![refused, ok()])).await;
    let on_limit = OnLimit::Wait(Duration::from_secs(5));
    let rig = Rig::with(&server.uri(), &["only"], on_limit, RATES, ClientConfig::default());
    let notices = Arc::new(Mutex::new(0));
    let on_wait = {
        let notices = Arc::clone(&notices);
        move |_| *notices.lock().unwrap() += 1
    };
    let Value::Object(arguments) = READ.1() else { panic!() };
    let started = Instant::now();
    rig.gateway.call(rig.caller.clone(), READ.0, arguments, Arc::new(on_wait)).await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(2), "{:?}", started.elapsed());
    let notices = *notices.lock().unwrap();
    assert!((2..=4).contains(&notices), "{notices} notices in two seconds");
}

#[tokio::test]
async fn a_call_without_a_permit_is_refused_at_once_by_this_servers_limit() {
    let server = api(ok()).await;
    let rig = Rig::with(
        &server.uri(),
        &["only"],
        OnLimit::Reject,
        ["1/s", "1000/h", "50/h"],
        ClientConfig::default(),
    );
    rig.call(READ.0, READ.1()).await.unwrap();
    let started = Instant::now();
    let failure = rig.failure(READ.0, READ.1()).await;
    assert!(started.elapsed() < Duration::from_millis(100), "{:?}", started.elapsed());
    assert_eq!(failure["retryAfterSeconds"], 1, "a second is a second, and none is rounded away: {failure}");
    assert!(!failure["message"].as_str().unwrap().contains("Scope3 asks"), "{failure}");
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    rig.call(READ.0, READ.1()).await.unwrap();
}

#[tokio::test]
async fn the_pauses_between_attempts_differ_and_grow() {
    let seen: Arc<Mutex<HashMap<String, Vec<Instant>>>> = Arc::default();
    let note = Arc::clone(&seen);
    let server = api(move |request: &Request| {
        let key = request.headers["x-scope3-api-key"].to_str().unwrap().to_owned();
        note.lock().unwrap().entry(key).or_default().push(Instant::now());
        ResponseTemplate::new(502)
    })
    .await;
    join_all((0..24).map(|n| {
        let url = server.uri();
        async move {
            // Each has a budget of its own for repetitions.
            let mut rig = Rig::new(&url);
            as_caller(&mut rig, &n.to_string());
            rig.failure(READ.0, READ.1()).await;
        }
    }))
    .await;
    let seen = seen.lock().unwrap();
    let pauses =
        |at: usize| -> Vec<Duration> { seen.values().map(|times| times[at + 1] - times[at]).collect() };
    let (first, second) = (pauses(0), pauses(1));
    assert_eq!(first.len(), 24);
    let spread = first.iter().max().unwrap().abs_diff(*first.iter().min().unwrap());
    assert!(spread > Duration::from_millis(50), "many clients would come back at once: {first:?}");
    // Up to a quarter of a second at first, then up to a half: of 24, one is longer than 0.3 s.
    assert!(second.iter().any(|pause| *pause > Duration::from_millis(300)), "{second:?}");
    let total: Duration = first.iter().chain(&second).sum();
    assert!(total > Duration::from_secs(2), "a service that is down is not pressed: {total:?}");
}

/// A server that answers a head and then nothing.
async fn stalls() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut streams = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let _read = stream.read(&mut [0; 8192]).await;
            let head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{";
            let _written = stream.write_all(head).await;
            streams.push(stream);
        }
    });
    url
}

#[tokio::test]
async fn a_response_that_stalls_times_out() {
    let url = stalls().await;
    let config = ClientConfig { read: Duration::from_millis(200), ..ClientConfig::default() };
    let rig = Rig::with(&url, &["only"], OnLimit::Reject, RATES, config);
    let started = Instant::now();
    let failure = rig.failure(WRITE.0, WRITE.1()).await;
    assert_eq!((&failure["code"], &failure["changed"]), (&json!("TIMEOUT"), &json!("unknown")), "{failure}");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    let failure = rig.failure(READ.0, READ.1()).await;
    assert_eq!((&failure["code"], &failure["retryable"]), (&json!("TIMEOUT"), &json!(true)), "{failure}");
    assert_eq!(failure.get("status"), None, "there was none: {failure}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_connection_that_cannot_be_made_times_out() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    // The queue is full, and the system lets further connections wait.
    let mut queued = Vec::new();
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(address)).await
    {
        queued.push(stream);
        assert!(queued.len() < 100, "the queue has no end");
    }
    let config = ClientConfig { connect: Duration::from_millis(200), ..ClientConfig::default() };
    let rig = Rig::with(&format!("http://{address}"), &["only"], OnLimit::Reject, RATES, config);
    let started = Instant::now();
    let failure = rig.failure(WRITE.0, WRITE.1()).await;
    assert_eq!(
        (&failure["code"], &failure["changed"]),
        (&json!("CONNECTION_FAILED"), &json!("no")),
        "{failure}"
    );
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

/// A server that takes a request and hangs up.
async fn hangs_up() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _read = stream.read(&mut [0; 8192]).await;
        }
    });
    url
}

#[tokio::test]
async fn requests_without_a_status_are_measured_by_the_kind_of_error() {
    let recorder = PrometheusBuilder::new().build_recorder();
    // This test's runtime has one thread.
    let _recording = metrics::set_default_local_recorder(&recorder);
    // Bound and not listening, so that no other test gets the port.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let closed = format!("http://{}", socket.local_addr().unwrap());
    let slow = api(ok().set_delay(Duration::from_secs(30))).await;
    let hasty = ClientConfig { total: Duration::from_millis(200), ..ClientConfig::default() };
    for (url, word) in
        [(closed, "not_connected"), (slow.uri(), "timed_out"), (hangs_up().await, "broken_off")]
    {
        let rig = Rig::with(&url, &["only"], OnLimit::Reject, RATES, hasty);
        rig.failure(WRITE.0, WRITE.1()).await;
        let measured = recorder.handle().render();
        let line = format!("scope3_mcp_upstream_requests_total{{status=\"{word}\"}} 1");
        assert!(measured.contains(&line), "{word}: {measured}");
    }
}

#[tokio::test]
async fn results_of_local_tools_are_not_marked_as_sandbox_results() {
    let mut session = Session::sandbox(&["--toolsets", "all"]).await;
    let marked = async |session: &mut Session, tool: &str, arguments: Value| {
        let result = session.call(tool, arguments).await;
        assert_eq!(result["isError"], false, "{result}");
        result["structuredContent"]["scope3Mcp"]["sandbox"] == true
    };
    assert!(marked(&mut session, "brand_agent_list", json!({})).await);
    assert!(!marked(&mut session, "get_usage", json!({})).await);
    assert!(!marked(&mut session, "describe_tool", json!({ "name": "campaign_create" })).await);
    session.end().await;
}
