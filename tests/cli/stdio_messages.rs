//! Lines that are not valid messages: a client that waits for a response gets one.

use serde_json::{Value, json};

use crate::support::{Session, command};

/// Sends a line and returns the response to the request `id`. Any other message fails the test.
async fn response(session: &mut Session, line: &[u8], id: &Value) -> Value {
    session.send_raw(line).await;
    session.send_raw(b"\n").await;
    let response = session.receive().await.expect("the server has ended");
    assert_eq!(response["id"], *id, "{}: {response}", String::from_utf8_lossy(&line[..line.len().min(200)]));
    assert_eq!(response["jsonrpc"], "2.0");
    response
}

fn call(id: u64, argument: &[u8]) -> Vec<u8> {
    let begin = format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"brand_agent_create","arguments":{{"name":"#
    );
    [begin.as_bytes(), argument, br#","advertiserDomains":["example.com"]}}}"#].concat()
}

#[tokio::test]
async fn a_truncated_emoji_does_not_fail_a_call() {
    let mut session = Session::sandbox(&[]).await;
    let made = response(&mut session, &call(101, br#""cut \ud83d""#), &json!(101)).await;
    assert_eq!(made["result"]["isError"], false, "{made}");
    assert!(made["result"].to_string().contains("cut \u{fffd}"), "{made}");
}

#[tokio::test]
async fn invalid_json_gets_an_error_with_its_id() {
    let mut session = Session::sandbox(&[]).await;
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    let arguments: [&[u8]; 8] = [
        b"\"caf\xe9\"",
        b"1e400",
        b"NaN",
        b"-Infinity",
        deep.as_bytes(),
        b"\"say \"hello\" {\"",
        b"undefined",
        b"\"\t\"",
    ];
    for (id, argument) in (200..).zip(arguments) {
        let rejected = response(&mut session, &call(id, argument), &json!(id)).await;
        let code = rejected["error"]["code"].as_i64().unwrap();
        assert!(matches!(code, -32700 | -32602), "{rejected}");
        // The Python SDK writes the id at the end.
        let line =
            [br#"{"method":"ping","params":{"v":"#, argument, br#"},"jsonrpc":"2.0","id":"last"}"#].concat();
        let rejected = response(&mut session, &line, &json!("last")).await;
        assert_eq!(rejected["error"]["code"], -32700, "{rejected}");
    }
    let batch = br#"[{"jsonrpc":"2.0","id":299,"method":"ping","params":{"v":NaN}}]"#;
    assert_eq!(response(&mut session, batch, &json!(299)).await["error"]["code"], -32700);
    let cut = br#"{"jsonrpc":"2.0","id":300,"method":"tools/call","params":{"na"#;
    assert_eq!(response(&mut session, cut, &json!(300)).await["error"]["code"], -32700);
    let still_running =
        response(&mut session, br#"{"jsonrpc":"2.0","id":301,"method":"ping"}"#, &json!(301)).await;
    assert_eq!(still_running["result"], json!({}));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_overlong_line_gets_an_error_with_its_id_and_is_not_kept_in_memory() {
    let mut session = Session::sandbox(&[]).await;
    let before = resident(&session);
    let filler = "x".repeat(100 * 1024 * 1024);
    let first = format!(r#"{{"jsonrpc":"2.0","id":5,"method":"ping","params":{{"v":"{filler}"}}}}"#);
    let rejected = response(&mut session, first.as_bytes(), &json!(5)).await;
    assert_eq!(rejected["error"]["code"], -32600, "{rejected}");
    let last = format!(r#"{{"method":"ping","params":{{"v":"{filler}"}},"jsonrpc":"2.0","id":6}}"#);
    assert_eq!(response(&mut session, last.as_bytes(), &json!(6)).await["error"]["code"], -32600);
    let grown = resident(&session).saturating_sub(before);
    assert!(grown < 60 * 1024, "memory grew by {grown} KiB");
    let fits =
        format!(r#"{{"jsonrpc":"2.0","id":7,"method":"ping","params":{{"v":"{}"}}}}"#, "x".repeat(15 << 20));
    assert_eq!(response(&mut session, fits.as_bytes(), &json!(7)).await["result"], json!({}));
}

/// The resident memory of a program, in KiB.
#[cfg(target_os = "linux")]
fn resident(session: &Session) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", session.child.id().unwrap())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test]
async fn an_invalid_request_gets_an_error_with_its_id() {
    let mut session = Session::sandbox(&[]).await;
    for (line, id) in [
        (r#"{"id":111,"method":"ping"}"#, json!(111)),
        (r#"{"jsonrpc":"1.0","id":"one","method":"ping"}"#, json!("one")),
        (r#"{"jsonrpc":"2.0","id":112,"method":"ping","params":[]}"#, json!(112)),
        (r#"{"jsonrpc":"2.0","id":113,"method":"ping","params":"text"}"#, json!(113)),
        (r#"{"jsonrpc":"2.0","id":114,"method":7}"#, json!(114)),
        (r#"{"jsonrpc":"2.0","id":115}"#, json!(115)),
        (r#"{"jsonrpc":"2.0","id":116,"method":"ping","method":"tools/list"}"#, json!(116)),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, json!(null)),
        (r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, json!(1.5)),
        (
            r#"{"jsonrpc":"2.0","id":9223372036854775808,"method":"ping"}"#,
            json!(9_223_372_036_854_775_808_u64),
        ),
        (r#"[{"jsonrpc":"2.0","id":117,"method":"ping"}]"#, json!(117)),
        (r#"[{"jsonrpc":"2.0","id":118,"method":"ping"}, 5]"#, json!(118)),
    ] {
        let rejected = response(&mut session, line.as_bytes(), &id).await;
        assert_eq!(rejected["error"]["code"], -32600, "{line}: {rejected}");
        assert!(rejected["error"]["message"].as_str().unwrap().len() > 10, "{rejected}");
    }
    // An id keeps all its digits.
    session
        .send_raw(b"{\"jsonrpc\":\"2.0\",\"id\":123456789012345678901234567890,\"method\":\"ping\"}\n")
        .await;
    let line = session.line().await;
    assert!(line.contains("\"id\":123456789012345678901234567890,"), "{line}");

    session.send_raw(b"[{\"id\":1,\"method\":\"a\"},{\"method\":\"b\"},{\"id\":2,\"method\":\"c\"}]\n").await;
    for id in 1..=2 {
        assert_eq!(session.receive().await.unwrap()["id"], id, "each request of a batch gets a response");
    }
}

#[tokio::test]
async fn invalid_messages_that_are_not_requests_get_no_response() {
    let mut session = Session::sandbox(&[]).await;
    for line in [
        "garbage",
        "{\"jsonrpc\":\"2.0\",",
        "null",
        "[]",
        "{\"jsonrpc\":\"2.0\",\"method\":5}",
        "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":5}",
        "{\"jsonrpc\":\"2.0\",\"id\":3,\"error\":{\"code\":\"text\"}}",
        "{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":{\"v\":NaN}}",
        "",
        "\u{feff}",
    ] {
        let ping = br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
        let both = [line.as_bytes(), b"\n", ping].concat();
        assert_eq!(response(&mut session, &both, &json!(1)).await["result"], json!({}), "{line}");
    }
}

#[tokio::test]
async fn the_content_of_messages_is_not_logged() {
    let mut session = Session::start(command(&["--sandbox"]).env("RUST_LOG", "trace"), "2025-11-25").await;
    session
        .send_raw(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"params\":\"hush-hush\"}\nhush-hush\n")
        .await;
    assert_eq!(session.receive().await.unwrap()["error"]["code"], -32600);
    let (_, code, log) = session.end().await;
    assert_eq!(code, Some(0));
    assert!(log.contains("not a valid message") && !log.contains("hush-hush"), "{log}");
}

#[tokio::test]
async fn an_empty_list_of_arguments_counts_as_an_empty_object() {
    let mut session = Session::sandbox(&[]).await;
    let response = session.call("check_auth_status", json!([])).await;
    assert_eq!(response["isError"], false, "{response}");
}

#[tokio::test]
async fn a_sloppy_initialize_starts_a_session() {
    for params in [
        json!({ "protocolVersion": "2025-06-18" }),
        json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "t" } }),
        json!({ "protocolVersion": "2025-06-18", "capabilities": null, "clientInfo": { "name": "t", "version": "1" } }),
        json!({ "protocolVersion": "2025-06-18", "capabilities": { "roots": true }, "clientInfo": null }),
    ] {
        let mut session = Session::spawn(command(&[]).env("SCOPE3_SANDBOX", "1"));
        let response = session.request("initialize", params.clone()).await;
        assert_eq!(response["result"]["protocolVersion"], "2025-06-18", "{params}: {response}");
        assert_eq!(session.call("check_auth_status", json!({})).await["isError"], false);
    }
}

#[tokio::test]
async fn an_invalid_initialize_gets_an_error_that_names_the_member() {
    let mut session = Session::spawn(command(&[]).env("SCOPE3_SANDBOX", "1"));
    for (params, named) in [
        (json!({}), "params.protocolVersion"),
        (json!({ "protocolVersion": 5 }), "params.protocolVersion"),
        (json!({ "protocolVersion": "2025-06-18", "clientInfo": "me" }), "params.clientInfo"),
        (
            json!({ "protocolVersion": "2025-06-18", "capabilities": { "roots": 7 } }),
            "params.capabilities.roots",
        ),
    ] {
        let response = session.request("initialize", params).await;
        assert_eq!(response["error"]["code"], -32602, "{response}");
        assert!(response["error"]["message"].as_str().unwrap().contains(named), "{response}");
    }
    let hello = json!({ "protocolVersion": "2025-06-18" });
    assert!(session.request("initialize", hello).await["result"].is_object(), "the client can try again");
}
