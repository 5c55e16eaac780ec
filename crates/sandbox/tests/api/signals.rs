//! Custom signals and signals agents in the sandbox.

use crate::support::Api;
use serde_json::{Value, json};

async fn brand_agents(api: &Api) -> Vec<String> {
    let listed = api.data("brand-agent-list", json!({})).await;
    let agents = listed["brandAgents"].as_array().unwrap();
    agents.iter().map(|agent| agent["id"].as_str().unwrap().to_owned()).collect()
}

/// The initial signals agent that is active, with its brand agent.
async fn active_agent(api: &Api) -> (String, String) {
    for brand_agent in brand_agents(api).await {
        let listed = api.data("signals-agent-list", json!({"brandAgentId": brand_agent})).await;
        let agents = listed["agents"].as_array().unwrap();
        if let Some(agent) = agents.iter().find(|agent| agent["status"] == "active") {
            return (agent["id"].as_str().unwrap().to_owned(), brand_agent);
        }
    }
    panic!("no active signals agent");
}

#[tokio::test]
async fn signals_are_created_listed_changed_and_deleted() {
    let api = Api::start().await;
    assert_eq!(api.data("signal-list", json!({})).await["count"], 2);
    let clusters = json!([{"region": "eu-west-1", "channel": "ctv", "gdpr": true}, {"region": "us-east-1"}]);
    let body =
        json!({"name": "Members", "description": "Our members", "key": "maid, domain", "clusters": clusters});
    let created = api.data("signal-create", body.clone()).await;
    assert_eq!(created["configuration"], body);
    assert_eq!(
        created["metadata"],
        json!({
            "isComposite": true, "keyTypes": ["maid", "domain"], "regions": ["eu-west-1", "us-east-1"],
            "totalClusters": 2, "gdprCompliantClusters": 1, "channelSpecificClusters": 1,
        })
    );
    let id = created["signal"]["id"].as_str().unwrap();
    assert_eq!(id.len(), 36);
    assert_eq!(created["signal"]["clusters"][1], json!({"region": "us-east-1", "gdpr": false}));
    assert_eq!(created["signal"].get("updatedAt"), None);

    let listed = api.data("signal-list", json!({})).await;
    assert_eq!((&listed["count"], &listed["signals"][0]["id"]), (&json!(3), &json!(id)), "newest first");
    assert_eq!(listed["statistics"]["compositeSignals"], 2);
    let found = api.data("signal-list", json!({"region": "us-east-1", "channel": "ctv"})).await;
    assert_eq!(found["count"], 2);
    assert_eq!(found["filters"], json!({"region": "us-east-1", "channel": "ctv"}));
    assert_eq!(api.data("signal-list", json!({"region": "us-east"})).await["count"], 0, "no parts of names");
    assert_eq!(api.data("signal-list", json!({"seatId": "seat_12345"})).await["count"], 3);

    let got = api.data("signal-get", json!({"signalId": id})).await;
    assert_eq!(got["signal"], created["signal"]);
    assert_eq!(got["metadata"]["uniqueChannels"], json!(["ctv"]));
    assert_eq!(got["configuration"]["complianceSettings"]["gdprEnabled"], true);

    let updated = api.data("signal-update", json!({"signalId": id, "name": "Patrons"})).await;
    assert_eq!(updated["previousValues"]["name"], "Members");
    assert_eq!(
        updated["changesApplied"],
        json!({"nameChanged": true, "descriptionChanged": false, "clustersChanged": false})
    );
    assert_eq!(updated["signal"]["key"], "maid, domain");
    assert!(updated["signal"]["updatedAt"].as_str() > updated["signal"]["createdAt"].as_str());

    let deleted = api.data("signal-delete", json!({"signalId": id})).await;
    assert_eq!(deleted["deletionResult"], json!({"id": id, "deleted": true}));
    assert_eq!(deleted["impact"]["gdprClustersRemoved"], 1);
    let (status, gone) = api.post("signal-get", json!({"signalId": id})).await;
    assert_eq!((status, &gone["code"]), (404, &json!("NOT_FOUND")));
}

