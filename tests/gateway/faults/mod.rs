//! Every fault of the API, the network, the disk and the processes, and that none of them makes a change twice.
//!
//! | fault | test |
//! |---|---|
//! | the API makes a change and does not respond | `responses.rs::a_change_without_a_response_…` |
//! | it resets the connection, before or after the change | `responses.rs::a_change_whose_connection_is_reset_…` |
//! | its response breaks off | `responses.rs::a_change_whose_response_breaks_off_…` |
//! | its response is half of the JSON, HTML, or nothing | `responses.rs::a_change_whose_response_is_not_json_…` |
//! | 429, with each form of the time | `responses.rs::a_change_that_a_rate_limit_refused_…` |
//! | 502, 503, 504 | `responses.rs::a_change_that_a_gateway_did_not_answer_…` |
//! | 200 with an error | `responses.rs::a_change_that_an_envelope_declines_was_not_made` |
//! | other statuses | `../failures.rs::a_failed_write_is_reported_…` |
//! | a body of a gigabyte | `responses.rs::a_change_whose_response_is_too_long_…` |
//! | a decompression bomb | `responses.rs::a_change_whose_response_is_a_decompression_bomb_…` |
//! | a body that trickles in | `responses.rs::a_response_that_trickles_in_…` |
//! | a redirect to another host | `responses.rs::a_redirect_to_another_host_…` |
//! | a connection is refused, a host is unknown | `connections.rs` |
//! | a certificate has expired, or is for another host | `tls.rs` |
//! | a key is revoked, with and without another key | `keys.rs` |
//! | the disk is full, or read-only | `disks.rs::a_full_disk_…`, `a_read_only_state_…` |
//! | the disk has no locks | `disks.rs::a_file_system_without_locks_is_refused_at_once` |
//! | Redis is a replica, out of memory, cannot save, or still loads its data | `redis.rs` |
//! | the directory is missing or blocked | `../journal.rs::without_its_state_…`, `state.rs::an_agent_does_not_read_…` |
//! | the file is damaged | `../../cli/journal.rs::a_damaged_state_…`, `state.rs::a_running_process_sees_…` |
//! | the file belongs to another program | `../../cli/journal.rs::a_state_that_cannot_be_used_…` |
//! | two versions of the program | `state.rs::a_running_process_changes_nothing_more_…` |
//! | an outcome cannot be recorded | `state.rs::a_process_that_cannot_record_an_outcome_…`, `disks.rs::a_full_disk_…` |
//! | the state is slower than its caller waits | `a_change_whose_caller_gave_up_…` in `state/sqlite/schedule_tests.rs` |
//! | a clock jumps | `a_system_clock_that_jumps_…`, `a_clock_that_is_a_day_late_…` in `state/sqlite/tests.rs` |
//! | a call is cancelled before it is sent | `../attempts.rs::a_change_that_waits_and_whose_caller_goes_is_never_sent` |
//! | while it is sent, and after it | `ends.rs::a_change_that_is_cancelled_…`, `a_cancelled_change_gets_no_answer_…` |
//! | a client goes | `ends.rs::a_change_in_flight_is_recorded_when_the_client_goes`, `../../http/changes.rs` |
//! | a signal, over standard input and output | `ends.rs::a_change_in_flight_is_answered_…`, `../../cli/stdio_end.rs` |
//! | a signal, over HTTP | `../../http/changes.rs::a_change_completes_before_the_server_shuts_down` |
//! | nobody reads the output | `ends.rs::a_change_is_recorded_although_nobody_reads_…`, `../../http/deadlines.rs` |
//! | a process is killed, in each state of a change | `crashes.rs` |
//! | all of these at random | `schedules.rs` |

mod connections;
mod crashes;
#[cfg(target_os = "linux")]
mod disks;
mod ends;
mod keys;
mod redis;
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
const TIMEOUT: Duration = Duration::from_secs(1);

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
