//! The content of a file argument. Only what describes it is ever shown.

use std::{collections::HashMap, fmt, sync::Arc};

use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The files of a call, by the names of their arguments.
pub type Files = HashMap<String, Arc<FileContent>>;

/// A file that was read, and is sent as a part of a request.
#[derive(Clone)]
pub struct FileContent {
    name: String,
    content_type: &'static str,
    content: Bytes,
    sha256: String,
}

impl FileContent {
    /// A file with its name and its content. The end of the name decides the content type.
    #[must_use]
    pub fn new(name: impl Into<String>, content: Vec<u8>) -> Self {
        // A name must not end its header, as that of a part is written.
        let is_safe = |c: char| !c.is_control() && !matches!(c, '"' | '\\');
        let name: String = name.into().chars().map(|c| if is_safe(c) { c } else { '_' }).collect();
        let sha256 = Sha256::digest(&content)
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 0xf])
            .filter_map(|digit| char::from_digit(digit.into(), 16))
            .collect();
        Self { content_type: content_type_of(&name), name, content: content.into(), sha256 }
    }

    /// What stands for the file in the journal, in questions and in a dry run: name, size in bytes and SHA-256.
    #[must_use]
    pub fn description(&self) -> Value {
        json!({ "name": self.name, "bytes": self.content.len(), "sha256": self.sha256 })
    }

    /// What an API wants to know of a CSV file before it is uploaded under a name. The header is no row.
    #[must_use]
    pub fn announcement(&self, name: &str) -> Value {
        let rows =
            csv::ReaderBuilder::new().flexible(true).from_reader(&*self.content).byte_records().count();
        json!({ "name": name, "sha256": self.sha256, "sizeBytes": self.content.len(), "rowCount": rows })
    }

    /// The name under which it is sent.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The content type under which it is sent.
    pub(super) fn content_type(&self) -> &'static str {
        self.content_type
    }

    pub(super) fn content(&self) -> &Bytes {
        &self.content
    }
}

impl fmt::Debug for FileContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileContent({})", self.description())
    }
}

/// The content types of the files that Scope3 takes, and of some that are near, by extension.
const CONTENT_TYPES: [(&str, &str); 10] = [
    ("csv", "text/csv"),
    ("tsv", "text/tab-separated-values"),
    ("txt", "text/plain"),
    ("json", "application/json"),
    ("jsonl", "application/x-ndjson"),
    ("ndjson", "application/x-ndjson"),
    ("xls", "application/vnd.ms-excel"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("gz", "application/gzip"),
    ("zip", "application/zip"),
];

/// The content type of a file with this name.
fn content_type_of(name: &str) -> &'static str {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let known = CONTENT_TYPES.iter().find(|(known, _)| known.eq_ignore_ascii_case(extension));
    known.map_or("application/octet-stream", |(_, content_type)| content_type)
}

/// The extension of files with this content type, without the dot. `bin` if it is unknown.
#[must_use]
pub fn extension_of(content_type: &str) -> &'static str {
    let known = CONTENT_TYPES.iter().find(|(_, known)| known.eq_ignore_ascii_case(content_type));
    known.map_or("bin", |(extension, _)| extension)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_as_a_reader_of_csv_does() {
        for (csv, expected) in [
            ("", 0),
            ("a,b", 0),
            ("a,b\n1,2\n", 1),
            ("a,b\r\n1,2\r\n\r\n3,4", 2),
            ("a,b\n\"one\ntwo\",2\n\"say \"\"hi\"\"\",3\n", 2),
        ] {
            let file = FileContent::new("x.csv", csv.into());
            assert_eq!(file.announcement("y.csv")["rowCount"], expected, "{csv:?}");
        }
    }
}
