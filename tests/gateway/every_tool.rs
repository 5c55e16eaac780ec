//! Every tool of the catalog reaches its operation and brings back something that makes sense.

use std::sync::Arc;

use scope3_mcp_gateway::{
    CallError, Caller,
    catalog::{Catalog, Effect, Entry, Surface},
};
use scope3_mcp_sandbox::{Options, Sandbox};
use serde_json::{Map, Value, json};

use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

use crate::support::{Rig, Session, command, key_text};

/// The smallest value that a schema accepts, apart from the patterns of texts.
pub(crate) fn sample(schema: &Value) -> Value {
    sample_in(schema, schema)
}

fn sample_in(root: &Value, schema: &Value) -> Value {
    let sample = |schema: &Value| sample_in(root, schema);
    if let Some(target) = schema["$ref"].as_str() {
        return sample(root.pointer(target.trim_start_matches('#')).unwrap());
    }
    if let Some(first) = schema.get("anyOf").map(|branches| &branches[0]) {
        return sample(first);
    }
    if let Some(value) = schema.get("const").or_else(|| schema["enum"].get(0)) {
        return value.clone();
    }
    match schema["type"].as_str().or_else(|| schema["type"][0].as_str()) {
        Some("object") => {
            let properties = schema["properties"].as_object().cloned().unwrap_or_default();
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            let wanted = schema["minProperties"].as_u64().unwrap_or_default();
            let mut members = Map::new();
            for (name, property) in &properties {
                let needed = required.iter().any(|other| other == name);
                if needed || (members.len() as u64) < wanted {
                    members.insert(name.clone(), sample(property));
                }
            }
            for branch in schema["allOf"].as_array().into_iter().flatten() {
                members.extend(sample(branch).as_object().cloned().unwrap_or_default());
            }
            members.into()
        }
        Some("array") => json!([sample(&schema["items"])]),
        Some("integer") => json!(schema["minimum"].as_i64().unwrap_or(1).max(1)),
        Some("number") => json!(1.5),
        Some("boolean") => json!(true),
        _ => match (schema["format"].as_str(), schema["pattern"].as_str()) {
            (Some("uri"), _) => json!("https://example.com/"),
            (Some("date-time"), _) => json!("2026-06-01T00:00:00Z"),
            (Some("date"), _) => json!("2026-06-01"),
            (_, Some("^[A-Z]{3}$")) => json!("USD"),
            (_, Some("^https://")) => json!("https://example.com/hook"),
            _ => json!("us-east-1"),
        },
    }
}

#[tokio::test]
async fn every_operation_is_reached_with_arguments_made_from_its_schema() {
    let catalog = Catalog::embedded();
    let sandbox = Sandbox::start(Options::default(), catalog.clone()).await.unwrap();
    let mut rig = Rig::new(sandbox.url());
    let key = scope3_mcp_gateway::credentials::ApiKey::parse(&Sandbox::keys()[0].into()).unwrap();
    rig.caller = Caller { keys: Arc::new(scope3_mcp_gateway::credentials::KeyRing::of(key)), ..rig.caller };

    let tools: Vec<&Entry> = catalog.entries().filter(|entry| entry.surface == Surface::Campaign).collect();
    let mut succeeded = 0;
    for entry in &tools {
        let name = &entry.tool.name;
        match rig.call(name, sample(&Value::Object(entry.tool.input.object().clone()))).await {
            Ok(success) => {
                assert!(success.notes["sandbox"] == true && !success.data.is_empty(), "{name}: {success:?}");
                succeeded += 1;
            }
            Err(CallError::Failed(failure)) => {
                // The objects that the sample names do not exist. That must be the only reason for a failure.
                let expected = ["NOT_FOUND", "BAD_REQUEST", "REFUSED", "UNKNOWN_ERROR", "INVALID_REQUEST"];
                assert!(expected.contains(&failure.code.as_str()), "{name}: {failure:?}");
                assert_ne!(failure.code, "VALIDATION_ERROR", "{name}: {failure:?}");
                assert!(!failure.message.contains("no such operation"), "{name}: {failure:?}");
            }
            Err(unknown) => panic!("{name}: {unknown}"),
        }
    }
    assert_eq!(tools.len(), 65);
    println!("{succeeded} of {} succeed with a sample", tools.len());
    assert!(succeeded >= 15, "only {succeeded} succeeded");
}

#[tokio::test]
async fn with_read_only_only_reads_leave_whatever_is_called() {
    let catalog = Catalog::embedded();
    let is_read = |entry: &&Entry| entry.tool.effect == Effect::Read;
    let reads: Vec<_> =
        catalog.entries().filter(is_read).filter_map(|entry| entry.tool.request.as_ref()).collect();
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(200).set_body_json(json!({ "success": true, "data": {} }));
    Mock::given(any()).respond_with(answer).mount(&server).await;
    let mut program = command(&["stdio", "--read-only", "--toolsets", "all", "--confirm", "off"]);
    program.env("SCOPE3_API_URL", server.uri()).env("SCOPE3_API_KEY", key_text("a"));
    let mut session = Session::start(&mut program, "2025-11-25").await;
    let mut rejected = 0;
    for entry in catalog.entries().filter(|entry| entry.surface == Surface::Campaign) {
        let arguments = sample(&Value::Object(entry.tool.input.object().clone()));
        let result = session.call(&entry.tool.name, arguments).await;
        if entry.tool.effect != Effect::Read {
            assert_eq!(result["structuredContent"]["code"], "TOOL_NOT_OFFERED", "{}", entry.tool.name);
            rejected += 1;
        }
    }
    assert!(rejected > 30, "{rejected}");
    let sent = server.received_requests().await.unwrap();
    assert!(sent.len() > 20, "{}", sent.len());
    for request in &sent {
        let path = request.url.path();
        // A path such as `/prebid-segmentss/{id}`.
        let is_read = reads.iter().any(|read| {
            let (method, template) = read
                .to_string()
                .split_once(' ')
                .map(|(method, path)| (method.to_owned(), path.to_owned()))
                .unwrap();
            let fixed = template.split('{').next().unwrap();
            method == request.method.as_str()
                && (path == template || fixed != template && path.starts_with(fixed))
        });
        assert!(is_read, "{} {path} left", request.method);
    }
}
