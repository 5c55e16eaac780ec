//! Changes: what the journal knows of one before it is sent, and how it ended.

use std::{sync::Arc, time::Duration};

use scope3_mcp_catalog::{self as catalog, CONFIRMATION, Effect, Place, money};
use scope3_mcp_client::{credentials::KeyError, deadlines};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio_util::task::TaskTracker;

use crate::{
    CallError, Gateway, KeyOwner, Success,
    attempts::SendError,
    audit::Event,
    budget::Amount,
    caller::Call,
    consent::{Answer, Person, Reply},
    failure::{Changed, Failure},
    journal::{
        Begun, Confirmation, Consent, Ending, Entry, EntryId, EntryState, Intent, MAX_RESULT_BYTES, Spender,
        Started,
    },
    question::Matter,
    record::CallRecord,
    state::State,
};

/// The maximum length of a caller's key for a change, in bytes.
const MAX_CALLER_KEY_BYTES: usize = 255;

/// The maximum number of ids that are kept of a response, and the maximum length of each with its name.
const MAX_IDS: usize = 20;
const MAX_ID_BYTES: usize = 128;

/// The first pause between two looks at a change that another call makes, and the longest.
const FIRST_LOOK: Duration = Duration::from_millis(10);
const LONGEST_LOOK: Duration = Duration::from_millis(250);

/// How often the outcome of a change is offered to a state that is unavailable.
const END_RETRY: Duration = Duration::from_secs(1);

/// How often it is offered once more when the program ends. The entry then says that the outcome is unknown.
const MAX_LAST_ATTEMPTS: u32 = 3;

/// What to do with a change.
pub(super) enum Next {
    /// Send it.
    Send(Started),
    /// Return this result, which an identical call received.
    Return(Success),
}

/// An outcome, as the journal keeps it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kept {
    Success { data: Map<String, Value>, sentence: Option<String>, notes: Map<String, Value> },
    Failure(Box<Failure>),
}

/// A read in the journal. Unlike a change it can be dropped at any time. Its entry then ends here, so that a later,
/// identical call does not wait for it.
#[derive(Debug)]
pub(super) struct OpenRead {
    state: Arc<dyn State>,
    tasks: TaskTracker,
    entry: Option<EntryId>,
}

impl OpenRead {
    /// Leaves the entry to the ordinary end of the call.
    pub(super) fn close(mut self) {
        self.entry = None;
    }
}

impl Drop for OpenRead {
    fn drop(&mut self) {
        let Some(entry) = self.entry.take() else { return };
        let state = Arc::clone(&self.state);
        self.tasks.spawn(async move {
            let ending = Ending { state: EntryState::Refused, code: None, ids: Vec::new(), outcome: None };
            if let Err(error) = state.end(entry, ending).await {
                tracing::debug!(%entry, %error, "cannot record the end of a read");
            }
        });
    }
}

impl Gateway {
    fn open_read(&self, entry: EntryId) -> OpenRead {
        OpenRead { state: Arc::clone(&self.state), tasks: self.changes.clone(), entry: Some(entry) }
    }

