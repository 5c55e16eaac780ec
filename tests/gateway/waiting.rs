//! `wait_for`: a read is repeated at the pace of its entry until nothing in it is pending.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use scope3_mcp_gateway::{
    GatewayConfig, Success, WaitReason, Waiting,
    catalog::{Catalog, Entry, EntryRef, Surface, Toolset},
};
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, Request, ResponseTemplate, matchers::any};

use crate::support::{Rig, body};

/// A read that is pending while its status is `working`.
fn job() -> EntryRef {
    let file: Toolset = serde_json::from_value(json!({
        "toolset": "jobs", "description": "Jobs.",
        "tools": [{
            "name": "get_job", "title": "Get job", "description": "Get a job.", "request": "GET /jobs/{id}",
            "effect": "read", "pending": { "while_any": [{ "is": "job.status", "value": "working" }], "every": 1 },
            "input": { "type": "object", "properties": { "id": { "type": "string" } }, "required": ["id"] },
        }],
    }))
    .unwrap();
    Entry::loaded(Surface::Campaign, file.toolset, file.tools.into_iter().next().unwrap()).into()
}

/// A gateway with the job, whose API says `working` for the first `looks`, and then what `then` says.
async fn rig(looks: usize, then: ResponseTemplate) -> (Rig, MockServer) {
    let server = MockServer::start().await;
    let asked = AtomicUsize::new(0);
    let answer = move |_: &Request| {
        let status = |status: &str| json!({ "success": true, "data": { "job": { "status": status } } });
        match asked.fetch_add(1, Ordering::Relaxed) {
            asked if asked < looks => ResponseTemplate::new(200).set_body_json(status("working")),
            _ => then.clone(),
        }
    };
    Mock::given(any()).respond_with(answer).mount(&server).await;
    let wait_for = Catalog::embedded().get("wait_for").unwrap().clone();
    let rig = Rig::changed(&server.uri(), |parts| {
        let catalog = parts.catalog.shared_entries().iter().cloned().chain([job(), wait_for]).collect();
        GatewayConfig { catalog, ..parts }
    });
    (rig, server)
}

fn done() -> ResponseTemplate {
    ResponseTemplate::new(200)
        .set_body_json(json!({ "success": true, "data": { "job": { "status": "done" } } }))
}

#[tokio::test]
async fn a_read_is_repeated_until_nothing_is_pending_for_one_permit_of_a_call() {
    let (rig, _server) = rig(2, done()).await;
    let seen: Arc<Mutex<Vec<Waiting>>> = Arc::default();
    let notices = Arc::clone(&seen);
    let arguments = json!({ "name": "get_job", "arguments": { "id": "j" } });
    let Value::Object(arguments) = arguments else { panic!("an object") };
    let on_wait = Arc::new(move |waiting| notices.lock().unwrap().push(waiting));
    let answer = rig.gateway.call(rig.caller.clone(), "wait_for", arguments, on_wait).await;
    let answer = answer.map(Success::into_value).unwrap();
    assert_eq!(answer["job"]["status"], "done");
    let waited = &answer["scope3Mcp"]["waited"];
    assert_eq!((&waited["finished"], &waited["looks"]), (&json!(true), &json!(3)));
    assert_eq!((rig.used("only", 0).await, rig.used("only", 1).await), (1, 3));
    assert!(seen.lock().unwrap().iter().all(|notice| notice.reason == WaitReason::Pending));
    assert!(seen.lock().unwrap().len() >= 2);
}

#[tokio::test]
async fn work_that_takes_longer_is_reported_as_pending_with_what_was_read() {
    let (rig, _server) = rig(usize::MAX, done()).await;
    let answer =
        rig.call("wait_for", json!({ "name": "get_job", "arguments": { "id": "j" }, "seconds": 1 })).await;
    let answer = answer.map(Success::into_value).unwrap();
    assert_eq!(answer["job"]["status"], "working");
    let waited = &answer["scope3Mcp"]["waited"];
    assert_eq!(waited["finished"], false);
    assert_eq!(waited["pending"], "`job.status` is \"working\"");
    assert!(waited["next"].as_str().unwrap().contains("again"));
}

#[tokio::test]
async fn an_error_on_the_way_does_not_lose_what_was_read() {
    let (rig, _server) = rig(1, ResponseTemplate::new(404).set_body_json(json!({ "error": "gone" }))).await;
    let answer = rig.call("wait_for", json!({ "name": "get_job", "arguments": { "id": "j" } })).await;
    let answer = answer.map(Success::into_value).unwrap();
    assert_eq!(answer["job"]["status"], "working");
    assert!(answer["scope3Mcp"]["waited"]["stopped"].as_str().unwrap().contains("gone"), "{answer}");
}

#[tokio::test]
async fn only_reads_of_pending_work_can_be_waited_for() {
    let (rig, server) = rig(0, done()).await;
    for (arguments, expected) in [
        (json!({ "name": "brand_agent_list" }), "expected one of get_job, got brand_agent_list"),
        (json!({ "name": "get_job", "arguments": [] }), "expected an object"),
        (json!({ "name": "get_job", "seconds": 301 }), "expected a whole number from 1 to 300"),
        (json!({ "name": "get_job", "seconds": "5" }), "expected a whole number from 1 to 300"),
        (json!({ "name": "wait_for" }), "expected a tool other than this one"),
        (json!({ "name": "get_job", "id": "j" }), "put it into `arguments`"),
        (json!({}), "expected the name of a tool"),
        (json!({ "name": "get_job", "arguments": {} }), "id"),
    ] {
        let failure = body(rig.call("wait_for", arguments.clone()).await);
        assert_eq!(failure["code"], "VALIDATION_ERROR", "{arguments}");
        assert!(failure["message"].as_str().unwrap().contains(expected), "{arguments}: {failure}");
    }
    assert!(server.received_requests().await.unwrap().is_empty());
}
