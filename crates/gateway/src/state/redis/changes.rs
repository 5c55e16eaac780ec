//! The journal and its confirmations in Redis.

use std::sync::PoisonError;

use jiff::Timestamp;
use redis::{FromRedisValue, ParsingError, Value};
use serde_json::{Value as Json, json};

use super::{
    RedisState,
    entry::{Fields, Stored, time},
    link::{Installation, Link, random},
    script, without_null,
};
use crate::{
    journal::{
        Begun, CONFIRMATION_LIFETIME, Confirmation, Consent, Decision, Ending, Entry, EntryId, EntryState,
        Filter, Found, Intent, InvalidConfirmation, Issued, Purpose, Settlement, Spender, Started, decide,
    },
    state::{StateError, clock::micros},
};

/// How often `begin` reads again because other processes changed what it had read.
const MAX_ATTEMPTS: u32 = 32;

/// The maximum number of entries in a list, and in the page that one script returns.
const MAX_ENTRIES: usize = 10_000;
const PAGE: usize = 500;

/// The maximum length of a confirmation that is looked up, in bytes. Those of this program are shorter.
const MAX_CODE_BYTES: usize = 64;

/// What look.lua knows about an intent.
struct Look {
    /// What stands for the keys of the intent.
    keys: Vec<String>,
    is_damaged: bool,
    /// Changes when one of the others does.
    version: String,
    with_caller_key: Option<Entry>,
    same: Option<Entry>,
    confirmation: Option<Issued>,
    reply: Option<Issued>,
    committed: i64,
}

impl FromRedisValue for Look {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        type Parts = (Vec<String>, bool, String, Option<Stored>, Option<Stored>, Fields, Fields, String);
        let (keys, is_damaged, version, named, same, confirmation, reply, committed) =
            Parts::from_redis_value(value)?;
        let entry = |stored: Option<Stored>| stored.map(|Stored(entry)| entry);
        Ok(Self {
            keys,
            is_damaged,
            version,
            with_caller_key: entry(named),
            same: entry(same),
            confirmation: issued(confirmation)?,
            reply: issued(reply)?,
            committed: committed.parse().unwrap_or(i64::MAX),
        })
    }
}

/// A confirmation, if there is one.
fn issued(mut fields: Fields) -> Result<Option<Issued>, ParsingError> {
    if fields.is_empty() {
        return Ok(None);
    }
    Ok(Some(Issued {
        key: fields.take("key").unwrap_or_default().into_bytes(),
        tool: fields.take("tool").unwrap_or_default(),
        digest: fields.digest("digest")?,
        purpose: fields.parse("purpose")?,
        expires_at: fields.time("expires_at")?,
        is_used: fields.take("used").as_deref() != Some("0"),
    }))
}

/// An entry that may have been made, although its number did not arrive.
struct Unconfirmed<'a> {
    link: &'a Link,
    token: String,
    is_settled: bool,
}

impl Drop for Unconfirmed<'_> {
    fn drop(&mut self) {
        if !self.is_settled {
            let mut abandoned = self.link.abandoned.lock().unwrap_or_else(PoisonError::into_inner);
            abandoned.push(std::mem::take(&mut self.token));
        }
    }
}

impl RedisState {
    pub(super) async fn begin_change(&self, intent: &Intent) -> Result<Begun, StateError> {
        for _ in 0..MAX_ATTEMPTS {
            if let Some(begun) = self.try_begin(intent).await? {
                return Ok(begun);
            }
        }
        Err(StateError::Contended(self.link().location()))
    }