    /// Records a change in the journal, unless the same change is in progress, has just been made or has an unknown
    /// outcome, exceeds a cap, or a person does not consent.
    pub(super) async fn begin_change(
        &self,
        call: &Call,
        matter: &mut Matter<'_>,
        confirmation: Option<String>,
        record: &mut CallRecord,
    ) -> Result<Next, CallError> {
        let entry = matter.entry;
        // Events before the first request name a key, too.
        let keys = call.caller.keys.identities().await.map_err(Failure::key)?;
        record.key = keys.first().copied();
        if let Person::BetweenCalls(Some(Reply { code, answer })) = &call.caller.person
            && *answer != Answer::Accepted
        {
            // The code must not be used after a no.
            self.limits.observe(self.state.revoke(code.clone()).await).map_err(Failure::state)?;
            return Err(Failure::consent_refused(entry, answer).into());
        }
        let consent = self.confirm.consent(entry, &call.caller.person, matter.reason)?;
        self.measure(call, matter, record).await?;
        let mut intent = self.intent(call, matter, confirmation, record).await?;
        intent.consent = consent;
        let patience = tokio::time::Instant::now() + deadlines::SHUTDOWN;
        loop {
            let begun =
                self.limits.observe(self.state.begin(intent.clone()).await).map_err(Failure::state)?;
            match begun {
                Begun::Send(started) => {
                    record.entry = Some(started.id);
                    record.open_read =
                        (entry.tool.effect == Effect::Read).then(|| self.open_read(started.id));
                    match intent.consent {
                        Consent::Given | Consent::Replied(_) => record.audit(Event::ConsentGranted, None),
                        Consent::NotNeeded | Consent::Needed(_) => {}
                    }
                    if intent.confirmation.is_some() {
                        record.audit(Event::ConfirmationUsed, None);
                    }
                    return Ok(Next::Send(started));
                }
                Begun::OverCap(committed) => {
                    let (Some(day), Some(commitment)) = (&matter.day, &matter.commitment) else {
                        return Err(Failure::internal(false).into());
                    };
                    return Err(Failure::over_budget(entry, &day.exceeded_by(commitment, committed)).into());
                }
                Begun::Ask(code) => {
                    record.audit(Event::ConsentRequested, None);
                    let question = self.question(call, matter, intent.spender, record).await;
                    match (&call.caller.person, code) {
                        (Person::Reachable(person), _) => match call.ask(&**person, &question).await {
                            Answer::Accepted => intent.consent = Consent::Given,
                            refused => return Err(Failure::consent_refused(entry, &refused).into()),
                        },
                        (Person::BetweenCalls(_), Some(code)) => {
                            return Err(CallError::ConsentNeeded { question, code: code.code });
                        }
                        (_, Some(code)) => {
                            return Err(Failure::confirmation_required(&question, code).into());
                        }
                        // The state issues a code unless the person is asked at once.
                        (_, None) => return Err(Failure::internal(false).into()),
                    }
                }
                Begun::InProgress(id) if tokio::time::Instant::now() >= patience => {
                    return Err(Failure::in_progress(entry, id).into());
                }
                Begun::InProgress(id) => {
                    let ended = self.await_end(call, entry, id).await?;
                    if let Some(Kept::Failure(failure)) =
                        ended.filter(|ended| ended.state == EntryState::Refused).as_ref().and_then(kept)
                    {
                        return Err(CallError::Failed(failure));
                    }
                    intent.joined = Some(id);
                }
                Begun::Repeated(earlier, confirmation) => {
                    return replay(entry, &earlier, confirmation).map(Next::Return);
                }
                Begun::Unknown(earlier, confirmation) => {
                    return Err(Failure::outcome_unknown(entry, &earlier, confirmation).into());
                }
                Begun::Reworded(code) => return Err(Failure::reworded(entry, code).into()),
                Begun::KeyReused(earlier) => return Err(Failure::caller_key_reused(&earlier).into()),
                Begun::Invalid(reason) => return Err(Failure::confirmation_invalid(reason).into()),
            }
        }
    }

