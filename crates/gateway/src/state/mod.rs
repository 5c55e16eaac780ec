//! What all processes that use one key share: the permits that they took, the waits that Scope3 asked for, and the
//! journal of changes.
//!
//! [`State`] is implemented by a SQLite file (`sqlite`), which is also used in memory, and by a Redis server (`redis`),
//! which replicas on several machines share.

mod clock;
mod error;
mod redis;
mod sqlite;
#[cfg(test)]
mod tests;

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use scope3_mcp_catalog::rate::Rate;
use scope3_mcp_client::{Class, credentials::Fingerprint};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

pub use self::{
    error::StateError,
    redis::{InvalidRedisUrl, RedisUrl},
};
use crate::journal::{Begun, Ending, Entry, EntryId, Filter, Intent, Settlement, Spender};

/// Where the state is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateLocation {
    /// In this process. It is lost when the process ends, and no other process sees it.
    Memory,
    /// Nowhere: there is no directory for it.
    Nowhere,
    /// In a SQLite file, which all processes of this machine can share.
    File(PathBuf),
    /// In a Redis server, which processes of several machines can share.
    Redis(RedisUrl),
}

impl StateLocation {
    /// The state at this location. It is opened by the first operation that needs it.
    #[must_use]
    pub fn state(&self) -> Arc<dyn State> {
        match self {
            Self::Redis(url) => Arc::new(redis::RedisState::at(url.clone())),
            Self::Memory | Self::Nowhere | Self::File(_) => Arc::new(sqlite::SqliteState::at(self.clone())),
        }
    }
}

impl StateLocation {
    /// The kind of place, which anybody may know: `memory`, `file`, `redis`, or `none` if there is none.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Nowhere => "none",
            Self::File(_) => "file",
            Self::Redis(_) => "redis",
        }
    }
}

impl fmt::Display for StateLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory"),
            Self::Nowhere => f.write_str("nowhere"),
            Self::File(path) => path.display().fmt(f),
            Self::Redis(url) => url.fmt(f),
        }
    }
}

/// State that processes share. Every operation is atomic: it takes effect as a whole, or fails and changes nothing.
#[async_trait]
pub trait State: fmt::Debug + Send + Sync {
    /// Opens the state, to find out whether it can be used.
    ///
    /// # Errors
    /// If it cannot. A file that is not a state file, or that a newer version wrote, is left as it is.
    async fn open(&self) -> Result<(), StateError>;

    /// Takes a permit of each class, or none if a class has no free permit. See [`Request`].
    ///
    /// # Errors
    /// If the state is unavailable.
    async fn acquire(&self, request: Request) -> Result<Result<(), Exhausted>, StateError>;

    /// How much of each limit a key has used.
    ///
    /// # Errors
    /// If the state is unavailable.
    async fn used(&self, key: Fingerprint, windows: Vec<Window>) -> Result<Vec<Used>, StateError>;

    /// Records that Scope3 asked a key to wait before its next request of a class.
    ///
    /// # Errors
    /// If the state is unavailable.
    async fn cool_down(&self, key: Fingerprint, class: Class, wait: Duration) -> Result<(), StateError>;

    /// Decides what a change meets, and records it as intended if it may be sent. See [`Begun`].
    ///
    /// # Errors
    /// If the state is unavailable.
    async fn begin(&self, intent: Intent) -> Result<Begun, StateError>;

    /// Records how a change ended.
    ///
    /// # Errors
    /// If the state is unavailable.
    async fn end(&self, id: EntryId, ending: Ending) -> Result<(), StateError>;

    /// The journal entry with this id. If the process that made the change has died, the entry says so.
    ///
    /// # Errors
    /// If the state is unavailable.
    async fn entry(&self, id: EntryId) -> Result<Option<Entry>, StateError>;

    /// Journal entries, newest first.
    ///
    /// # Errors
    /// If the state is unavailable.
    async fn entries(&self, filter: Filter) -> Result<Vec<Entry>, StateError>;