    /// Returns nothing if another process changed what this one had read.
    async fn try_begin(&self, intent: &Intent) -> Result<Option<Begun>, StateError> {
        let link = self.link();
        let outcome = link.run(&script::LOOK, |installation| parameters(installation, intent));
        let (now, look): (_, Look) = outcome.await?;
        if look.is_damaged {
            return Err(StateError::Lost(link.location()));
        }
        let now = time(now);
        let keys: Vec<_> = look.keys.into_iter().map(String::into_bytes).collect();
        let confirmation = intent.confirmation.as_ref().map(|_| match &look.confirmation {
            None => Err(InvalidConfirmation::NotIssued),
            Some(issued) => issued.confirms(&keys, intent, now),
        });
        let invalid_reply = match (&intent.consent, &look.reply) {
            (Consent::Replied(_), None) => Some(InvalidConfirmation::NotIssued),
            (Consent::Replied(_), Some(issued)) => issued.refuse_reply(&keys, intent, now),
            _ => None,
        };
        let found = Found {
            with_caller_key: look.with_caller_key,
            same: look.same,
            confirmation,
            invalid_reply,
            committed: look.committed,
        };
        let entry =
            |id| found.with_caller_key.iter().chain(&found.same).find(|entry| entry.id == id).cloned();
        Ok(match decide(intent, &found, now) {
            Decision::Send { again } => {
                let known = again.and_then(entry).and_then(|entry| entry.api_key);
                self.insert(intent, &look.version, known).await?.map(Begun::Send)
            }
            Decision::Join(id) => Some(Begun::InProgress(id)),
            Decision::Confirm(purpose, id) => {
                let Some(confirmation) = self.confirmation(intent, &look.version, purpose).await? else {
                    return Ok(None);
                };
                let Some(entry) = entry(id).map(Box::new) else { return Ok(Some(Begun::InProgress(id))) };
                Some(Begun::held_back(purpose, entry, confirmation))
            }
            Decision::Reworded(purpose) => {
                self.confirmation(intent, &look.version, purpose).await?.map(Begun::Reworded)
            }
            Decision::OverCap => Some(Begun::OverCap(found.committed)),
            Decision::Ask(None) => Some(Begun::Ask(None)),
            Decision::Ask(Some(purpose)) => {
                let code = self.confirmation(intent, &look.version, purpose).await?;
                code.map(|code| Begun::Ask(Some(code)))
            }
            Decision::KeyReused(id) => Some(match entry(id) {
                Some(entry) => Begun::KeyReused(Box::new(entry)),
                None => Begun::InProgress(id),
            }),
            Decision::Invalid(invalid) => Some(Begun::Invalid(invalid)),
        })
    }
    /// Records an intended change. Returns nothing if another process changed what this one had read.
    async fn insert(
        &self,
        intent: &Intent,
        version: &str,
        api_key: Option<String>,
    ) -> Result<Option<Started>, StateError> {
        let link = self.link();
        let random = |bytes| random(bytes).map_err(|error| link.failed(error));
        let api_key = match api_key {
            None if intent.sends_key => Some(random(16)?),
            known => known,
        };
        let mut unconfirmed = Unconfirmed { link, token: random(8)?, is_settled: false };
        let outcome = link.run(&script::INSERT, |installation| {
            let mut parameters = parameters(installation, intent);
            parameters["version"] = version.into();
            parameters["token"] = unconfirmed.token.as_str().into();
            parameters["fields"] = fields(installation, intent, api_key.as_deref());
            parameters
        });
        let (_, id): (_, Option<i64>) = outcome.await?;
        unconfirmed.is_settled = true;
        Ok(id.map(|id| {
            link.saw_entry(id);
            Started { id: EntryId(id), key: api_key }
        }))
    }

    /// A code that confirms an intent: the one that was issued before, if most of its time is left. Returns nothing if
    /// another process changed what this one had read.
    async fn confirmation(
        &self,
        intent: &Intent,
        version: &str,
        purpose: Purpose,
    ) -> Result<Option<Confirmation>, StateError> {
        let link = self.link();
        let code = random(8).map_err(|error| link.failed(error))?;
        let outcome = link.run(&script::CONFIRM, |installation| {
            let mut parameters = parameters(installation, intent);
            parameters["version"] = version.into();
            parameters["purpose"] = purpose.as_str().into();
            parameters["code"] = code.as_str().into();
            parameters["tool"] = intent.tool.as_str().into();
            parameters["lifetime"] = micros(CONFIRMATION_LIFETIME).into();
            parameters
        });
        let (_, issued): (_, Option<(String, i64)>) = outcome.await?;
        Ok(issued.map(|(code, expires_at)| Confirmation { code, purpose, expires_at: time(expires_at) }))
    }

    pub(super) async fn revoke_code(&self, code: &str) -> Result<(), StateError> {
        if code.len() > MAX_CODE_BYTES {
            return Ok(());
        }
        let outcome = self.link().run(&script::REVOKE, |_| json!({ "code": code }));
        outcome.await.map(|(_, ())| ())
    }

    pub(super) async fn committed_since(
        &self,
        spender: Spender,
        since: Timestamp,
        currency: &str,
    ) -> Result<i64, StateError> {
        let outcome = self.link().run(&script::COMMITTED, |installation| {
            json!({ "spent": spent(installation, spender, currency), "day": since.as_microsecond() })
        });
        let (_, committed): (_, String) = outcome.await?;
        Ok(committed.parse().unwrap_or(i64::MAX))
    }

