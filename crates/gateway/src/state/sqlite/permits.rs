//! Permits and cooldowns in the file.

use std::time::Duration;

use rusqlite::{OptionalExtension, named_params};
use scope3_mcp_client::{Class, credentials::Fingerprint};

use super::Work;
use crate::state::{Exhausted, Request, Used, Window, clock::micros, key_id};

impl Work<'_> {
    /// What stands for a key in the file.
    pub(super) fn key_id(&self, key: Fingerprint) -> Vec<u8> {
        key_id(&self.file.secret, key).to_vec()
    }

    pub(super) fn acquire(&self, request: &Request) -> rusqlite::Result<Result<(), Exhausted>> {
        for taken in &request.taken {
            self.take(&self.key_id(taken.key), taken.window, taken.ago)?;
        }
        let key = self.key_id(request.key);
        for &window in &request.windows {
            let Used { permits, next_in, cooldown } = self.used(&key, window)?;
            if let Some(next_in) = cooldown {
                return Ok(Err(Exhausted { window, next_in, by_scope3: true }));
            }
            if permits >= window.limit.count.get() {
                let next_in = next_in.unwrap_or_default();
                return Ok(Err(Exhausted { window, next_in, by_scope3: false }));
            }
        }
        for &window in &request.windows {
            self.take(&key, window, Duration::ZERO)?;
        }
        if let Some(id) = request.sends {
            self.mark_sent(id)?;
        }
        Ok(Ok(()))
    }

    fn take(&self, key: &[u8], window: Window, ago: Duration) -> rusqlite::Result<()> {
        let (newest, latest) = self.newest(key, window.class)?.unwrap_or((0, i64::MIN));
        // A permit that was taken without the file counts from the time of the newest one in it, if that is later.
        let taken_at = self.now.saturating_sub(micros(ago)).max(latest);
        self.transaction
            .prepare_cached("INSERT INTO permits VALUES (:key, :class, :number, :taken_at, :free_at)")?
            .execute(named_params! {
                ":key": key,
                ":class": window.class.as_str(),
                ":number": newest + 1,
                ":taken_at": taken_at,
                ":free_at": taken_at.saturating_add(micros(window.limit.per.duration())),
            })?;
        Ok(())
    }

    /// How much of a limit is used. The limit's own span decides which permits count, whatever it was when they were taken.
    pub(super) fn used(&self, key: &[u8], window: Window) -> rusqlite::Result<Used> {
        let span = micros(window.limit.per.duration());
        let class = window.class.as_str();
        let oldest: Option<(i64, i64)> = self
            .transaction
            .prepare_cached(
                "SELECT number, taken_at FROM permits WHERE key = :key AND class = :class AND taken_at > :since
                 ORDER BY taken_at, number LIMIT 1",
            )?
            .query_row(
                named_params! { ":key": key, ":class": class, ":since": self.now.saturating_sub(span) },
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()?;
        let newest = self.newest(key, window.class)?;
        let permits = oldest.zip(newest).map_or(0, |((oldest, _), (newest, _))| newest - oldest + 1);
        let permits = u32::try_from(permits).unwrap_or(u32::MAX);
        let ends_at: Option<i64> = self
            .transaction
            .prepare_cached("SELECT ends_at FROM cooldowns WHERE key = :key AND class = :class")?
            .query_row(named_params! { ":key": key, ":class": class }, |row| row.get(0))
            .optional()?;
        let until = |time: i64| u64::try_from(time - self.now).ok().map(Duration::from_micros);
        let cooldown = ends_at.and_then(until).filter(|wait| !wait.is_zero());
        let next_in = oldest.map(|(_, taken_at)| until(taken_at + span).unwrap_or_default());
        Ok(Used { permits, next_in, cooldown })
    }

    /// The number and the time of the newest permit.
    fn newest(&self, key: &[u8], class: Class) -> rusqlite::Result<Option<(i64, i64)>> {
        self.transaction
            .prepare_cached(
                "SELECT number, taken_at FROM permits WHERE key = :key AND class = :class
                 ORDER BY number DESC LIMIT 1",
            )?
            .query_row(named_params! { ":key": key, ":class": class.as_str() }, |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()
    }

    pub(super) fn cool_down(&self, key: Fingerprint, class: Class, wait: Duration) -> rusqlite::Result<()> {
        self.transaction.prepare_cached("REPLACE INTO cooldowns VALUES (:key, :class, :ends_at)")?.execute(
            named_params! {
                ":key": self.key_id(key),
                ":class": class.as_str(),
                ":ends_at": self.now.saturating_add(micros(wait)),
            },
        )?;
        Ok(())
    }
}
