//! Reads a key from the output of a command, such as a secret manager's client.

use std::{
    io,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use scope3_mcp_catalog::echo;
use tokio::{io::AsyncReadExt, process::Command, time::timeout};

use super::{
    key::{ApiKey, InvalidKey},
    source::{KeyError, MAX_KEY_BYTES, decode},
};

/// The time limit for a key command.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(15);

/// The pause before a command runs again after it failed or printed a rejected key again.
const RERUN_PAUSE: Duration = Duration::from_secs(5);

/// The variables that a key command gets: those of the user's session, and those of the usual secret managers.
const NEEDED: [&str; 16] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "TMPDIR",
    "TZ",
    "SSH_AUTH_SOCK",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
    "GNUPGHOME",
    "GPG_TTY",
    "PASSWORD_STORE_DIR",
    "DISPLAY",
];
const NEEDED_PREFIXES: [&str; 14] = [
    "LC_",
    "XDG_",
    "AWS_",
    "AZURE_",
    "GOOGLE_",
    "CLOUDSDK_",
    "GCLOUD_",
    "VAULT_",
    "OP_",
    "BW_",
    "DOPPLER_",
    "INFISICAL_",
    "KUBERNETES_",
    "SOPS_",
];
/// Without these, few programs run on Windows.
const NEEDED_ON_WINDOWS: [&str; 10] = [
    "SYSTEMROOT",
    "SYSTEMDRIVE",
    "WINDIR",
    "COMSPEC",
    "PATHEXT",
    "TEMP",
    "TMP",
    "USERPROFILE",
    "APPDATA",
    "LOCALAPPDATA",
];

/// A command that prints a key, and the outcome of its last run.
#[derive(Debug)]
pub struct KeyCommand {
    words: Vec<String>,
    rerun_pause: Duration,
    last: Mutex<Option<Run>>,
    /// Locked while the command runs, so that concurrent calls share one run.
    run_lock: tokio::sync::Mutex<()>,
}

/// Why a command returned no key.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommandError {
    /// The command cannot be run, for example because the program does not exist.
    #[error("cannot run it")]
    Start(#[source] Arc<io::Error>),
    /// The command did not finish in time.
    #[error("it did not finish within {} s", COMMAND_TIMEOUT.as_secs())]
    TimedOut,
    /// The command exited with a status other than zero.
    #[error("it failed ({0})")]
    Failed(ExitStatus),
    /// The command printed too many bytes.
    #[error("it printed more than {MAX_KEY_BYTES} bytes")]
    TooLong,
}

/// The outcome of one run.
#[derive(Debug)]
struct Run {
    ended: Instant,
    outcome: Result<ApiKey, KeyError>,
    /// Scope3 rejected the key after this run.
    is_rejected: bool,
    /// This run printed the same key as the run before it, which Scope3 had rejected.
    is_repeated: bool,
}

impl KeyCommand {
    pub(super) fn new(words: Vec<String>) -> Self {
        Self {
            words,
            rerun_pause: RERUN_PAUSE,
            last: Mutex::default(),
            run_lock: tokio::sync::Mutex::default(),
        }
    }

    /// The key that the command printed. Runs the command again after Scope3 rejected the key.
    pub(super) async fn key(&self) -> Result<ApiKey, KeyError> {
        if let Some(outcome) = self.cached() {
            return outcome;
        }
        let _running = self.run_lock.lock().await;
        if let Some(outcome) = self.cached() {
            return outcome;
        }
        let outcome = self.run().await;
        let mut last = self.last();
        let before = last.take().and_then(|run| run.outcome.ok());
        let is_repeated = match (&before, &outcome) {
            (Some(before), Ok(key)) => before.fingerprint() == key.fingerprint(),
            _ => false,
        };
        *last =
            Some(Run { ended: Instant::now(), outcome: outcome.clone(), is_rejected: false, is_repeated });
        outcome
    }

    /// Records that Scope3 rejected this key.
    pub(super) fn rejected(&self, key: &ApiKey) {
        if let Some(run) = &mut *self.last()
            && run.outcome.as_ref().is_ok_and(|printed| printed.fingerprint() == key.fingerprint())
        {
            run.is_rejected = true;
        }
    }

    /// Makes the command run again for the next call.
    pub(super) fn reload(&self) {
        *self.last() = None;
    }

    /// The outcome of the last run, unless the command must run again.
    fn cached(&self) -> Option<Result<ApiKey, KeyError>> {
        let last = self.last();
        let run = last.as_ref()?;
        let is_recent = run.ended.elapsed() < self.rerun_pause;
        let is_current = match run.outcome {
            Ok(_) => !run.is_rejected || run.is_repeated && is_recent,
            Err(_) => is_recent,
        };
        is_current.then(|| run.outcome.clone())
    }

    async fn run(&self) -> Result<ApiKey, KeyError> {
        let program = self.words.first().cloned().unwrap_or_default();
        let printed = timeout(COMMAND_TIMEOUT, self.output(&program)).await;
        match printed.unwrap_or(Err(CommandError::TimedOut)) {
            Ok(bytes) => decode(bytes)
                .ok_or(InvalidKey::Characters)
                .and_then(|text| ApiKey::configured(&text))
                .map_err(|why| KeyError::Invalid { from: format!("`{}`", echo(&program)), why }),
            Err(cause) => Err(KeyError::Command { program, cause }),
        }
    }

    async fn output(&self, program: &str) -> Result<Vec<u8>, CommandError> {
        let run_error = |error| CommandError::Start(Arc::new(error));
        let mut child = Command::new(program)
            .args(self.words.iter().skip(1))
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_needed)))
            // In stdio mode, standard input carries the client's messages.
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // Standard error may contain the secret.
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(run_error)?;
        let mut bytes = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            stdout.take(MAX_KEY_BYTES as u64 + 1).read_to_end(&mut bytes).await.map_err(run_error)?;
        }
        if bytes.len() > MAX_KEY_BYTES {
            return Err(CommandError::TooLong);
        }
        let status = child.wait().await.map_err(run_error)?;
        if status.success() { Ok(bytes) } else { Err(CommandError::Failed(status)) }
    }

    fn last(&self) -> MutexGuard<'_, Option<Run>> {
        // The value is only ever replaced as a whole, so a panic cannot leave it inconsistent.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a key command gets this variable. It never gets the other secrets of this program.
fn is_needed(name: &str) -> bool {
    // Names are case-insensitive on Windows, and so are those of proxies everywhere.
    let name = name.to_ascii_uppercase();
    let name = name.as_str();
    NEEDED.contains(&name)
        || NEEDED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || matches!(name, "HTTP_PROXY" | "HTTPS_PROXY" | "ALL_PROXY" | "NO_PROXY")
        || cfg!(windows) && NEEDED_ON_WINDOWS.contains(&name)
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

    /// A command that appends a line to the file `runs` and then runs `script`.
    struct CountedCommand {
        folder: tempfile::TempDir,
        command: KeyCommand,
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
        it.command.rerun_pause = Duration::ZERO;
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
        it.command.rerun_pause = Duration::ZERO;
        it.command.rejected(&key("two"));
        it.command.key().await.unwrap();
        assert_eq!(it.runs(), 4);
    }
}
