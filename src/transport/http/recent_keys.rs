//! The recently used keys, so that `/metrics` can report how much of their limits is left.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use scope3_mcp_gateway::{Gateway, credentials::Fingerprint, limits::Class};

/// How long a key is remembered: the longest window of a limit. After that time, an idle key has its full limit again.
const KEY_RETENTION: Duration = Duration::from_hours(1);

/// The maximum number of remembered keys.
const MAX_TRACKED_KEYS: usize = 1024;

/// The recently used keys.
#[derive(Debug, Default)]
pub(super) struct RecentKeys(Mutex<HashMap<Fingerprint, Instant>>);

impl RecentKeys {
    /// Records that a key was used.
    pub(super) fn record(&self, key: Fingerprint) {
        let mut keys = self.lock();
        if keys.len() >= MAX_TRACKED_KEYS && !keys.contains_key(&key) {
            keys.retain(|_, used_at| used_at.elapsed() < KEY_RETENTION);
            if keys.len() >= MAX_TRACKED_KEYS {
                return;
            }
        }
        keys.insert(key, Instant::now());
    }

    /// For each class of limit, how many requests are left to the key with the fewest left.
    pub(super) async fn fewest_left(&self, gateway: &Gateway) -> Vec<(Class, u32)> {
        let keys: Vec<Fingerprint> = self.lock().keys().copied().collect();
        let mut fewest: HashMap<Class, u32> = HashMap::new();
        for key in keys {
            for usage in gateway.usage(key).await {
                fewest
                    .entry(usage.class)
                    .and_modify(|least| *least = usage.left.min(*least))
                    .or_insert(usage.left);
            }
        }
        fewest.into_iter().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Fingerprint, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
