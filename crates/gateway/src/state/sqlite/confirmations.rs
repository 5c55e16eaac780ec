//! The codes with which callers and clients say yes, in the file.

use rusqlite::{OptionalExtension, named_params};

use super::{Work, calls::time, changes::parse};
use crate::{
    journal::{CONFIRMATION_LIFETIME, Confirmation, Digest, Intent, Issued, Purpose},
    state::clock::micros,
};

impl Work<'_> {
    /// A code that confirms an intent: the one that was issued before, if most of its time is left.
    pub(super) fn confirmation(
        &self,
        key: &[u8],
        intent: &Intent,
        purpose: Purpose,
    ) -> rusqlite::Result<Confirmation> {
        let lifetime = micros(CONFIRMATION_LIFETIME);
        let issued: Option<(String, i64)> = self
            .transaction
            .prepare_cached(
                "SELECT code, expires_at FROM confirmations
                 WHERE key = :key AND digest = :digest AND purpose = :purpose AND used = 0 AND expires_at > :enough
                 ORDER BY expires_at DESC LIMIT 1",
            )?
            .query_row(
                named_params! {
                    ":key": key,
                    ":digest": intent.digest.0,
                    ":purpose": purpose.as_str(),
                    ":enough": self.now + lifetime / 2,
                },
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()?;
        let (code, expires_at) = if let Some(issued) = issued {
            issued
        } else {
            let (code, expires_at) = (self.random(8)?, self.now.saturating_add(lifetime));
            self.transaction
                .prepare_cached(
                    "INSERT INTO confirmations (code, key, tool, digest, purpose, expires_at)
                     VALUES (:code, :key, :tool, :digest, :purpose, :expires_at)",
                )?
                .execute(named_params! {
                    ":code": code,
                    ":key": key,
                    ":tool": intent.tool,
                    ":digest": intent.digest.0,
                    ":purpose": purpose.as_str(),
                    ":expires_at": expires_at,
                })?;
            (code, expires_at)
        };
        Ok(Confirmation { code, purpose, expires_at: time(expires_at) })
    }

    /// The confirmation with this code.
    pub(super) fn issued(&self, code: &str) -> rusqlite::Result<Option<Issued>> {
        self.transaction
            .prepare_cached(
                "SELECT key, tool, digest, purpose, expires_at, used FROM confirmations WHERE code = :code",
            )?
            .query_row(named_params! { ":code": code }, |row| {
                Ok(Issued {
                    key: row.get(0)?,
                    tool: row.get(1)?,
                    digest: Digest(row.get(2)?),
                    purpose: parse(&row.get::<_, String>(3)?)?,
                    expires_at: time(row.get(4)?),
                    is_used: row.get(5)?,
                })
            })
            .optional()
    }

    /// Makes a confirmation useless.
    pub(super) fn revoke(&self, code: &str) -> rusqlite::Result<()> {
        self.transaction
            .prepare_cached("UPDATE confirmations SET used = 1 WHERE code = :code")?
            .execute(named_params! { ":code": code })?;
        Ok(())
    }
}
