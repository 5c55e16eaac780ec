//! A key that Scope3 revokes during a session.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use scope3_mcp_gateway::{
    Caller,
    credentials::{KeyRing, KeySource},
    journal::EntryState,
    state::StateLocation,
};
use serde_json::json;

use super::{CREATE, LIST, alone, answer, brand, confirmed, journal, with_keys};
use crate::support::{
    api::{Behavior, FaultyApi, Received, Then, json_response, made, not_made},
    key_text,
};

/// What the API does with a request whose key is revoked.
fn rejected() -> Behavior {
    let body = json!({ "error": "Invalid or expired API key", "code": "AUTH_INVALID_KEY" });
    not_made(Then::Send(json_response(401, &[], &body)))
}

fn has_key(request: &Received, name: &str) -> bool {
    request.header("x-scope3-api-key") == Some(&key_text(name))
}

#[tokio::test]
async fn a_revoked_key_changes_nothing_and_a_restored_one_makes_the_change_once() {
    let is_revoked = Arc::new(AtomicBool::new(false));
    let revoked = Arc::clone(&is_revoked);
    let api = FaultyApi::by(move |_| revoked.load(Ordering::SeqCst).then(rejected)).await;
    let rig = alone(&api.url);
    rig.call(CREATE, brand("Before")).await.unwrap();
    is_revoked.store(true, Ordering::SeqCst);
    for (tool, arguments) in [(CREATE, brand("Acme")), (CREATE, brand("Acme")), (LIST, json!({}))] {
        let failure = rig.failure(tool, arguments).await;
        assert_eq!((&failure["code"], &failure["changed"]), (&json!("AUTH_INVALID_KEY"), &json!("no")));
    }
    let before = answer(rig.call(CREATE, brand("Before")).await);
    assert_eq!(before["scope3Mcp"]["repeated"], true, "{before}");
    is_revoked.store(false, Ordering::SeqCst);
    rig.call(CREATE, brand("Acme")).await.unwrap();
    assert_eq!((api.made("Acme"), api.made("Before")), (1, 1));
    assert_eq!(journal(&rig).await, [EntryState::Done, EntryState::Done]);
}

#[tokio::test]
async fn a_change_of_unknown_outcome_is_not_sent_again_with_a_key_that_replaces_the_revoked_one() {
    let api = FaultyApi::by(|request| has_key(request, "old").then(rejected)).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), key_text("old")).unwrap();
    let mut rig = alone(&api.url);
    let keys = KeyRing::new(KeySource::file(file.path().to_owned()), Vec::new(), None);
    rig.caller = Caller { keys: Arc::new(keys), ..rig.caller };
    api.plan("Acme", made(Then::Reset(Vec::new())));
    rig.failure(CREATE, brand("Acme")).await;
    let revoked = rig.failure(LIST, json!({})).await;
    assert_eq!(revoked["code"], "AUTH_INVALID_KEY");

    std::fs::write(file.path(), key_text("new")).unwrap();
    rig.call(LIST, json!({})).await.unwrap();
    let again = rig.failure(CREATE, brand("Acme")).await;
    assert_eq!((&again["code"], api.made("Acme")), (&json!("OUTCOME_UNKNOWN"), 1), "{again}");
    rig.call(CREATE, confirmed("Acme", &again["confirmation"]["code"])).await.unwrap();
    assert_eq!(api.made("Acme"), 2, "as confirmed");
}

#[tokio::test]
async fn a_change_made_before_or_during_the_switch_to_a_backup_key_is_not_made_again_with_it() {
    let is_revoked = Arc::new(AtomicBool::new(false));
    let revoked = Arc::clone(&is_revoked);
    let api = FaultyApi::by(move |request| {
        let is_rejected = revoked.load(Ordering::SeqCst) && has_key(request, "first");
        is_rejected.then(rejected)
    })
    .await;
    let rig = with_keys(&api.url, StateLocation::Memory.state(), &["first", "second"]);
    api.plan("Unknown", made(Then::Reset(Vec::new())));
    rig.call(CREATE, brand("Done")).await.unwrap();
    rig.failure(CREATE, brand("Unknown")).await;

    is_revoked.store(true, Ordering::SeqCst);
    rig.call(CREATE, brand("Switch")).await.unwrap();
    assert!(has_key(api.received().last().unwrap(), "second"), "the backup made the change");
    for name in ["Done", "Switch"] {
        let again = answer(rig.call(CREATE, brand(name)).await);
        assert_eq!((&again["scope3Mcp"]["repeated"], api.made(name)), (&json!(true), 1), "{again}");
    }
    let again = rig.failure(CREATE, brand("Unknown")).await;
    assert_eq!((&again["code"], api.made("Unknown")), (&json!("OUTCOME_UNKNOWN"), 1), "{again}");
    rig.call(CREATE, confirmed("Unknown", &again["confirmation"]["code"])).await.unwrap();
    assert_eq!(api.made("Unknown"), 2, "as confirmed");
}
