//! A file that holds a key, such as a mounted secret.

use std::{
    fs, io,
    io::Read,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use secrecy::SecretString;
use tokio::{task::spawn_blocking, time::timeout};

use super::{
    key::{ApiKey, InvalidKey},
    source::{KeyError, MAX_KEY_BYTES, text},
};

/// Timeout for reading the file. Network file systems can hang.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// A key file, and its content when it was last read.
#[derive(Debug)]
pub struct KeyFile {
    path: PathBuf,
    last: Mutex<Option<Version>>,
    /// Locked while the file is read, so that a file system that hangs blocks only one thread.
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// The content of the file at a point in time.
#[derive(Debug, Clone)]
struct Version {
    modified: SystemTime,
    key: ApiKey,
}

impl KeyFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, last: Mutex::default(), turn: Arc::default() }
    }

    /// The current key in the file.
    pub(super) async fn key(&self) -> Result<ApiKey, KeyError> {
        let unreadable = |cause| KeyError::File { path: self.path.clone(), cause: Arc::new(cause) };
        let content = timeout(READ_TIMEOUT, self.look()).await.unwrap_or_else(|_| {
            let problem = format!("it did not answer within {} s", READ_TIMEOUT.as_secs());
            Err(io::Error::new(io::ErrorKind::TimedOut, problem))
        });
        match content.map_err(unreadable)? {
            Content::Same(key) => Ok(key),
            Content::New { modified, text } => {
                let key = text.ok_or(InvalidKey::Characters).and_then(|text| ApiKey::parse(&text));
                let key =
                    key.map_err(|why| KeyError::Invalid { from: self.path.display().to_string(), why })?;
                *self.last() = Some(Version { modified, key: key.clone() });
                Ok(key)
            }
        }
    }

    /// Notes that Scope3 rejected this key. The file is read again, because not every change shows in its modification time.
    pub(super) fn refused(&self, key: &ApiKey) {
        self.last().take_if(|last| last.key.fingerprint() == key.fingerprint());
    }

    /// Reads the file on a separate thread.
    async fn look(&self) -> io::Result<Content> {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let (path, last) = (self.path.clone(), self.last().clone());
        spawn_blocking(move || {
            let _until_done = turn;
            look(&path, last)
        })
        .await
        .map_err(io::Error::other)?
    }

    fn last(&self) -> MutexGuard<'_, Option<Version>> {
        // The value behind this lock is replaced in one step, so a panic elsewhere leaves it valid.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Content {
    /// The file has not changed.
    Same(ApiKey),
    /// The file has changed. `None` if it is empty.
    New { modified: SystemTime, text: Option<SecretString> },
}

fn look(path: &Path, last: Option<Version>) -> io::Result<Content> {
    let modified = fs::metadata(path)?.modified()?;
    if let Some(last) = last
        && last.modified == modified
    {
        return Ok(Content::Same(last.key));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(MAX_KEY_BYTES as u64).read_to_end(&mut bytes)?;
    Ok(Content::New { modified, text: text(bytes) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_text(secret: &str) -> String {
        format!("scope3_{}_{secret}", "a".repeat(32))
    }

    fn key(secret: &str) -> ApiKey {
        ApiKey::parse(&key_text(secret).into()).unwrap()
    }

    fn set_modified(path: &Path, time: SystemTime) {
        fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    }

    async fn read(file: &KeyFile) -> String {
        file.key().await.unwrap().fingerprint().to_string()
    }

    #[tokio::test]
    async fn a_file_is_read_again_when_it_changes_or_its_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let file = KeyFile::new(path.clone());
        let error = file.key().await.unwrap_err();
        assert!(matches!(&error, KeyError::File { cause, .. } if cause.kind() == io::ErrorKind::NotFound));
        assert!(error.in_full().contains("cannot read the Scope3 API key file "), "{}", error.in_full());

        let start = SystemTime::now();
        fs::write(&path, key_text("one")).unwrap();
        set_modified(&path, start);
        assert_eq!(read(&file).await, key("one").fingerprint().to_string());

        fs::write(&path, key_text("two")).unwrap();
        set_modified(&path, start + Duration::from_secs(5));
        assert_eq!(read(&file).await, key("two").fingerprint().to_string());

        fs::write(&path, key_text("three")).unwrap();
        set_modified(&path, start + Duration::from_secs(5));
        assert_eq!(
            read(&file).await,
            key("two").fingerprint().to_string(),
            "as far as one can see, it is the same"
        );
        file.refused(&key("one"));
        assert_eq!(read(&file).await, key("two").fingerprint().to_string(), "that key is not in use");
        file.refused(&key("two"));
        assert_eq!(read(&file).await, key("three").fingerprint().to_string());
    }

    #[tokio::test]
    async fn a_file_may_be_written_by_any_editor() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let text = key_text("one");
        let utf16 = |bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
            format!("\u{feff}{text}\r\n").encode_utf16().flat_map(bytes).collect()
        };
        let utf8 = format!("\u{feff}{text}\r\n").into_bytes();
        for bytes in [utf8, utf16(u16::to_le_bytes), utf16(u16::to_be_bytes)] {
            fs::write(&path, &bytes).unwrap();
            assert_eq!(
                read(&KeyFile::new(path.clone())).await,
                key("one").fingerprint().to_string(),
                "{bytes:?}"
            );
        }
        for bytes in [&b"\xff\xfes"[..], b"scope3_\xc3\x28_x", b"", &vec![b'a'; 10_000_000]] {
            fs::write(&path, bytes).unwrap();
            let error = KeyFile::new(path.clone()).key().await.unwrap_err();
            assert!(matches!(error, KeyError::Invalid { .. }), "{error}");
        }
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_file_that_hangs_stops_nobody_and_holds_one_thread() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        // Opening a pipe waits until somebody writes to it.
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let file = KeyFile::new(path.clone());
        let mut waited = Vec::new();
        for _ in 0..3 {
            let hangs = timeout(Duration::from_millis(50), file.key()).await.is_err();
            waited.push((hangs, file.turn.try_lock().is_err()));
        }
        // A writer sets the threads free, without which the test would not end.
        let write = spawn_blocking({
            let path = path.clone();
            move || fs::write(path, key_text("one")).unwrap()
        });
        write.await.unwrap();
        // The runtime's only thread goes on, and while one thread hangs no other is begun.
        assert_eq!(waited, [(true, true); 3]);
        fs::remove_file(&path).unwrap();
        fs::write(&path, key_text("two")).unwrap();
        assert_eq!(read(&file).await, key("two").fingerprint().to_string());
    }
}
