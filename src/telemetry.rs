//! The log. It goes to standard error or to a file: in stdio mode, standard output carries only protocol messages.

mod audit_file;
mod redacting;

use std::{
    fs::{File, OpenOptions},
    io,
    path::Path,
    sync::Arc,
};

use anstream::{AutoStream, ColorChoice};
use scope3_mcp_gateway::audit::TARGET;
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, Targets},
    fmt::{self, MakeWriter},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use self::{audit_file::AuditFile, redacting::Redacting};
use crate::config::LogFormat;

/// The maximum levels of crates that otherwise log arguments, headers or URLs. At `info`, rmcp logs every notification
/// and session id. At `warn`, its `service` module logs every rejected request, so a client could flood the log.
const QUIET: [(&str, LevelFilter); 6] = [
    ("rmcp", LevelFilter::WARN),
    ("rmcp::service", LevelFilter::ERROR),
    ("hyper", LevelFilter::INFO),
    ("hyper_util", LevelFilter::INFO),
    ("reqwest", LevelFilter::INFO),
    ("rustls", LevelFilter::INFO),
];

/// A file of security events.
#[derive(Debug, Clone, Copy)]
pub struct AuditLog<'a> {
    /// The file.
    pub path: &'a Path,
    /// The size from which it is replaced by a new one. One file before it is kept.
    pub max_bytes: u64,
}

/// Starts the log. `level` applies if `RUST_LOG` does not set one; then `events` says whether security events are in the
/// log, unless they have a file of their own. A second start in the same process has no effect.
///
/// # Errors
/// If the file cannot be opened.
pub fn start(
    format: LogFormat,
    level: LevelFilter,
    events: bool,
    file: Option<&Path>,
    audit: Option<AuditLog<'_>>,
) -> io::Result<()> {
    let variable = std::env::var("RUST_LOG").unwrap_or_default();
    let (mut requested, invalid) = levels(&variable, level);
    if variable.is_empty() && !events {
        requested = requested.with_target(TARGET, LevelFilter::OFF);
    }
    let audit = audit.map(|AuditLog { path, max_bytes }| AuditFile::open(path, max_bytes)).transpose()?;
    let audit = audit.map(Arc::new);
    if let Some(path) = file {
        start_with(requested, format, false, Arc::new(open(path)?), audit);
    } else {
        let colors = AutoStream::choice(&io::stderr()) != ColorChoice::Never;
        start_with(requested, format, colors, io::stderr, audit);
    }
    // By default, a panic is printed as plain text on standard error, with whatever its message contains.
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!("{}", panic.to_string().replace('\n', " "));
    }));
    for part in invalid {
        tracing::warn!(
            "RUST_LOG: `{part}` is neither a level, such as `debug`, nor one of a module, such as `scope3_mcp_client=debug`"
        );
    }
    Ok(())
}

fn start_with<W>(
    requested: Targets,
    format: LogFormat,
    colors: bool,
    writer: W,
    audit: Option<Arc<AuditFile>>,
) where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    // A separate filter, so that no `RUST_LOG` can raise the levels of these crates or of their modules.
    let capped = Targets::new().with_default(LevelFilter::TRACE).with_targets(QUIET);
    let writer = Redacting(writer);
    let lines = match format {
        LogFormat::Text => fmt::layer().with_ansi(colors).with_writer(writer).boxed(),
        LogFormat::Json => fmt::layer().json().with_writer(writer).boxed(),
    };
    // Security events go to one place, at every level of the log.
    let requested = match &audit {
        Some(_) => requested.with_target(TARGET, LevelFilter::OFF),
        None => requested,
    };
    let events = audit.map(|file| {
        let only_events = Targets::new().with_target(TARGET, LevelFilter::TRACE);
        let lines = fmt::layer().json().flatten_event(true).with_current_span(false).with_span_list(false);
        lines.with_writer(Redacting(file)).with_filter(only_events)
    });
    let lines = lines.with_filter(requested).with_filter(capped);
    let _already_started = tracing_subscriber::registry().with(lines).with(events).try_init();
}

/// Opens a log file to append to. Only its owner can read a new file, because the log names customers and their
/// changes.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// The levels that `RUST_LOG` sets, and its invalid parts. Without a valid part, `level` applies to everything.
fn levels(variable: &str, level: LevelFilter) -> (Targets, Vec<&str>) {
    let parts = variable.split(',').map(str::trim).filter(|part| !part.is_empty());
    // `Targets` accepts a filter by span or field, but then rejects every event.
    let is_valid = |part: &&str| !part.contains(['[', '{']) && part.parse::<Targets>().is_ok();
    let (valid, invalid): (Vec<&str>, Vec<&str>) = parts.partition(is_valid);
    let requested = match valid.join(",").parse::<Targets>() {
        Ok(requested) if !valid.is_empty() => requested,
        _ => Targets::new().with_default(level),
    };
    (requested, invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_parsed_and_invalid_parts_are_reported() {
        let info = Targets::new().with_default(LevelFilter::INFO);
        for (variable, requested, invalid) in [
            ("", info.clone(), vec![]),
            (" , ", info.clone(), vec![]),
            ("debug", Targets::new().with_default(LevelFilter::DEBUG), vec![]),
            ("OFF", Targets::new().with_default(LevelFilter::OFF), vec![]),
            (
                "warn, scope3_mcp_client=trace",
                Targets::new()
                    .with_default(LevelFilter::WARN)
                    .with_target("scope3_mcp_client", LevelFilter::TRACE),
                vec![],
            ),
            ("loud=very", info.clone(), vec!["loud=very"]),
            ("[span]=trace,error", Targets::new().with_default(LevelFilter::ERROR), vec!["[span]=trace"]),
        ] {
            assert_eq!(levels(variable, LevelFilter::INFO), (requested, invalid), "{variable:?}");
        }
    }
}
