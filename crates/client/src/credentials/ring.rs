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
use crate::redaction::Redactor;

/// How many earlier primary keys a ring remembers.
const MAX_EARLIER: usize = 8;

/// The keys of one caller.
#[derive(Debug)]
pub struct KeyRing {
    primary: KeySource,
    backups: Vec<ApiKey>,
    issued: Option<Date>,
    rejections: Mutex<HashMap<Fingerprint, Rejection>>,
    /// The primary keys so far, newest first: a file or a command may give another one.
    primaries: Mutex<Vec<Fingerprint>>,
}

impl KeyRing {
    /// A ring of a primary key and its backups, with the issue date of the primary if it is known.
    #[must_use]
    pub fn new(primary: KeySource, backups: Vec<ApiKey>, issued: Option<Date>) -> Self {
        Self { primary, backups, issued, rejections: Mutex::default(), primaries: Mutex::default() }
    }

    /// A ring without a key. Every call fails and explains how to set one.
    #[must_use]
    pub fn empty() -> Self {
        Self::new(KeySource::None, Vec::new(), None)
    }

    /// A ring of one key, for a caller that sends its own key.
    #[must_use]
    pub fn of(key: ApiKey) -> Self {
        Self::new(KeySource::Given(Ok::<_, InvalidKey>(key)), Vec::new(), None)
    }

    /// The keys to try, in order. Keys that Scope3 rejected recently come last. A rejected key from a file or a command
    /// is read again.
    ///
    /// # Errors
    /// When the primary key is not available and there is no backup.
    pub async fn keys(&self) -> Result<Vec<ApiKey>, KeyError> {
        let mut keys = match self.primary.key().await {
            Ok(primary) => vec![primary],
            Err(error) if self.backups.is_empty() => return Err(error),
            Err(error) => {
                let error = error.in_full();
                tracing::warn!(error, "the primary key is not available; using the backups");
                Vec::new()
            }
        };
        keys.extend(self.backups.iter().cloned());
        self.sort(&mut keys, Instant::now());
        Ok(keys)
    }

    /// Reads the primary key again for the next call, from its file or command.
    pub fn reload(&self) {
        self.primary.reload();
    }

    /// The position of a key among the backups, from one.
    #[must_use]
    pub fn backup_position(&self, key: Fingerprint) -> Option<usize> {
        Some(1 + self.backups.iter().position(|backup| backup.fingerprint() == key)?)
    }

    /// Removes the keys of this ring from texts, besides the secrets of the process.
    #[must_use]
    pub fn redactor(&self) -> Redactor {
        let given = match &self.primary {
            KeySource::Given(Ok(key)) => Some(key),
            // These are the operator's, and known to the process.
            KeySource::None | KeySource::Given(Err(_)) | KeySource::File(_) | KeySource::Fetched(_) => None,
        };
        Redactor::with(given.into_iter().chain(&self.backups))
    }

    /// The next key to try in a call that has already tried the keys in `tried`. Call this after each rejection, so
    /// that a key that was replaced in the meantime is used immediately.
    ///
    /// # Errors
    /// When no key was tried yet, the primary key is not available, and there is no backup.
    pub async fn untried(&self, tried: &[Fingerprint]) -> Result<Option<ApiKey>, KeyError> {
        // The primary, its replacement and the backups. The limit stops a command that prints a new key each time.
        if tried.len() >= self.backups.len() + 2 {
            return Ok(None);
        }
        match self.keys().await {
            Ok(keys) => Ok(keys.into_iter().find(|key| !tried.contains(&key.fingerprint()))),
            Err(error) if tried.is_empty() => Err(error),
            Err(error) => {
                let error = error.in_full();
                tracing::warn!(error, "cannot read the rejected key again");
                Ok(None)
            }
        }
    }

    /// Everything by which the journal may know this caller: the primary key, the primary keys before it, and the backups.
    /// Which of them Scope3 rejected makes no difference. The first one stands for the ring.
    ///
    /// # Errors
    /// When there is no key at all.
    pub async fn identities(&self) -> Result<Vec<Fingerprint>, KeyError> {
        let primary = self.primary.key().await;
        let mut primaries = self.primaries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(key) = &primary {
            primaries.retain(|earlier| *earlier != key.fingerprint());
            primaries.insert(0, key.fingerprint());
            primaries.truncate(1 + MAX_EARLIER);
        }
        let all = primaries.iter().copied().chain(self.backups.iter().map(ApiKey::fingerprint));
        let all: Vec<_> = all.collect();
        match primary {
            Err(error) if all.is_empty() => Err(error),
            _ => Ok(all),
        }
    }

