//! State in a SQLite file.
//!
//! A thread of its own carries out all operations, so that no call blocks the runtime. Operations that arrive while it is
//! busy are committed together. The file is opened when it is first needed, and again after an error.

mod calls;
mod changes;
mod confirmations;
mod file;
#[cfg(test)]
mod month;
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
use crate::journal::{Begun, Ending, Entry, EntryId, Filter, Intent, Settlement, Spender};

/// How long an operation waits. A file system that hangs must not hold a call forever.
const REPLY_TIMEOUT: Duration = Duration::from_secs(5);

/// The pause before an operation of whose result nobody learned is undone.
const UNDO_PAUSE: Duration = Duration::from_millis(250);

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

    /// Delivers the result, or the error because of which the transaction was rolled back. Returns what is left to do.
    fn reply(self: Box<Self>, committed: Result<(), &StateError>) -> Option<Box<dyn Job>>;
}

struct Operation<T, F> {
    is_durable: bool,
    work: Option<F>,
    value: Option<T>,
    sender: oneshot::Sender<Result<T, StateError>>,
    /// Undoes a committed operation of whose result nobody learned.
    undo: fn(&T, &Work<'_>) -> rusqlite::Result<()>,
}

impl<T, F> Job for Operation<T, F>
where
    T: Send + 'static,
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

    fn reply(self: Box<Self>, committed: Result<(), &StateError>) -> Option<Box<dyn Job>> {
        let Self { value, sender, undo, .. } = *self;
        let outcome = committed.map_err(Clone::clone).map(|()| value).transpose()?;
        // The caller may no longer wait.
        let value = sender.send(outcome).err()?.ok()?;
        Some(Box::new(Undo { value, undo }))
    }
}

/// Undoes an operation of whose result nobody learned. It is tried until it succeeds.
struct Undo<T> {
    value: T,
    undo: fn(&T, &Work<'_>) -> rusqlite::Result<()>,
}

impl<T: Send + 'static> Job for Undo<T> {
    fn is_durable(&self) -> bool {
        true
    }

    fn run(&mut self, work: &Work<'_>) -> rusqlite::Result<()> {
        (self.undo)(&self.value, work)
    }

    fn reply(self: Box<Self>, committed: Result<(), &StateError>) -> Option<Box<dyn Job>> {
        committed.is_err().then_some(self as Box<dyn Job>)
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
        self.run_or_undo(is_durable, operation, |_, _| Ok(())).await
    }

    /// Like [`Self::run`]. If this returns no result although the operation was committed, it is undone.
    async fn run_or_undo<T: Send + 'static>(
        &self,
        is_durable: bool,
        operation: impl FnOnce(&Work<'_>) -> rusqlite::Result<T> + Send + 'static,
        undo: fn(&T, &Work<'_>) -> rusqlite::Result<()>,
    ) -> Result<T, StateError> {
        let (sender, mut receiver) = oneshot::channel();
        let job = Operation { is_durable, work: Some(operation), value: None, sender, undo };
        let jobs = self.jobs.get_or_init(|| start(self.location.clone(), self.clock.clone()));
        let timeout = || StateError::Timeout { location: self.location.to_string(), after: REPLY_TIMEOUT };
        jobs.send(Box::new(job)).map_err(|_| timeout())?;
        let outcome = tokio::time::timeout(REPLY_TIMEOUT, &mut receiver).await.map(Result::ok);
        let outcome = outcome.unwrap_or_else(|_| {
            // From here on, the thread knows that nobody learns of the result.
            receiver.close();
            receiver.try_recv().ok()
        });
        outcome.unwrap_or_else(|| Err(timeout()))
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
        let mut unfinished: Vec<Box<dyn Job>> = Vec::new();
        while let Some(mut batch) = wait(&queue, unfinished) {
            batch.extend(queue.try_iter().take(MAX_BATCH.saturating_sub(batch.len())));
            if file.as_ref().is_some_and(|file| !file.is_in_place()) {
                // To the processes that work on the new file, this one is a new process.
                (file, processes) = (None, None);
            }
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
            unfinished = batch.into_iter().filter_map(|job| job.reply(outcome.as_ref().copied())).collect();
        }
    };
    // Without a thread nobody receives the jobs, and every operation fails.
    drop(thread::Builder::new().name("state".to_owned()).spawn(work));
    sender
}

/// Adds the next job to unfinished ones, which wait only for a moment. Returns `None` when the state was dropped.
fn wait(queue: &mpsc::Receiver<Box<dyn Job>>, mut batch: Vec<Box<dyn Job>>) -> Option<Vec<Box<dyn Job>>> {
    if batch.is_empty() {
        batch.push(queue.recv().ok()?);
        return Some(batch);
    }
    match queue.recv_timeout(UNDO_PAUSE) {
        Ok(job) => batch.push(job),
        Err(mpsc::RecvTimeoutError::Timeout) => {}
        Err(mpsc::RecvTimeoutError::Disconnected) => return None,
    }
    Some(batch)
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
        let undo = |begun: &Result<Begun, StateError>, work: &Work<'_>| match begun {
            Ok(Begun::Send(started)) => work.abandon(started.id),
            _ => Ok(()),
        };
        self.run_or_undo(true, move |work| work.begin(&intent), undo).await?
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

    async fn revoke(&self, code: String) -> Result<(), StateError> {
        self.run(true, move |work| work.revoke(&code)).await
    }

    async fn committed(
        &self,
        spender: Spender,
        since: Timestamp,
        currency: String,
    ) -> Result<i64, StateError> {
        self.run(false, move |work| work.committed(spender, since, &currency)).await
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
