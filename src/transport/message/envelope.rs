//! The members of a JSON-RPC message.

use std::{collections::HashSet, ops::Range};

use super::{Fault, Id, Kind, duplicates::NoDuplicates, members::Members, parse_json};

const MEMBER_NAMES: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];

/// The members of a message. A member that is missing or unreadable in the message is missing here.
#[derive(Debug, Default)]
pub(super) struct Envelope {
    is_version_2: bool,
    pub(super) id: Option<Id>,
    pub(super) method: Option<String>,
    /// The position of `params` in the text.
    pub(super) params: Option<Range<usize>>,
    has_list_params: bool,
    /// The number of `result` and `error` members.
    result_count: u8,
}

impl Envelope {
    /// Reads all members of a message, even after an invalid one. Returns the first fault.
    pub(super) fn of(text: &[u8], members: &mut Members<'_>) -> (Self, Option<Fault>) {
        let mut envelope = Self::default();
        let mut fault = None;
        let mut seen = HashSet::new();
        for member in members {
            let outcome = parse_json::<String>(&text[member.name]).and_then(|name| {
                envelope.read_member(text, &name, member.value)?;
                if seen.insert(name) {
                    return Ok(());
                }
                Err(Fault::invalid("not a JSON-RPC message: duplicate member"))
            });
            if let Err(why) = outcome {
                fault.get_or_insert(why);
            }
        }
        (envelope, fault)
    }

    fn read_member(&mut self, text: &[u8], name: &str, at: Range<usize>) -> Result<(), Fault> {
        let value = &text[at.clone()];
        match name {
            "jsonrpc" => self.is_version_2 = value == br#""2.0""#,
            "id" => {
                self.id = Id::of(value);
                if self.id.is_none() {
                    parse_json::<NoDuplicates>(value)?;
                    return Err(Fault::invalid(BAD_ID));
                }
            }
            "method" => {
                if value.first() != Some(&b'"') {
                    parse_json::<NoDuplicates>(value)?;
                    return Err(Fault::invalid("not a JSON-RPC message: `method` must be a string"));
                }
                self.method = Some(parse_json(value)?);
            }
            "params" => {
                parse_json::<NoDuplicates>(value)?;
                match value.first() {
                    Some(b'{') => {}
                    Some(b'[') => self.has_list_params = true,
                    // Some clients write an absent member as `null`.
                    _ if value == b"null" => {}
                    _ => return Err(Fault::invalid(BAD_PARAMS)),
                }
                self.params = Some(at);
            }
            "result" | "error" => {
                self.result_count += 1;
                parse_json::<NoDuplicates>(value)?;
            }
            other => {
                if let Some(known) = MEMBER_NAMES.iter().find(|name| name.eq_ignore_ascii_case(other)) {
                    let reason = format!("not a JSON-RPC message: `{known}` must be in lower case");
                    return Err(Fault::invalid(reason));
                }
                parse_json::<NoDuplicates>(value)?;
            }
        }
        Ok(())
    }

    /// The id for an error response. `None` if the message is a response, because a response gets no response.
    pub(super) fn response_id(&self) -> Option<Id> {
        self.id.clone().filter(|_| self.method.is_some() || self.result_count == 0)
    }

    /// The kind of the message, if it is valid.
    pub(super) fn kind(&self) -> Result<Kind, Fault> {
        if !self.is_version_2 {
            return Err(Fault::invalid("not a JSON-RPC 2.0 message: `jsonrpc` must be \"2.0\""));
        }
        if self.id.as_ref().is_some_and(|id| !id.is_allowed()) {
            return Err(Fault::invalid(BAD_ID));
        }
        match (self.method.as_deref(), self.result_count) {
            (Some(method), 0) if self.id.is_some() => {
                if self.has_list_params {
                    return Err(Fault::invalid(BAD_PARAMS));
                }
                Ok(match method {
                    "initialize" => Kind::Initialize,
                    "ping" => Kind::Ping,
                    _ => Kind::Request,
                })
            }
            (Some(_), 0) | (None, 1) => Ok(Kind::Other),
            _ => Err(Fault::invalid(
                "not a JSON-RPC message: expected exactly one of `method`, `result` and `error`",
            )),
        }
    }
}

const BAD_ID: &str = "not a JSON-RPC message: `id` must be a string or an integer below 2^63";
const BAD_PARAMS: &str = "not a JSON-RPC message: `params` must be an object";
