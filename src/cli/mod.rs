//! The command line, with one file for each command.

mod catalog;
mod completions;
mod demo;
mod healthcheck;
mod http;
mod journal;
mod key;
mod layout;
mod policy;
mod program;
mod sandbox;
mod stdio;
mod tools;
mod usage;

use std::{
    ffi::{OsStr, OsString},
    io::Write,
    process::ExitCode,
};

use anstyle::{AnsiColor, Style};
use clap::{Subcommand, builder::StyledStr, error::ErrorKind};
use scope3_mcp_gateway::{catalog::echo, redaction::secrets};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::filter::LevelFilter;

use self::program::Program;
use crate::{
    app::StartError,
    config::{self, LogFormat, Settings},
    hygiene,
    telemetry::{self, AuditLog},
};

/// A parsed command line.
#[derive(Debug)]
pub struct Cli {
    /// Without a command, the program runs `stdio`.
    command: Option<Command>,
    settings: Settings,
    /// Variables that begin with `SCOPE3_` and are not settings of this program.
    unknown_variables: Vec<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve MCP over standard input and output (the default)
    Stdio,
    /// Serve MCP over HTTP: Streamable HTTP, and its predecessor with SSE
    Http,
    /// Serve only the simulated API, and print its URL and keys
    Sandbox(sandbox::Arguments),
    /// Walk through a day of an agent's work in the sandbox
    Demo(demo::Arguments),
    /// List, show, search and call tools
    Tools(tools::Arguments),
    /// Store the API key in the keychain of the operating system, show which one it holds, or remove it
    Key(key::Arguments),
    /// Check a policy file, or explain what its rules do with a call
    Policy(policy::Arguments),
    /// List the changes that were made, and settle those whose outcome is unknown
    Journal(journal::Arguments),
    /// Show how many calls were made, and what each limit has left
    Usage(usage::Arguments),
    /// Get newer documents of the API, compare and use them
    Catalog(catalog::Arguments),
    /// Print a completion script for a shell
    Completions(completions::Arguments),
    /// Check whether the HTTP server on this machine responds: exit code 0 or 1
    #[command(hide = true)]
    Healthcheck(healthcheck::Arguments),
}

impl Command {
    /// Whether the command serves MCP clients. The others tell a person of a rejected call in their output.
    fn serves_mcp(&self) -> bool {
        matches!(self, Self::Http | Self::Stdio)
    }

    /// The default log level. It is `warn` unless the command is a server, because many clients show every line as an
    /// error.
    fn level(&self) -> LevelFilter {
        match self {
            Self::Http | Self::Sandbox(_) => LevelFilter::INFO,
            _ => LevelFilter::WARN,
        }
    }

    /// Whether the command serves many clients.
    fn is_server(&self) -> bool {
        matches!(self, Self::Http | Self::Sandbox(_))
    }
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    /// Wrong usage or configuration: exit code 2.
    #[error("{0}")]
    Usage(String),
    /// The command failed: exit code 1.
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
    /// The command failed and has already reported it.
    #[error("failed")]
    AlreadyReported,
}

impl From<StartError> for CommandError {
    fn from(error: StartError) -> Self {
        if error.is_usage() { Self::Usage(error.to_string()) } else { Self::Failed(error.into()) }
    }
}

