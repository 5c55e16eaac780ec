//! The journal and its confirmations, call by call.

use std::time::Duration;

use jiff::Timestamp;

use super::{Machine, Place, key, schedule::intent};
use crate::{
    journal::{
        Begun, Confirmation, Ending, EntryId, EntryState, Filter, Intent, InvalidConfirmation, Purpose,
        Settlement,
    },
    state::{CallCount, Request, State},
};

fn ending(state: EntryState) -> Ending {
    Ending { state, code: None, ids: vec!["id=1".to_owned()], outcome: Some("{}".to_owned()) }
}

/// Begins a change and sends it.
pub(in crate::state) async fn send(state: &dyn State, intent: Intent) -> EntryId {
    let key = intent.key;
    let begun = state.begin(intent).await.unwrap();
    let Begun::Send(started) = begun else { panic!("it may be sent, got {begun:?}") };
    let request = Request { key, windows: Vec::new(), taken: Vec::new(), sends: Some(started.id) };
    state.acquire(request).await.unwrap().unwrap();
    started.id
}

/// Makes a change that ends so.
async fn make(state: &dyn State, intent: Intent, end: EntryState) -> EntryId {
    let id = send(state, intent).await;
    state.end(id, ending(end)).await.unwrap();
    id
}

pub(in crate::state) async fn code(state: &dyn State, change: usize) -> Confirmation {
    match state.begin(intent(change, None)).await.unwrap() {
        Begun::Repeated(_, confirmation) | Begun::Unknown(_, confirmation) => confirmation,
        other => panic!("a confirmation is needed, got {other:?}"),
    }
}

pub(in crate::state) async fn a_confirmation_counts_once_and_only_for_its_change(place: &impl Place) {
    let machine = Machine::new();
    let (state, other) = (place.process(&machine), place.process(&machine));
    make(&*state, intent(0, None), EntryState::Done).await;
    let issued = code(&*state, 0).await;
    assert_eq!(code(&*other, 0).await, issued, "a second call gets the same code");
    let refused = |intent: Intent| {
        let state = &other;
        async move {
            match state.begin(intent).await.unwrap() {
                Begun::Invalid(reason) => reason,
                other => panic!("the confirmation is invalid, got {other:?}"),
            }
        }
    };
    let with = |change, code: &str| intent(change, Some(code.to_owned()));
    assert_eq!(refused(with(0, "0123456789abcdef")).await, InvalidConfirmation::NotIssued);
    assert_eq!(refused(with(0, &"x".repeat(10_000))).await, InvalidConfirmation::NotIssued);
    assert_eq!(refused(with(1, &issued.code)).await, InvalidConfirmation::OtherArguments);
    let tool = Intent { tool: "delete".to_owned(), ..with(0, &issued.code) };
    assert_eq!(refused(tool).await, InvalidConfirmation::OtherTool);
    let key = Intent { key: key("b"), ..with(0, &issued.code) };
    assert_eq!(refused(key).await, InvalidConfirmation::OtherKey);

    make(&*other, with(0, &issued.code), EntryState::Done).await;
    assert_eq!(refused(with(0, &issued.code)).await, InvalidConfirmation::Used);
    let second = code(&*state, 0).await;
    assert_ne!(second.code, issued.code);
    machine.pass(Duration::from_mins(11));
    assert_eq!(refused(with(0, &second.code)).await, InvalidConfirmation::Expired);
}

