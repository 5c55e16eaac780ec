//! The log. It goes to standard error: in stdio mode standard output carries protocol messages alone.

use std::io::IsTerminal;

use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    fmt,
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

/// Starts the log. A second start in the same process changes nothing.
pub fn start(format: LogFormat) {
    let asked = std::env::var("RUST_LOG").unwrap_or_default();
    let (wanted, unclear) = levels(&asked);
    // A filter of its own: whatever an operator asks for, and for however small a part of these crates, they say no more.
    let allowed = Targets::new().with_default(LevelFilter::TRACE).with_targets(QUIET);
    let registry = tracing_subscriber::registry().with(wanted).with(allowed);
    let _already_started = match format {
        LogFormat::Text => {
            let colours = std::io::stderr().is_terminal();
            registry.with(fmt::layer().with_ansi(colours).with_writer(std::io::stderr)).try_init()
        }
        LogFormat::Json => {
            // A panic that writes text of its own would be a line that is not JSON.
            std::panic::set_hook(Box::new(|panic| tracing::error!(error = %panic, "panicked")));
            registry.with(fmt::layer().json().with_writer(std::io::stderr)).try_init()
        }
    };
    for part in unclear {
        tracing::warn!(
            "RUST_LOG: `{part}` is neither a level, such as `debug`, nor one of a module, such as `scope3_mcp::scope3=debug`"
        );
    }
}

/// What `RUST_LOG` asks for, and the parts of it that say nothing. Without any that does, everything from `info` on.
fn levels(asked: &str) -> (Targets, Vec<&str>) {
    let parts = asked.split(',').map(str::trim).filter(|part| !part.is_empty());
    // A filter by spans or fields would be read as one that nothing passes.
    let is_clear = |part: &&str| !part.contains(['[', '{']) && part.parse::<Targets>().is_ok();
    let (clear, unclear): (Vec<&str>, Vec<&str>) = parts.partition(is_clear);
    let wanted = match clear.join(",").parse::<Targets>() {
        Ok(wanted) if !clear.is_empty() => wanted,
        _ => Targets::new().with_default(LevelFilter::INFO),
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
                "warn, scope3_mcp::scope3=trace",
                Targets::new()
                    .with_default(LevelFilter::WARN)
                    .with_target("scope3_mcp::scope3", LevelFilter::TRACE),
                vec![],
            ),
            ("loud=very", info.clone(), vec!["loud=very"]),
            ("[span]=trace,error", Targets::new().with_default(LevelFilter::ERROR), vec!["[span]=trace"]),
        ] {
            assert_eq!(levels(asked), (wanted, unclear), "{asked:?}");
        }
    }
}