impl From<std::io::Error> for CommandError {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// Runs the program with the process's arguments and environment. Exit codes: 0 done, 1 failed, 2 wrong usage or
/// configuration.
pub fn run(arguments: Vec<OsString>) -> ExitCode {
    let early_format = early_log_format(&arguments);
    let cli = match parse(arguments) {
        Ok(cli) => cli,
        Err(EarlyExit::Output(text)) => {
            return finish(
                write!(anstream::stdout(), "{}", text.ansi()).map_err(Into::into),
                LogFormat::Text,
            );
        }
        Err(EarlyExit::Usage(problem)) => {
            let started = telemetry::start(early_format, LevelFilter::WARN, true, None, None)
                .map_err(CommandError::from);
            return finish(started.and(Err(CommandError::Usage(problem))), early_format);
        }
    };
    let Settings { log_format, ref log_file, .. } = cli.settings;
    let on_stderr = if log_file.is_none() { log_format } else { LogFormat::Text };
    let outcome = start_log(&cli).and_then(|()| run_to_completion(cli));
    finish(outcome, on_stderr)
}

/// The log format, guessed before the settings are parsed, for the report of invalid settings.
fn early_log_format(arguments: &[OsString]) -> LogFormat {
    let flags = arguments.join(OsStr::new(" "));
    let json_flags = ["--log-format=json", "--log-format json"];
    let by_flag = json_flags.iter().any(|flag| flags.to_string_lossy().contains(flag));
    let by_variable = std::env::var("SCOPE3_LOG_FORMAT").is_ok_and(|value| value.trim() == "json");
    if by_flag || by_variable { LogFormat::Json } else { LogFormat::Text }
}

fn start_log(cli: &Cli) -> Result<(), CommandError> {
    let Settings { log_format, ref log_file, ref audit_log, audit_log_size, .. } = cli.settings;
    let max_bytes = u64::from(audit_log_size.get()) * 1024 * 1024;
    let audit = audit_log.as_deref().map(|path| AuditLog { path, max_bytes });
    let level = match log_file {
        // No client shows the lines of a log file as errors.
        Some(_) => LevelFilter::INFO,
        None => cli.command.as_ref().map_or(LevelFilter::WARN, Command::level),
    };
    let events = log_file.is_some() || cli.command.as_ref().is_none_or(Command::serves_mcp);
    telemetry::start(log_format, level, events, log_file.as_deref(), audit).map_err(|error| {
        let names = [("log_file", log_file), ("audit_log", audit_log)];
        let given = names.iter().filter(|(_, path)| path.is_some()).map(|(id, _)| cli.settings.name_of(id));
        let name = given.collect::<Vec<_>>().join(" or ");
        CommandError::Usage(format!("{name}: cannot write the log there: {error}"))
    })?;
    if !cli.unknown_variables.is_empty() {
        let names = cli.unknown_variables.iter().map(|name| echo(name)).collect::<Vec<_>>().join(", ");
        tracing::warn!("ignored environment variables that are not settings of this program: {names}");
    }
    Ok(())
}

fn run_to_completion(cli: Cli) -> Result<(), CommandError> {
    hygiene::forbid_dumps();
    // One client needs only one thread, and starting more takes time.
    let mut runtime = if cli.command.as_ref().is_some_and(Command::is_server) {
        tokio::runtime::Builder::new_multi_thread()
    } else {
        tokio::runtime::Builder::new_current_thread()
    };
    let runtime = runtime.enable_all().build()?;
    let outcome = runtime.block_on(execute(cli));
    // Do not wait for a pending read of standard input.
    runtime.shutdown_background();
    outcome
}

enum EarlyExit {
    /// Help or version text.
    Output(StyledStr),
    Usage(String),
}

impl From<config::ConfigError> for EarlyExit {
    fn from(error: config::ConfigError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<clap::Error> for EarlyExit {
    fn from(error: clap::Error) -> Self {
        match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Self::Output(error.render()),
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                Self::Usage(format!("a command is missing\n\n{}", error.render()))
            }
            _ => Self::Usage(program::usage_error(error)),
        }
    }
}

fn parse(arguments: Vec<OsString>) -> Result<Cli, EarlyExit> {
    let settings = config::all();
    let mut arguments = config::without_empty(&settings, arguments);
    let Program { command, settings_at } = Cli::program_for(&arguments);
    let mut parser = program::without_environment(command);
    let mut matches = match parser.try_get_matches_from_mut(&arguments) {
        // Help names the environment variables.
        Err(error) if error.kind() == ErrorKind::DisplayHelp => {
            Cli::program_for(&arguments).command.try_get_matches_from(&arguments)?
        }
        matches => matches?,
    };
    if matches.subcommand_name() == Some("completions") {
        // A shell runs this when it starts, and must not fail because of a wrong variable or file.
        return Ok(Cli::from_matches(&matches)?);
    }
    let unknown_variables = config::unknown_variables(&settings)?;
    let given = config::values_beside_flags(&settings, program::settings_of(&matches))?;
    if !given.flags.is_empty() {
        arguments.splice(settings_at..settings_at, given.flags);
        matches = parser.try_get_matches_from_mut(arguments)?;
    }
    let mut cli = Cli::from_matches(&matches)?;
    cli.settings.sources = given.sources;
    cli.settings.secrets = config::Secrets::read()?;
    Ok(Cli { unknown_variables, ..cli })
}

/// Converts the outcome to an exit code, and reports an error on standard error, as JSON if the log is JSON.
fn finish(outcome: Result<(), CommandError>, format: LogFormat) -> ExitCode {
    const ERROR: Style = AnsiColor::Red.on_default().bold();
    let (code, text) = match outcome {
        Ok(()) => return ExitCode::SUCCESS,
        Err(CommandError::AlreadyReported) => return ExitCode::FAILURE,
        // The reader closed the pipe, as `head` does.
        Err(CommandError::Failed(error)) if is_broken_pipe(&error) => return ExitCode::SUCCESS,
        Err(CommandError::Failed(error)) => (1, format!("{error:#}")),
        Err(CommandError::Usage(problem)) => (2, problem),
    };
    let text = secrets().redact(&text);
    match format {
        LogFormat::Json => tracing::error!("{text}"),
        // If standard error is closed, only the exit code reports the error.
        LogFormat::Text => drop(writeln!(anstream::stderr(), "{ERROR}error:{ERROR:#} {text}")),
    }
    ExitCode::from(code)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

async fn execute(cli: Cli) -> Result<(), CommandError> {
    let Cli { command, settings, .. } = cli;
    // Boxed, so that the stack does not hold the futures of commands that do not run.
    match command {
        None => Box::pin(stdio::run(&settings, true)).await,
        Some(Command::Stdio) => Box::pin(stdio::run(&settings, false)).await,
        Some(Command::Http) => Box::pin(http::run(&settings)).await,
        Some(Command::Sandbox(arguments)) => Box::pin(sandbox::run(&settings, arguments)).await,
        Some(Command::Demo(arguments)) => Box::pin(demo::run(&settings, arguments)).await,
        Some(Command::Tools(arguments)) => Box::pin(tools::run(&settings, arguments)).await,
        Some(Command::Key(arguments)) => key::run(arguments),
        Some(Command::Policy(arguments)) => Box::pin(policy::run(&settings, arguments)).await,
        Some(Command::Journal(arguments)) => Box::pin(journal::run(&settings, arguments)).await,
        Some(Command::Usage(arguments)) => Box::pin(usage::run(&settings, arguments)).await,
        Some(Command::Catalog(arguments)) => Box::pin(catalog::run(&settings, arguments)).await,
        Some(Command::Completions(arguments)) => completions::run(&arguments),
        Some(Command::Healthcheck(arguments)) => Box::pin(healthcheck::run(&settings, arguments)).await,
    }
}

/// A token that is cancelled when the process receives a signal to stop.
fn until_signaled() -> std::io::Result<CancellationToken> {
    // Register the handlers now, so that a signal before the task below runs is not lost.
    #[cfg(unix)]
    let (mut interrupt, mut terminate) = {
        use tokio::signal::unix::{SignalKind, signal};
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    #[cfg(windows)]
    let (mut interrupt, mut terminate) = {
        use tokio::signal::windows::{ctrl_break, ctrl_c};
        (ctrl_c()?, ctrl_break()?)
    };
    let token = CancellationToken::new();
    let cancel = token.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("shutting down");
        cancel.cancel();
    });
    Ok(token)
}
