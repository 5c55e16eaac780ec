//! Reads a key from the output of a command, such as a secret manager's client.

use std::{
    io,
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use scope3_mcp_catalog::echo;
use tokio::{io::AsyncReadExt, process::Command, time::timeout};

use super::{
    key::{ApiKey, InvalidKey},
    source::{KeyError, MAX_KEY_BYTES, decode},
};

/// The time limit for a key command.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(15);

/// The variables that a key command gets: those of the user's session, and those of the usual secret managers.
const NEEDED: [&str; 17] = [
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
    "REQUESTS_CA_BUNDLE",
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

/// Runs a command, the program and its arguments, and parses what it prints.
///
/// # Errors
/// If it fails, does not end in time, or prints something else than a key.
pub(super) async fn run(words: &[String]) -> Result<ApiKey, KeyError> {
    let program = words.first().cloned().unwrap_or_default();
    let printed = timeout(COMMAND_TIMEOUT, output(&program, words)).await;
    match printed.unwrap_or(Err(CommandError::TimedOut)) {
        Ok(bytes) => decode(bytes)
            .ok_or(InvalidKey::Characters)
            .and_then(|text| ApiKey::configured(&text))
            .map_err(|why| KeyError::Invalid { from: format!("`{}`", echo(&program)), why }),
        Err(cause) => Err(KeyError::Command { program, cause }),
    }
}

async fn output(program: &str, words: &[String]) -> Result<Vec<u8>, CommandError> {
    let run_error = |error| CommandError::Start(Arc::new(error));
    let mut child = Command::new(program)
        .args(words.iter().skip(1))
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
