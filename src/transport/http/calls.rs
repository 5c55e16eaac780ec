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
    admission::Owner,
    connections::{Connection, Work},
    refusal::Refusal,
};

/// When a client that found no place should try again.
const TRY_AGAIN: Duration = Duration::from_secs(1);

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
pub(super) struct Calls {
    limits: CallLimits,
    places: Arc<Semaphore>,
    of_owners: OfOwners,
    answers: TaskTracker,
}

type OfOwners = Arc<Mutex<HashMap<Owner, u32>>>;

/// A call under way. It rides in the extensions of its request, which live until the call is done, whether its
/// client still listens or not.
#[derive(Debug, Clone)]
pub(super) struct Call(Arc<Running>);

impl Call {
    /// The place of a call, for a change that outlives its request.
    pub(super) fn place(message: &Extensions) -> Option<Place> {
        let call: &Self = message.get::<Parts>()?.extensions.get()?;
        Some(Place::of(Arc::clone(&call.0) as _))
    }
}

#[derive(Debug)]
struct Running {
    owner: Owner,
    of_owners: OfOwners,
    _place: OwnedSemaphorePermit,
    _work: Option<Work>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut of_owners = lock(&self.of_owners);
        if let Some(running) = of_owners.get_mut(&self.owner) {
            *running -= 1;
            if *running == 0 {
                of_owners.remove(&self.owner);
            }
        }
    }
}

fn lock(of_owners: &OfOwners) -> MutexGuard<'_, HashMap<Owner, u32>> {
    of_owners.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Calls {
    pub(super) fn new(limits: CallLimits) -> Self {
        let places = Arc::new(Semaphore::new(limits.total as usize));
        Self { limits, places, of_owners: Arc::default(), answers: TaskTracker::new() }
    }

    /// The most calls that this owner can have at once.
    pub(super) fn most_of(&self, owner: Owner) -> usize {
        let CallLimits { total, per_key } = self.limits;
        match owner {
            Owner::Key(_) => total.min(per_key) as usize,
            Owner::All => total as usize,
        }
    }

    /// Begins a call, if one more may run. The connection that it came by does not make room for others meanwhile.
    pub(super) fn begin(&self, owner: Owner, connection: Option<&Arc<Connection>>) -> Result<Call, Refusal> {
        let mut of_owners = lock(&self.of_owners);
        let of_owner = of_owners.get(&owner).copied().unwrap_or_default();
        // Where the total is lower, or there is no limit of a key, the total speaks for itself.
        if of_owner as usize >= self.most_of(owner) && of_owner < self.limits.total {
            bound_reached("calls_per_key");
            return Err(Refusal::busy("this key has reached its limit of concurrent calls", TRY_AGAIN));
        }
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            bound_reached("calls");
            return Err(Refusal::busy("this server has reached its limit of concurrent calls", TRY_AGAIN));
        };
        of_owners.insert(owner, of_owner + 1);
        Ok(Call(Arc::new(Running {
            owner,
            of_owners: Arc::clone(&self.of_owners),
            _place: place,
            _work: connection.map(|connection| connection.work(Some(owner))),
        })))
    }

    /// An answer that is being sent.
    pub(super) fn answer(&self) -> TaskTrackerToken {
        self.answers.token()
    }

    /// How many calls run.
    pub(super) fn running(&self) -> usize {
        (self.limits.total as usize).saturating_sub(self.places.available_permits())
    }

    /// Waits until every call is done and every answer is sent.
    pub(super) async fn all_answered(&self) {
        let _all = self.places.acquire_many(self.limits.total).await;
        self.answers.close();
        self.answers.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::http::sessions::tests::key;

    #[test]
    fn a_key_leaves_places_for_others() {
        let calls = Calls::new(CallLimits { total: 3, per_key: 2 });
        let mut first = vec![calls.begin(key("a"), None).unwrap(), calls.begin(key("a"), None).unwrap()];
        assert!(calls.begin(key("a"), None).is_err());
        let other = calls.begin(key("b"), None).unwrap();
        assert!(calls.begin(key("b"), None).is_err(), "all places are taken");
        assert_eq!(calls.running(), 3);
        first.pop();
        assert!(calls.begin(key("a"), None).is_ok());
        drop((first, other));
        assert_eq!(calls.running(), 0);
        assert!(lock(&calls.of_owners).is_empty(), "nothing is kept of keys without calls");
    }

    #[test]
    fn callers_that_share_a_key_share_the_total_alone() {
        let calls = Calls::new(CallLimits { total: 3, per_key: 2 });
        let running: Vec<_> = (0..3).map(|_| calls.begin(Owner::All, None).unwrap()).collect();
        assert!(calls.begin(Owner::All, None).is_err());
        assert_eq!((calls.most_of(Owner::All), calls.most_of(key("a"))), (3, 2));
        drop(running);
    }
}
