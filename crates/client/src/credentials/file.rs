//! Reads a key from a file, such as a mounted secret.

use std::{
    fs, io,
    io::Read,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use scope3_mcp_catalog::echo;
use secrecy::SecretString;
use tokio::{task::spawn_blocking, time::timeout};

use super::{
    key::{ApiKey, InvalidKey},
    source::{KeyError, MAX_KEY_BYTES, decode},
};

/// The time limit for reading the file. A network file system can hang forever.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// A file that contains a key, and the version of it that was read last.
#[derive(Debug)]
pub struct KeyFile {
    path: PathBuf,
    last: Mutex<Option<Version>>,
    /// Locked while the file is read, so that a file system that hangs blocks only one thread.
    read_lock: Arc<tokio::sync::Mutex<()>>,
}

/// The key in the file at a given modification time.
#[derive(Debug, Clone)]
struct Version {
    modified: SystemTime,
    key: ApiKey,
}

impl KeyFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, last: Mutex::default(), read_lock: Arc::default() }
    }

    /// The key that the file contains now.
    pub(super) async fn key(&self) -> Result<ApiKey, KeyError> {
        let unreadable = |cause| KeyError::File { path: self.path.clone(), cause: Arc::new(cause) };
        let content = timeout(READ_TIMEOUT, self.read()).await.unwrap_or_else(|_| {
            let problem = format!("the file system did not respond within {} s", READ_TIMEOUT.as_secs());
            Err(io::Error::new(io::ErrorKind::TimedOut, problem))
        });
        match content.map_err(unreadable)? {
            Content::Unchanged(key) => Ok(key),
            Content::Changed { modified, text } => {
                let key = text.ok_or(InvalidKey::Characters).and_then(|text| ApiKey::configured(&text));
                let key = key.map_err(|why| KeyError::Invalid {
                    from: echo(&self.path.to_string_lossy()).into_owned(),
                    why,
                })?;
                *self.last() = Some(Version { modified, key: key.clone() });
                Ok(key)
            }
        }
    }

    /// Records that Scope3 rejected this key, so that the file is read again even if its modification time is the same.
    pub(super) fn rejected(&self, key: &ApiKey) {
        self.last().take_if(|last| last.key.fingerprint() == key.fingerprint());
    }

    /// Makes the next call read the file, even if it seems unchanged.
    pub(super) fn reload(&self) {
        *self.last() = None;
    }

    /// Reads the file on a blocking thread, if it has changed.
    async fn read(&self) -> io::Result<Content> {
        let lock = Arc::clone(&self.read_lock).lock_owned().await;
        let (path, last) = (self.path.clone(), self.last().clone());
        spawn_blocking(move || {
            let _until_done = lock;
            read_if_changed(&path, last)
        })
        .await
        .map_err(io::Error::other)?
    }

    fn last(&self) -> MutexGuard<'_, Option<Version>> {
        // The value is only ever replaced as a whole, so a panic cannot leave it inconsistent.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Content {
    /// The file has not changed.
    Unchanged(ApiKey),
    /// The file has changed. `text` is `None` if the content cannot be decoded.
    Changed { modified: SystemTime, text: Option<SecretString> },
}

fn read_if_changed(path: &Path, last: Option<Version>) -> io::Result<Content> {
    let modified = fs::metadata(path)?.modified()?;
    if let Some(last) = last
        && last.modified == modified
    {
        return Ok(Content::Unchanged(last.key));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(MAX_KEY_BYTES as u64).read_to_end(&mut bytes)?;
    Ok(Content::Changed { modified, text: decode(bytes) })
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
    async fn a_file_is_read_again_when_it_changes_or_its_key_is_rejected() {
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
            "the modification time is the same"
        );
        file.rejected(&key("one"));
        assert_eq!(
            read(&file).await,
            key("two").fingerprint().to_string(),
            "the rejected key is not the current one"
        );
        file.rejected(&key("two"));
        assert_eq!(read(&file).await, key("three").fingerprint().to_string());
    }

    #[tokio::test]
    async fn utf_8_and_utf_16_files_with_a_byte_order_mark_are_read() {
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
    async fn a_file_that_hangs_blocks_one_thread_and_no_other_call() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        // Opening a named pipe blocks until another process writes to it.
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let file = KeyFile::new(path.clone());
        let mut waited = Vec::new();
        for _ in 0..3 {
            let hangs = timeout(Duration::from_millis(50), file.key()).await.is_err();
            waited.push((hangs, file.read_lock.try_lock().is_err()));
        }
        // A writer unblocks the thread; without one the test would not end.
        let write = spawn_blocking({
            let path = path.clone();
            move || fs::write(path, key_text("one")).unwrap()
        });
        write.await.unwrap();
        // The runtime's only thread continues, and no second thread starts while the first one hangs.
        assert_eq!(waited, [(true, true); 3]);
        fs::remove_file(&path).unwrap();
        fs::write(&path, key_text("two")).unwrap();
        assert_eq!(read(&file).await, key("two").fingerprint().to_string());
    }
}
