//! The journal in the file.

use std::str::FromStr;

use jiff::Timestamp;
use rusqlite::{Row, named_params, types::Type};

use super::{Work, calls::time};
use crate::{
    journal::{
        Begun, Consent, Decision, Digest, Ending, Entry, EntryId, EntryState, Filter, Found, Intent,
        InvalidConfirmation, Settlement, Spender, Started, decide,
    },
    state::{StateError, clock::micros, shown_key},
};

/// The columns of an [`Entry`].
const ENTRY: &str = "id, made_at, state, since, tool, effect, target, amount, currency, client, session, key, digest, \
                     arguments, caller_key, api_key, code, ids, outcome";

/// The maximum number of entries in a list.
const MAX_ENTRIES: u32 = 10_000;

impl Work<'_> {
    pub(super) fn begin(&self, intent: &Intent) -> rusqlite::Result<Result<Begun, StateError>> {
        if let Some(moved) = self.damaged()? {
            return Ok(Err(StateError::Damaged(moved)));
        }
        self.bury_dead_processes()?;
        let key = self.key_id(intent.key);
        let keys: Vec<_> = intent.keys().map(|key| self.key_id(key)).collect();
        let found = Found {
            with_caller_key: newest(&keys, |key| self.with_caller_key(key, intent))?,
            same: newest(&keys, |key| self.same(key, intent.digest))?,
            confirmation: match &intent.confirmation {
                Some(code) => Some(match self.issued(code)? {
                    Some(issued) => issued.confirms(&keys, intent, time(self.now)),
                    None => Err(InvalidConfirmation::NotIssued),
                }),
                None => None,
            },
            invalid_reply: match &intent.consent {
                Consent::Replied(code) => match self.issued(code)? {
                    Some(issued) => issued.refuse_reply(&keys, intent, time(self.now)),
                    None => Some(InvalidConfirmation::NotIssued),
                },
                _ => None,
            },
            committed: match (&intent.day_cap, &intent.commitment) {
                (Some(cap), Some(commitment)) => {
                    self.committed(intent.spender, cap.since, &commitment.currency)?
                }
                _ => 0,
            },
        };
        let entry =
            |id| found.with_caller_key.iter().chain(&found.same).find(|entry| entry.id == id).cloned();
        let decision = decide(intent, &found, time(self.now));
        Ok(Ok(match decision {
            Decision::Send { again } => {
                for code in intent.codes() {
                    self.revoke(code)?;
                }
                let known = again.and_then(entry).and_then(|entry| entry.api_key);
                let api_key = match known {
                    None if intent.sends_key => Some(self.random(16)?),
                    known => known,
                };
                let id = self.insert(&key, intent, api_key.as_deref())?;
                Begun::Send(Started { id, key: api_key })
            }
            Decision::Join(id) => Begun::InProgress(id),
            Decision::Confirm(purpose, id) => {
                let confirmation = self.confirmation(&key, intent, purpose)?;
                let Some(entry) = entry(id).map(Box::new) else { return Ok(Ok(Begun::InProgress(id))) };
                Begun::held_back(purpose, entry, confirmation)
            }
            Decision::Reworded(purpose) => Begun::Reworded(self.confirmation(&key, intent, purpose)?),
            Decision::OverCap => Begun::OverCap(found.committed),
            Decision::Ask(purpose) => {
                let code = purpose.map(|purpose| self.confirmation(&key, intent, purpose)).transpose()?;
                Begun::Ask(code)
            }
            Decision::KeyReused(id) => match entry(id) {
                Some(entry) => Begun::KeyReused(Box::new(entry)),
                None => Begun::InProgress(id),
            },
            Decision::Invalid(invalid) => Begun::Invalid(invalid),
        }))
    }

    fn insert(&self, key: &[u8], intent: &Intent, api_key: Option<&str>) -> rusqlite::Result<EntryId> {
        self.transaction
            .prepare_cached(
                "INSERT INTO journal (process, made_at, state, since, key, client, session, tool, effect, digest, target,
                                      amount, currency, arguments, caller_key, api_key, keep, spender, committed)
                 VALUES (:process, :now, 'intended', :now, :key, :client, :session, :tool, :effect, :digest, :target,
                         :amount, :currency, :arguments, :caller_key, :api_key, :keep, :spender, :committed)",
            )?
            .execute(named_params! {
                ":process": self.file.processes.id,
                ":now": self.now,
                ":key": key,
                ":client": intent.client,
                ":session": intent.session,
                ":tool": intent.tool,
                ":effect": intent.effect.as_str(),
                ":digest": intent.digest.0,
                ":target": intent.target,
                ":amount": intent.amount,
                ":currency": intent.currency,
                ":arguments": intent.arguments,
                ":caller_key": intent.caller_key,
                ":api_key": api_key,
                ":keep": micros(intent.result_lifetime()),
                ":spender": self.spender(intent.spender),
                ":committed": intent.commitment.as_ref().map(|commitment| commitment.hundredths),
            })?;
        Ok(EntryId(self.transaction.last_insert_rowid()))
    }

    /// Records that a change is sent.
    ///
    /// # Errors
    /// If its entry is gone or has ended: then the change must not be sent.
    pub(super) fn mark_sent(&self, id: EntryId) -> rusqlite::Result<()> {
        let updated = self
            .transaction
            .prepare_cached(
                "UPDATE journal SET state = 'sent', since = :now
                 WHERE id = :id AND process = :process AND state IN ('intended', 'sent')",
            )?
            .execute(named_params! { ":now": self.now, ":id": id.0, ":process": self.file.processes.id })?;
        if updated == 0 { Err(rusqlite::Error::QueryReturnedNoRows) } else { Ok(()) }
    }

    /// Removes the entry of a change that is not sent, because its caller never learned that it may be.
    pub(super) fn abandon(&self, id: EntryId) -> rusqlite::Result<()> {
        self.transaction
            .prepare_cached(
                "DELETE FROM journal WHERE id = :id AND process = :process AND state = 'intended'",
            )?
            .execute(named_params! { ":id": id.0, ":process": self.file.processes.id })?;
        Ok(())
    }

    /// Records how a change of this process ended. In a file that replaced a damaged one, the number may be another's.
    pub(super) fn end(&self, id: EntryId, ending: &Ending) -> rusqlite::Result<()> {
        let Ending { state, code, ids, outcome } = ending;
        if *state == EntryState::Refused {
            // A request that never left, or that came with an invented key, is no change. Strangers could fill the file.
            let deleted = self
                .transaction
                .prepare_cached(
                    "DELETE FROM journal
                     WHERE id = :id AND process = :process
                         AND (state = 'intended' OR state = 'sent' AND :code = 'AUTH_INVALID_KEY')",
                )?
                .execute(named_params! { ":id": id.0, ":process": self.file.processes.id, ":code": code })?;
            if deleted > 0 {
                return Ok(());
            }
        }
        self.transaction
            .prepare_cached(
                "UPDATE journal SET state = :state, since = :now, code = :code, ids = :ids, outcome = :outcome
                 WHERE id = :id AND process = :process AND state IN ('intended', 'sent')",
            )?
            .execute(named_params! {
                ":process": self.file.processes.id,
                ":state": state.as_str(),
                ":now": self.now,
                ":code": code,
                ":ids": ids.join(" "),
                ":outcome": outcome,
                ":id": id.0,
            })?;
        Ok(())
    }

    pub(super) fn entry(&self, id: EntryId) -> rusqlite::Result<Option<Entry>> {
        self.bury_dead_processes()?;
        self.select("WHERE id = :id", named_params! { ":id": id.0 }).map(|entries| entries.into_iter().next())
    }

    pub(super) fn entries(&self, filter: Filter) -> rusqlite::Result<Vec<Entry>> {
        self.bury_dead_processes()?;
        let since = filter.since.map_or(i64::MIN, Timestamp::as_microsecond);
        let state = if filter.unknown { "unknown" } else { "%" };
        self.select(
            "WHERE made_at >= :since AND state LIKE :state ORDER BY id DESC LIMIT :limit",
            named_params! { ":since": since, ":state": state, ":limit": MAX_ENTRIES },
        )
    }

    pub(super) fn settle(
        &self,
        id: EntryId,
        settlement: Settlement,
    ) -> rusqlite::Result<Option<Result<Entry, Entry>>> {
        let Some(entry) = self.entry(id)? else { return Ok(None) };
        if entry.state != EntryState::Unknown {
            return Ok(Some(Err(entry)));
        }
        let state = match settlement {
            Settlement::Done => EntryState::Done,
            Settlement::Refused => EntryState::Refused,
        };
        self.transaction
            .prepare_cached("UPDATE journal SET state = :state, since = :now WHERE id = :id")?
            .execute(named_params! { ":state": state.as_str(), ":now": self.now, ":id": id.0 })?;
        Ok(self.entry(id)?.map(Ok))
    }

    /// The outcome of what a dead process sent is unknown. What it had not sent was not made.
    fn bury_dead_processes(&self) -> rusqlite::Result<()> {
        let mut open = self
            .transaction
            .prepare_cached("SELECT DISTINCT process FROM journal WHERE state IN ('intended', 'sent')")?;
        let processes: Vec<String> =
            open.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        for process in processes.iter().filter(|process| !self.file.processes.is_alive(process)) {
            self.transaction
                .prepare_cached(
                    "UPDATE journal SET since = :now, code = 'INTERRUPTED',
                         state = CASE state WHEN 'sent' THEN 'unknown' ELSE 'refused' END
                     WHERE process = :process AND state IN ('intended', 'sent')",
                )?
                .execute(named_params! { ":now": self.now, ":process": process })?;
        }
        Ok(())
    }

    fn same(&self, key: &[u8], digest: Digest) -> rusqlite::Result<Option<Entry>> {
        self.first(
            "WHERE key = :key AND digest = :digest AND state != 'refused' ORDER BY id DESC LIMIT 1",
            named_params! { ":key": key, ":digest": digest.0 },
        )
    }

    fn with_caller_key(&self, key: &[u8], intent: &Intent) -> rusqlite::Result<Option<Entry>> {
        let Some(caller_key) = &intent.caller_key else { return Ok(None) };
        self.first(
            "WHERE key = :key AND caller_key = :caller_key ORDER BY id DESC LIMIT 1",
            named_params! { ":key": key, ":caller_key": caller_key },
        )
    }

    fn first(
        &self,
        condition: &str,
        parameters: &[(&str, &dyn rusqlite::ToSql)],
    ) -> rusqlite::Result<Option<Entry>> {
        self.select(condition, parameters).map(|entries| entries.into_iter().next())
    }

    fn select(
        &self,
        condition: &str,
        parameters: &[(&str, &dyn rusqlite::ToSql)],
    ) -> rusqlite::Result<Vec<Entry>> {
        let mut select =
            self.transaction.prepare_cached(&format!("SELECT {ENTRY} FROM journal {condition}"))?;
        select.query_map(parameters, read_entry)?.collect()
    }

    /// What a spender has committed in a currency since a time, in hundredths. What was refused does not count.
    pub(super) fn committed(
        &self,
        spender: Spender,
        since: Timestamp,
        currency: &str,
    ) -> rusqlite::Result<i64> {
        self.transaction
            .prepare_cached(
                // `total` cannot overflow, as `sum` does.
                "SELECT CAST(total(committed) AS INTEGER) FROM journal
                 WHERE spender = :spender AND currency = :currency AND made_at >= :since AND state != 'refused'
                     AND committed > 0",
            )?
            .query_row(
                named_params! {
                    ":spender": self.spender(spender),
                    ":currency": currency,
                    ":since": since.as_microsecond(),
                },
                |row| row.get(0),
            )
    }

    /// What stands for a spender in the file.
    fn spender(&self, spender: Spender) -> Vec<u8> {
        match spender {
            Spender::Operator => Vec::new(),
            Spender::Caller(key) => self.key_id(key),
        }
    }

    /// Random bytes in hexadecimal notation.
    pub(super) fn random(&self, bytes: u8) -> rusqlite::Result<String> {
        self.transaction
            .prepare_cached("SELECT lower(hex(randomblob(:bytes)))")?
            .query_row(named_params! { ":bytes": bytes }, |row| row.get(0))
    }
}

