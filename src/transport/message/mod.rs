//! Reads JSON-RPC messages, for all transports.
//!
//! If a member is duplicated or spelled in another case, two readers of the same JSON text can understand different
//! messages: a proxy may check one `method`, and a server run the other. Such texts are rejected. The content of the
//! message is left to the MCP server. Numbers are passed on as they were written.
//!
//! Whenever possible, the error response to a rejected text has the `id` of its request. Otherwise the client would
//! wait forever.

mod duplicates;
mod envelope;
mod id;
mod initialize;
mod members;
mod recovery;
mod surrogates;

use std::{borrow::Cow, ops::Range};

use bytes::Bytes;
use serde_json::json;

use crate::mcp::LargeArguments;

use self::{duplicates::NoDuplicates, envelope::Envelope, members::Members};
pub(crate) use self::{
    id::Id,
    recovery::{TAIL_BYTES, recover_id},
};

/// JSON-RPC's code for a text that is not JSON.
pub(crate) const PARSE_ERROR: i64 = -32700;
/// JSON-RPC's code for JSON that is not a message.
pub(crate) const INVALID_REQUEST: i64 = -32600;
/// JSON-RPC's code for `params` that do not match the method.
const INVALID_PARAMS: i64 = -32602;

/// The kind of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A request that starts a session.
    Initialize,
    /// Any other request.
    Request,
    /// A request to check that the server responds.
    Ping,
    /// A notification, or a response to the server.
    Other,
    /// Several messages in an array.
    Batch,
}

impl Kind {
    /// Whether the server sends a response to it.
    pub(crate) fn expects_response(self) -> bool {
        matches!(self, Self::Initialize | Self::Request | Self::Ping)
    }

    /// Whether it counts against the limit of concurrent calls. A ping does not: it takes no time.
    pub(crate) fn is_call(self) -> bool {
        matches!(self, Self::Initialize | Self::Request)
    }
}

/// A message that has been read.
#[derive(Debug)]
pub(crate) struct Message {
    /// The normalized text.
    pub(crate) text: Bytes,
    pub(crate) kind: Kind,
    /// `None` if no response is expected.
    pub(crate) id: Option<Id>,
    /// The arguments of a tool call, if they are large. In the text, they are replaced by `{}`.
    pub(crate) arguments: Option<LargeArguments>,
}

/// Larger arguments are passed beside their message. rmcp parses a message several times and uses some 250 bytes for
/// each number.
const MAX_INLINE_ARGUMENTS_BYTES: usize = 64 * 1024;

/// Why a text is not a valid message. Never repeats content of the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct Malformed {
    /// The `id` of the request, if it could be read.
    pub(crate) id: Option<Id>,
    /// The JSON-RPC error code.
    pub(crate) code: i64,
    pub(crate) reason: Cow<'static, str>,
}

impl Malformed {
    pub(crate) fn new(id: Option<Id>, code: i64, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { id, code, reason: reason.into() }
    }

    /// For a message that rmcp's types cannot represent.
    pub(crate) fn unreadable(id: Option<Id>) -> Self {
        Self::new(id, INVALID_REQUEST, "not a Model Context Protocol message")
    }

    /// The JSON-RPC error response to the request `id`.
    pub(crate) fn to_response(&self, id: &Id) -> String {
        let error = json!({ "code": self.code, "message": self.reason });
        format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#)
    }
}

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Reads a message from a text.
///
/// # Errors
/// If the text is not a valid message.
pub(crate) fn read(text: Bytes) -> Result<Message, Malformed> {
    let text = match text.strip_prefix(BYTE_ORDER_MARK) {
        Some(rest) => text.slice_ref(rest),
        None => text,
    };
    match read_text(&text) {
        Err(malformed) if malformed.code == PARSE_ERROR => match surrogates::replace_lone_surrogates(&text) {
            Some(replaced) => read_text(&replaced.into()),
            None => Err(malformed),
        },
        read => read,
    }
}

fn read_text(text: &Bytes) -> Result<Message, Malformed> {
    match text.trim_ascii_start().first() {
        Some(b'{') => read_object(text),
        first => {
            parse_json::<NoDuplicates>(text)
                .map_err(|fault| fault.with_id(recovery::recover_id(text, text)))?;
            if first == Some(&b'[') {
                return Ok(Message { text: text.clone(), kind: Kind::Batch, id: None, arguments: None });
            }
            Err(Malformed::new(None, INVALID_REQUEST, "not a JSON-RPC message: expected an object"))
        }
    }
}

fn read_object(text: &Bytes) -> Result<Message, Malformed> {
    let mut members = Members::of(text);
    let (envelope, fault) = Envelope::of(text, &mut members);
    if !members.are_whole() {
        let id = envelope.response_id().or_else(|| recovery::last_members(text).response_id());
        return Err(Malformed::new(id, PARSE_ERROR, "not JSON: missing bracket, comma or quotation mark"));
    }
    let read = fault.map_or_else(|| envelope.kind(), Err).and_then(|kind| {
        let (text, arguments) = normalize(text, &envelope, kind)?;
        Ok((text, kind, arguments))
    });
    match read {
        Ok((text, kind, arguments)) => Ok(Message { text, kind, id: envelope.id, arguments }),
        Err(fault) => Err(fault.with_id(envelope.response_id())),
    }
}

