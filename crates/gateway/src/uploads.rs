//! Files that arguments name: read before anything is recorded or sent. From here on, the call has a description of each
//! file instead: name, size and SHA-256. No error and no log line has content of a file.

use std::{
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{
    DecodeError, Engine as _,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use cap_fs_ext::OpenOptionsSyncExt as _;
use cap_std::{
    ambient_authority,
    fs::{Dir, Metadata, OpenOptions},
};
use scope3_mcp_catalog::{Entry, Request};
use scope3_mcp_client::{ApiResponse, FileContent, Files, extension_of};
use serde_json::{Map, Value};

use crate::{CallError, Gateway, KeyOwner, failure::Failure, surfaces::Api};

/// The largest file that is sent, in bytes.
pub const MAX_FILE_BYTES: usize = 10 * 1024 * 1024;

/// Scope3 writes padding; some encoders leave it out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// From where files may be sent.
#[derive(Debug, Clone, Default)]
pub struct Uploads {
    directory: Option<PathBuf>,
}

impl Uploads {
    /// Allows the files below a directory, for calls with the operator's own keys.
    ///
    /// # Errors
    /// If it cannot be opened as a directory.
    pub fn below(directory: PathBuf) -> io::Result<Self> {
        open_directory(&directory)?;
        Ok(Self { directory: Some(directory) })
    }

    /// Reads the files that arguments name, and puts a description in the place of each of these arguments.
    pub(super) async fn read(
        &self,
        entry: &Entry,
        owner: KeyOwner,
        arguments: &mut Map<String, Value>,
    ) -> Result<Files, CallError> {
        let mut files = Files::new();
        let signed = entry.tool.signed_upload.as_ref();
        let arguments_of_files = entry.tool.request.iter().flat_map(Request::files);
        for argument in arguments_of_files.chain(signed.map(|signed| &*signed.argument)) {
            let Some(given) = arguments.get_mut(argument) else { continue };
            let source = self.source(given.take(), owner).map_err(|e| Failure::upload(entry, argument, e))?;
            // A file system can take its time, and so can the hash of a large file.
            let read = tokio::task::spawn_blocking(move || source.read()).await;
            let file = read.map_err(|_| Failure::internal(false))?;
            let file = file.map_err(|error| Failure::upload(entry, argument, error))?;
            *given = signed.map_or_else(|| file.description(), |signed| file.announcement(&signed.name));
            files.insert(argument.to_owned(), Arc::new(file));
        }
        Ok(files)
    }

    /// Where the file of an argument comes from, if the caller may send it.
    fn source(&self, given: Value, owner: KeyOwner) -> Result<Source, UploadError> {
        let Value::String(text) = given else { return Err(UploadError::NotText) };
        if text.get(..DATA.len()).is_some_and(|start| start.eq_ignore_ascii_case(DATA)) {
            return Ok(Source::Data(text));
        }
        if owner != KeyOwner::Server {
            return Err(UploadError::NotOwnKey);
        }
        let directory = self.directory.clone().ok_or(UploadError::NotAllowed)?;
        Ok(Source::Path { directory, path: text })
    }
}

impl Gateway {
    /// Sends the file of a call to the signed URL of its answer, and removes the URL from the answer: it is a secret.
    pub(super) async fn upload_signed(
        &self,
        api: &Api,
        entry: &Entry,
        files: &Files,
        answer: &mut ApiResponse,
    ) {
        let Some(signed) = &entry.tool.signed_upload else { return };
        let url = answer.data.shift_remove(&*signed.url);
        let headers = answer.data.shift_remove(&*signed.headers);
        let Some(file) = files.get(&*signed.argument) else { return };
        let no_headers = Map::new();
        let headers = headers.as_ref().and_then(Value::as_object).unwrap_or(&no_headers);
        let sent = api.client.upload_signed(url.as_ref().and_then(Value::as_str), headers, file).await;
        if let Err(error) = sent {
            tracing::warn!(tool = &*entry.tool.name, %error, "a file did not reach its signed URL");
            answer.partial = Some(format!("the file was not uploaded: {error}"));
        }
    }
}

/// The start of a `data:` URL.
const DATA: &str = "data:";

/// Where a file comes from.
enum Source {
    /// A `data:` URL.
    Data(String),
    /// A path below the directory.
    Path { directory: PathBuf, path: String },
}

impl Source {
    fn read(self) -> Result<FileContent, UploadError> {
        let (name, content) = match self {
            Self::Data(url) => decode(&url)?,
            Self::Path { directory, path } => read_below(&directory, &path)?,
        };
        match content.len() {
            0 => Err(UploadError::Empty),
            1..=MAX_FILE_BYTES => Ok(FileContent::new(name, content)),
            _ => Err(UploadError::TooLarge),
        }
    }
}

/// The content of a `data:` URL, with a name that its content type decides.
fn decode(url: &str) -> Result<(String, Vec<u8>), UploadError> {
    const SUFFIX: &str = ";base64";
    let (head, data) = url[DATA.len()..].split_once(',').ok_or(UploadError::NotData)?;
    let before = head.len().checked_sub(SUFFIX.len()).ok_or(UploadError::NotData)?;
    let (kind, suffix) = head.split_at_checked(before).ok_or(UploadError::NotData)?;
    if !suffix.eq_ignore_ascii_case(SUFFIX) {
        return Err(UploadError::NotData);
    }
    if data.len() > MAX_FILE_BYTES.div_ceil(3) * 4 {
        return Err(UploadError::TooLarge);
    }
    let content_type = kind.split(';').next().unwrap_or_default().trim();
    let content = BASE64.decode(data).map_err(UploadError::NotBase64)?;
    Ok((format!("upload.{}", extension_of(content_type)), content))
}

/// Reads a file below a directory. No path leads out of it, whatever links it has. Does not wait for a pipe or a device.
fn read_below(directory: &Path, path: &str) -> Result<(String, Vec<u8>), UploadError> {
    let directory = open_directory(directory).map_err(UploadError::Directory)?;
    // To open a device can already have an effect, so look first. What is opened can be another file, so look again.
    check_kind(&directory.metadata(path).map_err(unreadable)?)?;
    let file = directory.open_with(path, OpenOptions::new().read(true).nonblock(true)).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    check_kind(&metadata)?;
    let most = MAX_FILE_BYTES as u64 + 1;
    if metadata.len() >= most {
        return Err(UploadError::TooLarge);
    }
    let mut content = Vec::new();
    // It can grow meanwhile.
    file.take(most).read_to_end(&mut content).map_err(unreadable)?;
    let name = Path::new(path).file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok((name, content))
}

fn open_directory(path: &Path) -> io::Result<Dir> {
    Dir::open_ambient_dir(path, ambient_authority())
}

fn check_kind(metadata: &Metadata) -> Result<(), UploadError> {
    match metadata {
        file if file.is_file() => Ok(()),
        directory if directory.is_dir() => Err(UploadError::NotAFile("a directory")),
        _ => Err(UploadError::NotAFile("a device, a pipe or a socket")),
    }
}

fn unreadable(error: io::Error) -> UploadError {
    // What the system itself forbids has its code.
    if error.kind() == io::ErrorKind::PermissionDenied && error.raw_os_error().is_none() {
        return UploadError::Outside;
    }
    UploadError::Unreadable(error)
}

/// Why a file is not sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum UploadError {
    /// The argument is not a text.
    #[error("must be a path or a data: URL")]
    NotText,
    /// The operator allowed no directory.
    #[error(
        "is a path, but this server may not send its own files. The operator can allow a directory with `--allow-upload` \
         (`SCOPE3_ALLOW_UPLOAD`). Without it, give a data: URL with base64"
    )]
    NotAllowed,
    /// The caller brought a key.
    #[error("is a path, which only calls with this server's own key can give. Give a data: URL with base64")]
    NotOwnKey,
    /// The allowed directory cannot be opened.
    #[error("is a path, but the directory of `--allow-upload` cannot be opened")]
    Directory(#[source] io::Error),
    /// The path leads out of the directory.
    #[error("leads out of the allowed upload directory: expected a relative path below it")]
    Outside,
    /// The file cannot be opened or read.
    #[error("cannot be read below the allowed upload directory: {0}")]
    Unreadable(#[source] io::Error),
    /// Something that is not a file.
    #[error("is {0}: expected a file")]
    NotAFile(&'static str),
    /// There is nothing to send.
    #[error("is an empty file")]
    Empty,
    /// It is longer than [`MAX_FILE_BYTES`].
    #[error("is larger than {MAX_FILE_BYTES} bytes (10 MB)")]
    TooLarge,
    /// A `data:` URL of another form.
    #[error("is a data: URL without base64: expected one such as `data:text/csv;base64,YSxiCg==`")]
    NotData,
    /// What follows the comma is not base64.
    #[error("is a data: URL whose content is not valid base64")]
    NotBase64(#[source] DecodeError),
}
