//! The Campaign API, v1: `{"success", "message", "data"}`, and errors as a text or a code beside it.

use serde_json::{Map, Value};

use super::{Payload, Said, in_words, is_nothing, text};

/// The data of an envelope, or the envelope again where Scope3 declined with status 200.
pub(super) fn unwrap(mut envelope: Map<String, Value>) -> Result<Payload, Map<String, Value>> {
    let error = envelope.get("error").filter(|error| !is_nothing(error)).map(in_words);
    let partial = match envelope.get("success") {
        Some(Value::Bool(true)) => error,
        Some(_) => return Err(envelope),
        None if error.is_some() => return Err(envelope),
        // Some operations answer their data without an envelope.
        None => return Ok(Value::Object(envelope).into()),
    };
    envelope.shift_remove("success");
    let mut payload = Payload::from(envelope.shift_remove("data").unwrap_or_default());
    payload.partial = partial;
    // The message repeats the data for people, but at times it alone says what went wrong with a part of it.
    envelope.retain(|_, value| !is_nothing(value));
    payload.keep(envelope);
    Ok(payload)
}

/// The words of a refusal. v1 puts a code where elsewhere a sentence stands.
pub(super) fn said(body: &mut Map<String, Value>) -> Said {
    let mut said = Said::default();
    match body.shift_remove("error") {
        Some(Value::String(error)) if is_code(&error) => said.code = Some(error),
        Some(Value::String(error)) => said.message = text(Some(error.into())),
        Some(Value::Object(mut error)) => {
            said.code = text(error.shift_remove("code"));
            said.message = text(error.shift_remove("message"));
            said.beside = error;
        }
        _ => {}
    }
    let (code, error_code) = (text(body.shift_remove("code")), text(body.shift_remove("errorCode")));
    said.code = said.code.or(code).or(error_code);
    let message = text(body.shift_remove("message"));
    said.message = said.message.or(message);
    said
}

/// Codes are `IN_CAPITALS`.
fn is_code(text: &str) -> bool {
    text.contains('_') && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}
