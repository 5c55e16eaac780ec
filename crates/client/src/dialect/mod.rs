//! Parses responses in the format of their API. The surface determines the format; it is never guessed from the
//! response.

mod campaign_v1;
mod interchange_v2;

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{
    error::{Error, Refusal, default_code},
    waits::{DEFAULT_WAIT, Waits},
};
use crate::json;

/// The format of the responses of an API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Success: `{"success": true, "message": …, "data": …}`. Refusal: `{"error", "code", …}`, or status 200 with
    /// `success: false`.
    CampaignV1,
    /// Success: `{"data": …, "error": null, "meta": …}`. Refusal: `{"error": {"code", "message", …}}`.
    InterchangeV2,
}

/// The parts of an HTTP response that a dialect needs.
#[derive(Debug)]
pub(super) struct RawResponse {
    pub(super) status: u16,
    /// The `Content-Type`, or an empty text.
    pub(super) content_type: String,
    pub(super) waits: Waits,
    pub(super) body: Vec<u8>,
}

/// The data of a response.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Payload {
    /// Always an object: a list is stored under `items`, a text under `text`.
    pub(super) data: Map<String, Value>,
    /// The error that Scope3 reports for a part of the operation.
    pub(super) partial: Option<String>,
    /// A description of what had to be replaced to parse the response.
    pub(super) replaced: Option<String>,
}

impl Dialect {
    /// Parses a response.
    ///
    /// # Errors
    /// When Scope3 refused the request, or the response cannot be parsed.
    pub(super) fn open(self, response: RawResponse) -> Result<Payload, Error> {
        let is_success = (200..300).contains(&response.status);
        let body = response.body();
        if !is_success {
            return Err(self.failure(&response, body));
        }
        if response.body.iter().all(u8::is_ascii_whitespace) {
            return match response.status {
                204 | 205 => Ok(Payload::default()),
                _ => Err(response.unreadable("it is empty")),
            };
        }
        let (mut payload, replaced) = match body {
            Body::Json { value: Value::Object(envelope), replaced } => {
                (self.unwrap(&response, envelope)?, replaced)
            }
            Body::Json { value: Value::Array(items), replaced } => {
                (json!({ "items": items }).into(), replaced)
            }
            // v1's text operations return a bare string.
            Body::Json { value: Value::String(text), replaced } => (json!({ "text": text }).into(), replaced),
            Body::Json { .. } => return Err(response.unreadable("it is a bare number, boolean or `null`")),
            Body::Text(text) => (json!({ "text": text }).into(), None),
            Body::Html => {
                return Err(response.unreadable("it is a web page, perhaps from a proxy or a login page"));
            }
            Body::Broken(why) => return Err(response.unreadable(&why)),
        };
        payload.replaced = replaced;
        Ok(payload)
    }

    fn unwrap(self, response: &RawResponse, envelope: Map<String, Value>) -> Result<Payload, Error> {
        match self {
            Self::CampaignV1 => campaign_v1::unwrap(envelope),
            Self::InterchangeV2 => interchange_v2::unwrap(envelope),
        }
        .map_err(|envelope| self.refused(response, envelope))
    }

    fn failure(self, response: &RawResponse, body: Body) -> Error {
        let body = match body {
            Body::Json { value: Value::Object(body), .. } => body,
            Body::Json { value: Value::String(text), .. } | Body::Text(text) => {
                Map::from_iter([("message".to_owned(), brief(&text).into())])
            }
            Body::Html => {
                let message = format!("Scope3 responded with a web page and status {}", response.status);
                Map::from_iter([("message".to_owned(), message.into())])
            }
            Body::Json { .. } | Body::Broken(_) => Map::new(),
        };
        self.refused(response, body)
    }

    /// The error for the body of a refusal.
    fn refused(self, response: &RawResponse, mut body: Map<String, Value>) -> Error {
        let wait = response.waits.requested(Some(&body));
        let parts = match self {
            Self::CampaignV1 => campaign_v1::take_error(&mut body),
            Self::InterchangeV2 => interchange_v2::take_error(&mut body),
        };
        let refusal = parts.refusal(body, response.status, wait);
        match refusal.status {
            401 => Error::Unauthorized { message: refusal.message },
            status if refusal.is_rate_limit() => {
                Error::RateLimited { status, wait: wait.unwrap_or(DEFAULT_WAIT) }
            }
            _ => Error::Refused(Box::new(refusal)),
        }
    }
}

