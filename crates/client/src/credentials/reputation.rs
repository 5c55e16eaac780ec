//! The reputation of callers' keys.
//!
//! Anyone can make up a key that looks valid, and only Scope3 knows. So a key is unproven until Scope3 accepts it: until then
//! it may send few requests, and what Scope3 said about it is remembered.

use std::{
    collections::VecDeque,
    fmt,
    num::{NonZeroU32, NonZeroUsize},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use lru::LruCache;
use tokio::sync::OwnedMutexGuard;

use super::{key::Fingerprint, rejection::Rejection};
use crate::instruments;

/// The span of the limit for unproven keys.
const UNPROVEN_SPAN: Duration = Duration::from_mins(1);

/// After this many rejections in a row, which take at least three minutes, a proven key counts as unproven again.
const REJECTIONS_TO_DISPROVE: u32 = 3;

/// Maximum number of proven and of unproven keys to remember. They are counted separately, so that made-up keys never
/// displace proven ones.
const MAX_KEYS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(9_999);

/// The reputation of callers' keys. Kept in memory, and bounded.
pub struct KeyReputations {
    now: Box<dyn Fn() -> Instant + Send + Sync>,
    known: Mutex<Known>,
}

/// Why a request with a caller's key may not be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmitted {
    /// Scope3 rejected this key recently, so it is not sent again yet.
    #[error("Scope3 rejected this API key recently")]
    Rejected {
        /// When the key may be tried again.
        retry_after: Duration,
    },
    /// Unproven keys used all their requests of this minute.
    #[error("too many requests with API keys that Scope3 has not accepted yet")]
    TooManyUnproven {
        /// When the next request may be sent.
        retry_after: Duration,
    },
}

impl NotAdmitted {
    /// How long to wait before trying again.
    #[must_use]
    pub fn retry_after(self) -> Duration {
        match self {
            Self::Rejected { retry_after } | Self::TooManyUnproven { retry_after } => retry_after,
        }
    }
}

/// Permission to send one request. Report the outcome with it; dropping it reports nothing.
///
/// An unproven key has one admission at a time. Drop it before you ask for the next one.
#[derive(Debug)]
#[must_use = "the outcome of the request shows whether the key is good"]
pub struct Admission<'a> {
    reputations: &'a KeyReputations,
    key: Fingerprint,
    // Other requests with the same unproven key wait for this.
    _probe: Option<Probe>,
}

/// Held by the request that finds out whether a key is valid.
type Probe = OwnedMutexGuard<()>;

impl Admission<'_> {
    /// Reports a response that shows that Scope3 accepted the key.
    pub fn accepted(self) {
        self.reputations.accepted(self.key);
    }

    /// Reports a 401.
    pub fn rejected(self) {
        self.reputations.rejected(self.key);
    }
}

/// A cache for [`MAX_KEYS`] keys that allocates as keys come: most servers see only one.
fn places_for_keys<V>() -> LruCache<Fingerprint, V> {
    let mut places = LruCache::unbounded();
    places.resize(MAX_KEYS);
    places
}

impl KeyReputations {
    /// Starts without any key. `unproven_per_minute` is how many requests all unproven keys together may send in any span of
    /// a minute.
    #[must_use]
    pub fn new(unproven_per_minute: NonZeroU32) -> Self {
        Self::with_clock(unproven_per_minute, Instant::now)
    }

    fn with_clock(
        unproven_per_minute: NonZeroU32,
        now: impl Fn() -> Instant + Send + Sync + 'static,
    ) -> Self {
        let known = Known {
            unproven_per_minute: unproven_per_minute.get() as usize,
            proven: places_for_keys(),
            unproven: places_for_keys(),
            sent_unproven: VecDeque::new(),
        };
        Self { now: Box::new(now), known: Mutex::new(known) }
    }

    /// Whether Scope3 has accepted this key since the server started.
    #[must_use]
    pub fn is_proven(&self, key: Fingerprint) -> bool {
        self.lock().proven.contains(&key)
    }

