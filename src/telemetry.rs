//! The log. It goes to standard error, or to a file: in stdio mode standard output carries protocol messages alone.

use std::{
    fs::{File, OpenOptions},
    io,
    path::Path,
    sync::Arc,
};

use anstream::{AutoStream, ColorChoice};
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, Targets},
    fmt::{self, MakeWriter},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::config::LogFormat;

/// Crates that would log arguments, headers or URLs below these levels. rmcp repeats every notification at `info`, names
/// sessions there, and tells every refused request at `warn`, by which a client could fill the log.
const QUIET: [(&str, LevelFilter); 6] = [
    ("rmcp", LevelFilter::WARN),
    ("rmcp::service", LevelFilter::ERROR),
    ("hyper", LevelFilter::INFO),
    ("hyper_util", LevelFilter::INFO),
    ("reqwest", LevelFilter::INFO),
    ("rustls", LevelFilter::INFO),
];

/// Starts the log. `level` holds where `RUST_LOG` does not say otherwise. A second start in the same process changes
/// nothing.
///
/// # Errors
/// When the file cannot be opened.
pub fn start(format: LogFormat, level: LevelFilter, file: Option<&Path>) -> io::Result<()> {
    let asked = std::env::var("RUST_LOG").unwrap_or_default();
    let (wanted, unclear) = levels(&asked, level);
    if let Some(path) = file {
        start_with(wanted, format, false, Arc::new(open(path)?));
    } else {
        let colors = AutoStream::choice(&io::stderr()) != ColorChoice::Never;
        start_with(wanted, format, colors, io::stderr);
    }
    if format == LogFormat::Json || file.is_some() {
        // Else they would be lines of text among objects, and would not be in the file.
        std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    }
    for part in unclear {
        tracing::warn!(
            "RUST_LOG: `{part}` is neither a level, such as `debug`, nor one of a module, such as `scope3_mcp_client=debug`"
        );
    }
    Ok(())
}

fn start_with<W>(wanted: Targets, format: LogFormat, colors: bool, writer: W)
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    // A filter of its own: whatever an operator asks for, and for however small a part of these crates, they say no more.
    let allowed = Targets::new().with_default(LevelFilter::TRACE).with_targets(QUIET);
    let lines = match format {
        LogFormat::Text => fmt::layer().with_ansi(colors).with_writer(writer).boxed(),
        LogFormat::Json => fmt::layer().json().with_writer(writer).boxed(),
    };
    let _already_started = tracing_subscriber::registry().with(wanted).with(allowed).with(lines).try_init();
}

/// Opens a log to append to. A new one is for its owner alone: it names customers and what was done for them.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// What `RUST_LOG` asks for, and the parts of it that say nothing. Without any that does, everything from `level` on.
fn levels(asked: &str, level: LevelFilter) -> (Targets, Vec<&str>) {
    let parts = asked.split(',').map(str::trim).filter(|part| !part.is_empty());
    // A filter by spans or fields would be read as one that nothing passes.
    let is_clear = |part: &&str| !part.contains(['[', '{']) && part.parse::<Targets>().is_ok();
    let (clear, unclear): (Vec<&str>, Vec<&str>) = parts.partition(is_clear);
    let wanted = match clear.join(",").parse::<Targets>() {
        Ok(wanted) if !clear.is_empty() => wanted,
        _ => Targets::new().with_default(level),
    };
    (wanted, unclear)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_and_what_is_none_is_named() {
        let info = Targets::new().with_default(LevelFilter::INFO);
        for (asked, wanted, unclear) in [
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
            assert_eq!(levels(asked, LevelFilter::INFO), (wanted, unclear), "{asked:?}");
        }
    }
}
