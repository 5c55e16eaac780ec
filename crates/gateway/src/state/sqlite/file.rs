//! Opening, protecting, upgrading and repairing the file.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use rusqlite::{
    Connection, ErrorCode, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, config::DbConfig,
    named_params,
};

use super::{Job, Work, process::Processes};
use crate::state::{
    StateError, StateLocation,
    clock::{Clock, Seen, micros},
};

/// Marks a SQLite file as ours: `S3MC`.
const APPLICATION_ID: u32 = 0x5333_4d43;

/// The steps that create and upgrade the format. The version of a file is the number of steps that it has seen.
const MIGRATIONS: [&str; 2] = [include_str!("v1.sql"), include_str!("v2.sql")];

/// The newest version of the format.
#[expect(clippy::cast_possible_truncation, reason = "there are few migrations")]
const VERSION: u32 = MIGRATIONS.len() as u32;

/// How often to ask for a lock that another process holds, and how long to pause in between: two seconds in total.
const LOCK_ATTEMPTS: i32 = 10_000;
const LOCK_PAUSE: Duration = Duration::from_micros(200);

/// How often to try to open a file that is busy, and how long to pause in between: two seconds in total.
const OPEN_ATTEMPTS: u32 = 100;
const OPEN_PAUSE: Duration = Duration::from_millis(20);

/// How often old rows are removed, in microseconds.
const PRUNE_INTERVAL: i64 = 60 * 1_000_000;

/// What tells files apart: the device and the number.
type Inode = (u64, u64);

/// An open state file.
pub(super) struct File {
    connection: Connection,
    owner: Owner,
    /// Which file was opened. In memory, none.
    inode: Option<Inode>,
    is_durable: bool,
    pruned_at: i64,
}

/// This process as a user of the file.
pub(super) struct Owner {
    path: PathBuf,
    clock: Clock,
    /// Random bytes of this installation, from which the ids of keys are derived.
    pub(super) secret: Vec<u8>,
    pub(super) processes: Arc<Processes>,
}

impl File {
    /// Opens a file, or creates it. A damaged file is moved aside.
    pub(super) fn open(
        location: &StateLocation,
        clock: Clock,
        processes: &mut Option<Arc<Processes>>,
    ) -> Result<Self, StateError> {
        match location {
            StateLocation::Memory => {
                let path = Path::new(":memory:");
                let connection = Connection::open_in_memory().map_err(database(path))?;
                let processes = processes.get_or_insert_with(|| Arc::new(Processes::alone()));
                Self::prepare(connection, path, None, clock, processes)
            }
            StateLocation::Nowhere | StateLocation::Redis(_) => Err(StateError::NoPlace),
            StateLocation::File(path) => match Self::open_when_free(path, &clock, processes) {
                Err(StateError::Database { source, .. }) if is_damage(&source) => {
                    let moved = move_aside(path, &source).map_err(io_error(path))?;
                    // Entries in the new file have numbers that entries in the old one had.
                    *processes = None;
                    let file = Self::open_path(path, clock, processes)?;
                    file.record_loss(&moved).map_err(database(path))?;
                    Ok(file)
                }
                outcome => outcome,
            },
        }
    }

    /// Opens a file that other processes may be creating. SQLite reports that as busy without asking the busy handler.
    fn open_when_free(
        path: &Path,
        clock: &Clock,
        processes: &mut Option<Arc<Processes>>,
    ) -> Result<Self, StateError> {
        for _ in 0..OPEN_ATTEMPTS {
            match Self::open_path(path, clock.clone(), processes) {
                Err(StateError::Database { source, .. }) if is_busy(&source) => thread::sleep(OPEN_PAUSE),
                outcome => return outcome,
            }
        }
        Self::open_path(path, clock.clone(), processes)
    }

