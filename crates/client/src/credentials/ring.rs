//! The primary key and its backups, in the order in which they are tried.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use jiff::civil::Date;

use super::{
    key::{ApiKey, Fingerprint, InvalidKey},
    rejection::{self, Rejection},
    source::{KeyError, KeySource},
};

/// The keys of one caller.
#[derive(Debug)]
pub struct KeyRing {
    primary: KeySource,
    backups: Vec<ApiKey>,
    issued: Option<Date>,
    refused: Mutex<HashMap<Fingerprint, Rejection>>,
}

impl KeyRing {
    /// A primary key and its backups, with the date of issue of the primary if known.
    #[must_use]
    pub fn new(primary: KeySource, backups: Vec<ApiKey>, issued: Option<Date>) -> Self {
        Self { primary, backups, issued, refused: Mutex::default() }
    }

    /// A ring without keys. Every call explains how to set one.
    #[must_use]
    pub fn empty() -> Self {
        Self::new(KeySource::None, Vec::new(), None)
    }

    /// A ring with one key, for a caller with its own key.
    #[must_use]
    pub fn of(key: ApiKey) -> Self {
        Self::new(KeySource::Given(Ok::<_, InvalidKey>(key)), Vec::new(), None)
    }

    /// The keys to try, in order. Keys that Scope3 rejected recently come last. A rejected key from a file or a command is
    /// read again.
    ///
    /// # Errors
    /// When the primary is unavailable and there is no backup.
    pub async fn keys(&self) -> Result<Vec<ApiKey>, KeyError> {
        let mut keys = match self.primary.key().await {
            Ok(primary) => vec![primary],
            Err(error) if self.backups.is_empty() => return Err(error),
            Err(error) => {
                let error = error.in_full();
                tracing::warn!(error, "the primary key cannot be had; the backups are used");
                Vec::new()
            }
        };
        keys.extend(self.backups.iter().cloned());
        self.sort(&mut keys, Instant::now());
        Ok(keys)
    }

    /// The next key for a call that already tried the keys in `tried`. Ask after each rejection, so that a replaced key is
    /// found at once.
    ///
    /// # Errors
    /// When nothing was tried yet, the primary is unavailable, and there is no backup.
    pub async fn untried(&self, tried: &[Fingerprint]) -> Result<Option<ApiKey>, KeyError> {
        // The primary, its replacement and the backups. This ends even if a command prints a new key each time.
        if tried.len() >= self.backups.len() + 2 {
            return Ok(None);
        }
        match self.keys().await {
            Ok(keys) => Ok(keys.into_iter().find(|key| !tried.contains(&key.fingerprint()))),
            Err(error) if tried.is_empty() => Err(error),
            Err(error) => {
                let error = error.in_full();
                tracing::warn!(error, "the refused key cannot be read again");
                Ok(None)
            }
        }
    }

    /// Remembers that Scope3 rejected a key. For one minute, doubling up to fifteen, other keys come first.
    pub fn refuse(&self, key: &ApiKey) {
        tracing::warn!(key = %key.fingerprint(), "Scope3 refused this API key");
        self.primary.refused(key);
        self.refuse_at(key, Instant::now());
    }

    /// Remembers that Scope3 accepted a key. Earlier rejections are forgotten.
    pub fn accept(&self, key: &ApiKey) {
        self.lock().remove(&key.fingerprint());
    }

    fn refuse_at(&self, key: &ApiKey, now: Instant) {
        let mut refused = self.lock();
        // Keys that were replaced do not come back.
        refused.retain(|_, rejection| rejection.ended_within(rejection::MAX, now));
        let before = refused.get(&key.fingerprint()).copied();
        refused.insert(key.fingerprint(), Rejection::after(before, now));
    }

    fn sort(&self, keys: &mut [ApiKey], now: Instant) {
        let refused = self.lock();
        let is_refused = |key: &ApiKey| {
            refused.get(&key.fingerprint()).is_some_and(|rejection| rejection.remaining(now).is_some())
        };
        keys.sort_by_key(is_refused);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Fingerprint, Rejection>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The age of the key, if the operator set its date of issue.
    #[must_use]
    pub fn age(&self, today: Date) -> Option<KeyAge> {
        let days = (today - self.issued?).get_days();
        Some(KeyAge { days })
    }
}

/// The age of a key in days. Scope3 asks for a new one every 90.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyAge {
    /// Whole days since the date of issue.
    pub days: i32,
}