/// The newest of the entries that were found for several keys.
fn newest(
    keys: &[Vec<u8>],
    find: impl Fn(&[u8]) -> rusqlite::Result<Option<Entry>>,
) -> rusqlite::Result<Option<Entry>> {
    let found: Vec<_> = keys.iter().map(|key| find(key)).collect::<rusqlite::Result<_>>()?;
    Ok(found.into_iter().flatten().max_by_key(|entry| entry.id))
}

/// A word of this program that the file holds.
pub(super) fn parse<T: FromStr<Err = String>>(text: &str) -> rusqlite::Result<T> {
    text.parse()
        .map_err(|error: String| rusqlite::Error::FromSqlConversionFailure(2, Type::Text, error.into()))
}

fn read_entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let state: String = row.get("state")?;
    let state = parse(&state)?;
    let key: Vec<u8> = row.get("key")?;
    let ids: String = row.get("ids")?;
    Ok(Entry {
        id: EntryId(row.get("id")?),
        made_at: time(row.get("made_at")?),
        state,
        since: time(row.get("since")?),
        tool: row.get("tool")?,
        effect: row.get("effect")?,
        target: row.get("target")?,
        amount: row.get("amount")?,
        currency: row.get("currency")?,
        client: row.get("client")?,
        session: row.get("session")?,
        key: shown_key(&key),
        digest: Digest(row.get("digest")?),
        arguments: row.get("arguments")?,
        caller_key: row.get("caller_key")?,
        api_key: row.get("api_key")?,
        code: row.get("code")?,
        ids: ids.split_whitespace().map(str::to_owned).collect(),
        outcome: row.get("outcome")?,
    })
}
