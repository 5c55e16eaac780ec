//! The Interchange, v2: `{"data", "error", "meta"}`, and errors as an object.

use serde_json::{Map, Value};

use super::{ErrorParts, Payload, describe, is_blank, text};

/// Returns the data of an envelope. The error is the envelope itself, if Scope3 refused the request with status 200.
pub(super) fn unwrap(mut envelope: Map<String, Value>) -> Result<Payload, Map<String, Value>> {
    let error = envelope.get("error").filter(|error| !is_blank(error)).map(describe);
    let has_data = envelope.get("data").is_some_and(|data| !data.is_null());
    if error.is_some() && !has_data && !is_bare(&envelope) {
        return Err(envelope);
    }
    // Many responses are documented without an envelope.
    if !envelope.contains_key("data") {
        return Ok(Value::Object(envelope).into());
    }
    let mut payload = Payload::from(envelope.shift_remove("data").unwrap_or_default());
    payload.partial = error;
    if let Some(Value::Object(meta)) = envelope.get_mut("meta")
        && let Some(pagination) = meta.shift_remove("pagination")
    {
        payload.keep(Map::from_iter([("pagination".to_owned(), pagination)]));
    }
    envelope.retain(|_, value| !is_blank(value));
    payload.keep(envelope);
    Ok(payload)
}

/// Whether this is the data of a response itself, with an `error` in words among its members, such as the result of a
/// connection test: `{"success": false, "error": "timed out", "latencyMs": 5000}`.
fn is_bare(envelope: &Map<String, Value>) -> bool {
    const OF_ENVELOPES: [&str; 5] = ["data", "error", "meta", "code", "message"];
    envelope.get("error").is_some_and(Value::is_string)
        && !envelope.contains_key("data")
        && envelope.keys().any(|name| !OF_ENVELOPES.contains(&name.as_str()))
}

/// Takes the code and message out of an error body.
pub(super) fn take_error(body: &mut Map<String, Value>) -> ErrorParts {
    let mut parts = ErrorParts::default();
    match body.shift_remove("error") {
        Some(Value::Object(mut error)) => {
            parts.code = text(error.shift_remove("code"));
            parts.message = text(error.shift_remove("message"));
            parts.others = error;
        }
        Some(Value::String(error)) => parts.message = text(Some(error.into())),
        _ => {}
    }
    // A load balancer in front of the API sends errors without the object.
    let (code, message) = (text(body.shift_remove("code")), text(body.shift_remove("message")));
    parts.code = parts.code.or(code);
    parts.message = parts.message.or(message);
    parts
}
