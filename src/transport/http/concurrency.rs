//! Limits how many calls run at once, and tracks whether every accepted call has its response.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use scope3_mcp_gateway::{CallSlot, instruments::bound_reached};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};

use super::{
    auth::Owner,
    connections::{Activity, Connection},
    rejection::Rejection,
};

/// When a client should retry after reaching a limit.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How many calls may run at once.
#[derive(Debug, Clone, Copy)]
pub struct CallLimits {
    /// For all callers together.
    pub total: u32,
    /// For each key, if callers send their own keys. Callers that share the server's key only share the total.
    pub per_key: u32,
}

/// Limits the running calls.
#[derive(Debug)]
pub(super) struct CallLimiter {
    limits: CallLimits,
    permits: Arc<Semaphore>,
    counts: OwnerCounts,
    responses: TaskTracker,
}

type OwnerCounts = Arc<Mutex<HashMap<Owner, u32>>>;

/// Permits one call to run. Stored in the extensions of its request, which live until the call is done, whether or not
/// its client is still connected.
#[derive(Debug, Clone)]
pub(super) struct CallPermit(Arc<RunningCall>);

impl CallPermit {
    /// Keeps the permit for a change that outlives its request.
    pub(super) fn slot(&self) -> CallSlot {
        CallSlot::of(Arc::clone(&self.0) as _)
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

    /// The maximum number of concurrent calls of this owner.
    pub(super) fn max_calls(&self, owner: Owner) -> usize {
        let CallLimits { total, per_key } = self.limits;
        match owner {
            Owner::Key(_) => total.min(per_key) as usize,
            Owner::All => total as usize,
        }
    }

    /// Starts a call, if one more may run. Until it is done, its connection counts as active.
    pub(super) fn acquire(
        &self,
        owner: Owner,
        connection: Option<&Arc<Connection>>,
    ) -> Result<CallPermit, Rejection> {
        let mut counts = lock(&self.counts);
        let owner_calls = counts.get(&owner).copied().unwrap_or_default();
        // If the total is the lower limit, or the owner has no limit of its own, the total decides below.
        if owner_calls as usize >= self.max_calls(owner) && owner_calls < self.limits.total {
            bound_reached("calls_per_key");
            return Err(Rejection::busy("this key has reached its concurrent call limit", RETRY_AFTER));
        }
        let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else {
            bound_reached("calls");
            return Err(Rejection::busy("this server has reached its concurrent call limit", RETRY_AFTER));
        };
        counts.insert(owner, owner_calls + 1);
        Ok(CallPermit(Arc::new(RunningCall {
            owner,
            counts: Arc::clone(&self.counts),
            _permit: permit,
            _activity: connection.map(|connection| connection.start_activity(Some(owner))),
        })))
    }

    /// Tracks a response until it is sent. Hold the token until then.
    pub(super) fn track_response(&self) -> TaskTrackerToken {
        self.responses.token()
    }

    /// How many calls are running.
    pub(super) fn running_calls(&self) -> usize {
        (self.limits.total as usize).saturating_sub(self.permits.available_permits())
    }

    /// Waits until every call is done and every response is sent.
    pub(super) async fn wait_until_idle(&self) {
        let _all = self.permits.acquire_many(self.limits.total).await;
        self.responses.close();
        self.responses.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::http::auth::tests::key;

    #[test]
    fn one_key_cannot_use_all_permits() {
        let calls = CallLimiter::new(CallLimits { total: 3, per_key: 2 });
        let mut first = vec![calls.acquire(key("a"), None).unwrap(), calls.acquire(key("a"), None).unwrap()];
        assert!(calls.acquire(key("a"), None).is_err());
        let other = calls.acquire(key("b"), None).unwrap();
        assert!(calls.acquire(key("b"), None).is_err(), "the total is reached");
        assert_eq!(calls.running_calls(), 3);
        first.pop();
        assert!(calls.acquire(key("a"), None).is_ok());
        drop((first, other));
        assert_eq!(calls.running_calls(), 0);
        assert!(lock(&calls.counts).is_empty(), "keys without calls are forgotten");
    }

    #[test]
    fn callers_that_share_a_key_only_share_the_total() {
        let calls = CallLimiter::new(CallLimits { total: 3, per_key: 2 });
        let running: Vec<_> = (0..3).map(|_| calls.acquire(Owner::All, None).unwrap()).collect();
        assert!(calls.acquire(Owner::All, None).is_err());
        assert_eq!((calls.max_calls(Owner::All), calls.max_calls(key("a"))), (3, 2));
        drop(running);
    }
}
