//! The connection to the server: opened when it is first needed, and again after an error.

use std::{
    fmt::Write as _,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Client, FromRedisValue, RedisError, Script, Value, aio::MultiplexedConnection,
};
use scope3_mcp_client::credentials::Fingerprint;
use serde::Serialize;
use serde_json::json;
use tokio::time::timeout;

use super::{recent::Recent, script, timeline::Timeline, url::RedisUrl};
use crate::state::{
    StateError,
    clock::{Clock, Reading, micros},
    key_id,
};

/// The version of the format that this program reads and writes.
const FORMAT: u32 = 1;

/// How long to wait for a connection, and for the response to a command.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(2);

/// How long an operation waits in total, with a new connection and its turn.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(5);

/// How often a process shows that it is alive. The scripts take it for dead after three times as long.
pub(super) const BEAT: Duration = Duration::from_secs(5);

/// What processes share that use the same data.
#[derive(Debug)]
pub(super) struct Installation {
    id: String,
    secret: Vec<u8>,
}

impl Installation {
    /// What stands for a key in Redis.
    pub(super) fn key(&self, key: Fingerprint) -> String {
        hex(&key_id(&self.secret, key))
    }
}

#[derive(Clone)]
struct Open {
    connection: MultiplexedConnection,
    installation: Arc<Installation>,
}

/// A connection that is opened when it is needed.
pub(super) struct Link {
    url: RedisUrl,
    clock: Clock,
    pub(super) process: String,
    timeline: Timeline,
    pub(super) recent: Recent,
    open: tokio::sync::Mutex<Option<Open>>,
    /// The id of the installation that this process used last.
    known: Mutex<Option<String>>,
    /// The highest number of an entry that this process has seen.
    last_entry: AtomicI64,
    /// Entries that this process may have made without learning their numbers.
    pub(super) abandoned: Mutex<Vec<String>>,
    has_warned: AtomicBool,
    /// Whether the time comes from `clock` instead of the server.
    #[cfg(test)]
    pub(super) sets_time: bool,
}

impl Link {
    pub(super) fn new(url: RedisUrl, clock: Clock) -> Self {
        let process = format!("{}-{:016x}", std::process::id(), fastrand::u64(..));
        Self {
            url,
            clock,
            recent: Recent::new(process.clone()),
            process,
            timeline: Timeline::default(),
            open: tokio::sync::Mutex::default(),
            known: Mutex::default(),
            last_entry: AtomicI64::new(0),
            abandoned: Mutex::default(),
            has_warned: AtomicBool::new(false),
            #[cfg(test)]
            sets_time: false,
        }
    }

    /// The server, without its password.
    pub(super) fn location(&self) -> String {
        self.url.to_string()
    }

    /// This process's monotonic clock.
    pub(super) fn uptime(&self) -> Duration {
        self.clock.read().uptime
    }

    pub(super) fn saw_entry(&self, id: i64) {
        self.last_entry.fetch_max(id, Ordering::Relaxed);
    }

    /// Carries out a script. Returns the time in Redis, in microseconds, and the script's value.
    pub(super) async fn run<T: FromRedisValue, P: Serialize>(
        &self,
        script: &Script,
        parameters: impl Fn(&Installation) -> P,
    ) -> Result<(i64, T), StateError> {
        match timeout(OPERATION_TIMEOUT, self.try_run(script, parameters)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(StateError::Timeout { location: self.location(), after: OPERATION_TIMEOUT }),
        }
    }

    async fn try_run<T: FromRedisValue, P: Serialize>(
        &self,
        script: &Script,
        parameters: impl Fn(&Installation) -> P,
    ) -> Result<(i64, T), StateError> {
        let mut can_repeat = true;
        loop {
            let is_new = self.open.lock().await.is_none();
            let mut open = self.opened().await?;
            let parameters = parameters(&open.installation);
            let error = match self.invoke(&mut open, script, &parameters).await {
                Ok(Some(reply)) => return Ok(reply),
                // Another installation: the server was replaced or emptied.
                Ok(None) => None,
                Err(error) => Some(error),
            };
            // Perhaps the address leads to another server now.
            self.close(&open.installation).await;
            if let Some(error) = error {
                // An old connection may have been closed long ago. The scripts can be repeated: permits and new entries
                // have names of their own. Only calls may be counted twice.
                if is_new || !can_repeat || !error.is_connection_dropped() {
                    return Err(self.failed(error));
                }
                can_repeat = false;
            }
        }
    }

