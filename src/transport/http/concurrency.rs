//! How many calls run at once, and whether all that were accepted have been answered.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::request::Parts;
use rmcp::model::Extensions;
use scope3_mcp_gateway::{Place, measure::bound_reached};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};

use super::{
    auth::Owner,
    connections::{Activity, Connection},
    rejection::Rejection,
};

/// When a client that found no place should try again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How many calls may run at once.
#[derive(Debug, Clone, Copy)]
pub struct CallLimits {
    /// Of all callers together.
    pub total: u32,
    /// Of each key, where callers bring keys. Callers that share the server's key share the total alone.
    pub per_key: u32,
}

/// The calls under way.
#[derive(Debug)]
pub(super) struct CallLimiter {
    limits: CallLimits,
    permits: Arc<Semaphore>,
    counts: OwnerCounts,
    responses: TaskTracker,
}

type OwnerCounts = Arc<Mutex<HashMap<Owner, u32>>>;

/// A call under way. It rides in the extensions of its request, which live until the call is done, whether its
/// client still listens or not.
#[derive(Debug, Clone)]
pub(super) struct CallPermit(Arc<RunningCall>);

impl CallPermit {
    /// The place of a call, for a change that outlives its request.
    pub(super) fn place(message: &Extensions) -> Option<Place> {
        let call: &Self = message.get::<Parts>()?.extensions.get()?;
        Some(Place::of(Arc::clone(&call.0) as _))
    }
}

#[derive(Debug)]
struct RunningCall {
    owner: Owner,
    counts: OwnerCounts,
    _permit: OwnedSemaphorePermit,
    _activity: Option<Activity>,
}

impl Drop for RunningCall {
    fn drop(&mut self) {
        let mut counts = lock(&self.counts);
        if let Some(running) = counts.get_mut(&self.owner) {
            *running -= 1;
            if *running == 0 {
                counts.remove(&self.owner);
            }
        }
    }
}

fn lock(counts: &OwnerCounts) -> MutexGuard<'_, HashMap<Owner, u32>> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

impl CallLimiter {
    pub(super) fn new(limits: CallLimits) -> Self {
        let permits = Arc::new(Semaphore::new(limits.total as usize));
        Self { limits, permits, counts: Arc::default(), responses: TaskTracker::new() }
    }

    /// The most calls that this owner can have at once.
    pub(super) fn max_calls(&self, owner: Owner) -> usize {
        let CallLimits { total, per_key } = self.limits;
        match owner {
            Owner::Key(_) => total.min(per_key) as usize,
            Owner::All => total as usize,
        }
    }

    /// Begins a call, if one more may run. The connection that it came by does not make room for others meanwhile.
    pub(super) fn acquire(
        &self,
        owner: Owner,
        connection: Option<&Arc<Connection>>,
    ) -> Result<CallPermit, Rejection> {
        let mut counts = lock(&self.counts);
        let of_owner = counts.get(&owner).copied().unwrap_or_default();
        // Where the total is lower, or there is no limit of a key, the total speaks for itself.
        if of_owner as usize >= self.max_calls(owner) && of_owner < self.limits.total {
            bound_reached("calls_per_key");
            return Err(Rejection::busy("this key has reached its limit of concurrent calls", RETRY_AFTER));
        }
        let Ok(place) = Arc::clone(&self.permits).try_acquire_owned() else {
            bound_reached("calls");
            return Err(Rejection::busy(
                "this server has reached its limit of concurrent calls",
                RETRY_AFTER,
            ));
        };
        counts.insert(owner, of_owner + 1);
        Ok(CallPermit(Arc::new(RunningCall {
            owner,
            counts: Arc::clone(&self.counts),
            _permit: place,
            _activity: connection.map(|connection| connection.start_activity(Some(owner))),
        })))
    }

    /// An answer that is being sent.
    pub(super) fn track_response(&self) -> TaskTrackerToken {
        self.responses.token()
    }

    /// How many calls run.
    pub(super) fn running_calls(&self) -> usize {
        (self.limits.total as usize).saturating_sub(self.permits.available_permits())
    }

    /// Waits until every call is done and every answer is sent.
    pub(super) async fn wait_until_idle(&self) {
        let _all = self.permits.acquire_many(self.limits.total).await;
        self.responses.close();
        self.responses.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::http::sessions::tests::key;

    #[test]
    fn a_key_leaves_places_for_others() {
        let calls = CallLimiter::new(CallLimits { total: 3, per_key: 2 });
        let mut first = vec![calls.acquire(key("a"), None).unwrap(), calls.acquire(key("a"), None).unwrap()];
        assert!(calls.acquire(key("a"), None).is_err());
        let other = calls.acquire(key("b"), None).unwrap();
        assert!(calls.acquire(key("b"), None).is_err(), "all permits are taken");
        assert_eq!(calls.running_calls(), 3);
        first.pop();
        assert!(calls.acquire(key("a"), None).is_ok());
        drop((first, other));
        assert_eq!(calls.running_calls(), 0);
        assert!(lock(&calls.counts).is_empty(), "nothing is kept of keys without calls");
    }

    #[test]
    fn callers_that_share_a_key_share_the_total_alone() {
        let calls = CallLimiter::new(CallLimits { total: 3, per_key: 2 });
        let running: Vec<_> = (0..3).map(|_| calls.acquire(Owner::All, None).unwrap()).collect();
        assert!(calls.acquire(Owner::All, None).is_err());
        assert_eq!((calls.max_calls(Owner::All), calls.max_calls(key("a"))), (3, 2));
        drop(running);
    }
}
