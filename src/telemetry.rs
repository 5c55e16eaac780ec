//! The log. It goes to standard error: in stdio mode standard output carries protocol messages alone.

use std::io::IsTerminal;

use tracing_subscriber::{
    EnvFilter, filter::LevelFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt,
};

use crate::config::LogFormat;

/// Crates that would log arguments, headers or URLs below these levels. rmcp repeats every notification at `info`, names
/// sessions there, and tells every refused request at `warn`, by which a client could fill the log. No level that an operator asks for opens them.
const QUIET: [&str; 6] =
    ["rmcp=warn", "rmcp::service=error", "hyper=info", "hyper_util=info", "reqwest=info", "rustls=info"];

/// Starts the log. A second start in the same process changes nothing.
pub fn start(format: LogFormat) {
    let mut filter = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).from_env_lossy();
    for directive in QUIET {
        if let Ok(directive) = directive.parse() {
            filter = filter.add_directive(directive);
        }
    }
    let registry = tracing_subscriber::registry().with(filter);
    let _already_started = match format {
        LogFormat::Text => {
            let colours = std::io::stderr().is_terminal();
            registry.with(fmt::layer().with_ansi(colours).with_writer(std::io::stderr)).try_init()
        }
        LogFormat::Json => registry.with(fmt::layer().json().with_writer(std::io::stderr)).try_init(),
    };
}
