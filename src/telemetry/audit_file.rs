//! The file of security events: bounded, shared with other processes, and noticed when it cannot be written.
//!
//! Each event is one write to the end of the file. Before it, a file that was moved or removed is opened again, as
//! `logrotate` expects, and a full one is renamed to `FILE.1`. The crates that rotate files assume that one process owns
//! the file; here, each window of a client has a process.

use std::{
    ffi::OsString,
    fs::{self, File, Metadata},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        mpsc::{SyncSender, sync_channel},
    },
    thread,
};

use scope3_mcp_gateway::instruments;

use super::open;

/// How many events wait to be written to the log instead.
const MAX_WAITING: usize = 64;

/// A file that holds at most a number of bytes, or one line more. The file before it is kept beside it.
#[derive(Debug)]
pub(super) struct AuditFile {
    path: PathBuf,
    max_bytes: u64,
    state: Mutex<State>,
    /// The events that could not be written.
    lost: SyncSender<Lost>,
}

#[derive(Debug)]
struct State {
    file: File,
    /// The last write broke off within a line.
    is_torn: bool,
}

/// An event that could not be written, and why.
#[derive(Debug)]
struct Lost {
    line: String,
    error: io::Error,
}

impl AuditFile {
    /// Opens a file to append to.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub(super) fn open(path: &Path, max_bytes: u64) -> io::Result<Self> {
        let file = open(path)?;
        let (lost, events) = sync_channel(MAX_WAITING);
        // In a thread of its own: an event of the log cannot write another one.
        thread::Builder::new().name("audit".to_owned()).spawn(move || events.into_iter().for_each(report))?;
        let state = Mutex::new(State { file, is_torn: false });
        Ok(Self { path: path.to_owned(), max_bytes, state, lost })
    }

    /// Appends a line. If that fails, the log has it instead, with the reason.
    fn append(&self, line: &[u8]) {
        let mut state = self.lock();
        if let Err(error) = self.try_append(&mut state, line) {
            instruments::audit_failed();
            let line = String::from_utf8_lossy(line).trim_end().to_owned();
            // When too many wait, the metric counts them.
            let _queued = self.lost.try_send(Lost { line, error });
        }
    }

    fn try_append(&self, state: &mut State, line: &[u8]) -> io::Result<()> {
        if is_moved(&self.path, &state.file)? {
            *state = State { file: open(&self.path)?, is_torn: false };
        }
        if state.file.metadata()?.len() >= self.max_bytes {
            self.rotate(&state.file)?;
            *state = State { file: open(&self.path)?, is_torn: false };
        }
        let start: &[u8] = if state.is_torn { b"\n" } else { b"" };
        state.is_torn = true;
        // One write, so that lines of several processes do not mix.
        state.file.write_all(&[start, line].concat())?;
        state.is_torn = false;
        Ok(())
    }

    /// Renames a full file, unless another process has just done that.
    fn rotate(&self, file: &File) -> io::Result<()> {
        // Where locks do not work, two processes may rename at once: then one file of old events is lost.
        let lock = file.lock();
        if !is_moved(&self.path, file)? {
            let mut before: OsString = self.path.clone().into();
            before.push(".1");
            fs::rename(&self.path, before)?;
        }
        lock.and_then(|()| file.unlock()).or(Ok(()))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic leaves a file that can be appended to.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for &AuditFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.append(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn report(Lost { line, error }: Lost) {
    tracing::error!(%error, line, "cannot write a security event to the audit log");
}

/// Whether this path leads to another file, or to none.
fn is_moved(path: &Path, file: &File) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(there) => Ok(!is_same(&there, &file.metadata()?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

#[cfg(unix)]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Elsewhere, files are told apart by the time of their creation.
#[cfg(not(unix))]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    one.created().ok() == other.created().ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tempfile::tempdir;

    use super::*;

    fn lines(path: &Path) -> Vec<String> {
        fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_full_file_is_renamed_and_the_disk_holds_two_files_at_most() {
        let directory = tempdir().unwrap();
        let path = directory.path().join("audit.jsonl");
        let file = AuditFile::open(&path, 1000).unwrap();
        for number in 0..1000 {
            (&file).write_all(format!("{number:09}\n").as_bytes()).unwrap();
        }
        let before = directory.path().join("audit.jsonl.1");
        let kept: Vec<String> = lines(&before).into_iter().chain(lines(&path)).collect();
        let newest: Vec<String> = (800..1000).map(|number| format!("{number:09}")).collect();
        assert_eq!(kept, newest, "whole lines, in order");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }

    #[test]
    fn several_processes_lose_no_line_when_the_file_is_full() {
        let directory = tempdir().unwrap();
        let path = directory.path().join("audit.jsonl");
        // As many lines as fit into the file and the one before it.
        let writers = (0..4).map(|writer| {
            let file = AuditFile::open(&path, 10_000).unwrap();
            thread::spawn(move || {
                for number in 0..450 {
                    (&file).write_all(format!("{writer}{number:08}\n").as_bytes()).unwrap();
                }
            })
        });
        writers.collect::<Vec<_>>().into_iter().for_each(|writer| writer.join().unwrap());
        let mut kept = lines(&directory.path().join("audit.jsonl.1"));
        kept.extend(lines(&path));
        kept.sort();
        kept.dedup();
        assert_eq!(kept.len(), 1800);
    }

    #[test]
    fn a_file_that_was_moved_or_removed_is_opened_again() {
        let directory = tempdir().unwrap();
        let [path, moved] = ["audit.jsonl", "moved"].map(|name| directory.path().join(name));
        let file = AuditFile::open(&path, 1000).unwrap();
        (&file).write_all(b"first\n").unwrap();
        fs::rename(&path, &moved).unwrap();
        (&file).write_all(b"second\n").unwrap();
        assert_eq!((lines(&moved), lines(&path)), (vec!["first".to_owned()], vec!["second".to_owned()]));
        fs::remove_file(&path).unwrap();
        (&file).write_all(b"third\n").unwrap();
        assert_eq!(lines(&path), ["third"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_failed_write_blocks_nothing_and_later_lines_are_whole() {
        let directory = tempdir().unwrap();
        let parent = directory.path().join("parent");
        fs::create_dir(&parent).unwrap();
        let path = parent.join("audit.jsonl");
        let file = Arc::new(AuditFile::open(&path, 1000).unwrap());
        fs::remove_dir_all(&parent).unwrap();
        for _ in 0..10 * MAX_WAITING {
            (&*file).write_all(b"lost\n").unwrap();
        }
        fs::create_dir(&parent).unwrap();
        file.lock().is_torn = true;
        (&*file).write_all(b"again\n").unwrap();
        (&*file).write_all(b"and again\n").unwrap();
        assert_eq!(lines(&path), ["again", "and again"]);
    }
}