    pub(super) async fn end_change(&self, id: EntryId, ending: &Ending) -> Result<(), StateError> {
        let Ending { state, code, ids, outcome } = ending;
        let outcome = self.link().run(&script::END, |_| {
            without_null(json!({
                "id": id.to_string(),
                "state": state.as_str(),
                "code": code,
                "ids": ids.join(" "),
                "outcome": outcome,
            }))
        });
        outcome.await.map(|(_, ())| ())
    }

    pub(super) async fn find_entry(&self, id: EntryId) -> Result<Option<Entry>, StateError> {
        let link = self.link();
        let (_, found): (_, Option<Stored>) =
            link.run(&script::ENTRY, |_| json!({ "id": id.to_string() })).await?;
        link.saw_entry(found.as_ref().map_or(0, |Stored(entry)| entry.id.0));
        Ok(found.map(|Stored(entry)| entry))
    }

    pub(super) async fn list_entries(&self, filter: Filter) -> Result<Vec<Entry>, StateError> {
        let since = filter.since.map_or(0, Timestamp::as_microsecond);
        let mut entries = Vec::new();
        let mut before: Option<String> = None;
        loop {
            let page = PAGE.min(MAX_ENTRIES - entries.len());
            let outcome = self.link().run(&script::ENTRIES, |_| {
                without_null(
                    json!({ "since": since, "unknown": filter.unknown, "page": page, "before": before }),
                )
            });
            let (_, (found, next)): (_, (Vec<Stored>, String)) = outcome.await?;
            entries.extend(found.into_iter().map(|Stored(entry)| entry));
            if next.is_empty() || entries.len() >= MAX_ENTRIES {
                return Ok(entries);
            }
            before = Some(next);
        }
    }

    pub(super) async fn settle_entry(
        &self,
        id: EntryId,
        settlement: Settlement,
    ) -> Result<Option<Result<Entry, Entry>>, StateError> {
        let state = match settlement {
            Settlement::Done => EntryState::Done,
            Settlement::Refused => EntryState::Refused,
        };
        let outcome =
            self.link().run(&script::SETTLE, |_| json!({ "id": id.to_string(), "state": state.as_str() }));
        let (_, (was_unknown, entry)): (_, (bool, Option<Stored>)) = outcome.await?;
        Ok(match entry {
            None => None,
            Some(Stored(entry)) if was_unknown => Some(Ok(entry)),
            Some(Stored(entry)) => Some(Err(entry)),
        })
    }
}

/// What identifies an intent and its confirmation.
fn parameters(installation: &Installation, intent: &Intent) -> Json {
    let short = |code: &String| code.len() <= MAX_CODE_BYTES;
    let code = intent.confirmation.as_ref().filter(|code| short(code));
    let reply = match &intent.consent {
        Consent::Replied(code) => Some(code).filter(|code| short(code)),
        _ => None,
    };
    let keys: Vec<_> = intent.keys().map(|key| installation.key(key)).collect();
    let commitment = intent.commitment.as_ref();
    without_null(json!({
        "reply": reply,
        "spent": commitment.map(|commitment| spent(installation, intent.spender, &commitment.currency)),
        "day": intent.day_cap.map(|cap| cap.since.as_microsecond()),
        "key": installation.key(intent.key),
        "keys": keys,
        "digest": intent.digest,
        "caller_key": intent.caller_key,
        "confirmation": code,
    }))
}

/// The name of the set with the entries of a spender in a currency.
fn spent(installation: &Installation, spender: Spender, currency: &str) -> String {
    match spender {
        Spender::Operator => format!("operator:{currency}"),
        Spender::Caller(key) => format!("{}:{currency}", installation.key(key)),
    }
}

/// The fields of a new entry.
fn fields(installation: &Installation, intent: &Intent, api_key: Option<&str>) -> Json {
    let (key, commitment) = (installation.key(intent.key), intent.commitment.as_ref());
    without_null(json!({
        "key": key,
        "client": intent.client,
        "session": intent.session,
        "tool": intent.tool,
        "effect": intent.effect.as_str(),
        "digest": intent.digest,
        "target": intent.target,
        "amount": intent.amount,
        "currency": intent.currency,
        "arguments": intent.arguments,
        "caller_key": intent.caller_key,
        "api_key": api_key,
        "keep": micros(intent.result_lifetime()).to_string(),
        "spent": commitment.map(|commitment| spent(installation, intent.spender, &commitment.currency)),
        "committed": commitment.map(|commitment| commitment.hundredths.to_string()),
    }))
}