/// Normalizes variations of clients that rmcp rejects, and splits off large arguments.
fn normalize(
    text: &Bytes,
    envelope: &Envelope,
    kind: Kind,
) -> Result<(Bytes, Option<LargeArguments>), Fault> {
    if let Some(text) = with_shortened_names(text, envelope) {
        let (envelope, fault) = Envelope::of(&text, &mut Members::of(&text));
        return fault.map_or_else(|| normalize(&text, &envelope, kind), Err);
    }
    let params = envelope.params.clone();
    if kind == Kind::Initialize {
        let text = match initialize::normalize(params.as_ref().map(|params| &text[params.clone()]))? {
            Some(replaced) => replace_range(text, params, &replaced),
            None => text.clone(),
        };
        return Ok((text, None));
    }
    // PHP writes an empty object as an empty array.
    let Some(params) = params.filter(|_| envelope.method.as_deref() == Some("tools/call")) else {
        return Ok((text.clone(), None));
    };
    let start = params.start;
    let arguments = Members::of(&text[params.clone()])
        .find(|member| &text[params.clone()][member.name.clone()] == b"\"arguments\"");
    let arguments = arguments.map(|member| start + member.value.start..start + member.value.end);
    match arguments {
        Some(value) if is_empty_list(&text[value.clone()]) => {
            Ok((replace_range(text, Some(value), b"{}"), None))
        }
        Some(value) if value.len() > MAX_INLINE_ARGUMENTS_BYTES && text[value.start] == b'{' => {
            let arguments = LargeArguments(text.slice(value.clone()));
            Ok((replace_range(text, Some(value), b"{}"), Some(arguments)))
        }
        _ => Ok((text.clone(), None)),
    }
}

/// Truncates the first overlong name of the text, or returns `None` if there is none. No tool has such a name, and rmcp
/// would repeat it in some errors.
fn with_shortened_names(text: &Bytes, envelope: &Envelope) -> Option<Bytes> {
    if text.len() <= MAX_NAME_BYTES {
        return None;
    }
    let in_params = envelope.params.clone().into_iter().flat_map(|params| {
        let start = params.start;
        let named = values_of(&text[params], &[b"\"name\"", b"\"uri\""]);
        named.into_iter().map(move |value| start + value.start..start + value.end)
    });
    let value = values_of(text, &[b"\"method\""])
        .into_iter()
        .chain(in_params)
        .find(|value| value.len() > MAX_NAME_BYTES && text[value.start] == b'"')?;
    let name: String = serde_json::from_slice(&text[value.clone()]).ok()?;
    let start: String = name.chars().take(MAX_NAME_BYTES / 10).collect();
    Some(replace_range(text, Some(value), json!(start + "…").to_string().as_bytes()))
}

/// The values of the members with these names. `names` include the quotation marks.
fn values_of(object: &[u8], names: &[&[u8]]) -> Vec<Range<usize>> {
    let members = Members::of(object).filter(|member| names.contains(&&object[member.name.clone()]));
    members.map(|member| member.value).collect()
}

/// Longer names of methods, tools, prompts and resources are truncated.
const MAX_NAME_BYTES: usize = 1024;

fn is_empty_list(value: &[u8]) -> bool {
    value
        .strip_prefix(b"[")
        .and_then(|rest| rest.strip_suffix(b"]"))
        .is_some_and(|rest| rest.trim_ascii().is_empty())
}

fn replace_range(text: &[u8], place: Option<Range<usize>>, by: &[u8]) -> Bytes {
    let Range { start, end } = place.unwrap_or(text.len()..text.len());
    [&text[..start], by, &text[end..]].concat().into()
}

/// The ids of the requests in a batch that is rejected as a whole, even if it is not valid JSON. Empty for other texts.
pub(crate) fn requests_of_batch(text: &[u8]) -> Vec<Id> {
    let request = |message: Range<usize>| {
        let message = &text[message];
        let (Envelope { id, method, .. }, _) = Envelope::of(message, &mut Members::of(message));
        id.filter(|_| method.is_some())
    };
    members::elements(text).take(MAX_BATCH_RESPONSES).filter_map(request).collect()
}

/// The maximum number of requests in a rejected batch that get an error response.
const MAX_BATCH_RESPONSES: usize = 100;

/// What is wrong with a part of a message.
#[derive(Debug)]
struct Fault {
    code: i64,
    reason: Cow<'static, str>,
}

impl Fault {
    fn invalid(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { code: INVALID_REQUEST, reason: reason.into() }
    }

    fn with_id(self, id: Option<Id>) -> Malformed {
        Malformed { id, code: self.code, reason: self.reason }
    }
}

/// Parses a text that must be JSON as a whole.
fn parse_json<'a, T: serde::Deserialize<'a>>(text: &'a [u8]) -> Result<T, Fault> {
    serde_json::from_slice(text).map_err(|error| {
        let reason = error.to_string();
        // Data errors come only from `NoDuplicates`. Callers report wrong types themselves.
        if error.is_data() && !reason.starts_with(duplicates::OUT_OF_RANGE) {
            return Fault::invalid(format!("not a JSON-RPC message: {reason}"));
        }
        Fault { code: PARSE_ERROR, reason: format!("not JSON: {reason}").into() }
    })
}

#[cfg(test)]
mod tests;
