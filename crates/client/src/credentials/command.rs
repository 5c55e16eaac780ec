//! A command that prints a key, such as a secret manager's client.

use std::{
    io,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{io::AsyncReadExt, process::Command, time::timeout};

use super::{
    key::{ApiKey, InvalidKey},
    source::{KeyError, MAX_KEY_BYTES, text},
};

/// Timeout for a key command.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(15);

/// How long to wait before running a command again that failed or printed a rejected key.
const RERUN_PAUSE: Duration = Duration::from_secs(5);

/// A command that prints a key, and what it printed last.
#[derive(Debug)]
pub struct KeyCommand {
    words: Vec<String>,
    rerun_pause: Duration,
    last: Mutex<Option<Run>>,
    /// Locked while the command runs, so that it runs once for all waiting calls.
    turn: tokio::sync::Mutex<()>,
}

/// Why a command returned no key.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommandError {
    /// The program cannot be started.
    #[error("it cannot be run")]
    Start(#[source] Arc<io::Error>),
    /// It did not exit in time.
    #[error("it did not exit within {} s", COMMAND_TIMEOUT.as_secs())]
    TimedOut,
    /// It exited with an error.
    #[error("it failed ({0})")]
    Failed(ExitStatus),
    /// It printed too much.
    #[error("it printed more than {MAX_KEY_BYTES} bytes")]
    TooLong,
}

/// How the command ran.
#[derive(Debug)]
struct Run {
    ended: Instant,
    outcome: Result<ApiKey, KeyError>,
    /// Scope3 rejected the key after that.
    is_refused: bool,
    /// It ran again after a rejection, and printed the same key.
    is_repeated: bool,
}

impl KeyCommand {
    pub(super) fn new(words: Vec<String>) -> Self {
        Self { words, rerun_pause: RERUN_PAUSE, last: Mutex::default(), turn: tokio::sync::Mutex::default() }
    }

    /// The key that the command printed. After a rejection, the command runs again.
    pub(super) async fn key(&self) -> Result<ApiKey, KeyError> {
        if let Some(outcome) = self.remembered() {
            return outcome;
        }
        let _turn = self.turn.lock().await;
        if let Some(outcome) = self.remembered() {
            return outcome;
        }
        let outcome = self.run().await;
        let mut last = self.last();
        let before = last.take().and_then(|run| run.outcome.ok());
        let is_repeated = match (&before, &outcome) {
            (Some(before), Ok(key)) => before.fingerprint() == key.fingerprint(),
            _ => false,
        };
        *last = Some(Run { ended: Instant::now(), outcome: outcome.clone(), is_refused: false, is_repeated });
        outcome
    }

    /// Notes that Scope3 rejected this key.
    pub(super) fn refused(&self, key: &ApiKey) {
        if let Some(run) = &mut *self.last()
            && run.outcome.as_ref().is_ok_and(|printed| printed.fingerprint() == key.fingerprint())
        {
            run.is_refused = true;
        }
    }

    /// The outcome of the last run, unless the command has to run again.
    fn remembered(&self) -> Option<Result<ApiKey, KeyError>> {
        let last = self.last();
        let run = last.as_ref()?;
        let is_recent = run.ended.elapsed() < self.rerun_pause;
        let holds = match run.outcome {
            Ok(_) => !run.is_refused || run.is_repeated && is_recent,
            Err(_) => is_recent,
        };
        holds.then(|| run.outcome.clone())
    }

    async fn run(&self) -> Result<ApiKey, KeyError> {
        let program = self.words.first().cloned().unwrap_or_default();
        let printed = timeout(COMMAND_TIMEOUT, self.output(&program)).await;
        match printed.unwrap_or(Err(CommandError::TimedOut)) {
            Ok(bytes) => text(bytes)
                .ok_or(InvalidKey::Characters)
                .and_then(|text| ApiKey::parse(&text))
                .map_err(|why| KeyError::Invalid { from: format!("`{program}`"), why }),
            Err(cause) => Err(KeyError::Command { program, cause }),
        }
    }

    async fn output(&self, program: &str) -> Result<Vec<u8>, CommandError> {
        let broken = |error| CommandError::Start(Arc::new(error));
        let mut child = Command::new(program)
            .args(self.words.iter().skip(1))
            // In stdio mode, standard input carries the client's messages.
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // Its standard error may contain the secret.
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(broken)?;
        let mut bytes = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            stdout.take(MAX_KEY_BYTES as u64 + 1).read_to_end(&mut bytes).await.map_err(broken)?;
        }
        if bytes.len() > MAX_KEY_BYTES {
            return Err(CommandError::TooLong);
        }
        let status = child.wait().await.map_err(broken)?;
        if status.success() { Ok(bytes) } else { Err(CommandError::Failed(status)) }
    }

    fn last(&self) -> MutexGuard<'_, Option<Run>> {
        // The value behind this lock is replaced in one step, so a panic elsewhere leaves it valid.
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

    fn command(words: &[&str]) -> KeyCommand {
        KeyCommand::new(words.iter().map(ToString::to_string).collect())
    }

    /// A command that notes in `runs` that it ran, and does what `script` says.
    struct Noting {
        folder: tempfile::TempDir,
        command: KeyCommand,
    }

    fn noting(script: &str) -> Noting {
        let folder = tempfile::tempdir().unwrap();
        let script = format!("cd '{}'; echo x >>runs; {script}", folder.path().display());
        Noting { command: command(&["sh", "-c", &script]), folder }
    }

    impl Noting {
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
        for (words, said) in [
            (["echo", "$HOME"].as_slice(), "malformed"),
            (&["false"], "it failed (exit status: 1)"),
            (&["no-such-program-here"], "it cannot be run: No such file"),
            (&["head", "-c", "20000000", "/dev/zero"], "it printed more than 16384 bytes"),
            (&["printf", r"scope3_a_\303\050"], "malformed"),
        ] {
            let error = command(words).key().await.unwrap_err().in_full();
            assert!(error.contains(said), "{words:?}: {error}");
        }
    }

    #[tokio::test]
    async fn a_command_runs_once_for_all_who_wait() {
        let it = noting("sleep 0.2; echo scope3_a_one");
        let keys = join_all((0..20).map(|_| it.command.key())).await;
        assert!(keys.iter().all(|had| had.as_ref().unwrap().fingerprint() == key("one").fingerprint()));
        assert_eq!(it.runs(), 1);
        it.command.key().await.unwrap();
        assert_eq!(it.runs(), 1, "and its key is kept");
    }

    #[tokio::test]
    async fn a_command_that_fails_is_not_run_on_every_call() {
        let mut it = noting("sleep 0.1; exit 3");
        let keys = join_all((0..20).map(|_| it.command.key())).await;
        assert!(keys.iter().all(Result::is_err));
        it.command.key().await.unwrap_err();
        assert_eq!(it.runs(), 1);
        it.command.rerun_pause = Duration::ZERO;
        it.command.key().await.unwrap_err();
        assert_eq!(it.runs(), 2);
    }

    #[tokio::test]
    async fn a_refused_key_is_asked_for_once_more_and_then_seldom() {
        let mut it = noting("cat key");
        fs::write(it.path("key"), "scope3_a_one").unwrap();
        it.command.key().await.unwrap();
        it.command.refused(&key("one"));
        fs::write(it.path("key"), "scope3_a_two").unwrap();
        assert_eq!(it.command.key().await.unwrap().fingerprint(), key("two").fingerprint(), "at once");
        assert_eq!(it.runs(), 2);
        it.command.refused(&key("one"));
        it.command.key().await.unwrap();
        assert_eq!(it.runs(), 2, "that one is not in use");

        for _ in 0..5 {
            it.command.refused(&key("two"));
            it.command.key().await.unwrap();
        }
        assert_eq!(it.runs(), 3, "it printed the refused key again: it is let alone for a while");
        it.command.rerun_pause = Duration::ZERO;
        it.command.refused(&key("two"));
        it.command.key().await.unwrap();
        assert_eq!(it.runs(), 4);
    }
}