    fn open_path(
        path: &Path,
        clock: Clock,
        processes: &mut Option<Arc<Processes>>,
    ) -> Result<Self, StateError> {
        create_private(path)?;
        let inode = Some(inode(path).map_err(io_error(path))?);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags).map_err(database(path))?;
        connection.busy_handler(Some(wait_for_lock)).map_err(database(path))?;
        reject_foreign(&connection, path)?;
        let mode: String = connection
            .query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))
            .map_err(database(path))?;
        if mode != "wal" {
            return Err(StateError::NoLocks(path.to_owned()));
        }
        // Once registered, this process stays the same one, even if the file has to be opened again.
        let processes = match processes {
            Some(processes) => processes,
            none => none.insert(Arc::new(Processes::beside(path).map_err(lock_error(path))?)),
        };
        Self::prepare(connection, path, inode, clock, processes)
    }

    fn prepare(
        mut connection: Connection,
        path: &Path,
        inode: Option<Inode>,
        clock: Clock,
        processes: &Arc<Processes>,
    ) -> Result<Self, StateError> {
        connection.set_prepared_statement_cache_capacity(64);
        // Otherwise SQLite plans a statement again for every time with which it compares, which takes longer than running it.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(database(path))?;
        connection.pragma_update(None, "synchronous", "NORMAL").map_err(database(path))?;
        migrate(&mut connection).map_err(database(path))?;
        let is_sound: String =
            connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(database(path))?;
        if is_sound != "ok" {
            return Err(database(path)(damage(is_sound)));
        }
        let secret = connection
            .query_row("SELECT secret FROM installation", [], |row| row.get(0))
            .map_err(database(path))?;
        let owner = Owner { path: path.to_owned(), clock, secret, processes: Arc::clone(processes) };
        Ok(Self { connection, owner, inode, is_durable: false, pruned_at: 0 })
    }

    /// Whether the file is still at its path. Another process that finds damage moves it aside, and works on a new one.
    pub(super) fn is_in_place(&self) -> bool {
        self.inode.is_none() || self.inode == inode(&self.owner.path).ok()
    }

    /// Carries out operations in one transaction.
    pub(super) fn run(&mut self, batch: &mut [Box<dyn Job>]) -> Result<(), StateError> {
        let outcome = self.try_run(batch);
        let path = &self.owner.path;
        match outcome {
            Ok(found) if found > VERSION => {
                Err(StateError::Newer { path: path.clone(), found, known: VERSION })
            }
            Ok(_) => Ok(()),
            Err(source) => Err(database(path)(source)),
        }
    }

    /// Returns the version of the format. If a newer program has upgraded the file meanwhile, nothing is done.
    fn try_run(&mut self, batch: &mut [Box<dyn Job>]) -> rusqlite::Result<u32> {
        self.sync(batch.iter().any(|job| job.is_durable()))?;
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let version = transaction.prepare_cached("PRAGMA user_version")?.query_row([], |row| row.get(0))?;
        if version > VERSION {
            return Ok(version);
        }
        let now = advance(&transaction, &self.owner.clock)?;
        let work = Work { transaction: &transaction, file: &self.owner, now };
        if now - self.pruned_at >= PRUNE_INTERVAL {
            work.prune()?;
            self.pruned_at = now;
        }
        for job in batch {
            job.run(&work)?;
        }
        transaction.commit()?;
        Ok(version)
    }

    /// Sets whether a commit waits for the disk. Without waiting, it survives the end of the process, but not a power
    /// failure.
    fn sync(&mut self, is_durable: bool) -> rusqlite::Result<()> {
        if self.is_durable != is_durable {
            let level = if is_durable { "FULL" } else { "NORMAL" };
            self.connection.pragma_update(None, "synchronous", level)?;
            self.is_durable = is_durable;
        }
        Ok(())
    }

    fn record_loss(&self, moved: &Path) -> rusqlite::Result<()> {
        let moved = moved.display().to_string();
        self.connection
            .execute("UPDATE installation SET damaged = :moved", named_params! { ":moved": moved })?;
        Ok(())
    }
}

impl Work<'_> {
    /// Where the damaged file is, until the operator accepts the loss.
    pub(super) fn damaged(&self) -> rusqlite::Result<Option<PathBuf>> {
        let moved: Option<String> = self
            .transaction
            .prepare_cached("SELECT damaged FROM installation")?
            .query_row([], |row| row.get(0))?;
        Ok(moved.map(PathBuf::from))
    }

    pub(super) fn accept_loss(&self) -> rusqlite::Result<Option<PathBuf>> {
        let moved = self.damaged()?;
        self.transaction.execute("UPDATE installation SET damaged = NULL", [])?;
        Ok(moved)
    }
}

/// The file's time now, in microseconds. It is stored, so that later processes continue from there.
fn advance(transaction: &Transaction<'_>, clock: &Clock) -> rusqlite::Result<i64> {
    let from_micros = |micros: i64| Duration::from_micros(micros.unsigned_abs());
    let mut read = transaction.prepare_cached("SELECT boot, uptime, time FROM clock")?;
    let seen = read
        .query_row([], |row| {
            Ok(Seen { boot: row.get(0)?, uptime: from_micros(row.get(1)?), time: from_micros(row.get(2)?) })
        })
        .optional()?
        .unwrap_or_default();
    let reading = clock.read();
    let now = micros(seen.time_at(&reading));
    transaction
        .prepare_cached("UPDATE clock SET boot = :boot, uptime = :uptime, time = :time")?
        .execute(named_params! { ":boot": reading.boot, ":uptime": micros(reading.uptime), ":time": now })?;
    Ok(now)
}

