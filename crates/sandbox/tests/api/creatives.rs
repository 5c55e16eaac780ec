//! Creatives in the sandbox.

use crate::support::Api;
use serde_json::{Value, json};

/// A brand agent without creatives.
async fn owner(api: &Api) -> String {
    let body = json!({"name": "Test Brand", "advertiserDomains": ["test.example"]});
    let created = api.data("brand-agent-create", body).await;
    created["brandAgent"]["id"].as_str().unwrap().to_owned()
}

fn item(name: &str) -> Value {
    json!({
        "creativeName": name, "format": {"type": "adcp", "formatId": "display_banner_320x50"},
        "content": {"htmlSnippet": "<b>Boots</b>"},
    })
}

/// The initial creative for which a publisher requests changes.
async fn creative_with_requested_changes(api: &Api) -> Value {
    let agents = api.data("brand-agent-list", json!({})).await;
    for agent in agents["brandAgents"].as_array().unwrap() {
        let listed = api.data("creative-list", json!({"buyerAgentId": agent["id"]})).await;
        let needs_changes = |c: &&Value| c["publisherApprovals"][0]["approvalStatus"] == "changes_requested";
        if let Some(creative) = listed["creatives"].as_array().unwrap().iter().find(needs_changes) {
            return creative.clone();
        }
    }
    panic!("no publisher requests changes");
}

#[tokio::test]
async fn creatives_are_created_listed_changed_and_deleted() {
    let api = Api::start().await;
    let owner = owner(&api).await;
    let mut own = item("Own words");
    own["targetAudience"] = json!("Hikers");
    own["externalId"] = json!("ext-1");
    own["assemblyMethod"] = json!("publisher");
    let body = json!({
        "buyerAgentId": owner, "creatives": [own, item("Defaults")],
        "sharedDefaults": {"targetAudience": "Everyone", "contentCategories": ["IAB17"]},
    });
    let created = api.data("creative-create", body).await;
    assert_eq!(created["results"], json!({"successful": 2, "failed": 0}));
    assert_eq!(created["configuration"], json!({"buyerAgentId": owner, "assignToCampaignIds": []}));
    let [first, second] = [0, 1].map(|at| created["creatives"][at].clone());
    assert_eq!((&first["targetAudience"], &first["externalId"]), (&json!("Hikers"), &json!("ext-1")));
    assert_eq!((&first["assemblyMethod"], &first["version"]), (&json!("publisher"), &json!("1.0")));
    assert_eq!(second["targetAudience"], "Everyone");
    assert_eq!((&second["assemblyMethod"], &second["status"]), (&json!("pre_assembled"), &json!("draft")));
    assert_eq!(second["contentCategories"], json!(["IAB17"]));
    assert_eq!(second["campaignAssignments"], json!([]));

    let which = json!({"creativeId": first["creativeId"]});
    let got = api.data("creative-get", which.clone()).await;
    assert_eq!(got["creative"], first);
    assert_eq!(got["metadata"]["hasCampaignAssignments"], false);

    let updates = json!({
        "name": "Renamed", "status": "paused", "advertiserDomains": ["a.example"],
        "content": {"assetIds": ["asset_1"]},
    });
    let body = json!({"creativeId": first["creativeId"], "updates": updates});
    let response = api.data("creative-update", body).await;
    assert_eq!(response["configuration"]["updates"], updates);
    let now = &response["updatedCreative"];
    assert_eq!((&now["creativeName"], &now["version"]), (&json!("Renamed"), &json!("2.0")));
    assert_eq!(now["content"], json!({"assetIds": ["asset_1"]}), "the whole content is replaced");
    assert_eq!((&now["assetIds"], &now["advertiserDomains"]), (&json!(["asset_1"]), &json!(["a.example"])));
    assert_eq!(response["currentState"]["status"], "paused");
    assert_eq!(response["updateSummary"]["versionBumped"], true);

    let deleted = api.data("creative-delete", which.clone()).await;
    assert_eq!(deleted["deletedCreative"]["assetCount"], 1);
    assert_eq!(deleted["impact"]["forceDeleted"], false);
    assert_eq!(api.post("creative-get", which).await.0, 404);
    assert_eq!(api.data("creative-list", json!({"buyerAgentId": owner})).await["totalCount"], 1);
}

