//! The command line: one file a command.

mod completions;
mod demo;
mod healthcheck;
mod http;
mod layout;
mod sandbox;
mod stdio;
mod tools;

use std::{ffi::OsString, io::Write, process::ExitCode};

use clap::{ArgMatches, Args, FromArgMatches, Subcommand, error::ErrorKind};
use tokio_util::sync::CancellationToken;

use crate::{
    app::StartError,
    config::{self, LogFormat, Settings},
    telemetry,
};

/// What a command line asks for.
#[derive(Debug)]
pub struct Cli {
    command: Command,
    settings: Settings,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve MCP over standard input and output (the default)
    Stdio,
    /// Serve MCP over HTTP: Streamable HTTP, and its predecessor with SSE
    Http,
    /// Serve the embedded API alone, and print its URL and keys
    Sandbox(sandbox::Arguments),
    /// Play a day of an agent's work against the embedded API
    Demo(demo::Arguments),
    /// Look at the tools, and call one
    Tools(tools::Arguments),
    /// Print a completion script for a shell
    Completions(completions::Arguments),
    /// Ask whether the http server on this machine answers: exit code 0 if so, else 1
    #[command(hide = true)]
    Healthcheck(healthcheck::Arguments),
}

impl Cli {
    /// The whole command line. Settings may stand on either side of the command.
    #[must_use]
    pub fn command() -> clap::Command {
        let program = with_settings(Self::program()).mut_args(|setting| setting.global(true));
        Command::augment_subcommands(program)
    }

    /// As much of the command line as it takes to read these arguments.
    ///
    /// In the whole one, clap copies every setting to every command, which takes longer than the reading. Where the
    /// command comes first, the settings can only be its own, and no other command matters.
    fn command_for(arguments: &[OsString]) -> clap::Command {
        let commands = Command::augment_subcommands(clap::Command::default());
        match arguments.get(1).and_then(|name| commands.find_subcommand(name)) {
            Some(command) if !command.has_subcommands() => {
                Self::program().subcommand(with_settings(command.clone()))
            }
            _ => Self::command(),
        }
    }

    fn program() -> clap::Command {
        clap::Command::new("scope3-mcp")
            .version(env!("CARGO_PKG_VERSION"))
            .about(env!("CARGO_PKG_DESCRIPTION"))
            .max_term_width(110)
    }

    fn from_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let command = matches.subcommand().map(|_| Command::from_arg_matches(matches)).transpose()?;
        let settings = matches.subcommand().map_or(matches, |(_, of_command)| of_command);
        let settings = Settings::from_arg_matches(settings)?;
        Ok(Self { command: command.unwrap_or(Command::Stdio), settings })
    }
}

/// The command with the settings among its arguments. Its description stays: a group of arguments brings one along.
fn with_settings(command: clap::Command) -> clap::Command {
    let about = command.get_about().cloned().unwrap_or_default();
    Settings::augment_args(command).about(about)
}

/// A command that did not do what it was asked.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    /// What was asked cannot be done so: exit code 2.
    #[error("{0}")]
    Usage(String),
    /// It was tried and failed: exit code 1.
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
    /// It failed and has said so already.
    #[error("failed")]
    Told,
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
    match parse(arguments) {
        Ok(cli) => {
            let format = cli.settings.log_format;
            telemetry::start(format);
            finish(run_to_the_end(cli), format)
        }
        Err(Stop::Asked(text)) => {
            finish(std::io::stdout().write_all(text.as_bytes()).map_err(Into::into), LogFormat::Text)
        }
        Err(Stop::Usage(problem)) => finish(Err(CommandError::Usage(problem)), LogFormat::Text),
    }
}

fn run_to_the_end(cli: Cli) -> Result<(), CommandError> {
    let many_clients = matches!(cli.command, Command::Http | Command::Sandbox(_));
    // One client keeps one thread busy, and threads take time at the start.
    let mut runtime = if many_clients {
        tokio::runtime::Builder::new_multi_thread()
    } else {
        tokio::runtime::Builder::new_current_thread()
    };
    let runtime = runtime.enable_all().build()?;
    let outcome = runtime.block_on(execute(cli));
    // Nobody waits for a read of standard input whose client says no more.
    runtime.shutdown_background();
    outcome
}

