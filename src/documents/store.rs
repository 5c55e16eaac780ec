//! The folder of pulled documents, and which of them are in use.
//!
//! A document has its digest as its name, and beside it what was read from it. `pulled.json` names the newest, and
//! `active.json` the one in use: writing it is what activates a document.

use std::{
    collections::BTreeMap,
    env,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use scope3_mcp_gateway::catalog::{
    Surface,
    import::{MAX_BYTES, Prose},
    newer::{Document, digest_of},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{DocumentError, InUse};

/// How many earlier documents of an API are kept, to show what a description said before.
const MAX_EARLIER: usize = 4;

/// The largest file that this program writes beside documents.
const MAX_KEPT_BYTES: u64 = 64 << 20;

/// The documents of this user.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
}

/// The newest document that was pulled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pulled {
    /// Where it came from.
    pub url: String,
    /// Its version, as the server names it.
    pub etag: Option<String>,
    /// The digest of its bytes.
    pub digest: String,
    /// When it was pulled.
    pub at: Timestamp,
}

/// The document in use.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Active {
    /// The digest of its bytes.
    pub digest: String,
    /// The digests of the descriptions whose changes the operator acknowledged, by the ids of the operations.
    #[serde(default)]
    pub acknowledged: BTreeMap<String, String>,
    /// What an earlier document said about operations whose descriptions changed.
    #[serde(default)]
    pub earlier: BTreeMap<String, Prose>,
}