    /// Records that Scope3 rejected a key. Other keys are tried first for one minute; each further rejection doubles
    /// the time, up to fifteen minutes.
    pub fn refuse(&self, key: &ApiKey) {
        tracing::warn!(key = %key.fingerprint(), "Scope3 rejected this API key");
        self.primary.rejected(key);
        self.refuse_at(key, Instant::now());
    }

    /// Records that Scope3 accepted a key, and forgets earlier rejections of it.
    pub fn accept(&self, key: &ApiKey) {
        self.lock().remove(&key.fingerprint());
    }

    fn refuse_at(&self, key: &ApiKey, now: Instant) {
        let mut rejections = self.lock();
        // A key that was replaced is not used again, so its entry is removed.
        rejections.retain(|_, rejection| rejection.ended_within(rejection::MAX_DURATION, now));
        let previous = rejections.get(&key.fingerprint()).copied();
        rejections.insert(key.fingerprint(), Rejection::after(previous, now));
    }

    fn sort(&self, keys: &mut [ApiKey], now: Instant) {
        let rejections = self.lock();
        let is_rejected = |key: &ApiKey| {
            rejections.get(&key.fingerprint()).is_some_and(|rejection| rejection.remaining(now).is_some())
        };
        keys.sort_by_key(is_rejected);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Fingerprint, Rejection>> {
        self.rejections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The age of the primary key, if the operator has set its issue date.
    #[must_use]
    pub fn age(&self, today: Date) -> Option<KeyAge> {
        let days = (today - self.issued?).get_days();
        Some(KeyAge { days })
    }
}

/// The age of a key in days. Scope3 asks for a new one every 90.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyAge {
    /// Whole days since the issue date.
    pub days: i32,
}

impl KeyAge {
    /// The age from which a notice reminds people to rotate the key.
    const REMIND_DAYS: i32 = 80;
    /// The age from which a notice warns people.
    const WARN_DAYS: i32 = 90;

    /// The notice to show, if the key is old enough.
    #[must_use]
    pub fn notice(self) -> Option<String> {
        let Self { days } = self;
        if days >= Self::WARN_DAYS {
            Some(format!(
                "⚠️ The API key is {days} days old; Scope3 asks for a new one every 90 days. Rotate it now."
            ))
        } else if days >= Self::REMIND_DAYS {
            Some(format!("The API key is {days} days old; rotate it within {} days.", Self::WARN_DAYS - days))
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
    async fn a_rejected_key_is_tried_last() {
        let (first, second) = (key("first"), key("second"));
        let ring = KeyRing::new(KeySource::Given(Ok(first.clone())), vec![second.clone()], None);
        assert_eq!(order(&ring).await, [first.fingerprint(), second.fingerprint()]);
        ring.refuse(&first);
        assert_eq!(order(&ring).await, [second.fingerprint(), first.fingerprint()]);
        ring.accept(&first);
        assert_eq!(order(&ring).await, [first.fingerprint(), second.fingerprint()]);
    }

    #[tokio::test]
    async fn a_caller_stays_the_same_when_keys_are_rejected_or_replaced() {
        let (first, second, backup) = (key("first"), key("second"), key("backup"));
        let file = tempfile::NamedTempFile::new().unwrap();
        let write = |secret: &str| {
            std::fs::write(file.path(), format!("scope3_{}_{secret}", "a".repeat(32))).unwrap();
        };
        write("first");
        let ring = KeyRing::new(KeySource::file(file.path().to_owned()), vec![backup.clone()], None);
        let all = [first.fingerprint(), backup.fingerprint()];
        assert_eq!(ring.identities().await.unwrap(), all);
        ring.refuse(&first);
        assert_eq!(ring.identities().await.unwrap(), all);
        write("second");
        let all = [second.fingerprint(), first.fingerprint(), backup.fingerprint()];
        assert_eq!(ring.identities().await.unwrap(), all);
        std::fs::remove_file(file.path()).unwrap();
        assert_eq!(ring.identities().await.unwrap(), all, "the last primary key stands for the ring");
        assert!(matches!(KeyRing::empty().identities().await, Err(KeyError::Missing)));
    }

    #[test]
    fn a_rejected_key_is_tried_first_again_after_one_minute_then_two_then_four() {
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
        assert_eq!(ring.lock().len(), 1, "old rejections are removed");
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
    fn a_notice_shows_the_age_from_day_80() {
        let ring = KeyRing::new(KeySource::None, vec![], Some(date(2026, 1, 1)));
        let notice = |today| ring.age(today).and_then(KeyAge::notice);
        assert_eq!(notice(date(2026, 3, 21)), None, "day 79");
        assert!(notice(date(2026, 3, 22)).unwrap().contains("within 10 days"), "day 80");
        assert!(notice(date(2026, 4, 1)).unwrap().contains("now"), "day 90");
    }
}