    async fn intent(
        &self,
        call: &Call,
        matter: &Matter<'_>,
        confirmation: Option<String>,
        record: &mut CallRecord,
    ) -> Result<Intent, CallError> {
        let &Matter { entry, arguments, .. } = matter;
        let caller_key = call.caller.idempotency_key.clone();
        if caller_key.as_ref().is_some_and(|key| key.is_empty() || key.len() > MAX_CALLER_KEY_BYTES) {
            return Err(Failure::caller_key_invalid(MAX_CALLER_KEY_BYTES).into());
        }
        let keys = call.caller.keys.identities().await.map_err(Failure::key)?;
        let Some((&key, other_keys)) = keys.split_first() else {
            return Err(Failure::key(KeyError::Missing).into());
        };
        let (amount, currency) = money(&entry.tool, arguments).unzip();
        let customer = matter.api.and_then(|api| api.client.customer()).map(|(_, id)| id);
        let committed = matter.commitment.as_ref().map(|found| found.currency.clone());
        Ok(Intent {
            key,
            other_keys: other_keys.to_vec(),
            client: call.caller.client.clone(),
            session: call.caller.session.clone(),
            tool: entry.tool.name.to_string(),
            effect: entry.tool.effect,
            digest: self.digest(call, matter, customer, record).await,
            target: target(entry, arguments),
            amount,
            currency: committed.or(currency.flatten()),
            arguments: self.journal_arguments.then(|| Value::Object(arguments.clone()).to_string()),
            caller_key,
            sends_key: entry.tool.idempotency.is_some(),
            idempotent: entry.tool.is_idempotent(),
            confirmation,
            is_reworded: entry.reworded.is_some(),
            consent: Consent::NotNeeded,
            spender: match call.caller.key_owner {
                KeyOwner::Server => Spender::Operator,
                KeyOwner::Caller => Spender::Caller(key),
            },
            commitment: matter.commitment.clone(),
            day_cap: matter.day.as_ref().map(Amount::of_today),
            joined: None,
            repeat_guard: self.repeat_guard,
        })
    }

    /// Waits until a change that another call makes has ended.
    async fn await_end(
        &self,
        call: &Call,
        entry: &catalog::Entry,
        id: EntryId,
    ) -> Result<Option<Entry>, CallError> {
        let mut pause = FIRST_LOOK;
        let until = tokio::time::Instant::now() + deadlines::SHUTDOWN;
        loop {
            let found = self.limits.observe(self.state.entry(id).await).map_err(Failure::state)?;
            let is_open = found.as_ref().is_some_and(|found| found.state.is_open());
            if !is_open || tokio::time::Instant::now() >= until {
                return Ok(found);
            }
            let paused = call.pause(pause).await;
            paused.map_err(|error: SendError| Failure::send(error, &entry.tool, call.caller.key_owner))?;
            pause = (pause * 2).min(LONGEST_LOOK);
        }
    }

    /// Records how a change ended. If the state is unavailable, this continues in the background.
    pub(super) async fn end_change(&self, id: EntryId, outcome: &Result<Success, CallError>) {
        let ending = ending(outcome);
        let Err(error) = self.limits.observe(self.state.end(id, ending.clone()).await) else { return };
        tracing::error!(entry = %id, %error, state = %ending.state, "cannot record the outcome of a change yet");
        let (state, end_of_program) = (Arc::clone(&self.state), self.ending.clone());
        self.changes.spawn(async move {
            let mut last_attempts = MAX_LAST_ATTEMPTS;
            while let Err(error) = state.end(id, ending.clone()).await {
                if end_of_program.is_cancelled() && last_attempts == 0 {
                    tracing::error!(entry = %id, %error, "the outcome of a change is not recorded");
                    return;
                }
                last_attempts -= u32::from(end_of_program.is_cancelled());
                tracing::debug!(entry = %id, %error, "still cannot record the outcome of a change");
                tokio::time::sleep(END_RETRY).await;
            }
        });
    }
}

/// How a change ended, for the journal.
fn ending(outcome: &Result<Success, CallError>) -> Ending {
    let (state, code, ids, kept) = match outcome {
        Ok(Success { data, sentence, notes, .. }) => {
            let kept = Kept::Success { data: data.clone(), sentence: sentence.clone(), notes: notes.clone() };
            (EntryState::Done, None, ids(data), Some(kept))
        }
        Err(CallError::Failed(failure)) => {
            let state = match failure.changed {
                Changed::No => EntryState::Refused,
                Changed::Yes => EntryState::Done,
                Changed::Unknown => EntryState::Unknown,
            };
            let kept = Kept::Failure(Box::new(failure.without_source()));
            (state, Some(failure.code.clone()), Vec::new(), Some(kept))
        }
        Err(CallError::UnknownTool { .. } | CallError::ConsentNeeded { .. }) => {
            (EntryState::Refused, None, Vec::new(), None)
        }
    };
    let outcome = kept.and_then(|kept| serde_json::to_string(&kept).ok());
    Ending { state, code, ids, outcome: outcome.filter(|text| text.len() <= MAX_RESULT_BYTES) }
}

