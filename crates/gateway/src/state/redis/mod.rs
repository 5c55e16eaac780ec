//! State in a Redis server, or in Valkey, which replicas on several machines share.
//!
//! Each operation is a script, which the server carries out as a whole; `begin` is two, so that its rules stay in
//! [`decide`](crate::journal::decide). A task shows every few seconds that this process is alive.

mod calls;
mod changes;
mod entry;
mod link;
mod permits;
mod recent;
mod script;
#[cfg(test)]
mod tests;
mod timeline;
mod url;

use std::{
    fmt,
    sync::{Arc, OnceLock, PoisonError, Weak},
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use scope3_mcp_client::{Class, credentials::Fingerprint};
use serde_json::{Value, json};

use self::link::{BEAT, Link};
pub use self::url::{InvalidRedisUrl, RedisUrl};
use super::{CallCount, Exhausted, Loss, Request, State, StateError, Used, Window, clock::Clock};
use crate::journal::{Begun, Ending, Entry, EntryId, Filter, Intent, Settlement, Spender};

/// State in a Redis server.
pub(crate) struct RedisState {
    link: Arc<Link>,
    beat: Duration,
    heart: OnceLock<()>,
}

impl RedisState {
    pub(crate) fn at(url: RedisUrl) -> Self {
        Self::with(Link::new(url, Clock::system()), BEAT)
    }

    fn with(link: Link, beat: Duration) -> Self {
        Self { link: Arc::new(link), beat, heart: OnceLock::new() }
    }

    /// The connection. Its first use starts the task that shows that this process is alive.
    fn link(&self) -> &Link {
        self.heart.get_or_init(|| {
            tokio::spawn(beat(Arc::downgrade(&self.link), self.beat));
        });
        &self.link
    }
}

impl fmt::Debug for RedisState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedisState").field(&self.link.location()).finish()
    }
}

/// Shows that this process is alive, until its state is dropped.
async fn beat(link: Weak<Link>, interval: Duration) {
    loop {
        tokio::time::sleep(interval).await;
        let Some(link) = link.upgrade() else { return };
        if let Err(error) = beat_once(&link).await {
            tracing::debug!(%error, "cannot show that this process is alive");
        }
    }
}

async fn beat_once(link: &Link) -> Result<(), StateError> {
    let abandoned = std::mem::take(&mut *link.abandoned.lock().unwrap_or_else(PoisonError::into_inner));
    let outcome = link.run::<(), _>(&script::BEAT, |_| json!({ "abandoned": abandoned })).await;
    if outcome.is_err() {
        link.abandoned.lock().unwrap_or_else(PoisonError::into_inner).extend(abandoned);
    }
    outcome.map(drop)
}

/// An object without the members that are null, which Lua would take for values.
fn without_null(mut object: Value) -> Value {
    if let Value::Object(members) = &mut object {
        members.retain(|_, value| !value.is_null());
    }
    object
}

#[async_trait]
impl State for RedisState {
    async fn open(&self) -> Result<(), StateError> {
        beat_once(self.link()).await
    }

    async fn acquire(&self, request: Request) -> Result<Result<(), Exhausted>, StateError> {
        self.acquire_permits(request).await
    }

    async fn used(&self, key: Fingerprint, windows: Vec<Window>) -> Result<Vec<Used>, StateError> {
        self.used_permits(key, windows).await
    }

    async fn cool_down(&self, key: Fingerprint, class: Class, wait: Duration) -> Result<(), StateError> {
        self.start_cooldown(key, class, wait).await
    }

    async fn begin(&self, intent: Intent) -> Result<Begun, StateError> {
        self.begin_change(&intent).await
    }

    async fn end(&self, id: EntryId, ending: Ending) -> Result<(), StateError> {
        self.end_change(id, &ending).await
    }

    async fn entry(&self, id: EntryId) -> Result<Option<Entry>, StateError> {
        self.find_entry(id).await
    }

    async fn entries(&self, filter: Filter) -> Result<Vec<Entry>, StateError> {
        self.list_entries(filter).await
    }

    async fn settle(
        &self,
        id: EntryId,
        settlement: Settlement,
    ) -> Result<Option<Result<Entry, Entry>>, StateError> {
        self.settle_entry(id, settlement).await
    }

    async fn revoke(&self, code: String) -> Result<(), StateError> {
        self.revoke_code(&code).await
    }

    async fn committed(
        &self,
        spender: Spender,
        since: Timestamp,
        currency: String,
    ) -> Result<i64, StateError> {
        self.committed_since(spender, since, &currency).await
    }

    async fn count(&self, calls: Vec<(Option<Fingerprint>, CallCount)>) -> Result<(), StateError> {
        self.count_calls(&calls).await
    }

    async fn counts(&self, since: Timestamp, key: Option<Fingerprint>) -> Result<Vec<CallCount>, StateError> {
        self.counted_calls(since, key).await
    }

    async fn accept_loss(&self) -> Result<Option<Loss>, StateError> {
        let (_, was_lost): (_, bool) = self.link().run(&script::ACCEPT_LOSS, |_| json!({})).await?;
        Ok(was_lost.then_some(Loss::Gone))
    }
}