#[tokio::test]
async fn invalid_signals_are_rejected() {
    let api = Api::start().await;
    let fine = json!({"name": "S", "description": "D", "key": "maid", "clusters": [{"region": "eu"}]});
    for (member, value, expected) in [
        ("key", json!("maid,shoe_size"), "shoe_size"),
        ("name", json!("  "), "blank"),
        ("clusters", json!([]), "clusters"),
        ("clusters", json!([{"region": "americas"}]), "region"),
    ] {
        let mut body = fine.clone();
        body[member] = value;
        let (status, answer) = api.post("signal-create", body).await;
        assert_eq!(status, 400, "{answer}");
        assert!(answer["error"].as_str().unwrap().contains(expected), "{answer}");
    }
    assert_eq!(api.data("signal-list", json!({})).await["count"], 2);
    let (status, _) = api.post("signal-update", json!({"signalId": "x"})).await;
    assert_eq!(status, 400, "nothing to change");
}

#[tokio::test]
async fn signals_of_another_customer_are_not_found() {
    let api = Api::start().await;
    let theirs = api.other().data("signal-list", json!({})).await;
    assert_eq!(theirs["count"], 1);
    let id = theirs["signals"][0]["id"].as_str().unwrap();
    for operation in ["signal-get", "signal-delete"] {
        assert_eq!(api.post(operation, json!({"signalId": id})).await.0, 404, "{operation}");
    }
    assert_eq!(api.data("signal-list", json!({"seatId": "seat_67890"})).await["count"], 0);
    assert_eq!(api.other().data("signal-list", json!({})).await, theirs);
}

#[tokio::test]
async fn signals_agents_are_registered_changed_and_revoked() {
    let api = Api::start().await;
    let brand_agent = &brand_agents(&api).await[0];
    let body = json!({
        "brandAgentId": brand_agent, "name": "Finder", "endpointUrl": "https://finder.example/adcp",
        "config": {"depth": 2},
    });
    let registered = api.data("signals-agent-register", body.clone()).await;
    assert_eq!(registered["configuration"], body);
    assert_eq!(registered["permissions"]["accountId"], 12345);
    let agent = &registered["agent"];
    assert_eq!((&agent["status"], &agent["registeredBy"]), (&json!("active"), &json!("12345")));
    assert_eq!(agent["registeredAt"], agent["createdAt"]);
    let which = json!({"agentId": agent["id"]});

    let listed = api.data("signals-agent-list", json!({"brandAgentId": brand_agent})).await;
    assert_eq!(&listed["agents"][0], agent, "newest first");
    let got = api.data("signals-agent-get", which.clone()).await;
    assert_eq!(&got["agent"], agent);

    let body = json!({"agentId": agent["id"], "status": "suspended", "name": "Finder"});
    let updated = api.data("signals-agent-update", body).await;
    assert_eq!(updated["changesSummary"]["changes"], json!(["**Status:** active → suspended"]));
    assert_eq!(updated["previousAgent"]["status"], "active");
    assert_eq!(updated["currentState"]["config"], json!({"depth": 2}));
    assert_eq!(api.post("signals-agent-update", which.clone()).await.0, 400, "nothing to change");

    let revoked = api.data("signals-agent-unregister", which.clone()).await;
    assert_eq!(revoked["unregisteredAgent"]["status"], "inactive");
    assert_eq!(revoked["metadata"]["previousStatus"], "suspended");
    assert_eq!(api.data("signals-agent-get", which.clone()).await["agent"]["status"], "inactive");
    assert_eq!(api.data("signals-agent-history", which).await["count"], 1);

    let body = json!({
        "brandAgentId": brand_agent, "name": "Finder", "endpointUrl": "https://finder.example/adcp",
    });
    let again = api.data("signals-agent-register", body).await;
    assert_eq!(again["agent"]["id"], agent["id"], "an agent that is registered again keeps its id");
}