fn kept(entry: &Entry) -> Option<Kept> {
    serde_json::from_str(entry.outcome.as_deref()?).ok()
}

/// The result of an earlier, identical call.
fn replay(entry: &catalog::Entry, earlier: &Entry, confirmation: Confirmation) -> Result<Success, CallError> {
    match kept(earlier) {
        Some(Kept::Failure(mut failure)) => {
            failure.confirmation = Some(confirmation);
            Err(CallError::Failed(failure))
        }
        Some(Kept::Success { data, sentence, notes }) => {
            Ok(repeated(Success { data, sentence, notes, ..Success::default() }, earlier, &confirmation))
        }
        None => {
            let mut success = Success::default();
            let ids = earlier.ids.iter().map(|id| Value::from(id.as_str())).collect();
            success.data.insert("ids".to_owned(), Value::Array(ids));
            success.notes.insert(
                "message".to_owned(),
                format!("{} was made. Its result is no longer kept.", entry.tool.name).into(),
            );
            Ok(repeated(success, earlier, &confirmation))
        }
    }
}

/// Marks a result as the one of an earlier call.
fn repeated(mut success: Success, earlier: &Entry, confirmation: &Confirmation) -> Success {
    let notes = [
        ("repeated", Value::Bool(true)),
        ("madeAt", earlier.made_at.to_string().into()),
        (CONFIRMATION, serde_json::to_value(confirmation).unwrap_or_default()),
    ];
    success.notes.extend(notes.map(|(name, value)| (name.to_owned(), value)));
    success
}

/// What a call changes: the arguments in the path, or else those that are named like ids.
fn target(entry: &catalog::Entry, arguments: &Map<String, Value>) -> Option<String> {
    let bindings = entry.tool.request.as_ref().map(|request| &request.bindings);
    let in_path = |name: &str| {
        bindings.is_some_and(|bindings| {
            bindings.iter().any(|binding| binding.argument == name && binding.place == Place::Path)
        })
    };
    let written = |wanted: &dyn Fn(&str) -> bool| {
        let found =
            arguments.iter().filter(|(name, _)| wanted(name)).filter_map(|(name, value)| id(name, value));
        found.collect::<Vec<_>>().join(" ")
    };
    let target = Some(written(&in_path)).filter(|target| !target.is_empty());
    target.or_else(|| Some(written(&is_id)).filter(|target| !target.is_empty()))
}

/// The ids in a response: in its first two levels.
fn ids(data: &Map<String, Value>) -> Vec<String> {
    let own = data.iter().filter(|(name, _)| is_id(name)).filter_map(|(name, value)| id(name, value));
    let nested = data.iter().filter_map(|(parent, value)| Some((parent, value.as_object()?)));
    let nested = nested.flat_map(|(parent, members)| {
        let found = members.iter().filter(|(name, _)| is_id(name));
        found.filter_map(move |(name, value)| id(&format!("{parent}.{name}"), value))
    });
    own.chain(nested).take(MAX_IDS).collect()
}

fn is_id(name: &str) -> bool {
    name == "id" || name.ends_with("Id") || name.ends_with("_id")
}

fn id(name: &str, value: &Value) -> Option<String> {
    let value = match value {
        Value::String(text) if !text.contains(char::is_whitespace) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    Some(format!("{name}={value}")).filter(|id| id.len() <= MAX_ID_BYTES)
}

/// Whether a tool must not run without the shared state: it changes something, or its limit is small.
pub(super) fn needs_state(entry: &catalog::Entry) -> bool {
    entry.tool.effect != Effect::Read || entry.tool.limit.is_some()
}
