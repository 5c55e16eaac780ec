//! The operator's policy file: read at startup, and again when it changes.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use scope3_mcp_catalog::{Catalog, echo};
use tokio::{task::spawn_blocking, time::timeout};

use super::cedar::{Problem, Rules, RulesError, SchemaFault};

/// The maximum size of a policy file.
const MAX_BYTES: u64 = 1024 * 1024;

/// How often a call looks whether the file has changed.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// The time limit for a look. A network file system can hang forever.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a policy file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyFileError {
    /// The file cannot be read.
    #[error("cannot read {}: {cause}", echo(&.path.to_string_lossy()))]
    Read {
        /// The path of the file.
        path: PathBuf,
        /// The error from the operating system.
        #[source]
        cause: io::Error,
    },
    /// Others than the owner can change the file, and so the rules.
    #[error(
        "{}: others can write to it (mode {mode:o}), so its rules protect nothing; run `chmod go-w` on it",
        echo(&.path.to_string_lossy())
    )]
    Writable {
        /// The path of the file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The file is too large.
    #[error("{}: expected at most 1 MiB", echo(&.0.to_string_lossy()))]
    TooLarge(PathBuf),
    /// The rules have problems.
    #[error("{}", in_lines(.path, .problems))]
    Invalid {
        /// The path of the file.
        path: PathBuf,
        /// The problems, in the order of the file.
        problems: Vec<Problem>,
    },
    /// This program has a fault.
    #[error("the policy cannot be checked: {0}")]
    Fault(#[from] SchemaFault),
}

fn in_lines(path: &Path, problems: &[Problem]) -> String {
    let path = path.to_string_lossy();
    let lines: Vec<String> = problems.iter().map(|problem| format!("{}:{problem}", echo(&path))).collect();
    lines.join("\n")
}

/// A policy file, and the version of it that is in force.
#[derive(Debug)]
pub struct PolicyFile {
    path: PathBuf,
    /// The catalog against which rules are checked. A newer document can replace it.
    catalog: Mutex<Catalog>,
    current: Mutex<Current>,
    /// Locked while the file is read, so that a file system that hangs blocks only one thread.
    read_lock: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug)]
struct Current {
    rules: Arc<Rules>,
    /// The version that was read last, whether its rules are in force or were rejected.
    seen: Version,
    looked: Instant,
    /// What is wrong with the file now.
    problem: Option<String>,
}

/// What shows that a file has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    modified: SystemTime,
    bytes: u64,
}

impl PolicyFile {
    /// Reads a file and checks its rules against a catalog.
    ///
    /// # Errors
    /// If the file cannot be read, can be changed by others, is too large, or has invalid rules.
    pub fn open(path: PathBuf, catalog: Catalog) -> Result<Self, PolicyFileError> {
        let Read { version, rules } = read(&path, &catalog)?;
        let current =
            Current { rules: Arc::new(rules?), seen: version, looked: Instant::now(), problem: None };
        let (catalog, current) = (Mutex::new(catalog), Mutex::new(current));
        Ok(Self { path, catalog, current, read_lock: Arc::default() })
    }

