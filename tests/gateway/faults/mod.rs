//! Every fault of the API, the network, the disk and the processes, and that none of them makes a change twice.

mod connections;
mod crashes;
#[cfg(target_os = "linux")]
mod disks;
mod ends;
mod keys;
mod responses;
mod schedules;
mod state;
#[cfg(target_os = "linux")]
mod tls;
mod unreliable;
mod world;

use std::{sync::Arc, time::Duration};

use scope3_mcp_gateway::{
    CallError, ClientConfig, OnLimit, Success,
    journal::{EntryState, Filter},
    state::{State, StateLocation},
};
use serde_json::{Value, json};

use crate::support::{
    Rig,
    api::{Behavior, FaultyApi},
};

const CREATE: &str = "brand_agent_create";
const LIST: &str = "brand_agent_list";
const QUARTER: Duration = Duration::from_mins(15);
const RATES: [&str; 3] = ["500/h", "1000/h", "50/h"];

/// The time limit of a request. The API of these tests responds at once, or never.
const TIMEOUT: Duration = Duration::from_millis(400);

/// The arguments of a change that is known by its name.
fn brand(name: &str) -> Value {
    json!({ "name": name, "advertiserDomains": ["example.com"] })
}

fn confirmed(name: &str, code: &Value) -> Value {
    let mut arguments = brand(name);
    arguments["confirmation"] = code.clone();
    arguments
}

/// A process in front of the API at `url`.
fn process(url: &str, state: Arc<dyn State>) -> Rig {
    with_keys(url, state, &["only"])
}

fn with_keys(url: &str, state: Arc<dyn State>, keys: &[&str]) -> Rig {
    with_config(url, state, keys, ClientConfig { total: TIMEOUT, ..ClientConfig::default() })
}

fn with_config(url: &str, state: Arc<dyn State>, keys: &[&str], config: ClientConfig) -> Rig {
    Rig::sharing(state, QUARTER, url, keys, OnLimit::Reject, RATES, config)
}

/// A process with a state of its own.
fn alone(url: &str) -> Rig {
    process(url, StateLocation::Memory.state())
}

/// The states of all changes in the journal, newest first.
async fn journal(rig: &Rig) -> Vec<EntryState> {
    let entries = rig.gateway.state().entries(Filter::default()).await.unwrap();
    entries.iter().map(|entry| entry.state).collect()
}

/// What a call answers, as an agent reads it.
fn answer(outcome: Result<Success, CallError>) -> Value {
    match outcome {
        Ok(success) => success.into_value(),
        Err(CallError::Failed(failure)) => serde_json::to_value(failure).unwrap(),
        Err(error) => panic!("{error:?}"),
    }
}

/// A change meets `fault`, after which its outcome is unknown. It is sent again only with its confirmation.
///
/// `made` is how often the fault makes the change. Returns the answer to the first call.
async fn assert_unknown(fault: Behavior, made: u32, code: &str) -> Value {
    let api = FaultyApi::start([fault]).await;
    let rig = alone(&api.url);
    let first = rig.failure(CREATE, brand("Acme")).await;
    assert_eq!((&first["code"], &first["changed"]), (&json!(code), &json!("unknown")), "{first}");
    assert_eq!(first["retryable"], false, "{first}");
    assert_eq!(journal(&rig).await, [EntryState::Unknown], "{first}");
    let again = rig.failure(CREATE, brand("Acme")).await;
    assert_eq!(
        (&again["code"], &again["changed"]),
        (&json!("OUTCOME_UNKNOWN"), &json!("unknown")),
        "{again}"
    );
    assert_eq!((api.made("Acme"), api.received().len()), (made, 1), "{code}");
    rig.call(CREATE, confirmed("Acme", &again["confirmation"]["code"])).await.unwrap();
    assert_eq!((api.made("Acme"), api.received().len()), (made + 1, 2), "{code}");
    assert_eq!(journal(&rig).await, [EntryState::Done, EntryState::Unknown]);
    let last = answer(rig.call(CREATE, brand("Acme")).await);
    assert_eq!((&last["scope3Mcp"]["repeated"], api.made("Acme")), (&json!(true), made + 1), "{last}");
    first
}

/// A change meets `fault`, which refuses it. The same call then makes it, once.
async fn assert_refused(fault: Behavior, code: &str) -> Value {
    let api = FaultyApi::start([fault]).await;
    let rig = alone(&api.url);
    let first = rig.failure(CREATE, brand("Acme")).await;
    assert_eq!((&first["code"], &first["changed"]), (&json!(code), &json!("no")), "{first}");
    assert!(journal(&rig).await.iter().all(|state| *state == EntryState::Refused), "{first}");
    assert_eq!(api.made("Acme"), 0);
    rig.call(CREATE, brand("Acme")).await.unwrap();
    let last = answer(rig.call(CREATE, brand("Acme")).await);
    assert_eq!((&last["scope3Mcp"]["repeated"], api.made("Acme")), (&json!(true), 1), "{last}");
    assert_eq!(journal(&rig).await[0], EntryState::Done);
    first
}

/// A read meets `fault` once, and is sent again without a word.
async fn assert_read_is_retried(fault: Behavior) {
    let api = FaultyApi::start([fault]).await;
    alone(&api.url).call(LIST, json!({})).await.unwrap();
    assert_eq!(api.received().len(), 2);
}

/// A read meets `fault`, and fails without another request.
async fn assert_read_fails(fault: Behavior, code: &str) -> Value {
    let api = FaultyApi::start([fault]).await;
    let failure = alone(&api.url).failure(LIST, json!({})).await;
    assert_eq!((&failure["code"], &failure["changed"]), (&json!(code), &json!("no")), "{failure}");
    assert_eq!(api.received().len(), 1);
    failure
}
