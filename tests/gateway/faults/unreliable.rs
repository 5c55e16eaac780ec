//! A state whose operations fail on demand, and that can be opened as another process would open it.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use scope3_mcp_gateway::{
    credentials::Fingerprint,
    journal::{Begun, Ending, Entry, EntryId, Filter, Intent, Settlement, Spender},
    limits::Class,
    state::{CallCount, Exhausted, Loss, Request, State, StateError, StateLocation, Used, Window},
};

#[derive(Debug)]
pub(super) struct Unreliable {
    state: Mutex<Arc<dyn State>>,
    failures: Mutex<Failures>,
}

/// Which operations fail.
#[derive(Debug, Default)]
struct Failures {
    left: u32,
    late: bool,
}

impl Unreliable {
    pub(super) fn at(path: PathBuf) -> Self {
        let state = Mutex::new(StateLocation::File(path).state());
        Self { state, failures: Mutex::default() }
    }

    /// Opens a file as a new process.
    pub(super) fn open_at(&self, path: PathBuf) {
        *self.state.lock().unwrap() = StateLocation::File(path).state();
        self.fail(0, false);
    }

    /// The next operations fail. With `late`, they take effect all the same.
    pub(super) fn fail(&self, operations: u32, late: bool) {
        *self.failures.lock().unwrap() = Failures { left: operations, late };
    }

    /// All entries, whether operations fail or not.
    pub(super) async fn entries_of_file(&self) -> Vec<Entry> {
        self.state().entries(Filter::default()).await.unwrap()
    }

    fn state(&self) -> Arc<dyn State> {
        Arc::clone(&self.state.lock().unwrap())
    }

    async fn carry_out<T, F: Future<Output = Result<T, StateError>>>(
        &self,
        can_be_late: bool,
        operation: impl FnOnce(Arc<dyn State>) -> F,
    ) -> Result<T, StateError> {
        let late = {
            let mut failures = self.failures.lock().unwrap();
            let fails = failures.left > 0;
            failures.left = failures.left.saturating_sub(1);
            fails.then_some(failures.late && can_be_late)
        };
        let lost = || StateError::Timeout { location: "a test".to_owned(), after: Duration::ZERO };
        match late {
            None => operation(self.state()).await,
            Some(true) => operation(self.state()).await.and_then(|_| Err(lost())),
            Some(false) => Err(lost()),
        }
    }
}

#[async_trait]
impl State for Unreliable {
    async fn open(&self) -> Result<(), StateError> {
        self.carry_out(true, |state| async move { state.open().await }).await
    }

    async fn acquire(&self, request: Request) -> Result<Result<(), Exhausted>, StateError> {
        self.carry_out(true, |state| async move { state.acquire(request).await }).await
    }

    async fn used(&self, key: Fingerprint, windows: Vec<Window>) -> Result<Vec<Used>, StateError> {
        self.carry_out(true, |state| async move { state.used(key, windows).await }).await
    }

    async fn cool_down(&self, key: Fingerprint, class: Class, wait: Duration) -> Result<(), StateError> {
        self.carry_out(true, |state| async move { state.cool_down(key, class, wait).await }).await
    }

    async fn begin(&self, intent: Intent) -> Result<Begun, StateError> {
        // A state itself undoes what its caller did not learn of.
        self.carry_out(false, |state| async move { state.begin(intent).await }).await
    }

    async fn end(&self, id: EntryId, ending: Ending) -> Result<(), StateError> {
        self.carry_out(true, |state| async move { state.end(id, ending).await }).await
    }

    async fn entry(&self, id: EntryId) -> Result<Option<Entry>, StateError> {
        self.carry_out(true, |state| async move { state.entry(id).await }).await
    }

    async fn entries(&self, filter: Filter) -> Result<Vec<Entry>, StateError> {
        self.carry_out(true, |state| async move { state.entries(filter).await }).await
    }

    async fn settle(
        &self,
        id: EntryId,
        settlement: Settlement,
    ) -> Result<Option<Result<Entry, Entry>>, StateError> {
        self.carry_out(true, |state| async move { state.settle(id, settlement).await }).await
    }

    async fn revoke(&self, code: String) -> Result<(), StateError> {
        self.carry_out(true, |state| async move { state.revoke(code).await }).await
    }

    async fn committed(
        &self,
        spender: Spender,
        since: Timestamp,
        currency: String,
    ) -> Result<i64, StateError> {
        self.carry_out(true, |state| async move { state.committed(spender, since, currency).await }).await
    }

    async fn count(&self, calls: Vec<(Option<Fingerprint>, CallCount)>) -> Result<(), StateError> {
        self.carry_out(true, |state| async move { state.count(calls).await }).await
    }

    async fn counts(&self, since: Timestamp, key: Option<Fingerprint>) -> Result<Vec<CallCount>, StateError> {
        self.carry_out(true, |state| async move { state.counts(since, key).await }).await
    }

    async fn accept_loss(&self) -> Result<Option<Loss>, StateError> {
        self.carry_out(true, |state| async move { state.accept_loss().await }).await
    }
}
