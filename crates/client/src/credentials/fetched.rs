//! A key that is fetched once, and again when Scope3 rejects it: from a command or from the keychain.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{
    command,
    key::ApiKey,
    keychain::{self, Keychain},
    source::KeyError,
};

/// The pause before a key is fetched again after that failed or brought a rejected key again.
const PAUSE: Duration = Duration::from_secs(5);

/// Where a key is fetched.
#[derive(Debug)]
enum Origin {
    /// A program and its arguments.
    Command(Vec<String>),
    /// The keychain of the operating system.
    Keychain(Keychain),
}

/// The origin of a key, and what it brought last.
#[derive(Debug)]
pub struct FetchedKey {
    origin: Origin,
    pause: Duration,
    last: Mutex<Option<Fetch>>,
    /// Locked while the key is fetched, so that concurrent calls share it.
    fetching: tokio::sync::Mutex<()>,
}

/// What was fetched.
#[derive(Debug)]
struct Fetch {
    ended: Instant,
    outcome: Result<ApiKey, KeyError>,
    /// Scope3 rejected the key since then.
    is_rejected: bool,
    /// It is the same key as the one before it, which Scope3 had rejected.
    is_repeated: bool,
}

impl FetchedKey {
    /// A key that a command prints.
    pub(super) fn of_command(words: Vec<String>) -> Self {
        Self::of(Origin::Command(words))
    }

    /// The key in a keychain.
    pub(super) fn of_keychain(keychain: Keychain) -> Self {
        Self::of(Origin::Keychain(keychain))
    }

    fn of(origin: Origin) -> Self {
        Self { origin, pause: PAUSE, last: Mutex::default(), fetching: tokio::sync::Mutex::default() }
    }

    /// The key. It is fetched again after Scope3 rejected it.
    pub(super) async fn key(&self) -> Result<ApiKey, KeyError> {
        if let Some(outcome) = self.cached() {
            return outcome;
        }
        let _fetching = self.fetching.lock().await;
        if let Some(outcome) = self.cached() {
            return outcome;
        }
        let outcome = match &self.origin {
            Origin::Command(words) => command::run(words).await,
            Origin::Keychain(keychain) => keychain::fetch(keychain).await,
        };
        let mut last = self.last();
        let before = last.take().and_then(|fetch| fetch.outcome.ok());
        let is_repeated = match (&before, &outcome) {
            (Some(before), Ok(key)) => before.fingerprint() == key.fingerprint(),
            _ => false,
        };
        let fetch =
            Fetch { ended: Instant::now(), outcome: outcome.clone(), is_rejected: false, is_repeated };
        *last = Some(fetch);
        outcome
    }

    /// Records that Scope3 rejected this key.
    pub(super) fn rejected(&self, key: &ApiKey) {
        if let Some(fetch) = &mut *self.last()
            && fetch.outcome.as_ref().is_ok_and(|fetched| fetched.fingerprint() == key.fingerprint())
        {
            fetch.is_rejected = true;
        }
    }

    /// Makes the next call fetch the key again.
    pub(super) fn reload(&self) {
        *self.last() = None;
    }

    /// What was fetched last, unless it must be fetched again.
    fn cached(&self) -> Option<Result<ApiKey, KeyError>> {
        let last = self.last();
        let fetch = last.as_ref()?;
        let is_recent = fetch.ended.elapsed() < self.pause;
        let is_current = match fetch.outcome {
            Ok(_) => !fetch.is_rejected || fetch.is_repeated && is_recent,
            Err(_) => is_recent,
        };
        is_current.then(|| fetch.outcome.clone())
    }

    fn last(&self) -> MutexGuard<'_, Option<Fetch>> {
        // The value is only ever replaced as a whole, so a panic cannot leave it inconsistent.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::{fs, path::Path};

    use futures_util::future::join_all;

    use super::*;

    fn key(secret: &str) -> ApiKey {
        ApiKey::parse(&format!("scope3_a_{secret}").into()).unwrap()
    }

    fn command(words: &[&str]) -> FetchedKey {
        FetchedKey::of_command(words.iter().map(ToString::to_string).collect())
    }