#[tokio::test]
async fn an_invalid_creative_does_not_stop_the_others() {
    let api = Api::start().await;
    let owner = owner(&api).await;
    let mut wrong = item("No type");
    wrong["content"] = json!({"snippet": "<VAST/>"});
    let items = json!([item("First"), wrong, item("Last")]);
    let body = json!({"buyerAgentId": owner, "creatives": items});
    let (_, response) = api.post("creative-create", body.clone()).await;
    assert_eq!(response["data"]["results"], json!({"successful": 2, "failed": 1}));
    assert!(response["message"].as_str().unwrap().contains("No type: snippetType"), "{response}");

    let mut fast = body.clone();
    fast["processingMode"] = json!("fail_fast");
    assert_eq!(api.data("creative-create", fast).await["count"], 1);

    let body = json!({"buyerAgentId": owner, "creatives": [items[1]]});
    let (status, response) = api.post("creative-create", body).await;
    assert_eq!(status, 400);
    assert!(response["error"].as_str().unwrap().contains("Failed to create any creatives"), "{response}");
    let mut empty = item("Empty");
    empty["content"] = json!({"snippetType": "HTML"});
    let body = json!({"buyerAgentId": owner, "creatives": [empty]});
    assert_eq!(api.post("creative-create", body).await.0, 400);
}

#[tokio::test]
async fn creatives_are_listed_in_pages_newest_first() {
    let api = Api::start().await;
    let owner = owner(&api).await;
    let empty = api.data("creative-list", json!({"buyerAgentId": owner})).await;
    assert_eq!(empty["pagination"], json!({"limit": 20, "offset": 0, "total": 0}));
    assert_eq!((empty.get("summary"), empty.get("totalCount")), (None, None));

    let items: Vec<Value> = (1..=5).map(|number| item(&format!("Banner {number}"))).collect();
    api.data("creative-create", json!({"buyerAgentId": owner, "creatives": items})).await;
    let mut names = Vec::new();
    let mut offset = json!(0);
    while !offset.is_null() {
        let body = json!({"buyerAgentId": owner, "limit": 2, "offset": offset});
        let page = api.data("creative-list", body).await;
        assert_eq!(page["totalCount"], 5);
        let creatives = page["creatives"].as_array().unwrap();
        names.extend(creatives.iter().map(|c| c["creativeName"].as_str().unwrap().to_owned()));
        offset = page["pagination"]["nextOffset"].clone();
        assert_eq!(page["pagination"]["hasMore"], !offset.is_null());
    }
    assert_eq!(names, ["Banner 5", "Banner 4", "Banner 3", "Banner 2", "Banner 1"]);
    assert_eq!(api.post("creative-list", json!({"buyerAgentId": owner, "limit": 0})).await.0, 400);
}