    /// Settles an entry whose outcome is unknown. An entry with another state is returned unchanged, as the inner error.
    ///
    /// # Errors
    /// If the state is unavailable.
    async fn settle(
        &self,
        id: EntryId,
        settlement: Settlement,
    ) -> Result<Option<Result<Entry, Entry>>, StateError>;

    /// Makes a confirmation useless, because the person declined.
    ///
    /// # Errors
    /// If the state is unavailable.
    async fn revoke(&self, code: String) -> Result<(), StateError>;

    /// What a spender has committed in a currency since a time, in hundredths of its unit. Changes of unknown outcome
    /// count; what was refused does not.
    ///
    /// # Errors
    /// If the state is unavailable.
    async fn committed(
        &self,
        spender: Spender,
        since: Timestamp,
        currency: String,
    ) -> Result<i64, StateError>;

    /// Adds to the numbers of calls with a key, or with no known key.
    ///
    /// # Errors
    /// If the state is unavailable.
    async fn count(&self, calls: Vec<(Option<Fingerprint>, CallCount)>) -> Result<(), StateError>;

    /// The number of calls since a time, with one key or with all, by hour, tool and outcome, oldest first.
    ///
    /// # Errors
    /// If the state is unavailable.
    async fn counts(&self, since: Timestamp, key: Option<Fingerprint>) -> Result<Vec<CallCount>, StateError>;

    /// Accepts that the journal of a damaged state is lost, so that changes can be made again. Returns what was lost, or
    /// `None` if nothing was.
    ///
    /// # Errors
    /// If the state is unavailable.
    async fn accept_loss(&self) -> Result<Option<Loss>, StateError>;
}

/// A journal that was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loss {
    /// It was damaged, and moved to this file.
    Moved(PathBuf),
    /// Nothing is left of it.
    Gone,
}

/// What stands for a key in a state. Without the state's secret, nobody can tell which key it is.
fn key_id(secret: &[u8], key: Fingerprint) -> [u8; 16] {
    let digest: [u8; 32] = Sha256::new().chain_update(secret).chain_update(key.as_bytes()).finalize().into();
    std::array::from_fn(|position| digest[position])
}

/// The part of a [`key_id`] that the journal shows.
fn shown_key(id: &[u8]) -> String {
    id.first_chunk().map_or_else(String::new, |start| format!("{:08x}", u32::from_be_bytes(*start)))
}

/// A rate limit of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The class.
    pub class: Class,
    /// Its limit.
    pub limit: Rate,
}

/// A request for permits.
#[derive(Debug, Clone)]
pub struct Request {
    /// Who asks.
    pub key: Fingerprint,
    /// One permit of each is taken.
    pub windows: Vec<Window>,
    /// Permits that this process took while the state was unavailable. They are recorded even if the request is denied.
    pub taken: Vec<Taken>,
    /// The journal entry of the change that is sent with these permits. It is recorded as sent, durably.
    pub sends: Option<EntryId>,
}

/// A permit that was taken without the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Who took it.
    pub key: Fingerprint,
    /// The class and its limit.
    pub window: Window,
    /// How long ago.
    pub ago: Duration,
}

/// A class without a free permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exhausted {
    /// The class and its limit.
    pub window: Window,
    /// How long until a permit is free.
    pub next_in: Duration,
    /// Whether Scope3 asked for the wait. If not, all permits are used.
    pub by_scope3: bool,
}

/// How much of a limit is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Used {
    /// Permits taken within the last span of the limit.
    pub permits: u32,
    /// How long until the oldest of them is free again.
    pub next_in: Option<Duration>,
    /// How long Scope3 asked the key to wait.
    pub cooldown: Option<Duration>,
}

/// The number of calls with one outcome in one hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CallCount {
    /// The start of the hour, in UTC.
    pub hour: Timestamp,
    /// The tool.
    pub tool: String,
    /// `ok`, or an error code.
    pub outcome: String,
    /// The number of calls.
    pub calls: u64,
}
