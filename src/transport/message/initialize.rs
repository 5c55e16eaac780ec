//! Normalizes the `params` of `initialize`, in which clients make many small mistakes.
//!
//! Mistakes in what this server does not need are corrected. Mistakes in what it needs are reported.

use std::borrow::Cow;

use rmcp::model::{ClientCapabilities, Implementation};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Fault, INVALID_PARAMS};

/// The name and version of a client that does not send them.
const UNKNOWN_CLIENT: &str = "unknown";

/// The member of `_meta` with which requests name their version, from 2026-07-28 on.
const REQUEST_VERSION_MEMBER: &str = "io.modelcontextprotocol/protocolVersion";

/// The corrected `params`, or `None` if nothing had to be corrected.
///
/// # Errors
/// If a required member is missing or invalid.
pub(super) fn normalize(params: Option<&[u8]>) -> Result<Option<Vec<u8>>, Fault> {
    let sent = params.and_then(|params| serde_json::from_slice(params).ok()).unwrap_or(Value::Null);
    let mut params = sent.as_object().cloned().unwrap_or_default();
    if params.get("_meta").is_some_and(|meta| meta.get(REQUEST_VERSION_MEMBER).is_some()) {
        // This version of the protocol has no `initialize`. The MCP server reports that.
        return Ok(None);
    }
    match params.get("protocolVersion") {
        Some(Value::String(_)) => {}
        None | Some(Value::Null) => return Err(fault("`params.protocolVersion` is missing")),
        Some(_) => return Err(fault("`params.protocolVersion` must be a string")),
    }
    let corrected = capabilities(params.get("capabilities"))?;
    params.insert("capabilities".to_owned(), corrected);
    let corrected = client_info(params.get("clientInfo"))?;
    params.insert("clientInfo".to_owned(), corrected);
    if params.get("_meta").is_some_and(|meta| !meta.is_object()) {
        params.shift_remove("_meta");
    }
    let params = Value::Object(params);
    Ok((params != sent).then(|| params.to_string().into_bytes()))
}

fn capabilities(sent: Option<&Value>) -> Result<Value, Fault> {
    let mut capabilities = match sent {
        None | Some(Value::Null | Value::Bool(_)) => Map::new(),
        Some(sent) => object(sent).ok_or_else(|| fault("`params.capabilities` must be an object"))?,
    };
    for name in ["experimental", "extensions", "roots", "sampling", "elicitation"] {
        let mut capability = match capabilities.get(name) {
            None => continue,
            Some(Value::Null | Value::Bool(false)) => {
                capabilities.shift_remove(name);
                continue;
            }
            Some(sent) => object(sent)
                .ok_or_else(|| fault(format!("`params.capabilities.{name}` must be an object")))?,
        };
        if name == "roots" {
            keep_flag(&mut capability, "listChanged");
        } else {
            // The members of these capabilities are objects, too.
            capability = capability
                .iter()
                .filter_map(|(name, part)| Some((name.clone(), object(part)?.into())))
                .collect();
        }
        if let Some(Value::Object(form)) = capability.get_mut("form") {
            keep_flag(form, "schemaValidation");
        }
        capabilities.insert(name.to_owned(), capability.into());
    }
    let capabilities = Value::Object(capabilities);
    match ClientCapabilities::deserialize(&capabilities) {
        Ok(_) => Ok(capabilities),
        Err(_) => Err(fault("`params.capabilities` does not match the protocol")),
    }
}

/// Reads an object. Some clients write an empty object as `true`, and PHP writes it as an empty list.
fn object(sent: &Value) -> Option<Map<String, Value>> {
    match sent {
        Value::Object(members) => Some(members.clone()),
        Value::Bool(true) => Some(Map::new()),
        Value::Array(items) if items.is_empty() => Some(Map::new()),
        _ => None,
    }
}

fn keep_flag(capability: &mut Map<String, Value>, name: &str) {
    if capability.get(name).is_some_and(|flag| !flag.is_boolean()) {
        capability.shift_remove(name);
    }
}

fn client_info(sent: Option<&Value>) -> Result<Value, Fault> {
    let mut client = match sent {
        None | Some(Value::Null | Value::Bool(_)) => Map::new(),
        Some(sent) => object(sent).ok_or_else(|| fault("`params.clientInfo` must be an object"))?,
    };
    for name in ["name", "version"] {
        let text = match client.get(name) {
            Some(Value::String(_)) => continue,
            Some(Value::Number(number)) => number.to_string(),
            None | Some(Value::Null) => UNKNOWN_CLIENT.to_owned(),
            Some(_) => return Err(fault(format!("`params.clientInfo.{name}` must be a string"))),
        };
        client.insert(name.to_owned(), text.into());
    }
    let info = Value::Object(client);
    if Implementation::deserialize(&info).is_ok() {
        return Ok(info);
    }
    // Other members, such as icons, are not needed.
    Ok(json!({ "name": info["name"], "version": info["version"] }))
}