impl Store {
    /// The store of this user. `None` if the system names no folder for caches.
    #[must_use]
    pub fn usual() -> Option<Self> {
        let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let directory = if cfg!(windows) {
            absolute("LOCALAPPDATA")
        } else if cfg!(target_os = "macos") {
            absolute("HOME").map(|home| home.join("Library/Caches"))
        } else {
            absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))
        };
        Some(Self { folder: directory?.join("scope3-mcp").join("documents") })
    }

    fn folder(&self, surface: Surface) -> PathBuf {
        self.folder.join(surface.as_str())
    }

    /// The file that says which document is in use.
    pub(super) fn choice(&self, surface: Surface) -> PathBuf {
        self.folder(surface).join("active.json")
    }

    /// The newest document that was pulled.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn pulled(&self, surface: Surface) -> Result<Option<Pulled>, DocumentError> {
        read_json(&self.folder(surface).join("pulled.json"))
    }

    /// What the operator chose.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn active(&self, surface: Surface) -> Result<Option<Active>, DocumentError> {
        read_json(&self.choice(surface))
    }

    /// The document that the operator chose.
    ///
    /// # Errors
    /// If it cannot be used.
    pub fn in_use(&self, surface: Surface) -> Result<Option<InUse>, DocumentError> {
        let Some(active) = self.active(surface)? else { return Ok(None) };
        let document = self.document(surface, &active.digest)?;
        Ok(Some(InUse { document, active }))
    }

    /// A stored document.
    ///
    /// # Errors
    /// If it cannot be used.
    pub fn document(&self, surface: Surface, digest: &str) -> Result<Document, DocumentError> {
        // It becomes the name of a file.
        if digest.is_empty() || !digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(DocumentError::Changed(self.choice(surface)));
        }
        if let Some(kept) = self.kept(surface, digest) {
            return Ok(kept);
        }
        let path = self.folder(surface).join(format!("{digest}.yaml"));
        let bytes = read_document(&path)?;
        if digest_of(&bytes) != digest {
            return Err(DocumentError::Changed(path));
        }
        let document = Document::read(surface, &bytes)
            .map_err(|source| DocumentError::Import { place: path.display().to_string(), source })?;
        // Without it, the document is read in full at the next start.
        let _ignored = self.keep(&document);
        Ok(document)
    }

    /// What was read from a document before.
    pub(super) fn kept(&self, surface: Surface, digest: &str) -> Option<Document> {
        let path = self.folder(surface).join(format!("{digest}.json"));
        let mut text = String::new();
        File::open(path).ok()?.take(MAX_KEPT_BYTES).read_to_string(&mut text).ok()?;
        Document::kept(&text, surface, digest)
    }

    /// Keeps what was read from a document.
    pub(super) fn keep(&self, document: &Document) -> Result<(), DocumentError> {
        let name = format!("{}.json", document.digest);
        self.write(document.surface, &name, document.to_text().as_bytes())
    }

    /// Stores a document that was pulled. It is not in use yet.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn store(&self, document: &Document, bytes: &[u8], pulled: &Pulled) -> Result<(), DocumentError> {
        let surface = document.surface;
        self.write(surface, &format!("{}.yaml", document.digest), bytes)?;
        self.keep(document)?;
        self.write_json(surface, "pulled.json", pulled)?;
        self.forget_old(surface);
        Ok(())
    }

    /// Puts a stored document in use.
    ///
    /// # Errors
    /// If that cannot be written.
    pub fn activate(&self, surface: Surface, active: &Active) -> Result<(), DocumentError> {
        self.write_json(surface, "active.json", active)
    }

    /// Puts the built-in document in use again. Returns whether another was.
    ///
    /// # Errors
    /// If that cannot be written.
    pub fn deactivate(&self, surface: Surface) -> Result<bool, DocumentError> {
        let path = self.choice(surface);
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(cause) => Err(DocumentError::Write { path, cause }),
        }
    }

    /// The documents that were pulled before the one with this digest, newest first.
    pub fn earlier(&self, surface: Surface, digest: &str) -> impl Iterator<Item = Document> {
        let digests = self.digests(surface).into_iter().filter(move |other| other != digest);
        digests.filter_map(move |digest| self.kept(surface, &digest)).take(MAX_EARLIER)
    }

    /// The digests of stored documents, newest first.
    fn digests(&self, surface: Surface) -> Vec<String> {
        let entries = fs::read_dir(self.folder(surface)).into_iter().flatten().flatten();
        let mut found: Vec<_> = entries
            .filter_map(|entry| {
                let path = entry.path();
                let is_document = path.extension().is_some_and(|extension| extension == "yaml");
                let digest = path.file_stem()?.to_str()?.to_owned();
                is_document.then_some((entry.metadata().ok()?.modified().ok()?, digest))
            })
            .collect();
        found.sort();
        found.into_iter().rev().map(|(_, digest)| digest).collect()
    }

    /// Removes documents that are neither in use nor among the newest.
    fn forget_old(&self, surface: Surface) {
        let in_use = self.active(surface).ok().flatten().map(|active| active.digest);
        let old = self.digests(surface).into_iter().skip(MAX_EARLIER + 1);
        for digest in old.filter(|digest| Some(digest) != in_use.as_ref()) {
            for extension in ["yaml", "json"] {
                // What stays is removed after the next pull.
                let _ignored = fs::remove_file(self.folder(surface).join(format!("{digest}.{extension}")));
            }
        }
    }

    fn write_json(&self, surface: Surface, name: &str, value: &impl Serialize) -> Result<(), DocumentError> {
        let path = self.folder(surface).join(name);
        let text =
            serde_json::to_string_pretty(value).map_err(|cause| DocumentError::Broken { path, cause })?;
        self.write(surface, name, text.as_bytes())
    }

    /// Writes a file as a whole: a reader sees the old text or the new one.
    fn write(&self, surface: Surface, name: &str, bytes: &[u8]) -> Result<(), DocumentError> {
        let folder = self.folder(surface);
        let path = folder.join(name);
        let written = || -> io::Result<()> {
            let mut builder = fs::DirBuilder::new();
            builder.recursive(true);
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            builder.create(&folder)?;
            let mut file = tempfile::NamedTempFile::new_in(&folder)?;
            file.write_all(bytes)?;
            file.as_file().sync_all()?;
            file.persist(&path)?;
            Ok(())
        };
        written().map_err(|cause| DocumentError::Write { path: path.clone(), cause })
    }
}

/// The bytes of a document. No more is read than a document can have.
pub(super) fn read_document(path: &Path) -> Result<Vec<u8>, DocumentError> {
    let unreadable = |cause| DocumentError::Read { path: path.to_owned(), cause };
    let mut bytes = Vec::new();
    let most = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path).map_err(unreadable)?.take(most).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > MAX_BYTES {
        return Err(DocumentError::TooLarge { place: path.display().to_string() });
    }
    Ok(bytes)
}

fn read_json<Value: DeserializeOwned>(path: &Path) -> Result<Option<Value>, DocumentError> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(MAX_KEPT_BYTES).read_to_string(&mut text));
    match read {
        Ok(_) => serde_json::from_str(&text)
            .map(Some)
            .map_err(|cause| DocumentError::Broken { path: path.to_owned(), cause }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(DocumentError::Read { path: path.to_owned(), cause }),
    }
}
