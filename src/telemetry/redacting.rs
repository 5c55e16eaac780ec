//! Removes secrets from each line of the log, whoever wrote it.

use std::{borrow::Cow, io};

use scope3_mcp_gateway::redaction::secrets;
use tracing_subscriber::fmt::MakeWriter;

/// Makes writers that remove secrets.
#[derive(Debug)]
pub(super) struct Redacting<W>(pub(super) W);

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for Redacting<W> {
    type Writer = Writer<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Writer(self.0.make_writer())
    }
}

/// A writer that removes secrets from each write. The log writes each line at once.
#[derive(Debug)]
pub(super) struct Writer<W>(W);

impl<W: io::Write> io::Write for Writer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        match secrets().redact(&text) {
            Cow::Borrowed(_) => self.0.write_all(bytes)?,
            Cow::Owned(redacted) => self.0.write_all(redacted.as_bytes())?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use scope3_mcp_gateway::credentials::ApiKey;

    use super::*;

    #[test]
    fn a_line_is_written_without_the_secrets_in_it() {
        let key = "scope3_configured_for-the-log-test";
        ApiKey::configured(&key.into()).unwrap();
        let mut written = Vec::new();
        let mut writer = Writer(&mut written);
        writer.write_all(format!("{{\"error\":\"{key}\"}}\n").as_bytes()).unwrap();
        writer.write_all(b"{\"error\":\"none\"}\n").unwrap();
        let expected = "{\"error\":\"[redacted]\"}\n{\"error\":\"none\"}\n";
        assert_eq!(String::from_utf8(written).unwrap(), expected);
    }
}