fn fault(reason: impl Into<Cow<'static, str>>) -> Fault {
    Fault { code: INVALID_PARAMS, reason: format!("initialize: {}", reason.into()).into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normalized(params: &Value) -> Result<Value, String> {
        let text = params.to_string();
        let corrected = normalize(Some(text.as_bytes())).map_err(|fault| {
            assert_eq!(fault.code, -32602);
            fault.reason.into_owned()
        })?;
        Ok(corrected.map_or_else(|| params.clone(), |corrected| serde_json::from_slice(&corrected).unwrap()))
    }

    fn with(name: &str, value: Value) -> Value {
        let mut params = json!({
            "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "a", "version": "1" },
        });
        params[name] = value;
        params
    }

    #[test]
    fn valid_params_are_not_changed() {
        let capabilities = json!({ "roots": { "listChanged": true }, "sampling": {}, "future": 5,
            "elicitation": { "form": { "schemaValidation": false }, "url": {} }, "experimental": { "x": { "y": 1 } } });
        let text = with("capabilities", capabilities).to_string();
        assert!(normalize(Some(text.as_bytes())).unwrap().is_none());
    }

    #[test]
    fn sloppy_capabilities_are_corrected() {
        let none = json!({});
        for (sent, expected) in [
            (json!(null), none.clone()),
            (json!([]), none.clone()),
            (json!(true), none.clone()),
            (json!({ "roots": true }), json!({ "roots": {} })),
            (json!({ "roots": null, "sampling": false }), none.clone()),
            (json!({ "roots": { "listChanged": "yes" } }), json!({ "roots": {} })),
            (json!({ "sampling": [] }), json!({ "sampling": {} })),
            (
                json!({ "sampling": { "tools": true, "context": null } }),
                json!({ "sampling": { "tools": {} } }),
            ),
            (
                json!({ "elicitation": { "form": true, "url": false } }),
                json!({ "elicitation": { "form": {} } }),
            ),
            (
                json!({ "elicitation": { "form": { "schemaValidation": null } } }),
                json!({ "elicitation": { "form": {} } }),
            ),
            (
                json!({ "experimental": { "a": true, "b": 1 }, "extensions": { "c": [] } }),
                json!({ "experimental": { "a": {} }, "extensions": { "c": {} } }),
            ),
        ] {
            let corrected = normalized(&with("capabilities", sent.clone())).unwrap();
            assert_eq!(corrected["capabilities"], expected, "{sent}");
        }
        let mut without = with("capabilities", json!(null));
        without.as_object_mut().unwrap().shift_remove("capabilities");
        assert_eq!(normalized(&without).unwrap()["capabilities"], none);
    }

    #[test]
    fn client_info_is_optional() {
        let unknown = json!({ "name": "unknown", "version": "unknown" });
        for (sent, expected) in [
            (json!(null), unknown.clone()),
            (json!([]), unknown.clone()),
            (json!({}), unknown.clone()),
            (json!({ "name": "a" }), json!({ "name": "a", "version": "unknown" })),
            (json!({ "name": "a", "version": 2 }), json!({ "name": "a", "version": "2" })),
            (json!({ "name": null, "version": "1" }), json!({ "name": "unknown", "version": "1" })),
            (json!({ "name": "a", "version": "1", "icons": 5 }), json!({ "name": "a", "version": "1" })),
        ] {
            let corrected = normalized(&with("clientInfo", sent.clone())).unwrap();
            assert_eq!(corrected["clientInfo"], expected, "{sent}");
        }
    }

    #[test]
    fn an_error_names_the_invalid_member() {
        for (params, named) in [
            (json!({}), "`params.protocolVersion` is missing"),
            (json!([]), "`params.protocolVersion` is missing"),
            (with("protocolVersion", json!(null)), "`params.protocolVersion` is missing"),
            (with("protocolVersion", json!(20_250_618)), "`params.protocolVersion` must be a string"),
            (with("capabilities", json!("roots")), "`params.capabilities` must be an object"),
            (with("capabilities", json!({ "roots": 1 })), "`params.capabilities.roots` must be an object"),
            (with("clientInfo", json!("me")), "`params.clientInfo` must be an object"),
            (with("clientInfo", json!({ "name": ["a"] })), "`params.clientInfo.name` must be a string"),
        ] {
            assert_eq!(normalized(&params).unwrap_err(), format!("initialize: {named}"));
        }
        assert!(normalize(None).is_err());
    }
}