    /// Asks whether a request with a caller's key may be sent. Ask before each HTTP request.
    ///
    /// An unproven key sends one request at a time. Others wait here for its outcome, which often decides theirs.
    ///
    /// # Errors
    /// When Scope3 rejected the key recently, or unproven keys used all their requests.
    pub async fn admit(&self, key: Fingerprint) -> Result<Admission<'_>, NotAdmitted> {
        let outcome = self.try_admit(key).await;
        if let Err(error) = &outcome {
            instruments::bound_reached(match error {
                NotAdmitted::Rejected { .. } => "rejected_keys",
                NotAdmitted::TooManyUnproven { .. } => "unproven_requests",
            });
        }
        outcome
    }

    async fn try_admit(&self, key: Fingerprint) -> Result<Admission<'_>, NotAdmitted> {
        let Gate::OneAtATime(gate) = self.lock().gate(key, (self.now)())? else {
            return Ok(Admission { reputations: self, key, _probe: None });
        };
        let probe = gate.lock_owned().await;
        // The outcome of the request before may decide this one.
        let mut known = self.lock();
        let now = (self.now)();
        let probe = match known.gate(key, now)? {
            Gate::Open => None,
            Gate::OneAtATime(_) => Some(probe),
        };
        if !known.proven.contains(&key) {
            known.check_unproven(now)?;
            known.sent_unproven.push_back(now);
        }
        Ok(Admission { reputations: self, key, _probe: probe })
    }

    /// Scope3 accepted this key: it is proven now.
    pub fn accepted(&self, key: Fingerprint) {
        let mut known = self.lock();
        if let Some(standing) = known.proven.get_mut(&key) {
            standing.rejection = None;
        } else {
            let standing = known.unproven.pop(&key).unwrap_or_default();
            known.proven.push(key, Standing { rejection: None, ..standing });
        }
    }

    /// Scope3 answered 401 to this key.
    pub fn rejected(&self, key: Fingerprint) {
        let now = (self.now)();
        let mut known = self.lock();
        let Known { proven, unproven, .. } = &mut *known;
        let standing = match proven.get_mut(&key) {
            Some(standing) => standing,
            None => unproven.get_or_insert_mut(key, Standing::default),
        };
        let rejection = Rejection::after(standing.rejection, now);
        standing.rejection = Some(rejection);
        if rejection.in_a_row() >= REJECTIONS_TO_DISPROVE
            && let Some(standing) = proven.pop(&key)
        {
            unproven.push(key, standing);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // No code panics while it holds this lock, and each update is complete by itself.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for KeyReputations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyReputations").finish_non_exhaustive()
    }
}

struct Known {
    unproven_per_minute: usize,
    proven: LruCache<Fingerprint, Standing>,
    unproven: LruCache<Fingerprint, Standing>,
    /// When unproven keys sent a request in the last minute, oldest first: an exact sliding window.
    sent_unproven: VecDeque<Instant>,
}

/// What is known about a key.
#[derive(Default, Clone)]
struct Standing {
    rejection: Option<Rejection>,
    /// Held by the one request that may show whether the key is good.
    gate: Arc<tokio::sync::Mutex<()>>,
}

/// How a key may send requests.
enum Gate {
    /// The key is proven.
    Open,
    /// The key is unproven: one request at a time.
    OneAtATime(Arc<tokio::sync::Mutex<()>>),
}

impl Known {
    /// Whether a request with this key may be sent now, and how.
    fn gate(&mut self, key: Fingerprint, now: Instant) -> Result<Gate, NotAdmitted> {
        let is_proven = self.proven.contains(&key);
        let standing = if is_proven { self.proven.get(&key) } else { self.unproven.get(&key) };
        let standing = standing.cloned().unwrap_or_default();
        if let Some(retry_after) = standing.rejection.and_then(|rejection| rejection.remaining(now)) {
            return Err(NotAdmitted::Rejected { retry_after });
        }
        if is_proven && standing.rejection.is_none() {
            return Ok(Gate::Open);
        }
        if !is_proven && !self.unproven.contains(&key) {
            // Only keys that may send are remembered, so made-up keys displace few others.
            self.check_unproven(now)?;
            self.unproven.push(key, standing.clone());
        }
        Ok(Gate::OneAtATime(standing.gate))
    }

    /// Whether an unproven key may send a request now.
    fn check_unproven(&mut self, now: Instant) -> Result<(), NotAdmitted> {
        while self.sent_unproven.front().is_some_and(|at| *at + UNPROVEN_SPAN <= now) {
            self.sent_unproven.pop_front();
        }
        match self.sent_unproven.front() {
            Some(oldest) if self.sent_unproven.len() >= self.unproven_per_minute => {
                Err(NotAdmitted::TooManyUnproven { retry_after: *oldest + UNPROVEN_SPAN - now })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