impl KeyAge {
    /// From this day on, results contain a reminder.
    const REMIND: i32 = 80;
    /// From this day on, results contain a warning.
    const WARN: i32 = 90;

    /// The reminder or warning, if any.
    #[must_use]
    pub fn notice(self) -> Option<String> {
        let Self { days } = self;
        if days >= Self::WARN {
            Some(format!(
                "⚠️ The API key is {days} days old; Scope3 asks for a new one every 90 days. Rotate it now."
            ))
        } else if days >= Self::REMIND {
            Some(format!("The API key is {days} days old; rotate it within {} days.", Self::WARN - days))
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::civil::date;

    use super::*;

    fn key(secret: &str) -> ApiKey {
        ApiKey::parse(&format!("scope3_{}_{secret}", "a".repeat(32)).into()).unwrap()
    }

    async fn order(ring: &KeyRing) -> Vec<Fingerprint> {
        ring.keys().await.unwrap().iter().map(ApiKey::fingerprint).collect()
    }

    fn sorted(ring: &KeyRing, keys: &[&ApiKey], now: Instant) -> Vec<Fingerprint> {
        let mut keys: Vec<ApiKey> = keys.iter().copied().cloned().collect();
        ring.sort(&mut keys, now);
        keys.iter().map(ApiKey::fingerprint).collect()
    }

    #[tokio::test]
    async fn a_refused_key_is_tried_last() {
        let (first, second) = (key("first"), key("second"));
        let ring = KeyRing::new(KeySource::Given(Ok(first.clone())), vec![second.clone()], None);
        assert_eq!(order(&ring).await, [first.fingerprint(), second.fingerprint()]);
        ring.refuse(&first);
        assert_eq!(order(&ring).await, [second.fingerprint(), first.fingerprint()]);
        ring.accept(&first);
        assert_eq!(order(&ring).await, [first.fingerprint(), second.fingerprint()]);
    }

    #[test]
    fn a_refused_key_is_tried_first_again_after_a_minute_then_two() {
        let (first, second) = (key("first"), key("second"));
        let ring = KeyRing::new(KeySource::Given(Ok(first.clone())), vec![second.clone()], None);
        let mut now = Instant::now();
        for minutes in [1, 2, 4] {
            ring.refuse_at(&first, now);
            let length = Duration::from_mins(minutes);
            let just_before = now + length.saturating_sub(Duration::from_secs(1));
            let in_turn = sorted(&ring, &[&first, &second], just_before);
            assert_eq!(in_turn, [second.fingerprint(), first.fingerprint()], "{minutes}");
            now += length;
            let in_turn = sorted(&ring, &[&first, &second], now);
            assert_eq!(in_turn, [first.fingerprint(), second.fingerprint()], "{minutes}");
        }
        ring.refuse_at(&second, now + Duration::from_hours(1));
        assert_eq!(ring.lock().len(), 1, "what was long ago is forgotten");
    }

    #[tokio::test]
    async fn each_key_is_tried_once() {
        let (first, second) = (key("first"), key("second"));
        let ring = KeyRing::new(KeySource::Given(Ok(first.clone())), vec![second.clone()], None);
        let mut tried = Vec::new();
        while let Some(key) = ring.untried(&tried).await.unwrap() {
            ring.refuse(&key);
            tried.push(key.fingerprint());
        }
        assert_eq!(tried, [first.fingerprint(), second.fingerprint()]);
        assert!(matches!(KeyRing::empty().untried(&[]).await, Err(KeyError::Missing)));
    }

    #[test]
    fn age_is_told_from_day_80() {
        let ring = KeyRing::new(KeySource::None, vec![], Some(date(2026, 1, 1)));
        let notice = |today| ring.age(today).and_then(KeyAge::notice);
        assert_eq!(notice(date(2026, 3, 21)), None, "day 79");
        assert!(notice(date(2026, 3, 22)).unwrap().contains("within 10 days"), "day 80");
        assert!(notice(date(2026, 4, 1)).unwrap().contains("now"), "day 90");
    }
}
