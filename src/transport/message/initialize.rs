//! The `params` of `initialize`, which clients write with many small faults.
//!
//! What this server does not need is put right. What it needs and cannot make out is named.

use std::borrow::Cow;

use rmcp::model::{ClientCapabilities, Implementation};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Fault, INVALID_PARAMS};

/// The name and the version of a client that does not tell them.
const UNKNOWN_CLIENT: &str = "unknown";

/// The member of `_meta` by which requests from 2026-07-28 on name their version.
const REQUEST_VERSION_MEMBER: &str = "io.modelcontextprotocol/protocolVersion";

/// The `params` put right, where anything was wrong with them.
///
/// # Errors
/// Names the member that is missing or cannot be made out.
pub(super) fn normalize(params: Option<&[u8]>) -> Result<Option<Vec<u8>>, Fault> {
    let sent = params.and_then(|params| serde_json::from_slice(params).ok()).unwrap_or(Value::Null);
    let mut params = sent.as_object().cloned().unwrap_or_default();
    if params.get("_meta").is_some_and(|meta| meta.get(REQUEST_VERSION_MEMBER).is_some()) {
        // Versions that name themselves in each request have no such method, and the MCP server says so.
        return Ok(None);
    }
    match params.get("protocolVersion") {
        Some(Value::String(_)) => {}
        None | Some(Value::Null) => return Err(problem("`params.protocolVersion` is missing")),
        Some(_) => return Err(problem("`params.protocolVersion` must be a string")),
    }
    let right = capabilities(params.get("capabilities"))?;
    params.insert("capabilities".to_owned(), right);
    let right = client_info(params.get("clientInfo"))?;
    params.insert("clientInfo".to_owned(), right);
    if params.get("_meta").is_some_and(|meta| !meta.is_object()) {
        params.shift_remove("_meta");
    }
    let params = Value::Object(params);
    Ok((params != sent).then(|| params.to_string().into_bytes()))
}

fn capabilities(sent: Option<&Value>) -> Result<Value, Fault> {
    let mut capabilities = match sent {
        None | Some(Value::Null | Value::Bool(_)) => Map::new(),
        Some(sent) => object(sent).ok_or_else(|| problem("`params.capabilities` must be an object"))?,
    };
    for name in ["experimental", "extensions", "roots", "sampling", "elicitation"] {
        let mut capability = match capabilities.get(name) {
            None => continue,
            Some(Value::Null | Value::Bool(false)) => {
                capabilities.shift_remove(name);
                continue;
            }
            Some(sent) => object(sent)
                .ok_or_else(|| problem(format!("`params.capabilities.{name}` must be an object")))?,
        };
        if name == "roots" {
            keep_flag(&mut capability, "listChanged");
        } else {
            // The parts of these are objects themselves.
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
        Err(_) => Err(problem("`params.capabilities` is not as the protocol defines it")),
    }
}

/// What is meant as an object: `true` for one without members, which PHP writes as a list.
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
        Some(sent) => object(sent).ok_or_else(|| problem("`params.clientInfo` must be an object"))?,
    };
    for name in ["name", "version"] {
        let text = match client.get(name) {
            Some(Value::String(_)) => continue,
            Some(Value::Number(number)) => number.to_string(),
            None | Some(Value::Null) => UNKNOWN_CLIENT.to_owned(),
            Some(_) => return Err(problem(format!("`params.clientInfo.{name}` must be a string"))),
        };
        client.insert(name.to_owned(), text.into());
    }
    let info = Value::Object(client);
    if Implementation::deserialize(&info).is_ok() {
        return Ok(info);
    }
    // Its icons and the like are not needed here.
    Ok(json!({ "name": info["name"], "version": info["version"] }))
}

fn problem(reason: impl Into<Cow<'static, str>>) -> Fault {
    Fault { code: INVALID_PARAMS, reason: format!("initialize: {}", reason.into()).into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normalized(params: &Value) -> Result<Value, String> {
        let text = params.to_string();
        let right = normalize(Some(text.as_bytes())).map_err(|problem| {
            assert_eq!(problem.code, -32602);
            problem.reason.into_owned()
        })?;
        Ok(right.map_or_else(|| params.clone(), |right| serde_json::from_slice(&right).unwrap()))
    }

    fn with(name: &str, value: Value) -> Value {
        let mut params = json!({
            "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "a", "version": "1" },
        });
        params[name] = value;
        params
    }

    #[test]
    fn params_that_are_right_are_left_alone() {
        let capabilities = json!({ "roots": { "listChanged": true }, "sampling": {}, "future": 5,
            "elicitation": { "form": { "schemaValidation": false }, "url": {} }, "experimental": { "x": { "y": 1 } } });
        let text = with("capabilities", capabilities).to_string();
        assert!(normalize(Some(text.as_bytes())).unwrap().is_none());
    }

    #[test]
    fn loose_capabilities_are_put_right() {
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
            let right = normalized(&with("capabilities", sent.clone())).unwrap();
            assert_eq!(right["capabilities"], expected, "{sent}");
        }
        let mut without = with("capabilities", json!(null));
        without.as_object_mut().unwrap().shift_remove("capabilities");
        assert_eq!(normalized(&without).unwrap()["capabilities"], none);
    }

    #[test]
    fn a_client_need_not_tell_what_it_is() {
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
            let right = normalized(&with("clientInfo", sent.clone())).unwrap();
            assert_eq!(right["clientInfo"], expected, "{sent}");
        }
    }

    #[test]
    fn what_cannot_be_made_out_is_named() {
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
