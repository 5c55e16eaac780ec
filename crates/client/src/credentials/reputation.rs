//! The reputation of the keys that callers send to this server.
//!
//! Anyone can invent a key that looks valid; only Scope3 can check it. So a key is unproven until Scope3 accepts its
//! first request. Unproven keys may send few requests, and the server remembers Scope3's verdict on each key.

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

/// The sliding window of the limit for unproven keys.
const UNPROVEN_WINDOW: Duration = Duration::from_mins(1);

/// The number of rejections in a row after which a proven key is unproven again. They take at least three minutes.
const MAX_REJECTIONS_IN_A_ROW: u32 = 3;

/// The maximum number of proven keys, and of unproven keys, that are remembered. The two are stored separately, so that
/// invented keys never evict proven ones.
const MAX_KEYS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(9_999);

/// The reputation of callers' keys. Kept in memory, with a size limit.
pub struct KeyReputations {
    now: Box<dyn Fn() -> Instant + Send + Sync>,
    known: Mutex<Known>,
}

/// Why a request with a caller's own key is not sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmitted {
    /// Scope3 rejected this key recently, so it is not sent again yet.
    #[error("Scope3 rejected this API key recently")]
    Rejected {
        /// How long to wait before trying the key again.
        retry_after: Duration,
    },
    /// All unproven keys together have reached their limit per minute.
    #[error("too many requests with API keys that Scope3 has not accepted yet")]
    TooManyUnproven {
        /// How long to wait before the next request.
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

/// Permission to send one request. Report its outcome; dropping the admission reports nothing about the key.
///
/// An unproven key has one admission at a time. Drop it before requesting the next one.
#[derive(Debug)]
#[must_use = "report the outcome, which shows whether the key is valid"]
pub struct Admission<'a> {
    reputations: &'a KeyReputations,
    key: Fingerprint,
    // Other callers with the same unproven key wait until this is dropped.
    _probe: Option<Probe>,
}

/// The exclusive right to test whether a key is valid.
type Probe = OwnedMutexGuard<()>;

impl Admission<'_> {
    /// Reports a response that shows that Scope3 accepted the key.
    pub fn accepted(self) {
        self.reputations.accepted(self.key);
    }

    /// Reports a response with status 401.
    pub fn rejected(self) {
        self.reputations.rejected(self.key);
    }
}

/// A cache for [`MAX_KEYS`] keys that allocates memory as keys are added: most servers see only one key.
fn key_cache<V>() -> LruCache<Fingerprint, V> {
    let mut cache = LruCache::unbounded();
    cache.resize(MAX_KEYS);
    cache
}

impl KeyReputations {
    /// Creates an empty store. `unproven_per_minute` is the maximum number of requests that all unproven keys together
    /// may send in any window of one minute.
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
            proven: key_cache(),
            unproven: key_cache(),
            sent_unproven: VecDeque::new(),
        };
        Self { now: Box::new(now), known: Mutex::new(known) }
    }

    /// Whether Scope3 has accepted this key since the server started.
    #[must_use]
    pub fn is_proven(&self, key: Fingerprint) -> bool {
        self.lock().proven.contains(&key)
    }

    /// Requests permission to send a request with a caller's own key. Call this before each HTTP request.
    ///
    /// An unproven key sends one request at a time. Other requests with the same key wait here for its outcome, which
    /// usually decides theirs.
    ///
    /// # Errors
    /// When Scope3 rejected the key recently, or unproven keys have reached their limit.
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
        // The outcome of the previous request may decide this one.
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

    /// Records that Scope3 accepted this key. It is now proven, regardless of earlier rejections.
    pub fn accepted(&self, key: Fingerprint) {
        let mut known = self.lock();
        if let Some(standing) = known.proven.get_mut(&key) {
            standing.rejection = None;
        } else {
            let standing = known.unproven.pop(&key).unwrap_or_default();
            known.proven.push(key, Standing { rejection: None, ..standing });
        }
    }

    /// Records that Scope3 rejected this key with status 401.
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
        if rejection.in_a_row() >= MAX_REJECTIONS_IN_A_ROW
            && let Some(standing) = proven.pop(&key)
        {
            unproven.push(key, standing);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // Code that holds this lock does not panic. Even if it did, the data would stay valid.
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
    /// When unproven keys sent requests within the last minute, oldest first: an exact sliding window.
    sent_unproven: VecDeque<Instant>,
}

/// What is known about a key.
#[derive(Default, Clone)]
struct Standing {
    rejection: Option<Rejection>,
    /// Locked by the one request that tests whether the key is valid.
    gate: Arc<tokio::sync::Mutex<()>>,
}

/// How requests with a key are sent.
enum Gate {
    /// In parallel: the key is proven.
    Open,
    /// One at a time: the key is not proven yet, or Scope3 rejected it recently.
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
            // Only keys that may send are remembered, so invented keys evict few others.
            self.check_unproven(now)?;
            self.unproven.push(key, standing.clone());
        }
        Ok(Gate::OneAtATime(standing.gate))
    }

    /// Whether an unproven key may send a request now.
    fn check_unproven(&mut self, now: Instant) -> Result<(), NotAdmitted> {
        while self.sent_unproven.front().is_some_and(|at| *at + UNPROVEN_WINDOW <= now) {
            self.sent_unproven.pop_front();
        }
        match self.sent_unproven.front() {
            Some(oldest) if self.sent_unproven.len() >= self.unproven_per_minute => {
                Err(NotAdmitted::TooManyUnproven { retry_after: *oldest + UNPROVEN_WINDOW - now })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