    /// Returns nothing if the server has another installation.
    async fn invoke<T: FromRedisValue>(
        &self,
        open: &mut Open,
        script: &Script,
        parameters: &impl Serialize,
    ) -> redis::RedisResult<Option<(i64, T)>> {
        let asked = self.clock.read();
        let (lower, upper) = self.timeline.bounds(asked.uptime).unzip();
        let text = |time: Option<i64>| time.map(|time| time.to_string()).unwrap_or_default();
        let parameters = serde_json::to_string(parameters)
            .map_err(|error| RedisError::from((redis::ErrorKind::Client, "parameters", error.to_string())))?;
        let mut invocation = script.prepare_invoke();
        // The key names the slot to a cluster.
        invocation
            .key("{scope3-mcp}:installation")
            .arg(&open.installation.id)
            .arg(&self.process)
            .arg(text(lower))
            .arg(text(upper))
            .arg(text(self.time_override(&asked)))
            .arg(parameters);
        let (status, time, value): (String, i64, Value) =
            invocation.invoke_async(&mut open.connection).await?;
        if status == "lost" {
            return Ok(None);
        }
        self.timeline.note(time, asked.uptime, self.uptime());
        Ok(Some((time, T::from_redis_value(value)?)))
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "tests use it")]
    fn time_override(&self, _: &Reading) -> Option<i64> {
        None
    }

    #[cfg(test)]
    fn time_override(&self, reading: &Reading) -> Option<i64> {
        self.sets_time.then(|| micros(reading.wall))
    }

    async fn opened(&self) -> Result<Open, StateError> {
        let mut open = self.open.lock().await;
        if let Some(open) = open.as_ref() {
            return Ok(open.clone());
        }
        let opened = self.connect().await?;
        Ok(open.insert(opened).clone())
    }

    /// Drops a connection, unless another one has replaced it.
    async fn close(&self, installation: &Arc<Installation>) {
        let mut open = self.open.lock().await;
        if open.as_ref().is_some_and(|open| Arc::ptr_eq(&open.installation, installation)) {
            *open = None;
        }
    }

    async fn connect(&self) -> Result<Open, StateError> {
        let failed = |error| self.failed(error);
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(COMMAND_TIMEOUT))
            .set_response_timeout(Some(COMMAND_TIMEOUT));
        let client = Client::open(self.url.connection_info().map_err(failed)?).map_err(failed)?;
        let mut connection =
            client.get_multiplexed_async_connection_with_config(&config).await.map_err(failed)?;
        self.warn_of_settings(&mut connection).await;
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let random = |bytes| random(bytes).map_err(failed);
        let (format, id, secret): (u32, String, String) = script::OPEN
            .key("{scope3-mcp}:installation")
            .arg(FORMAT)
            .arg(random(8)?)
            .arg(random(32)?)
            .arg(known.as_deref().unwrap_or_default())
            .invoke_async(&mut connection)
            .await
            .map_err(failed)?;
        if format > FORMAT {
            return Err(StateError::Newer { path: self.location().into(), found: format, known: FORMAT });
        }
        let installation = Arc::new(Installation { id: id.clone(), secret: secret.into_bytes() });
        let mut open = Open { connection, installation };
        if known.is_some_and(|known| known != id) {
            tracing::error!(state = %self.url, "the server has lost the journal: changes wait for the operator");
            self.adopt(&mut open).await.map_err(failed)?;
        }
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(id);
        Ok(open)
    }

    /// Gives an installation that replaces a lost one the permits of this process.
    async fn adopt(&self, open: &mut Open) -> redis::RedisResult<()> {
        let now = self.uptime();
        let permits = self.recent.all(now).into_iter().map(|permit| {
            json!({
                "key": open.installation.key(permit.key),
                "class": permit.class.as_str(),
                "ago": micros(now.saturating_sub(permit.at)),
                "id": permit.id,
            })
        });
        let permits: Vec<_> = permits.collect();
        let parameters = json!({ "permits": permits, "last_entry": self.last_entry.load(Ordering::Relaxed) });
        self.invoke::<Value>(open, &script::ADOPT, &parameters)
            .await?
            .map(drop)
            .ok_or_else(|| (redis::ErrorKind::Client, "the server lost its data twice").into())
    }

    /// Warns once if the server may lose changes that it has confirmed. It may also refuse to tell.
    async fn warn_of_settings(&self, connection: &mut MultiplexedConnection) {
        if self.has_warned.swap(true, Ordering::Relaxed) {
            return;
        }
        for (name, wanted) in
            [("appendonly", "yes"), ("appendfsync", "always"), ("maxmemory-policy", "noeviction")]
        {
            let mut command = redis::cmd("CONFIG");
            let answer: redis::RedisResult<Vec<String>> =
                command.arg("GET").arg(name).query_async(connection).await;
            if let Ok(answer) = answer
                && let Some(value) = answer.get(1).filter(|value| *value != wanted)
            {
                tracing::warn!(
                    state = %self.url, setting = name, %value, wanted,
                    "the settings of the server do not protect the journal"
                );
            }
        }
    }

    pub(super) fn failed(&self, source: RedisError) -> StateError {
        StateError::Redis { location: self.location(), source: Arc::new(source) }
    }
}

/// Random bytes in hexadecimal notation.
pub(super) fn random(bytes: usize) -> redis::RedisResult<String> {
    let mut random = vec![0; bytes];
    getrandom::fill(&mut random)
        .map_err(|error| RedisError::from((redis::ErrorKind::Client, "random bytes", error.to_string())))?;
    Ok(hex(&random))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}
