//! What an answer holds, by the way in which an API words its answers. Which way that is, its surface says; it is never
//! guessed from the answer.

mod campaign_v1;
mod interchange_v2;

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{
    error::{Error, Refusal, default_code},
    waits::{UNKNOWN_WAIT, Waits},
};
use crate::json;

/// How an API words its answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `{"success": true, "message": …, "data": …}`; refused with `{"error", "code", …}`, or with 200 and
    /// `success: false`.
    CampaignV1,
    /// `{"data": …, "error": null, "meta": …}`; refused with `{"error": {"code", "message", …}}`.
    InterchangeV2,
}

/// The parts of an HTTP answer that matter.
#[derive(Debug)]
pub(super) struct RawResponse {
    pub(super) status: u16,
    /// The `Content-Type`, or nothing.
    pub(super) content_type: String,
    pub(super) waits: Waits,
    pub(super) body: Vec<u8>,
}

/// The data of an answer.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Payload {
    /// Always an object: a list becomes `items`, a text `text`.
    pub(super) data: Map<String, Value>,
    /// What Scope3 says went wrong with a part of what it did.
    pub(super) partial: Option<String>,
    /// What had to be replaced to read the answer.
    pub(super) replaced: Option<String>,
}

impl Dialect {
    /// Takes an answer apart.
    ///
    /// # Errors
    /// When Scope3 refused, or the answer cannot be read.
    pub(super) fn open(self, response: RawResponse) -> Result<Payload, Error> {
        let success = (200..300).contains(&response.status);
        let body = response.body();
        if !success {
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
            // v1's text operations answer a bare string.
            Body::Json { value: Value::String(text), replaced } => (json!({ "text": text }).into(), replaced),
            Body::Json { .. } => return Err(response.unreadable("it is a bare JSON value")),
            Body::Text(text) => (json!({ "text": text }).into(), None),
            Body::Html => {
                return Err(response.unreadable("it is a web page, as a proxy or a login page would send"));
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
        .map_err(|said| self.refused(response, said))
    }

    fn failure(self, response: &RawResponse, body: Body) -> Error {
        let body = match body {
            Body::Json { value: Value::Object(body), .. } => body,
            Body::Json { value: Value::String(text), .. } | Body::Text(text) => {
                Map::from_iter([("message".to_owned(), brief(&text).into())])
            }
            Body::Html => {
                let message = format!("a web page came with status {}", response.status);
                Map::from_iter([("message".to_owned(), message.into())])
            }
            Body::Json { .. } | Body::Broken(_) => Map::new(),
        };
        self.refused(response, body)
    }

    /// The error for what Scope3 said in refusing.
    fn refused(self, response: &RawResponse, mut body: Map<String, Value>) -> Error {
        let asked = response.waits.asked(Some(&body));
        let said = match self {
            Self::CampaignV1 => campaign_v1::said(&mut body),
            Self::InterchangeV2 => interchange_v2::said(&mut body),
        };
        let refusal = said.refusal(body, response.status, asked);
        match refusal.status {
            401 => Error::Unauthorized { message: refusal.message },
            status if refusal.is_rate_limit() => {
                Error::RateLimited { status, wait: asked.unwrap_or(UNKNOWN_WAIT) }
            }
            _ => Error::Refused(Box::new(refusal)),
        }
    }
}

/// The code and message that Scope3 gave, out of wherever they were, and what was beside them.
#[derive(Debug, Default)]
struct Said {
    code: Option<String>,
    message: Option<String>,
    beside: Map<String, Value>,
}

impl Said {
    /// A refusal, with everything that is left of the body as its details.
    fn refusal(self, body: Map<String, Value>, status: u16, retry_after: Option<Duration>) -> Refusal {
        let mut details = self.beside;
        for (name, value) in body {
            details.entry(name).or_insert(value);
        }
        details.retain(|name, value| !(is_nothing(value) || name == "success"));
        let details = match details.len() {
            0 => None,
            1 => details.shift_remove("details").or_else(|| Some(details.into())),
            _ => Some(details.into()),
        };
        let default_code = if status < 300 { "REFUSED" } else { default_code(status) };
        Refusal {
            status,
            code: self.code.unwrap_or_else(|| default_code.to_owned()),
            message: self.message.unwrap_or_else(|| format!("Scope3 answered with status {status}")),
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
    /// Keeps what an envelope had beside its data, under its own name; where the data has that name, under `envelope`.
    fn keep(&mut self, beside: Map<String, Value>) {
        let mut clashing = Map::new();
        for (name, value) in beside {
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

/// A text that says something.
fn text(value: Option<Value>) -> Option<String> {
    match value {
        Some(Value::String(text)) if !text.trim().is_empty() => Some(text),
        _ => None,
    }
}

/// What stands for "no error" where an envelope has a place for one.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}

/// An error beside data in words: its text, its message, or all of it.
fn in_words(error: &Value) -> String {
    let message = error.get("message").and_then(Value::as_str).or_else(|| error.as_str());
    brief(&message.map_or_else(|| error.to_string(), str::to_owned))
}

fn brief(text: &str) -> String {
    text.trim().chars().take(500).collect()
}

#[cfg(test)]
mod tests;
