//! Where a key comes from.

use std::{
    io,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use secrecy::SecretString;

use super::key::{ApiKey, InvalidKey};

/// How long a command that prints a key may take.
const COMMAND_TIME: Duration = Duration::from_secs(15);

/// A place that holds a key.
#[derive(Debug)]
pub enum KeySource {
    /// None was named.
    None,
    /// A value that was given at start.
    Given(Result<ApiKey, InvalidKey>),
    /// A file, read again when it changes.
    File(KeyFile),
    /// A program and its arguments, run once and again when its key is refused.
    Command(KeyCommand),
}

/// No key can be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// None was named.
    #[error("no Scope3 API key is set")]
    Missing,
    /// There is one, but it is no Scope3 key.
    #[error("the Scope3 API key from {from} is malformed: {why}")]
    Invalid {
        /// The place, as an operator knows it.
        from: String,
        /// What is wrong.
        why: InvalidKey,
    },
    /// The file cannot be read.
    #[error("the Scope3 API key file {path} cannot be read: {cause}")]
    File {
        /// Its path.
        path: PathBuf,
        /// The system's word.
        cause: io::Error,
    },
    /// The command failed. What it printed is not repeated.
    #[error("the command for the Scope3 API key, `{program}`, {why}")]
    Command {
        /// Its first word.
        program: String,
        /// What happened.
        why: String,
    },
}

impl KeySource {
    /// A source for a value that was given at start.
    #[must_use]
    pub fn given(text: &SecretString) -> Self {
        Self::Given(ApiKey::parse(text))
    }

    /// A source for a file.
    #[must_use]
    pub fn file(path: PathBuf) -> Self {
        Self::File(KeyFile { path, last: Mutex::new(None) })
    }

    /// A source for a command. `words` is the program and its arguments; no shell sees them.
    #[must_use]
    pub fn command(words: Vec<String>) -> Self {
        Self::Command(KeyCommand { words, last: Mutex::new(None) })
    }

    /// The key as it is now.
    ///
    /// # Errors
    /// When there is none, or it cannot be read, or it is malformed.
    pub(super) async fn key(&self) -> Result<ApiKey, KeyError> {
        match self {
            Self::None => Err(KeyError::Missing),
            Self::Given(key) => {
                key.clone().map_err(|why| KeyError::Invalid { from: "SCOPE3_API_KEY".to_owned(), why })
            }
            Self::File(file) => file.key(),
            Self::Command(command) => command.key().await,
        }
    }

    /// Forgets what may be read anew, after Scope3 refused the key.
    pub(super) fn forget(&self) {
        match self {
            Self::None | Self::Given(_) => {}
            Self::File(file) => *lock(&file.last) = None,
            Self::Command(command) => *lock(&command.last) = None,
        }
    }
}

/// A file that holds a key, and what it held when it was last read.
#[derive(Debug)]
pub struct KeyFile {
    path: PathBuf,
    last: Mutex<Option<(SystemTime, ApiKey)>>,
}

impl KeyFile {
    fn key(&self) -> Result<ApiKey, KeyError> {
        let unreadable = |cause| KeyError::File { path: self.path.clone(), cause };
        let changed = modified(&self.path).map_err(unreadable)?;
        let mut last = lock(&self.last);
        if let Some((then, key)) = &*last
            && *then == changed
        {
            return Ok(key.clone());
        }
        let text = SecretString::from(std::fs::read_to_string(&self.path).map_err(unreadable)?);
        let key = ApiKey::parse(&text)
            .map_err(|why| KeyError::Invalid { from: self.path.display().to_string(), why })?;
        *last = Some((changed, key.clone()));
        Ok(key)
    }
}

fn modified(path: &Path) -> io::Result<SystemTime> {
    std::fs::metadata(path)?.modified()
}

/// A command that prints a key, and what it printed last.
#[derive(Debug)]
pub struct KeyCommand {
    words: Vec<String>,
    last: Mutex<Option<ApiKey>>,
}

impl KeyCommand {
    async fn key(&self) -> Result<ApiKey, KeyError> {
        if let Some(key) = &*lock(&self.last) {
            return Ok(key.clone());
        }
        let program = self.words.first().cloned().unwrap_or_default();
        let failed = |why: String| KeyError::Command { program: program.clone(), why };
        let run = tokio::process::Command::new(&program)
            .args(self.words.iter().skip(1))
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(COMMAND_TIME, run)
            .await
            .map_err(|_| failed(format!("did not end within {} s", COMMAND_TIME.as_secs())))?
            .map_err(|error| failed(format!("cannot be run: {error}")))?;
        if !output.status.success() {
            return Err(failed(format!("failed ({})", output.status)));
        }
        let text = String::from_utf8(output.stdout).map_err(|_| failed("printed no text".to_owned()))?;
        let key = ApiKey::parse(&SecretString::from(text))
            .map_err(|why| KeyError::Invalid { from: format!("`{program}`"), why })?;
        *lock(&self.last) = Some(key.clone());
        Ok(key)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // What is behind these locks is replaced whole: a panic elsewhere leaves nothing half-done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