#[tokio::test]
async fn creatives_are_found_by_filters() {
    let api = Api::start().await;
    let owner = owner(&api).await;
    let mut video = item("Film");
    video["format"] = json!({"type": "adcp", "formatId": "video_vast_preroll"});
    video["content"] = json!({"vastTag": "<VAST/>"});
    let mut photo = item("Photo");
    photo["content"] = json!({"assetIds": ["asset_1"]});
    photo["creativeDescription"] = json!("Boots in the snow");
    let body = json!({"buyerAgentId": owner, "creatives": [item("Banner"), video, photo]});
    let created = api.data("creative-create", body).await;
    let body = json!({"creativeId": created["creatives"][0]["creativeId"], "updates": {"status": "active"}});
    api.data("creative-update", body).await;

    for (filter, names) in [
        (json!({"status": "active"}), vec!["Banner"]),
        (json!({"hasAssetType": "video"}), vec!["Film"]),
        (json!({"hasAssetType": "image"}), vec!["Photo"]),
        (json!({"hasAssetType": "html"}), vec!["Banner"]),
        (json!({"searchTerm": "SNOW"}), vec!["Photo"]),
        (json!({"unassigned": true}), vec!["Photo", "Film", "Banner"]),
        (json!({"campaignId": "none"}), vec![]),
    ] {
        let found = api.data("creative-list", json!({"buyerAgentId": owner, "filter": filter})).await;
        let creatives = found["creatives"].as_array().unwrap();
        let found_names: Vec<&str> = creatives.iter().map(|c| c["creativeName"].as_str().unwrap()).collect();
        assert_eq!(found_names, names, "{filter}");
        assert_eq!(found["filters"], filter);
    }
    let body = json!({"buyerAgentId": owner, "includeAssets": false, "includeCampaigns": false});
    let listed = api.data("creative-list", body).await;
    assert_eq!(listed["creatives"][0].get("assetIds"), None);
    assert_eq!(listed["creatives"][0].get("campaignAssignments"), None);
    assert_eq!(
        listed["summary"],
        json!({
            "totalCreatives": 3, "activeCreatives": 1, "draftCreatives": 2, "assignedCreatives": 0,
            "unassignedCreatives": 3,
        })
    );
}

#[tokio::test]
async fn a_creative_is_revised_for_its_publisher() {
    let api = Api::start().await;
    let creative = creative_with_requested_changes(&api).await;
    let publisher = creative["publisherApprovals"][0]["publisherId"].clone();
    let mut body = json!({
        "creativeId": creative["creativeId"], "publisherId": publisher,
        "revisions": {"javascriptTag": "<script></script>"}, "autoResync": false,
    });
    let kept = api.data("creative-revise", body.clone()).await;
    assert_eq!(kept["resyncResults"], json!({"attempted": false, "manualSyncRequired": true}));
    assert_eq!(kept["publisherApproval"]["approvalStatus"], "changes_requested");
    assert_eq!(kept["creative"]["status"], "pending_review");
    assert_eq!(kept["creative"]["content"]["htmlSnippet"], creative["content"]["htmlSnippet"]);

    body["autoResync"] = json!(true);
    let sent = api.data("creative-revise", body.clone()).await;
    assert_eq!(sent["revisionSummary"]["previousStatus"], "changes_requested");
    assert_eq!(sent["revisionSummary"]["changes"], json!(["JavaScript tag updated"]));
    assert_eq!(sent["resyncResults"]["newApprovalStatus"], "pending");
    assert_eq!(sent["resyncResults"]["results"][0]["syncStatus"], "success");
    assert_eq!(sent["configuration"]["revisions"], body["revisions"]);

    body["publisherId"] = json!("nobody");
    let (status, response) = api.post("creative-revise", body).await;
    assert_eq!(status, 400);
    assert!(response["error"].as_str().unwrap().contains("not synced to this publisher"), "{response}");
}

