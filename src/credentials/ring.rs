//! The primary key and its backups, in the order in which they are tried.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use jiff::civil::Date;

use super::{
    key::{ApiKey, Fingerprint, InvalidKey},
    source::{KeyError, KeySource},
};

/// The keys of one caller.
#[derive(Debug)]
pub struct KeyRing {
    primary: KeySource,
    backups: Vec<ApiKey>,
    issued: Option<Date>,
    refused: Mutex<HashSet<Fingerprint>>,
}

impl KeyRing {
    /// A ring of a primary key and its backups, with the primary's date of issue where it is known.
    #[must_use]
    pub fn new(primary: KeySource, backups: Vec<ApiKey>, issued: Option<Date>) -> Self {
        Self { primary, backups, issued, refused: Mutex::default() }
    }

    /// A ring without a key: every call answers how to set one.
    #[must_use]
    pub fn empty() -> Self {
        Self::new(KeySource::None, Vec::new(), None)
    }

    /// A ring of one key, for a caller that brought its own.
    #[must_use]
    pub fn of(key: ApiKey) -> Self {
        Self::new(KeySource::Given(Ok::<_, InvalidKey>(key)), Vec::new(), None)
    }

    /// The keys to try, in order: those that Scope3 refused before come last.
    ///
    /// # Errors
    /// When the primary cannot be had and there is no backup.
    pub async fn keys(&self) -> Result<Vec<ApiKey>, KeyError> {
        let mut keys = match self.primary.key().await {
            Ok(primary) => vec![primary],
            Err(error) if self.backups.is_empty() => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "the primary key cannot be had; the backups are used");
                Vec::new()
            }
        };
        keys.extend(self.backups.iter().cloned());
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        keys.sort_by_key(|key| refused.contains(&key.fingerprint()));
        Ok(keys)
    }

    /// Remembers that Scope3 refused a key.
    pub fn refuse(&self, key: &ApiKey) {
        tracing::warn!(key = %key.fingerprint(), "Scope3 refused this API key");
        self.primary.forget();
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).insert(key.fingerprint());
    }

    /// How old the key is, where the operator told when it was issued.
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
    /// From this day on people are reminded.
    const REMIND: i32 = 80;
    /// From this day on they are warned.
    const WARN: i32 = 90;

    /// What to tell, if anything.
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
    use jiff::civil::date;

    use super::*;

    fn key(secret: &str) -> ApiKey {
        ApiKey::parse(&format!("scope3_{}_{secret}", "a".repeat(32)).into()).unwrap()
    }

    async fn order(ring: &KeyRing) -> Vec<Fingerprint> {
        ring.keys().await.unwrap().iter().map(ApiKey::fingerprint).collect()
    }

    #[tokio::test]
    async fn a_refused_key_is_tried_last() {
        let (first, second) = (key("first"), key("second"));
        let ring = KeyRing::new(KeySource::Given(Ok(first.clone())), vec![second.clone()], None);
        assert_eq!(order(&ring).await, [first.fingerprint(), second.fingerprint()]);
        ring.refuse(&first);
        assert_eq!(order(&ring).await, [second.fingerprint(), first.fingerprint()]);
    }

    #[tokio::test]
    async fn a_key_file_is_read_again_when_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let ring = KeyRing::new(KeySource::file(path.clone()), vec![], None);
        assert!(matches!(ring.keys().await, Err(KeyError::File { .. })));

        std::fs::write(&path, format!("scope3_{}_one\n", "a".repeat(32))).unwrap();
        assert_eq!(order(&ring).await, [key("one").fingerprint()]);

        std::fs::write(&path, format!("scope3_{}_two\n", "a".repeat(32))).unwrap();
        let later = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
        assert_eq!(order(&ring).await, [key("two").fingerprint()]);
    }

    #[tokio::test]
    async fn a_command_prints_the_key_without_a_shell() {
        let text = format!("scope3_{}_cmd", "a".repeat(32));
        let command = |words: &[&str]| {
            KeyRing::new(KeySource::command(words.iter().map(ToString::to_string).collect()), vec![], None)
        };
        assert_eq!(order(&command(&["echo", &text])).await, [key("cmd").fingerprint()]);

        let error = command(&["echo", "$HOME"]).keys().await.unwrap_err().to_string();
        assert!(error.contains("malformed"), "no shell expands: {error}");
        let error = command(&["false"]).keys().await.unwrap_err().to_string();
        assert!(error.contains("failed"), "{error}");
        let error = command(&["no-such-program-here"]).keys().await.unwrap_err().to_string();
        assert!(error.contains("cannot be run"), "{error}");
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