    /// The rules in force.
    #[must_use]
    pub fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.current().rules)
    }

    /// Reads the file again if it has changed. If it cannot be used, the rules in force stay, and the log says why.
    pub async fn refresh(&self) {
        let seen = {
            let mut current = self.current();
            if current.looked.elapsed() < LOOK_INTERVAL {
                return;
            }
            current.looked = Instant::now();
            current.seen
        };
        let Ok(lock) = Arc::clone(&self.read_lock).try_lock_owned() else { return };
        let (path, catalog) = (self.path.clone(), self.catalog().clone());
        let reading = spawn_blocking(move || {
            let _until_done = lock;
            match look(&path)? {
                (_, version) if version == seen => Ok(None),
                _ => read(&path, &catalog).map(Some),
            }
        });
        let found = match timeout(READ_TIMEOUT, reading).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => Err(self.unreadable(io::Error::other(error))),
            Err(_) => Err(self.unreadable(io::ErrorKind::TimedOut.into())),
        };
        self.apply(found);
    }

    /// Checks the rules against another catalog from now on.
    ///
    /// # Errors
    /// If the file cannot be used with it. Nothing changes then.
    pub fn adopt(&self, catalog: &Catalog) -> Result<(), PolicyFileError> {
        let Read { version, rules } = read(&self.path, catalog)?;
        let rules = Arc::new(rules?);
        *self.catalog() = catalog.clone();
        let mut current = self.current();
        (current.rules, current.seen, current.problem) = (rules, version, None);
        Ok(())
    }

    fn catalog(&self) -> MutexGuard<'_, Catalog> {
        self.catalog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unreadable(&self, cause: io::Error) -> PolicyFileError {
        PolicyFileError::Read { path: self.path.clone(), cause }
    }

    fn apply(&self, found: Result<Option<Read>, PolicyFileError>) {
        let mut current = self.current();
        let rules = match found {
            Ok(None) => {
                current.problem = None;
                return;
            }
            Ok(Some(Read { version, rules })) => {
                current.seen = version;
                rules
            }
            Err(error) => Err(error),
        };
        match rules {
            Ok(rules) => {
                current.rules = Arc::new(rules);
                current.problem = None;
                tracing::info!(event = "policy_reloaded", "the changed policy is in force");
            }
            Err(error) => {
                let problem = error.to_string();
                if current.problem.as_ref() != Some(&problem) {
                    tracing::error!(
                        event = "policy_rejected",
                        error = problem,
                        "the changed policy cannot be used; the earlier rules stay in force"
                    );
                    current.problem = Some(problem);
                }
            }
        }
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        // Its parts are only ever replaced as a whole, so a panic cannot leave them inconsistent.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads rules from a file.
///
/// # Errors
/// If the file cannot be read, can be changed by others, is too large, or has invalid rules.
pub fn read_rules(path: &Path, catalog: &Catalog) -> Result<Rules, PolicyFileError> {
    read(path, catalog)?.rules
}

/// A version of the file.
struct Read {
    version: Version,
    /// Its rules, or why they cannot be used.
    rules: Result<Rules, PolicyFileError>,
}

/// Opens a file that only its owner can change.
fn look(path: &Path) -> Result<(File, Version), PolicyFileError> {
    let unreadable = |cause| PolicyFileError::Read { path: path.to_owned(), cause };
    let file = File::open(path).map_err(unreadable)?;
    let about = file.metadata().map_err(unreadable)?;
    check_mode(path, &about)?;
    Ok((file, Version { modified: about.modified().map_err(unreadable)?, bytes: about.len() }))
}

fn read(path: &Path, catalog: &Catalog) -> Result<Read, PolicyFileError> {
    let (file, version) = look(path)?;
    Ok(Read { version, rules: parse(path, file, catalog) })
}

fn parse(path: &Path, file: File, catalog: &Catalog) -> Result<Rules, PolicyFileError> {
    let unreadable = |cause| PolicyFileError::Read { path: path.to_owned(), cause };
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(PolicyFileError::TooLarge(path.to_owned()));
    }
    let text = String::from_utf8(bytes)
        .map_err(|error| unreadable(io::Error::new(io::ErrorKind::InvalidData, error.utf8_error())))?;
    // Editors on Windows write a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    // A file may have rules for APIs that are not active now.
    match Rules::parse(text, &catalog.with_inactive()) {
        Ok(rules) => Ok(rules),
        Err(RulesError::Invalid(problems)) => {
            Err(PolicyFileError::Invalid { path: path.to_owned(), problems })
        }
        Err(RulesError::Schema(fault)) => Err(fault.into()),
    }
}

/// Rejects a file that others than its owner can change.
#[cfg(unix)]
fn check_mode(path: &Path, about: &std::fs::Metadata) -> Result<(), PolicyFileError> {
    use std::os::unix::fs::MetadataExt;
    const WRITABLE_BY_OTHERS: u32 = 0o022;
    let mode = about.mode() & 0o777;
    if mode & WRITABLE_BY_OTHERS == 0 {
        Ok(())
    } else {
        Err(PolicyFileError::Writable { path: path.to_owned(), mode })
    }
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "the same signature on all systems")]
fn check_mode(_: &Path, _: &std::fs::Metadata) -> Result<(), PolicyFileError> {
    Ok(())
}