/// Rejects a file that is not ours, or that is newer than this program, before anything is written to it.
fn reject_foreign(connection: &Connection, path: &Path) -> Result<(), StateError> {
    let failed = |source: rusqlite::Error| match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => StateError::Foreign(path.to_owned()),
        _ => database(path)(source),
    };
    // All at one moment: another process may be creating the file.
    let _snapshot = connection.unchecked_transaction().map_err(failed)?;
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, u32>(0));
    let application = pragma("application_id").map_err(failed)?;
    let found = pragma("user_version").map_err(failed)?;
    if application != APPLICATION_ID {
        let tables: u32 = connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .map_err(failed)?;
        let is_new = application == 0 && found == 0 && tables == 0;
        return if is_new { Ok(()) } else { Err(StateError::Foreign(path.to_owned())) };
    }
    if found > VERSION {
        return Err(StateError::Newer { path: path.to_owned(), found, known: VERSION });
    }
    Ok(())
}

fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let version = |connection: &Connection| -> rusqlite::Result<u32> {
        connection.pragma_query_value(None, "user_version", |row| row.get(0))
    };
    if version(connection)? == VERSION {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have upgraded the file meanwhile.
    let found = version(&transaction)?;
    for (migration, version) in MIGRATIONS.iter().zip(1..).skip(found as usize) {
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", version)?;
    }
    transaction.commit()
}

/// Waits for a lock that another process holds. SQLite's own pauses are too long for work that takes microseconds.
fn wait_for_lock(attempts: i32) -> bool {
    thread::sleep(LOCK_PAUSE);
    attempts < LOCK_ATTEMPTS
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt))
}

/// The error for damage that a check found.
fn damage(message: String) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT), Some(message))
}

/// Renames a damaged file and what belongs to it, and writes the reason beside it.
fn move_aside(path: &Path, reason: &rusqlite::Error) -> io::Result<PathBuf> {
    let time = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
    let moved = with_suffix(path, &format!(".damaged-{time}"));
    fs::rename(path, &moved)?;
    for suffix in ["-wal", "-shm"] {
        match fs::rename(with_suffix(path, suffix), with_suffix(&moved, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    fs::write(with_suffix(&moved, ".reason"), format!("{reason}\n"))?;
    tracing::error!(moved = %moved.display(), %reason, "the state file is damaged and was moved aside");
    Ok(moved)
}

/// A path with something appended to its file name.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Creates the file and its directory if they are missing, for their owner alone.
fn create_private(path: &Path) -> Result<(), StateError> {
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        private_directory(directory).map_err(io_error(path))?;
    }
    let mut options = fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(io_error(path))?;
    match file.try_lock_shared() {
        // Without locks, SQLite would report for minutes that the file is busy.
        Err(fs::TryLockError::Error(error)) => Err(lock_error(path)(error)),
        Ok(()) | Err(fs::TryLockError::WouldBlock) => Ok(()),
    }
}

/// Which file is at a path: its device and its number there.
#[cfg(unix)]
fn inode(path: &Path) -> io::Result<Inode> {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).map(|file| (file.dev(), file.ino()))
}

/// Elsewhere, an open file cannot be moved.
#[cfg(not(unix))]
fn inode(_: &Path) -> io::Result<Inode> {
    Ok((0, 0))
}

/// Whether an error says that a file system has no locks. Linux reports the first one if NFS has no lock service.
fn has_no_locks(error: &io::Error) -> bool {
    const ENOLCK: i32 = if cfg!(target_os = "linux") { 37 } else { 77 };
    error.kind() == io::ErrorKind::Unsupported || cfg!(unix) && error.raw_os_error() == Some(ENOLCK)
}

/// Creates a directory if it is missing, for its owner alone.
pub(super) fn private_directory(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn database(path: &Path) -> impl Fn(rusqlite::Error) -> StateError {
    move |source| StateError::Database { path: path.to_owned(), source: Arc::new(source) }
}

fn lock_error(path: &Path) -> impl Fn(io::Error) -> StateError {
    move |source| {
        if has_no_locks(&source) { StateError::NoLocks(path.to_owned()) } else { io_error(path)(source) }
    }
}

fn io_error(path: &Path) -> impl Fn(io::Error) -> StateError {
    move |source| StateError::Io { path: path.to_owned(), source: Arc::new(source) }
}
