//! Reading the body of a POST, and whether it is a message of the protocol at all.
//!
//! Two readers of a JSON text can understand two things when a member stands there twice or in other letters: a
//! proxy that judges the one `method` and a server that runs the other. Such texts are refused here; what the
//! message then means is for the MCP server.

use std::{collections::HashSet, fmt, time::Duration};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use serde::{
    Deserialize,
    de::{self, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Number, Value};

use super::{
    negotiation::is_json,
    refusal::{INVALID_REQUEST, PARSE_ERROR, Refusal},
};

/// The longest body of a request, in bytes.
pub(super) const LONGEST: usize = 4 * 1024 * 1024;

/// What is read of a body that is too long, so that its sender comes to read the answer.
const PATIENCE: usize = 16 * LONGEST;

/// What a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It begins a session.
    Initialize,
    /// It wants an answer.
    Request,
    /// A notification, or an answer to the server.
    Other,
    /// Several messages in one.
    Batch,
}

/// A message that has been read.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) text: Bytes,
    pub(super) kind: Kind,
    pub(super) id: Value,
}

/// Reads a message, up to the longest and within a time.
pub(super) async fn read(headers: &HeaderMap, body: Body, within: Duration) -> Result<Message, Refusal> {
    if !is_json(headers) {
        let message = "expected `Content-Type: application/json`, in UTF-8";
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    let text = tokio::time::timeout(within, collect(body)).await;
    let text = text.unwrap_or_else(|_| {
        Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "the body of the request did not come in time"))
    })?;
    check(text)
}

/// A message that this server's model of the protocol cannot read.
pub(super) fn unreadable(id: Value) -> Refusal {
    Refusal::malformed(INVALID_REQUEST, "not a message of the Model Context Protocol").with_id(id)
}

async fn collect(mut body: Body) -> Result<Bytes, Refusal> {
    let mut text = BytesMut::new();
    let mut total = 0;
    while let Some(frame) = body.frame().await {
        let broken = |_| Refusal::new(StatusCode::BAD_REQUEST, "the body of the request broke off");
        let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
        total += data.len();
        if total <= LONGEST {
            text.extend_from_slice(&data);
        } else if total > PATIENCE {
            break;
        }
    }
    if total > LONGEST {
        return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "a message may have 4 MiB at most"));
    }
    Ok(text.freeze())
}

/// Tells what a text is for, if it is a message.
pub(super) fn check(text: Bytes) -> Result<Message, Refusal> {
    if text.trim_ascii_start().first() == Some(&b'[') {
        serde_json::from_slice::<Unique>(&text).map_err(|error| refuse(&error))?;
        return Ok(Message { text, kind: Kind::Batch, id: Value::Null });
    }
    let envelope: Envelope = serde_json::from_slice(&text).map_err(|error| refuse(&error))?;
    let invalid =
        |why| Err(Refusal::malformed(INVALID_REQUEST, why).with_id(envelope.id.clone().unwrap_or_default()));
    if envelope.version.as_deref() != Some("2.0") {
        return invalid("not a JSON-RPC 2.0 message: `jsonrpc` must be \"2.0\"");
    }
    if !matches!(envelope.id, None | Some(Value::String(_) | Value::Number(_))) {
        return invalid("not a JSON-RPC message: `id` must be a text or a whole number");
    }
    if envelope.id.as_ref().and_then(Value::as_number).is_some_and(Number::is_f64) {
        return invalid("not a JSON-RPC message: `id` must be a text or a whole number");
    }
    let kind = match (&envelope.method, envelope.answers) {
        (Some(method), 0) if envelope.id.is_some() => {
            if method == "initialize" {
                Kind::Initialize
            } else {
                Kind::Request
            }
        }
        (Some(_), 0) | (None, 1) => Kind::Other,
        _ => return invalid("not a JSON-RPC message: one of `method`, `result` and `error` is wanted"),
    };
    Ok(Message { text, kind, id: envelope.id.unwrap_or_default() })
}

fn refuse(error: &serde_json::Error) -> Refusal {
    if error.is_data() {
        Refusal::malformed(INVALID_REQUEST, format!("not a JSON-RPC message: {error}"))
    } else {
        Refusal::malformed(PARSE_ERROR, "the body is not JSON")
    }
}