#[tokio::test]
async fn creatives_are_sent_to_the_given_sellers() {
    let api = Api::start().await;
    let owner = owner(&api).await;
    let created =
        api.data("creative-create", json!({"buyerAgentId": owner, "creatives": [item("Banner")]})).await;
    let id = &created["creatives"][0]["creativeId"];
    let listed = api.data("sales-agents-list", json!({})).await;
    let seller = |name: &str| {
        let sellers = listed["salesAgents"].as_array().unwrap();
        sellers.iter().find(|seller| seller["name"].as_str().unwrap().starts_with(name)).unwrap()["id"]
            .clone()
    };
    let (aurora, borealis, cirrus) = (seller("Aurora"), seller("Borealis"), seller("Cirrus"));
    let body = json!({"creativeId": id, "salesAgentIds": [aurora, borealis, cirrus, "nobody"]});
    let sent = api.data("creative-sync-sales-agents", body).await;
    assert_eq!(sent["smartSync"]["method"], "manual_override");
    assert_eq!(sent["syncResults"]["success"], json!([aurora]));
    let failed = sent["syncResults"]["failed"].as_array().unwrap();
    let errors: Vec<&str> = failed.iter().map(|failure| failure["error"].as_str().unwrap()).collect();
    assert_eq!(
        errors,
        [
            "Borealis Streaming does not accept display creatives",
            "No account with Cirrus Publishing",
            "Sales agent not found"
        ]
    );
    assert_eq!(
        sent["nextSteps"],
        json!({"readyForDeployment": 0, "awaitingApproval": 1, "needsAttention": 2})
    );
    let got = api.data("creative-get", json!({"creativeId": id})).await;
    assert_eq!(got["syncStatus"]["syncStatusSummary"]["synced"], 1);
    assert_eq!(got["creative"]["publisherApprovals"][0]["approvalStatus"], "pending");

    let none_found = api.data("creative-sync-sales-agents", json!({"creativeId": id})).await;
    assert_eq!(none_found["smartSync"], json!({"method": "auto_detect_30days", "agentsFound": 0}));
    assert_eq!((&none_found["salesAgents"], none_found.get("nextSteps")), (&json!([]), None));
}

#[tokio::test]
async fn a_running_creative_can_be_deleted_after_it_is_unassigned() {
    let api = Api::start().await;
    let agents = api.data("brand-agent-list", json!({})).await;
    let mut creatives = Vec::new();
    for agent in agents["brandAgents"].as_array().unwrap() {
        let listed = api.data("creative-list", json!({"buyerAgentId": agent["id"]})).await;
        creatives.extend(listed["creatives"].as_array().unwrap().clone());
    }
    let runs =
        |c: &&Value| c["campaignAssignments"].as_array().unwrap().iter().any(|a| a["isActive"] == true);
    let creative = creatives.iter().find(runs).unwrap();
    let which = json!({"creativeId": creative["creativeId"]});
    let (status, rejected) = api.post("creative-delete", which.clone()).await;
    assert_eq!((status, &rejected["error"]), (200, &json!("CREATIVE_ASSIGNED")));
    for assigned in creative["campaignAssignments"].as_array().unwrap() {
        let mut body = which.clone();
        body["campaignId"] = assigned["campaignId"].clone();
        api.data("creative-unassign", body.clone()).await;
        body["buyerAgentId"] = creative["buyerAgentId"].clone();
        api.data("creative-assign", body.clone()).await;
        let got = api.data("creative-get", which.clone()).await;
        assert_eq!(
            got["creative"]["salesAgentSyncStatus"], creative["salesAgentSyncStatus"],
            "still approved"
        );
        api.data("creative-unassign", body).await;
    }
    assert_eq!(api.data("creative-delete", which).await["impact"]["totalCampaignsAffected"], 0);
}

#[tokio::test]
async fn creatives_of_another_customer_are_not_found() {
    let api = Api::start().await;
    let id = creative_with_requested_changes(&api).await["creativeId"].clone();
    let other = api.other();
    for (operation, body) in [
        ("creative-get", json!({"creativeId": id})),
        ("creative-update", json!({"creativeId": id, "updates": {"name": "Mine"}})),
        ("creative-delete", json!({"creativeId": id, "force": true})),
        ("creative-sync-sales-agents", json!({"creativeId": id})),
        ("creative-unassign", json!({"creativeId": id, "campaignId": "c"})),
        ("creative-revise", json!({"creativeId": id, "publisherId": "p", "revisions": {"vastTag": "x"}})),
    ] {
        let (status, body) = other.post(operation, body).await;
        assert_eq!((status, &body["code"]), (404, &json!("NOT_FOUND")), "{operation}");
    }
    assert_eq!(creative_with_requested_changes(&api).await["creativeId"], id);
}