    /// A command that appends a line to the file `runs` and then runs `script`.
    struct CountedCommand {
        folder: tempfile::TempDir,
        command: FetchedKey,
    }

    fn counted(script: &str) -> CountedCommand {
        let folder = tempfile::tempdir().unwrap();
        let script = format!("cd '{}'; echo x >>runs; {script}", folder.path().display());
        CountedCommand { command: command(&["sh", "-c", &script]), folder }
    }

    impl CountedCommand {
        fn runs(&self) -> usize {
            fs::read_to_string(self.path("runs")).unwrap_or_default().lines().count()
        }

        fn path(&self, name: &str) -> std::path::PathBuf {
            Path::new(self.folder.path()).join(name)
        }
    }

    #[tokio::test]
    async fn a_command_prints_the_key_without_a_shell() {
        let printed = command(&["echo", "scope3_a_cmd"]).key().await.unwrap();
        assert_eq!(printed.fingerprint(), key("cmd").fingerprint());
        for (words, expected) in [
            (["echo", "$HOME"].as_slice(), "malformed"),
            (&["false"], "it failed (exit status: 1)"),
            (&["no-such-program-here"], "cannot run it: No such file"),
            (&["head", "-c", "20000000", "/dev/zero"], "it printed more than 16384 bytes"),
            (&["printf", r"scope3_a_\303\050"], "malformed"),
        ] {
            let error = command(words).key().await.unwrap_err().in_full();
            assert!(error.contains(expected), "{words:?}: {error}");
        }
    }

    #[tokio::test]
    async fn a_key_in_place_of_a_command_or_a_file_is_not_repeated() {
        let misplaced = "scope3_aaaa_hidden";
        let error = command(&[misplaced]).key().await.unwrap_err().in_full();
        assert!(error.contains("cannot run it") && !error.contains("hidden"), "{error}");
        let file = super::super::file::KeyFile::new(misplaced.into());
        let error = file.key().await.unwrap_err().in_full();
        assert!(error.contains("cannot read") && !error.contains("hidden"), "{error}");
    }

    #[tokio::test]
    async fn concurrent_calls_share_one_run_of_the_command() {
        let it = counted("sleep 0.2; echo scope3_a_one");
        let keys = join_all((0..20).map(|_| it.command.key())).await;
        assert!(
            keys.iter().all(|printed| printed.as_ref().unwrap().fingerprint() == key("one").fingerprint())
        );
        assert_eq!(it.runs(), 1);
        it.command.key().await.unwrap();
        assert_eq!(it.runs(), 1, "the key is cached");
    }

    #[tokio::test]
    async fn a_failed_command_does_not_run_again_on_every_call() {
        let mut it = counted("sleep 0.1; exit 3");
        let keys = join_all((0..20).map(|_| it.command.key())).await;
        assert!(keys.iter().all(Result::is_err));
        it.command.key().await.unwrap_err();
        assert_eq!(it.runs(), 1);
        it.command.pause = Duration::ZERO;
        it.command.key().await.unwrap_err();
        assert_eq!(it.runs(), 2);
    }

    #[tokio::test]
    async fn a_rejected_key_makes_the_command_run_once_more_and_then_only_after_a_pause() {
        let mut it = counted("cat key");
        fs::write(it.path("key"), "scope3_a_one").unwrap();
        it.command.key().await.unwrap();
        it.command.rejected(&key("one"));
        fs::write(it.path("key"), "scope3_a_two").unwrap();
        assert_eq!(it.command.key().await.unwrap().fingerprint(), key("two").fingerprint(), "at once");
        assert_eq!(it.runs(), 2);
        it.command.rejected(&key("one"));
        it.command.key().await.unwrap();
        assert_eq!(it.runs(), 2, "the rejected key is not the current one");

        for _ in 0..5 {
            it.command.rejected(&key("two"));
            it.command.key().await.unwrap();
        }
        assert_eq!(
            it.runs(),
            3,
            "it printed the rejected key again, so it does not run until the pause is over"
        );
        it.command.pause = Duration::ZERO;
        it.command.rejected(&key("two"));
        it.command.key().await.unwrap();
        assert_eq!(it.runs(), 4);
    }
}