enum Stop {
    /// Help or the version.
    Asked(String),
    Usage(String),
}

fn parse(arguments: Vec<OsString>) -> Result<Cli, Stop> {
    let usage = |error: config::ConfigError| Stop::Usage(error.to_string());
    let arguments = config::with_file(Cli::command, arguments).map_err(usage)?;
    let mut command = Cli::command_for(&arguments);
    let matches = command.try_get_matches_from_mut(arguments);
    let cli = matches.and_then(|matches| Cli::from_matches(&matches)).map_err(|error| {
        let text = error.render().to_string();
        match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Stop::Asked(text),
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                Stop::Usage(format!("a command is missing\n\n{text}"))
            }
            _ => Stop::Usage(one_line(&text)),
        }
    })?;
    // After the parse, so that help and the version come whatever the environment holds.
    config::check_environment(&command).map_err(usage)?;
    Ok(cli)
}

/// The part of a parser's message that says what is wrong and what is allowed.
fn one_line(text: &str) -> String {
    let said = text.strip_prefix("error: ").unwrap_or(text);
    let said = said.lines().take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    said.map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

fn finish(outcome: Result<(), CommandError>, format: LogFormat) -> ExitCode {
    let (code, text) = match outcome {
        Ok(()) => return ExitCode::SUCCESS,
        Err(CommandError::Told) => return ExitCode::FAILURE,
        // Who reads our output has read enough, as `head` does.
        Err(CommandError::Failed(error)) if is_broken_pipe(&error) => return ExitCode::SUCCESS,
        Err(CommandError::Failed(error)) => (1, format!("{error:#}")),
        Err(CommandError::Usage(problem)) => (2, problem),
    };
    match format {
        // Where standard error is gone, the exit code has to do.
        LogFormat::Text => drop(writeln!(std::io::stderr(), "error: {text}")),
        LogFormat::Json => tracing::error!("{text}"),
    }
    ExitCode::from(code)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

async fn execute(cli: Cli) -> Result<(), CommandError> {
    let Cli { command, settings } = cli;
    // Boxed, so that the stack holds none of the commands that do not run.
    match command {
        Command::Stdio => Box::pin(stdio::run(&settings)).await,
        Command::Http => Box::pin(http::run(&settings)).await,
        Command::Sandbox(arguments) => Box::pin(sandbox::run(&settings, arguments)).await,
        Command::Demo(arguments) => Box::pin(demo::run(&settings, arguments)).await,
        Command::Tools(arguments) => Box::pin(tools::run(&settings, arguments)).await,
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Healthcheck(arguments) => Box::pin(healthcheck::run(&settings, arguments)).await,
    }
}

/// A token that is cancelled when the process is asked to end.
fn until_asked_to_end() -> std::io::Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let token = CancellationToken::new();
    let cancel = token.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("asked to end");
        cancel.cancel();
    });
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_reads_by_itself_what_it_reads_in_the_whole_command_line() {
        let whole = Cli::command();
        whole.clone().debug_assert();
        for command in whole.get_subcommands().map(clap::Command::get_name) {
            let arguments = ["scope3-mcp", command, "--help"].map(OsString::from);
            let help = |mut program: clap::Command| {
                let asked = program.try_get_matches_from_mut(&arguments).unwrap_err();
                assert_eq!(asked.kind(), ErrorKind::DisplayHelp, "{command}");
                asked.to_string()
            };
            let of_command = help(Cli::command_for(&arguments));
            assert!(of_command.contains("--read-only"), "{of_command}");
            assert_eq!(of_command, help(whole.clone()));
        }
    }

    #[test]
    fn settings_are_read_on_either_side_of_the_command() {
        for line in [
            "stdio --read-only",
            "--read-only stdio",
            "tools --read-only list",
            "tools list --read-only",
            "--read-only",
        ] {
            let arguments: Vec<OsString> =
                std::iter::once("scope3-mcp").chain(line.split(' ')).map(OsString::from).collect();
            let matches = Cli::command_for(&arguments).try_get_matches_from(arguments).unwrap();
            let cli = Cli::from_matches(&matches).unwrap();
            assert!(cli.settings.read_only, "{line}");
            assert_eq!(matches!(cli.command, Command::Stdio), !line.contains("tools"), "{line}");
        }
    }
}
