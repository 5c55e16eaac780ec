//! Which processes use the file, and which of them have died.
//!
//! Each process holds a lock on a file of its own beside the state file. The system releases the lock when the process
//! ends, however it ends.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use super::file::{private_directory, with_suffix};

/// Begins the name of a lock file that is not locked yet.
const UNNAMED: &str = "new-";

/// The processes that use a state file.
pub(super) struct Processes {
    /// The id of this process.
    pub(super) id: String,
    place: Option<Place>,
}

struct Place {
    directory: PathBuf,
    // Locked as long as this process lives.
    _lock: File,
}

impl Processes {
    /// For a state that only this process uses.
    pub(super) fn alone() -> Self {
        Self { id: "self".to_owned(), place: None }
    }

    /// Registers this process with the state file at `path`.
    ///
    /// # Errors
    /// If the lock file cannot be created or locked.
    pub(super) fn beside(path: &Path) -> io::Result<Self> {
        let directory = with_suffix(path, ".processes");
        private_directory(&directory)?;
        let id = format!("{}-{:016x}", std::process::id(), fastrand::u64(..));
        // It gets its name when it is locked. Otherwise another process could take it for that of a dead one.
        let unnamed = directory.join(format!("{UNNAMED}{id}"));
        let lock = File::create(&unnamed)?;
        lock.try_lock().map_err(io::Error::from)?;
        fs::rename(&unnamed, directory.join(&id))?;
        Ok(Self { id, place: Some(Place { directory, _lock: lock }) })
    }

    /// Whether a process still runs. If it is unclear, it counts as running.
    pub(super) fn is_alive(&self, id: &str) -> bool {
        let Some(place) = &self.place else { return id == self.id };
        if id == self.id {
            return true;
        }
        match File::open(place.directory.join(id)) {
            Err(error) => error.kind() != io::ErrorKind::NotFound,
            Ok(file) => !matches!(file.try_lock(), Ok(())),
        }
    }

    /// Removes the lock files of dead processes.
    pub(super) fn sweep(&self) {
        let Some(place) = &self.place else { return };
        let Ok(files) = fs::read_dir(&place.directory) else { return };
        for file in files.flatten() {
            let name = file.file_name();
            let is_dead = name.to_str().is_some_and(|id| !id.starts_with(UNNAMED) && !self.is_alive(id));
            if is_dead {
                // The next sweep tries again.
                drop(fs::remove_file(file.path()));
            }
        }
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        if let Some(place) = &self.place {
            drop(fs::remove_file(place.directory.join(&self.id)));
        }
    }
}
