//! What an answer holds: the data inside the envelopes of v1 and v2, or why there is none.
//!
//! v1: `{"success": true, "message": …, "data": …}`; refused with `{"error", "code", …}`, or with 200 and
//! `success: false`. v2: `{"data": …, "error": null, "meta": …}`; refused with `{"error": {"code", "message", …}}`.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::error::{Error, Refusal, usual_code};

/// The parts of an HTTP answer that matter.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) status: u16,
    /// The `Content-Type`, or nothing.
    pub(super) content_type: String,
    /// `Retry-After` or `RateLimit-Reset`, as a time to wait.
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Vec<u8>,
}

/// How long to wait when Scope3 says that there were too many requests, but not until when.
const UNKNOWN_WAIT: Duration = Duration::from_mins(1);

impl Raw {
    /// The data, always as an object: what is a list becomes `items`, what is text becomes `text`.
    pub(super) fn open(self, now: Timestamp) -> Result<Map<String, Value>, Error> {
        if (200..300).contains(&self.status) { self.open_success() } else { Err(self.open_failure(now)) }
    }

    fn open_success(self) -> Result<Map<String, Value>, Error> {
        if self.body.iter().all(u8::is_ascii_whitespace) {
            return match self.status {
                204 | 205 => Ok(Map::new()),
                _ => Err(self.unreadable("it is empty")),
            };
        }
        match self.body() {
            Body::Json(Value::Object(envelope)) => self.unwrap_envelope(envelope),
            Body::Json(Value::Array(items)) => Ok(object(json!({ "items": items }))),
            // v1's text operations answer a bare string.
            Body::Json(Value::String(text)) | Body::Text(text) => Ok(object(json!({ "text": text }))),
            Body::Json(_) => Err(self.unreadable("it is a bare JSON value")),
            Body::Html => Err(self.unreadable("it is a web page, as a proxy or a login page would send")),
            Body::Broken(why) => Err(self.unreadable(&why)),
        }
    }

    fn unwrap_envelope(self, mut envelope: Map<String, Value>) -> Result<Map<String, Value>, Error> {
        let success = envelope.get("success").and_then(Value::as_bool);
        let has_error = envelope.get("error").is_some_and(|error| !error.is_null());
        if !success.unwrap_or(!has_error) {
            return Err(Error::Refused(Box::new(self.refusal(&mut envelope))));
        }
        let is_v2 = envelope.contains_key("data") && envelope.contains_key("error");
        if success.is_none() && !is_v2 {
            return Ok(envelope);
        }
        let pagination =
            envelope.shift_remove("meta").and_then(|mut meta| Some(meta.get_mut("pagination")?.take()));
        let mut data = match envelope.shift_remove("data") {
            Some(Value::Object(data)) => data,
            Some(Value::Array(items)) => object(json!({ "items": items })),
            None | Some(Value::Null) => Map::new(),
            Some(other) => object(json!({ "value": other })),
        };
        if let Some(pagination) = pagination {
            data.insert("pagination".to_owned(), pagination);
        }
        // v1's message repeats the data for people, but at times it alone says what went wrong with a part of it.
        if let Some(message) = envelope.shift_remove("message") {
            data.entry("message").or_insert(message);
        }
        Ok(data)
    }

    fn open_failure(self, now: Timestamp) -> Error {
        let mut body = match self.body() {
            Body::Json(Value::Object(body)) => body,
            Body::Json(Value::String(text)) | Body::Text(text) => object(json!({ "message": brief(&text) })),
            Body::Html => {
                object(json!({ "message": format!("a web page came with status {}", self.status) }))
            }
            Body::Json(_) | Body::Broken(_) => Map::new(),
        };
        match self.status {
            401 => Error::Unauthorized { message: self.refusal(&mut body).message },
            429 => {
                let reset = body
                    .get("resetTime")
                    .and_then(Value::as_str)
                    .and_then(|text| text.parse::<Timestamp>().ok());
                let until = reset.map(|at| Duration::try_from(at.duration_since(now)).unwrap_or_default());
                let wait = until.or(self.retry_after).unwrap_or(UNKNOWN_WAIT).max(Duration::from_secs(1));
                Error::RateLimited { wait }
            }
            _ => Error::Refused(Box::new(self.refusal(&mut body))),
        }
    }

    /// Takes a refusal out of a body: v2 has an object under `error`; v1 has a text or a code there.
    fn refusal(&self, body: &mut Map<String, Value>) -> Refusal {
        let text = |value: Option<Value>| match value {
            Some(Value::String(text)) if !text.trim().is_empty() => Some(text),
            _ => None,
        };
        let mut said = match body.shift_remove("error") {
            Some(Value::Object(error)) => error,
            Some(Value::String(error)) if is_code(&error) => object(json!({ "code": error })),
            Some(Value::String(error)) => object(json!({ "message": error })),
            _ => Map::new(),
        };
        let code = text(said.shift_remove("code"))
            .or(text(body.shift_remove("code")))
            .or(text(body.shift_remove("errorCode")));
        let message = text(said.shift_remove("message")).or(text(body.shift_remove("message")));
        for (name, value) in std::mem::take(body) {
            said.entry(name).or_insert(value);
        }
        said.retain(|name, value| !(value.is_null() || name == "success" || name == "errorCode"));
        let details = match said.len() {
            0 => None,
            1 => said.shift_remove("details").or_else(|| Some(said.clone().into())),
            _ => Some(said.into()),
        };
        Refusal {
            status: self.status,
            code: code.unwrap_or_else(|| self.default_code().to_owned()),
            message: message.unwrap_or_else(|| format!("Scope3 answered with status {}", self.status)),
            details: details.filter(|details| details.as_object().is_none_or(|members| !members.is_empty())),
            retry_after: self.retry_after,
        }
    }

    fn default_code(&self) -> &'static str {
        if self.status < 300 { "REFUSED" } else { usual_code(self.status) }
    }

    fn unreadable(&self, why: &str) -> Error {
        Error::Unreadable { status: self.status, why: why.to_owned() }
    }

    fn body(&self) -> Body {
        let kind = self.content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let start = self.body.trim_ascii_start();
        let looks_like_html = start.first() == Some(&b'<');
        if kind == "text/html" || looks_like_html && !kind.starts_with("text/") {
            return Body::Html;
        }
        match serde_json::from_slice(&self.body) {
            Ok(value) => Body::Json(value),
            Err(_) if kind.starts_with("text/") => {
                Body::Text(String::from_utf8_lossy(&self.body).into_owned())
            }
            Err(error) if error.is_eof() => Body::Broken("its JSON is cut off".to_owned()),
            Err(_) => Body::Broken("it is not JSON".to_owned()),
        }
    }
}

enum Body {
    Json(Value),
    Text(String),
    Html,
    Broken(String),
}

/// Codes are `IN_CAPITALS`; v1 puts them where elsewhere a sentence stands.
fn is_code(text: &str) -> bool {
    text.contains('_') && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

fn brief(text: &str) -> String {
    text.trim().chars().take(500).collect()
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        other => Map::from_iter([("value".to_owned(), other)]),
    }
}

#[cfg(test)]
mod tests;
