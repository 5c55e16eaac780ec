//! The Interchange, v2: `{"data", "error", "meta"}`, and errors as an object.

use serde_json::{Map, Value};

use super::{Payload, Said, in_words, is_nothing, text};

/// The data of an envelope, or the envelope again where Scope3 declined with status 200.
pub(super) fn unwrap(mut envelope: Map<String, Value>) -> Result<Payload, Map<String, Value>> {
    let error = envelope.get("error").filter(|error| !is_nothing(error)).map(in_words);
    let has_data = envelope.get("data").is_some_and(|data| !data.is_null());
    if error.is_some() && !has_data {
        return Err(envelope);
    }
    // Health and the documents come without an envelope.
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
    envelope.retain(|_, value| !is_nothing(value));
    payload.keep(envelope);
    Ok(payload)
}

/// The words of a refusal.
pub(super) fn said(body: &mut Map<String, Value>) -> Said {
    let mut said = Said::default();
    match body.shift_remove("error") {
        Some(Value::Object(mut error)) => {
            said.code = text(error.shift_remove("code"));
            said.message = text(error.shift_remove("message"));
            said.beside = error;
        }
        Some(Value::String(error)) => said.message = text(Some(error.into())),
        _ => {}
    }
    // What stands before the API, such as a load balancer, words its errors without the object.
    let (code, message) = (text(body.shift_remove("code")), text(body.shift_remove("message")));
    said.code = said.code.or(code);
    said.message = said.message.or(message);
    said
}