pub(in crate::state) async fn a_change_is_joined_repeated_and_settled(place: &impl Place) {
    let machine = Machine::new();
    let (state, other) = (place.process(&machine), place.process(&machine));
    let id = send(&*state, intent(0, None)).await;
    let begun = other.begin(intent(0, None)).await.unwrap();
    assert!(matches!(begun, Begun::InProgress(joined) if joined == id), "{begun:?}");
    state.end(id, ending(EntryState::Done)).await.unwrap();
    let begun = other.begin(intent(0, None)).await.unwrap();
    let Begun::Repeated(entry, _) = begun else { panic!("it was made, got {begun:?}") };
    assert_eq!((entry.id, entry.state, entry.ids), (id, EntryState::Done, vec!["id=1".to_owned()]));
    assert_eq!(entry.outcome.as_deref(), Some("{}"));

    let unknown = make(&*state, intent(1, None), EntryState::Unknown).await;
    let begun = other.begin(intent(1, None)).await.unwrap();
    assert!(matches!(begun, Begun::Unknown(..)), "{begun:?}");
    let list = async |filter| {
        let entries = other.entries(filter).await.unwrap();
        entries.iter().map(|entry| entry.id).collect::<Vec<_>>()
    };
    assert_eq!(list(Filter::default()).await, [unknown, id], "newest first");
    assert_eq!(list(Filter { unknown: true, ..Filter::default() }).await, [unknown]);
    let made_at = other.entry(unknown).await.unwrap().unwrap().made_at;
    let since = Some(made_at + jiff::SignedDuration::from_micros(1));
    assert_eq!(list(Filter { since, unknown: false }).await, []);

    assert_eq!(other.settle(EntryId(99), Settlement::Done).await.unwrap(), None);
    let settled = other.settle(unknown, Settlement::Refused).await.unwrap().unwrap().unwrap();
    assert_eq!(settled.state, EntryState::Refused);
    assert!(other.settle(unknown, Settlement::Done).await.unwrap().unwrap().is_err(), "only once");
    make(&*other, intent(1, None), EntryState::Done).await;

    // What never left is no change.
    let Begun::Send(started) = state.begin(intent(2, None)).await.unwrap() else { panic!("it is new") };
    state.end(started.id, ending(EntryState::Refused)).await.unwrap();
    assert_eq!(state.entry(started.id).await.unwrap(), None);
    machine.pass(Duration::from_mins(16));
    make(&*state, intent(0, None), EntryState::Done).await;
}

pub(in crate::state) async fn a_caller_that_names_its_changes_says_which_are_the_same(place: &impl Place) {
    let machine = Machine::new();
    let state = place.process(&machine);
    let named = |name: &str, change| Intent { caller_key: Some(name.to_owned()), ..intent(change, None) };
    let id = make(&*state, named("a", 0), EntryState::Done).await;
    let begun = state.begin(named("a", 0)).await.unwrap();
    assert!(matches!(&begun, Begun::Repeated(entry, _) if entry.id == id), "{begun:?}");
    let begun = state.begin(named("a", 1)).await.unwrap();
    assert!(matches!(&begun, Begun::KeyReused(entry) if entry.id == id), "{begun:?}");
    make(&*state, named("b", 0), EntryState::Refused).await;
    make(&*state, named("b", 0), EntryState::Done).await;
}

pub(in crate::state) async fn calls_are_counted_by_hour_tool_and_outcome(place: &impl Place) {
    let machine = Machine::new();
    let (state, other) = (place.process(&machine), place.process(&machine));
    let count = |hour: i64, tool: &str, calls| {
        let hour = Timestamp::from_second(1000 * 86_400 + hour * 3600).unwrap();
        CallCount { hour, tool: tool.to_owned(), outcome: "ok".to_owned(), calls }
    };
    let (mine, yours) = (Some(key("a")), Some(key("b")));
    state.count(vec![(mine, count(1, "b", 1)), (None, count(0, "a", 1))]).await.unwrap();
    state.count(vec![(yours, count(1, "b", 2)), (mine, count(1, "a", 1))]).await.unwrap();
    let hour = count(0, "a", 1).hour;
    let all = [count(0, "a", 1), count(1, "a", 1), count(1, "b", 3)];
    assert_eq!(other.counts(hour, None).await.unwrap(), all);
    let later = hour + jiff::SignedDuration::from_secs(1);
    assert_eq!(other.counts(later, None).await.unwrap(), all[1..]);
    assert_eq!(other.counts(hour, mine).await.unwrap(), [count(1, "a", 1), count(1, "b", 1)]);
}

pub(in crate::state) async fn a_changed_description_is_confirmed_besides_a_repetition(place: &impl Place) {
    let machine = Machine::new();
    let (state, other) = (place.process(&machine), place.process(&machine));
    let reworded = |confirmation: Option<&Confirmation>| Intent {
        is_reworded: true,
        ..intent(0, confirmation.map(|issued| issued.code.clone()))
    };
    let asks = |intent: Intent| {
        let state = &other;
        async move {
            match state.begin(intent).await.unwrap() {
                Begun::Reworded(code) | Begun::Repeated(_, code) => code,
                other => panic!("a confirmation is needed, got {other:?}"),
            }
        }
    };
    let first = asks(reworded(None)).await;
    assert_eq!(first.purpose, Purpose::Reworded);
    make(&*state, reworded(Some(&first)), EntryState::Done).await;
    // Who confirmed the description has not confirmed the repetition, and the other way round.
    let repeat = asks(reworded(None)).await;
    assert_eq!(repeat.purpose, Purpose::Repeat);
    let both = asks(reworded(Some(&repeat))).await;
    assert_eq!(both.purpose, Purpose::AgainReworded);
    send(&*state, reworded(Some(&both))).await;
}