/// The code and message of an error body, wherever they were, and the other members of the error.
#[derive(Debug, Default)]
struct ErrorParts {
    code: Option<String>,
    message: Option<String>,
    others: Map<String, Value>,
}

impl ErrorParts {
    /// Builds a refusal with the rest of the body as its details.
    fn refusal(self, body: Map<String, Value>, status: u16, retry_after: Option<Duration>) -> Refusal {
        let mut details = self.others;
        for (name, value) in body {
            details.entry(name).or_insert(value);
        }
        details.retain(|name, value| !(is_blank(value) || name == "success"));
        let details = match details.len() {
            0 => None,
            1 => details.shift_remove("details").or_else(|| Some(details.into())),
            _ => Some(details.into()),
        };
        let default = if status < 300 { "REFUSED" } else { default_code(status) };
        Refusal {
            status,
            code: self.code.unwrap_or_else(|| default.to_owned()),
            message: self.message.unwrap_or_else(|| format!("Scope3 responded with status {status}")),
            details,
            retry_after,
        }
    }
}

impl RawResponse {
    fn unreadable(&self, why: &str) -> Error {
        Error::Unreadable { status: self.status, why: why.to_owned() }
    }

    fn body(&self) -> Body {
        let mut parameters = self.content_type.split(';').map(str::trim);
        let kind = parameters.next().unwrap_or_default().to_ascii_lowercase();
        let charset = parameters.find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
        });
        let is_text = kind.starts_with("text/");
        if kind == "text/html" || !is_text && self.body.trim_ascii_start().first() == Some(&b'<') {
            return Body::Html;
        }
        match json::read(&self.body, charset) {
            Ok(json::Reading { value, replaced }) => Body::Json { value, replaced },
            Err(_) if is_text => Body::Text(String::from_utf8_lossy(&self.body).into_owned()),
            Err(error) if error.is_eof() => Body::Broken("its JSON is cut off".to_owned()),
            Err(error) => {
                Body::Broken(format!("it is not JSON at line {} column {}", error.line(), error.column()))
            }
        }
    }
}

enum Body {
    Json { value: Value, replaced: Option<String> },
    Text(String),
    Html,
    Broken(String),
}

impl From<Value> for Payload {
    fn from(data: Value) -> Self {
        let data = match data {
            Value::Object(members) => members,
            Value::Array(items) => Map::from_iter([("items".to_owned(), items.into())]),
            Value::Null => Map::new(),
            other => Map::from_iter([("value".to_owned(), other)]),
        };
        Self { data, ..Self::default() }
    }
}

impl Payload {
    /// Adds the other members of an envelope to the data. If the data has a different value under the same name, the
    /// member goes under `envelope`.
    fn keep(&mut self, others: Map<String, Value>) {
        let mut clashing = Map::new();
        for (name, value) in others {
            match self.data.get(&name) {
                None => drop(self.data.insert(name, value)),
                Some(same) if *same == value => {}
                Some(_) => drop(clashing.insert(name, value)),
            }
        }
        if !clashing.is_empty() {
            self.data.entry("envelope").or_insert(clashing.into());
        }
    }
}

/// A text that is not blank.
fn text(value: Option<Value>) -> Option<String> {
    match value {
        Some(Value::String(text)) if !text.trim().is_empty() => Some(text),
        _ => None,
    }
}

/// Whether a value means "no error" in an envelope.
fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}

/// A description of an error next to data: its text, its message, or the whole value.
fn describe(error: &Value) -> String {
    let message = error.get("message").and_then(Value::as_str).or_else(|| error.as_str());
    brief(&message.map_or_else(|| error.to_string(), str::to_owned))
}

fn brief(text: &str) -> String {
    text.trim().chars().take(500).collect()
}

#[cfg(test)]
mod tests;