/// The members of a JSON-RPC message.
const MEMBERS: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];

#[derive(Debug, Default)]
struct Envelope {
    version: Option<String>,
    id: Option<Value>,
    method: Option<String>,
    /// How many of `result` and `error` there are.
    answers: u8,
}

impl<'de> Deserialize<'de> for Envelope {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EnvelopeVisitor)
    }
}

struct EnvelopeVisitor;

impl<'de> Visitor<'de> for EnvelopeVisitor {
    type Value = Envelope;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Envelope, A::Error> {
        let mut envelope = Envelope::default();
        let mut seen = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            match name.as_str() {
                "jsonrpc" => envelope.version = Some(members.next_value()?),
                "id" => envelope.id = Some(members.next_value()?),
                "method" => envelope.method = Some(members.next_value()?),
                "params" => members.next_value::<Structure>().map(|Structure| ())?,
                "result" | "error" => {
                    envelope.answers += 1;
                    members.next_value::<Unique>().map(|Unique| ())?;
                }
                other => {
                    if let Some(meant) = MEMBERS.iter().find(|member| member.eq_ignore_ascii_case(other)) {
                        return Err(de::Error::custom(format_args!("`{meant}` is written in small letters")));
                    }
                    members.next_value::<Unique>().map(|Unique| ())?;
                }
            }
            if !seen.insert(name) {
                return Err(de::Error::custom("a member stands there twice"));
            }
        }
        Ok(envelope)
    }
}

/// An object or an array, in which no member stands twice.
struct Structure;

impl<'de> Deserialize<'de> for Structure {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor { scalars: false }).map(|Unique| Self)
    }
}

/// Any JSON value in which no object has a member twice.
struct Unique;

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor { scalars: true })
    }
}

struct UniqueVisitor {
    scalars: bool,
}

impl UniqueVisitor {
    fn scalar<E: de::Error>(self, found: de::Unexpected<'_>) -> Result<Unique, E> {
        if self.scalars { Ok(Unique) } else { Err(E::invalid_type(found, &self)) }
    }
}

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Unique;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Unique, E> {
        self.scalar(de::Unexpected::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Unique, E> {
        self.scalar(de::Unexpected::Signed(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Unique, E> {
        self.scalar(de::Unexpected::Unsigned(value))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Unique, E> {
        self.scalar(de::Unexpected::Float(value))
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<Unique, E> {
        // What was sent is not repeated: it may be a secret.
        self.scalar(de::Unexpected::Other("a text"))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Unique, E> {
        // Some clients write a member that is not there as `null`.
        Ok(Unique)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Unique, A::Error> {
        while items.next_element::<Unique>()?.is_some() {}
        Ok(Unique)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Unique, A::Error> {
        let mut seen = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            members.next_value::<Unique>()?;
            if !seen.insert(name) {
                return Err(de::Error::custom("a member stands there twice"));
            }
        }
        Ok(Unique)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> Option<Kind> {
        check(Bytes::copy_from_slice(text.as_bytes())).ok().map(|message| message.kind)
    }

    #[test]
    fn messages_are_told_apart() {
        let kinds = [
            (r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#, Kind::Initialize),
            (r#"{"jsonrpc":"2.0","id":"a","method":"tools/list"}"#, Kind::Request),
            (r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, Kind::Other),
            (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, Kind::Other),
            (r#" [{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, Kind::Batch),
        ];
        for (text, expected) in kinds {
            assert_eq!(kind(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        let bad = [
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}"#,
            r#"{"jsonrpc":"2.0","id":1,"Method":"tools/call","method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1,"METHOD":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","\u006dethod":"tools/call"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"b"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"x":[{"a":1,"a":2}]}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#,
            r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#,
            r#"{"id":1,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":5}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":5}"#,
            r#"{"jsonrpc":"2.0","id":1}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"ping"} x"#,
            r#"{"jsonrpc":"2.0""#,
            "5",
            "",
            "\u{0}",
        ];
        for text in bad {
            assert_eq!(kind(text), None, "{text}");
        }
        let deep = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"x","params":{}1{}}}"#,
            "[".repeat(10_000),
            "]".repeat(10_000)
        );
        assert_eq!(kind(&deep), None);
    }
}
