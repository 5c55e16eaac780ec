//! How many calls run at once, and whether all that were accepted have been answered.

use std::{sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};

use super::refusal::Refusal;

/// When a client that found no place should try again.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// The calls under way.
#[derive(Debug, Clone)]
pub(super) struct Calls {
    places: Arc<Semaphore>,
    most: u32,
    answers: TaskTracker,
}

/// A call under way. It rides in the extensions of its request, which live until the call is done, whether its
/// client still listens or not.
#[derive(Debug, Clone)]
pub(super) struct Call(#[expect(dead_code, reason = "its drop is what counts")] Arc<OwnedSemaphorePermit>);

impl Calls {
    pub(super) fn new(most: u32) -> Self {
        Self { places: Arc::new(Semaphore::new(most as usize)), most, answers: TaskTracker::new() }
    }

    /// Begins a call, if one more may run.
    pub(super) fn begin(&self) -> Result<Call, Refusal> {
        match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => Ok(Call(Arc::new(place))),
            Err(_) => Err(Refusal::busy("this server is at its limit of concurrent calls", TRY_AGAIN)),
        }
    }

    /// An answer that is being sent.
    pub(super) fn answer(&self) -> TaskTrackerToken {
        self.answers.token()
    }

    /// How many calls run.
    pub(super) fn running(&self) -> usize {
        (self.most as usize).saturating_sub(self.places.available_permits())
    }

    /// Waits until every call is done and every answer is sent.
    pub(super) async fn all_answered(&self) {
        let _all = self.places.acquire_many(self.most).await;
        self.answers.close();
        self.answers.wait().await;
    }
}