#[tokio::test]
async fn an_activated_signal_can_be_used() {
    let api = Api::start().await;
    let (agent, brand_agent) = active_agent(&api).await;
    let body = json!({"brandAgentId": brand_agent, "brief": "Hikers"});
    let found = api.data("signals-agent-get-signals", body.clone()).await;
    assert_eq!(
        found,
        api.data("signals-agent-get-signals", body).await,
        "the recommendations are reproducible"
    );
    let group = &found["recommendations"][0];
    assert_eq!(group["agentId"], agent.as_str());
    assert_eq!(found["count"], 3);
    let signals = group["signals"].as_array().unwrap();
    assert!(signals[0]["reasoning"].as_str().unwrap().contains("Hikers"));
    assert_eq!(signals[2].get("id"), None, "the last signal cannot be activated");

    let signal = &signals[0]["id"];
    let activated = api.data("signals-agent-activate", json!({"agentId": agent, "signalId": signal})).await;
    let segment = activated["segments"]["primarySegmentId"].clone();
    assert_eq!(activated["activationResult"], json!({"segmentId": segment}));
    assert_eq!(activated["segments"]["allSegmentIds"], json!([segment]));
    let built = api.data("signal-get", json!({"signalId": segment})).await;
    assert_eq!(built["signal"]["key"], signals[0]["keyType"]);

    let history = api.data("signals-agent-history", json!({"agentId": agent, "limit": 2})).await;
    assert_eq!(history["count"], 2);
    assert_eq!(history["activities"][0]["activityType"], "activate_signal");
    assert_eq!(history["activities"][0]["segmentIds"], json!([segment]));
    assert_eq!(history["activities"][1]["activityType"], "segment_created");
}

fn error_of(body: &Value) -> [&Value; 3] {
    [&body["success"], &body["error"], &body["errorCode"]]
}

#[tokio::test]
async fn errors_of_signals_agents_have_a_code() {
    let api = Api::start().await;
    let (agent, brand_agent) = active_agent(&api).await;
    let unknown = [&json!(false), &json!("UNKNOWN_ERROR"), &json!("UNKNOWN_ERROR")];
    let (status, body) = api.post("signals-agent-get", json!({"agentId": "nobody"})).await;
    assert_eq!((status, error_of(&body)), (200, unknown));
    let (_, body) =
        api.post("signals-agent-activate", json!({"agentId": agent, "signalId": "nothing"})).await;
    assert_eq!(error_of(&body), unknown);
    let history = api.data("signals-agent-history", json!({"agentId": agent})).await;
    assert_eq!(history["activities"][0]["status"], "failed");

    // The other customer sees neither the agent nor the brand agent.
    for (operation, body) in [
        ("signals-agent-get", json!({"agentId": agent})),
        ("signals-agent-history", json!({"agentId": agent})),
        ("signals-agent-unregister", json!({"agentId": agent})),
        ("signals-agent-list", json!({"brandAgentId": brand_agent})),
        ("signals-agent-get-signals", json!({"brandAgentId": brand_agent})),
    ] {
        let (status, body) = api.other().post(operation, body).await;
        assert_eq!((status, error_of(&body)), (200, unknown), "{operation}");
    }
    assert_eq!(api.data("signals-agent-get", json!({"agentId": agent})).await["agent"]["status"], "active");
}

#[tokio::test]
async fn an_agent_that_does_not_respond_is_omitted_and_logged() {
    let api = Api::start().await;
    let (_, brand_agent) = active_agent(&api).await;
    let body =
        json!({"brandAgentId": brand_agent, "name": "Mute", "endpointUrl": "https://mute.invalid/adcp"});
    let mute = api.data("signals-agent-register", body).await["agent"]["id"].clone();
    let found = api.data("signals-agent-get-signals", json!({"brandAgentId": brand_agent})).await;
    assert_eq!(found["recommendations"].as_array().unwrap().len(), 1);
    let body = json!({"brandAgentId": brand_agent, "agentIds": [mute]});
    assert_eq!(api.data("signals-agent-get-signals", body).await["count"], 0);
    let history = api.data("signals-agent-history", json!({"agentId": mute})).await;
    assert_eq!(history["activities"][0]["status"], "failed");
    let (_, body) = api.post("signals-agent-activate", json!({"agentId": mute, "signalId": "x"})).await;
    assert_eq!(body["errorCode"], "SERVICE_UNAVAILABLE");
}
