//! State in a SQLite file.
//!
//! A thread of its own carries out all operations, so that no call blocks the runtime. Operations that arrive while it is
//! busy are committed together. The file is opened when it is first needed, and again after an error.

mod calls;
mod changes;
mod file;
mod permits;
mod process;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    sync::{OnceLock, mpsc},
    thread,
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::Transaction;
use scope3_mcp_client::{Class, credentials::Fingerprint};
use tokio::sync::oneshot;

use self::file::{File, Owner};
use super::{
    CallCount, Exhausted, Loss, Request, State, StateError, StateLocation, Used, Window, clock::Clock,
};
use crate::journal::{Begun, Ending, Entry, EntryId, Filter, Intent, Settlement};

/// How long an operation waits. A file system that hangs must not hold a call forever.
const REPLY_TIMEOUT: Duration = Duration::from_secs(5);

/// The maximum number of operations that one transaction carries out.
const MAX_BATCH: usize = 64;

/// State in a SQLite file, or in the memory of this process.
pub(crate) struct SqliteState {
    location: StateLocation,
    clock: Clock,
    jobs: OnceLock<mpsc::Sender<Box<dyn Job>>>,
}

/// An open transaction, at one time.
struct Work<'a> {
    transaction: &'a Transaction<'a>,
    file: &'a Owner,
    /// The file's time, in microseconds since the Unix epoch.
    now: i64,
}

/// An operation, and who waits for its result.
trait Job: Send {
    /// Whether the effect has to survive a power failure.
    fn is_durable(&self) -> bool;

    /// Carries the operation out. The result is delivered when it is committed.
    fn run(&mut self, work: &Work<'_>) -> rusqlite::Result<()>;

    /// Delivers the result, or the error because of which the transaction was rolled back.
    fn reply(self: Box<Self>, committed: Result<(), &StateError>);
}

struct Operation<T, F> {
    is_durable: bool,
    work: Option<F>,
    value: Option<T>,
    sender: oneshot::Sender<Result<T, StateError>>,
}

impl<T, F> Job for Operation<T, F>
where
    T: Send,
    F: FnOnce(&Work<'_>) -> rusqlite::Result<T> + Send,
{
    fn is_durable(&self) -> bool {
        self.is_durable
    }

    fn run(&mut self, work: &Work<'_>) -> rusqlite::Result<()> {
        // Nobody would learn of the result if the caller gave up meanwhile.
        if let Some(operation) = self.work.take().filter(|_| !self.sender.is_closed()) {
            self.value = Some(operation(work)?);
        }
        Ok(())
    }

    fn reply(self: Box<Self>, committed: Result<(), &StateError>) {
        let Self { value, sender, .. } = *self;
        let outcome = committed.map_err(Clone::clone).map(|()| value).transpose();
        // The caller may no longer wait.
        drop(outcome.map(|outcome| sender.send(outcome)));
    }
}

impl SqliteState {
    pub(crate) fn at(location: StateLocation) -> Self {
        Self::with_clock(location, Clock::system())
    }

    pub(super) fn with_clock(location: StateLocation, clock: Clock) -> Self {
        Self { location, clock, jobs: OnceLock::new() }
    }

    /// Carries out an operation in a transaction. A durable one is on the disk when this returns.
    async fn run<T: Send + 'static>(
        &self,
        is_durable: bool,
        operation: impl FnOnce(&Work<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StateError> {
        let (sender, receiver) = oneshot::channel();
        let job = Operation { is_durable, work: Some(operation), value: None, sender };
        let jobs = self.jobs.get_or_init(|| start(self.location.clone(), self.clock.clone()));
        let timeout = || StateError::Timeout { location: self.location.to_string(), after: REPLY_TIMEOUT };
        jobs.send(Box::new(job)).map_err(|_| timeout())?;
        match tokio::time::timeout(REPLY_TIMEOUT, receiver).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) | Err(_) => Err(timeout()),
        }
    }
}

impl fmt::Debug for SqliteState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SqliteState").field(&self.location).finish()
    }
}

/// Starts the thread that works on the file. It ends when the state is dropped.
fn start(location: StateLocation, clock: Clock) -> mpsc::Sender<Box<dyn Job>> {
    let (sender, queue) = mpsc::channel::<Box<dyn Job>>();
    let work = move || {
        let mut file: Option<File> = None;
        let mut processes = None;
        while let Ok(first) = queue.recv() {
            let mut batch = vec![first];
            batch.extend(queue.try_iter().take(MAX_BATCH - 1));
            let opened = match &mut file {
                Some(file) => Ok(file),
                closed => {
                    File::open(&location, clock.clone(), &mut processes).map(|opened| closed.insert(opened))
                }
            };
            let outcome = opened.and_then(|file| file.run(&mut batch));
            if outcome.is_err() {
                // The next operation opens the file again.
                file = None;
            }
            for job in batch {
                job.reply(outcome.as_ref().copied());
            }
        }
    };
    // Without a thread nobody receives the jobs, and every operation fails.
    drop(thread::Builder::new().name("state".to_owned()).spawn(work));
    sender
}

#[async_trait]
impl State for SqliteState {
    async fn open(&self) -> Result<(), StateError> {
        self.run(false, |_| Ok(())).await
    }

    async fn acquire(&self, request: Request) -> Result<Result<(), Exhausted>, StateError> {
        self.run(request.sends.is_some(), move |work| work.acquire(&request)).await
    }

    async fn used(&self, key: Fingerprint, windows: Vec<Window>) -> Result<Vec<Used>, StateError> {
        self.run(false, move |work| {
            let key = work.key_id(key);
            windows.iter().map(|window| work.used(&key, *window)).collect()
        })
        .await
    }

    async fn cool_down(&self, key: Fingerprint, class: Class, wait: Duration) -> Result<(), StateError> {
        self.run(false, move |work| work.cool_down(key, class, wait)).await
    }

    async fn begin(&self, intent: Intent) -> Result<Begun, StateError> {
        self.run(true, move |work| work.begin(&intent)).await?
    }

    async fn end(&self, id: EntryId, ending: Ending) -> Result<(), StateError> {
        self.run(true, move |work| work.end(id, &ending)).await
    }

    async fn entry(&self, id: EntryId) -> Result<Option<Entry>, StateError> {
        self.run(false, move |work| work.entry(id)).await
    }

    async fn entries(&self, filter: Filter) -> Result<Vec<Entry>, StateError> {
        self.run(false, move |work| work.entries(filter)).await
    }

    async fn settle(
        &self,
        id: EntryId,
        settlement: Settlement,
    ) -> Result<Option<Result<Entry, Entry>>, StateError> {
        self.run(true, move |work| work.settle(id, settlement)).await
    }

    async fn count(&self, calls: Vec<(Option<Fingerprint>, CallCount)>) -> Result<(), StateError> {
        self.run(false, move |work| calls.iter().try_for_each(|(key, calls)| work.count(*key, calls))).await
    }

    async fn counts(&self, since: Timestamp, key: Option<Fingerprint>) -> Result<Vec<CallCount>, StateError> {
        self.run(false, move |work| work.counts(since, key)).await
    }

    async fn accept_loss(&self) -> Result<Option<Loss>, StateError> {
        self.run(true, |work| Ok(work.accept_loss()?.map(Loss::Moved))).await
    }
}
