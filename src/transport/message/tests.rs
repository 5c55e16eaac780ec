use super::*;

fn kind(text: impl AsRef<[u8]>) -> Option<Kind> {
    read(Bytes::copy_from_slice(text.as_ref())).ok().map(|message| message.kind)
}

/// The id and the code with which a text is rejected.
fn rejected(text: impl AsRef<[u8]>) -> (Option<String>, i64) {
    let malformed = read(Bytes::copy_from_slice(text.as_ref())).unwrap_err();
    (malformed.id.map(|id| id.to_string()), malformed.code)
}

#[test]
fn the_kind_of_a_message_is_recognized() {
    let hello =
        r#"{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"a","version":"1"}}"#;
    let kinds = [
        (&*format!(r#"{{"jsonrpc":"2.0","id":1,"method":"initialize","params":{hello}}}"#), Kind::Initialize),
        (r#"{"jsonrpc":"2.0","id":"a","method":"tools/list"}"#, Kind::Request),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","extra":{"a":1}}"#, Kind::Ping),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":null}"#, Kind::Ping),
        (r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, Kind::Other),
        (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, Kind::Other),
        (r#" [{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, Kind::Batch),
        ("\u{feff}{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\r", Kind::Ping),
    ];
    for (text, expected) in kinds {
        assert_eq!(kind(text), Some(expected), "{text}");
    }
}

#[test]
fn ambiguous_messages_are_rejected() {
    let bad = [
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}"#,
        r#"{"jsonrpc":"2.0","id":1,"Method":"tools/call","method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1,"METHOD":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","\u006dethod":"tools/call"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"b"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"x":[{"a":1,"a":2}]}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"x","params":{"\ud83d":1,"\ud83e":2}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#,
        r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#,
        r#"{"id":1,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":5}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":5}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#,
        r#"{"jsonrpc":"2.0","id":1}"#,
    ];
    for text in bad {
        assert_eq!(rejected(text), (Some("1".to_owned()), -32600), "{text}");
    }
    for nothing in [r#"{"jsonrpc":"2.0""#, "", "\u{0}", "x", "[", "[1,]", r#"[{"a":NaN}]"#] {
        assert_eq!(rejected(nothing), (None, -32700), "{nothing}");
    }
    for nothing in ["5", "null", "\"text\"", "{}", r#"[{"a":1,"a":2}]"#] {
        assert_eq!(rejected(nothing), (None, -32600), "{nothing}");
    }
}

#[test]
fn an_invalid_id_is_repeated_as_it_was_written() {
    for id in [
        "null",
        "1.5",
        "1.0",
        "1e3",
        "9223372036854775808",
        "-9223372036854775809",
        "18446744073709551616",
        "123456789012345678901234567890",
    ] {
        let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
        assert_eq!(rejected(&text), (Some(id.to_owned()), -32600));
    }
    for id in ["{}", "[]", "true"] {
        let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
        assert_eq!(rejected(&text), (None, -32600), "{id}");
    }
    for id in ["9223372036854775807", "-9223372036854775808", "0", r#""1.5""#, r#""\u00e9""#] {
        let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
        assert_eq!(read(text.into()).unwrap().id.unwrap().to_string(), id);
    }
}

#[test]
fn invalid_values_are_rejected_under_their_id() {
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    let values: [&[u8]; 9] = [
        b"NaN",
        b"1e400",
        b"-Infinity",
        b"\"caf\xe9\"",
        b"\"\xed\xa0\xbd\"",
        deep.as_bytes(),
        b"'a'",
        b"01",
        b"\"\t\"",
    ];
    for value in values {
        let text = [br#"{"jsonrpc":"2.0","id":"a","method":"x","params":{"v":"#, value, b"}}"].concat();
        assert_eq!(rejected(&text), (Some("\"a\"".to_owned()), -32700), "{}", String::from_utf8_lossy(&text));
        // As the Python SDK orders them.
        let text = [br#"{"method":"x","params":{"v":"#, value, br#"},"jsonrpc":"2.0","id":7}"#].concat();
        assert_eq!(rejected(&text), (Some("7".to_owned()), -32700), "{}", String::from_utf8_lossy(&text));
    }
}

#[test]
fn invalid_json_is_rejected_under_its_id() {
    for text in [
        r#"{"jsonrpc":"2.0","id":7,"method":"x","params":{"v":"#,
        r#"{"jsonrpc":"2.0","id":7,"method":"x","params":{"v":"abc"#,
        r#"{"jsonrpc":"2.0","id":7,"method":"x""#,
        r#"{"jsonrpc":"2.0","id":7,"method":"x",}"#,
        r#"{"jsonrpc":"2.0","id":7,"method":"x","params":{}}}"#,
        r#"{"jsonrpc":"2.0","id":7,"method":"x","params":{}} // why"#,
        r#"{"method":"x","params":{"v":"say "hello" {now"},"jsonrpc":"2.0","id":7}"#,
        r#"{"method":"x","params":{"v":"say "hello," he"},"id":7}"#,
        r#"{"params":{"id":1,"v":"say "hello" { now"},"id":7,"method":"x"}"#,
        r#"data: {"jsonrpc":"2.0","id":7,"method":"x"}"#,
    ] {
        assert_eq!(rejected(text), (Some("7".to_owned()), -32700), "{text}");
    }
}

#[test]
fn a_lone_surrogate_is_read_as_the_replacement_character() {
    let text = r#"{"jsonrpc":"2.0","id":1,"method":"x","params":{"v":"cut \ud83d","n":1.10}}"#;
    let message = read(text.into()).unwrap();
    assert_eq!(message.text, text.replace(r"\ud83d", r"\ufffd"));
}

#[test]
fn a_valid_text_is_not_changed() {
    let text = r#" {"jsonrpc":"2.0", "id":1,"method":"tools/call","params":{"arguments":{"n":12345678901234567890.10}}} "#;
    assert_eq!(read(text.into()).unwrap().text, text);
}

#[test]
fn an_empty_array_of_arguments_is_read_as_an_object() {
    let text = |arguments: &str| {
        format!(
            r#"{{"params":{{"name":"a","arguments":{arguments} }},"jsonrpc":"2.0","id":1,"method":"tools/call"}}"#
        )
    };
    for list in ["[]", "[ ]"] {
        assert_eq!(read(text(list).into()).unwrap().text, text("{}"));
    }
    for other in ["[1]", "{}", "null", r#"{"arguments":[]}"#] {
        assert_eq!(read(text(other).into()).unwrap().text, text(other));
    }
}

#[test]
fn errors_do_not_repeat_what_was_sent() {
    for text in [
        r#"{"jsonrpc":"2.0","id":1,"method":"x","params":"scope3_secret"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"x","params":{"scope3_secret":1,"scope3_secret":2}}"#,
        r#"{"jsonrpc":"scope3_secret","id":1,"method":"x"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"x","params":{"v":scope3_secret}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":["scope3_secret"]}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":["scope3_secret"]}}"#,
        r#""scope3_secret""#,
    ] {
        let reason = read(text.into()).unwrap_err().reason;
        assert!(!reason.contains("secret"), "{reason}");
    }
}

#[test]
fn the_requests_of_a_rejected_batch_are_found() {
    let batch = r#"[{"jsonrpc":"2.0","id":1,"method":"a"},{"method":"b"},5,{"id":"x","method":"c"},{"id":2,"result":{}}]"#;
    let ids: Vec<String> = requests_of_batch(batch.as_bytes()).iter().map(ToString::to_string).collect();
    assert_eq!(ids, ["1", "\"x\""]);
}

#[test]
fn the_id_is_recovered_from_the_first_and_last_part() {
    let id = |head: &str, tail: &str| recover_id(head.as_bytes(), tail.as_bytes()).map(|id| id.to_string());
    let seven = Some("7".to_owned());
    assert_eq!(id(r#"{"jsonrpc":"2.0","id":7,"method":"x","params":{"v":"aa"#, r#"aa"}}"#), seven);
    assert_eq!(id(r#"{"method":"x","params":{"v":"aa"#, r#"aa"},"jsonrpc":"2.0","id":7}"#), seven);
    assert_eq!(id(r#"{"params":{"v":"aa"#, r#"a,"a"]},"method":"x","id":7}"#), seven);
    assert_eq!(id(r#"{"id":7,"result":{"v":"aa"#, r#"aa"}}"#), None, "a response gets no response");
    assert_eq!(id("xxxx", "xxxx"), None);
}
