//! The Campaign API, v1: `{"success", "message", "data"}`, and errors as a text or as a code next to a message.

use serde_json::{Map, Value};

use super::{ErrorParts, Payload, describe, is_blank, text};

/// Returns the data of an envelope. The error is the envelope itself, if Scope3 refused the request with status 200.
pub(super) fn unwrap(mut envelope: Map<String, Value>) -> Result<Payload, Map<String, Value>> {
    let error = envelope.get("error").filter(|error| !is_blank(error)).map(describe);
    let partial = match envelope.get("success") {
        Some(Value::Bool(true)) => error,
        Some(_) => return Err(envelope),
        None if error.is_some() => return Err(envelope),
        // Some operations return their data without an envelope.
        None => return Ok(Value::Object(envelope).into()),
    };
    envelope.shift_remove("success");
    let mut payload = Payload::from(envelope.shift_remove("data").unwrap_or_default());
    payload.partial = partial;
    // The message usually repeats the data for people, but sometimes only the message says what failed in part.
    envelope.retain(|_, value| !is_blank(value));
    payload.keep(envelope);
    Ok(payload)
}

/// Takes the code and message out of an error body. In v1, `error` is sometimes a code and sometimes a sentence.
pub(super) fn take_error(body: &mut Map<String, Value>) -> ErrorParts {
    let mut parts = ErrorParts::default();
    match body.shift_remove("error") {
        Some(Value::String(error)) if is_code(&error) => parts.code = Some(error),
        Some(Value::String(error)) => parts.message = text(Some(error.into())),
        Some(Value::Object(mut error)) => {
            parts.code = text(error.shift_remove("code"));
            parts.message = text(error.shift_remove("message"));
            parts.others = error;
        }
        _ => {}
    }
    let (code, error_code) = (text(body.shift_remove("code")), text(body.shift_remove("errorCode")));
    parts.code = parts.code.or(code).or(error_code);
    let message = text(body.shift_remove("message"));
    parts.message = parts.message.or(message);
    parts
}

/// Whether a text is a code. Codes are `IN_CAPITALS`.
fn is_code(text: &str) -> bool {
    text.contains('_') && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}
