//! Permits and cooldowns in the file.

use std::time::Duration;

use rusqlite::named_params;
use scope3_mcp_client::{Class, credentials::Fingerprint};

use super::Work;
use crate::state::{Exhausted, Request, Taken, Used, Window, clock::micros, key_id};

/// One permit of a key and class.
#[derive(Debug, Clone, Copy)]
struct Permit {
    number: i64,
    taken_at: i64,
}

/// The permits of a key and class, and until when Scope3 asked the key to wait.
struct WindowRow {
    /// The oldest permit that still counts.
    oldest: Option<Permit>,
    newest: Option<Permit>,
    cooldown_ends_at: Option<i64>,
}

impl WindowRow {
    fn used(&self, window: Window, now: i64) -> Used {
        let until = |time: i64| u64::try_from(time - now).ok().map(Duration::from_micros);
        let permits =
            self.oldest.zip(self.newest).map_or(0, |(oldest, newest)| newest.number - oldest.number + 1);
        let free_at = |oldest: Permit| oldest.taken_at + micros(window.limit.per.duration());
        Used {
            permits: u32::try_from(permits).unwrap_or(u32::MAX),
            next_in: self.oldest.map(|oldest| until(free_at(oldest)).unwrap_or_default()),
            cooldown: self.cooldown_ends_at.and_then(until).filter(|wait| !wait.is_zero()),
        }
    }
}

impl Work<'_> {
    /// What stands for a key in the file.
    pub(super) fn key_id(&self, key: Fingerprint) -> Vec<u8> {
        key_id(&self.file.secret, key).to_vec()
    }

    pub(super) fn acquire(&self, request: &Request) -> rusqlite::Result<Result<(), Exhausted>> {
        for &Taken { key, window, ago } in &request.taken {
            let key = self.key_id(key);
            let newest = self.window(&key, window)?.newest;
            self.take(&key, window, ago, newest)?;
        }
        let key = self.key_id(request.key);
        let mut newest = Vec::with_capacity(request.windows.len());
        for &window in &request.windows {
            let row = self.window(&key, window)?;
            let Used { permits, next_in, cooldown } = row.used(window, self.now);
            if let Some(next_in) = cooldown {
                return Ok(Err(Exhausted { window, next_in, by_scope3: true }));
            }
            if permits >= window.limit.count.get() {
                let next_in = next_in.unwrap_or_default();
                return Ok(Err(Exhausted { window, next_in, by_scope3: false }));
            }
            newest.push(row.newest);
        }
        for (&window, newest) in request.windows.iter().zip(newest) {
            self.take(&key, window, Duration::ZERO, newest)?;
        }
        if let Some(id) = request.sends {
            self.mark_sent(id)?;
        }
        Ok(Ok(()))
    }

    fn take(
        &self,
        key: &[u8],
        window: Window,
        ago: Duration,
        newest: Option<Permit>,
    ) -> rusqlite::Result<()> {
        let Permit { number, taken_at: latest } = newest.unwrap_or(Permit { number: 0, taken_at: i64::MIN });
        // A permit that was taken without the file counts from the time of the newest one in it, if that is later.
        let taken_at = self.now.saturating_sub(micros(ago)).max(latest);
        self.transaction
            .prepare_cached("INSERT INTO permits VALUES (:key, :class, :taken_at, :number, :free_at)")?
            .execute(named_params! {
                ":key": key,
                ":class": window.class.as_str(),
                ":taken_at": taken_at,
                ":number": number + 1,
                ":free_at": taken_at.saturating_add(micros(window.limit.per.duration())),
            })?;
        Ok(())
    }

    /// How much of a limit is used.
    pub(super) fn used(&self, key: &[u8], window: Window) -> rusqlite::Result<Used> {
        Ok(self.window(key, window)?.used(window, self.now))
    }

    /// What the file knows about a window. The limit's own span decides which permits count, whatever it was when they were
    /// taken.
    fn window(&self, key: &[u8], window: Window) -> rusqlite::Result<WindowRow> {
        let since = self.now.saturating_sub(micros(window.limit.per.duration()));
        self.transaction
            .prepare_cached(
                // Tables in FROM would be temporary ones, which take longer than all the rest.
                "SELECT (SELECT number FROM permits WHERE key = :key AND class = :class AND taken_at > :since
                         ORDER BY taken_at, number LIMIT 1),
                        (SELECT taken_at FROM permits WHERE key = :key AND class = :class AND taken_at > :since
                         ORDER BY taken_at, number LIMIT 1),
                        (SELECT number FROM permits WHERE key = :key AND class = :class
                         ORDER BY taken_at DESC, number DESC LIMIT 1),
                        (SELECT taken_at FROM permits WHERE key = :key AND class = :class
                         ORDER BY taken_at DESC, number DESC LIMIT 1),
                        (SELECT ends_at FROM cooldowns WHERE key = :key AND class = :class)",
            )?
            .query_row(
                named_params! { ":key": key, ":class": window.class.as_str(), ":since": since },
                |row| {
                    let permit = |number, taken_at| Permit { number, taken_at };
                    let oldest = row.get::<_, Option<i64>>(0)?.zip(row.get(1)?);
                    let newest = row.get::<_, Option<i64>>(2)?.zip(row.get(3)?);
                    Ok(WindowRow {
                        oldest: oldest.map(|(number, taken_at)| permit(number, taken_at)),
                        newest: newest.map(|(number, taken_at)| permit(number, taken_at)),
                        cooldown_ends_at: row.get(4)?,
                    })
                },
            )
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
