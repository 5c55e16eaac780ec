//! The number of calls by hour, and the removal of old rows.

use jiff::Timestamp;
use rusqlite::named_params;
use scope3_mcp_client::credentials::Fingerprint;

use super::Work;
use crate::{
    journal::{CONFIRMATION_LIFETIME, ENTRY_LIFETIME},
    state::{CallCount, clock::micros},
};

impl Work<'_> {
    pub(super) fn count(&self, key: Option<Fingerprint>, calls: &CallCount) -> rusqlite::Result<()> {
        self.transaction
            .prepare_cached(
                "INSERT INTO calls VALUES (:hour, :key, :tool, :outcome, :calls)
                 ON CONFLICT DO UPDATE SET calls = calls.calls + excluded.calls",
            )?
            .execute(named_params! {
                ":hour": calls.hour.as_microsecond(),
                ":key": key.map(|key| self.key_id(key)).unwrap_or_default(),
                ":tool": calls.tool,
                ":outcome": calls.outcome,
                ":calls": i64::try_from(calls.calls).unwrap_or(i64::MAX),
            })?;
        Ok(())
    }

    pub(super) fn counts(
        &self,
        since: Timestamp,
        key: Option<Fingerprint>,
    ) -> rusqlite::Result<Vec<CallCount>> {
        let mut counts = self.transaction.prepare_cached(
            "SELECT hour, tool, outcome, sum(calls) FROM calls
             WHERE hour >= :since AND (:key IS NULL OR key = :key)
             GROUP BY hour, tool, outcome ORDER BY hour, tool, outcome",
        )?;
        let key = key.map(|key| self.key_id(key));
        let rows =
            counts.query_map(named_params! { ":since": since.as_microsecond(), ":key": key }, |row| {
                Ok(CallCount {
                    hour: time(row.get(0)?),
                    tool: row.get(1)?,
                    outcome: row.get(2)?,
                    calls: row.get::<_, i64>(3)?.unsigned_abs(),
                })
            })?;
        rows.collect()
    }

    /// Removes rows that no longer count. Entries with an unknown outcome stay.
    pub(super) fn prune(&self) -> rusqlite::Result<()> {
        let before = |lifetime| self.now.saturating_sub(micros(lifetime));
        let entries = before(ENTRY_LIFETIME);
        for (delete, time) in [
            ("DELETE FROM permits WHERE free_at <= :time", self.now),
            ("DELETE FROM cooldowns WHERE ends_at <= :time", self.now),
            ("DELETE FROM confirmations WHERE expires_at <= :time", before(CONFIRMATION_LIFETIME)),
            ("DELETE FROM journal WHERE state IN ('done', 'refused') AND since <= :time", entries),
            ("DELETE FROM calls WHERE hour <= :time", entries),
            (
                "UPDATE journal SET outcome = NULL WHERE outcome IS NOT NULL AND since + keep <= :time",
                self.now,
            ),
        ] {
            self.transaction.prepare_cached(delete)?.execute(named_params! { ":time": time })?;
        }
        self.file.processes.sweep();
        Ok(())
    }
}

/// A time of the file. One that is out of range was not written by this program.
pub(super) fn time(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or_default()
}
