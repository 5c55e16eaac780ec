//! The command line's grammar: which commands there are, and which settings the help of each shows.

use std::ffi::OsString;

use clap::{
    ArgMatches, FromArgMatches, Subcommand,
    builder::StyledStr,
    error::{ContextKind, ContextValue, ErrorKind},
};
use scope3_mcp_gateway::catalog::echo;

use super::{Cli, Command};
use crate::config::{self, Settings, heading};

/// The widest help, for terminals of the usual width.
const MAX_WIDTH_COLUMNS: usize = 80;

/// A command line, or the part of it that some arguments need.
pub(super) struct Program {
    /// Its grammar, which knows the environment for the sake of help.
    pub(super) command: clap::Command,
    /// Where among the arguments settings may be put in: before whatever may take everything after it.
    pub(super) settings_at: usize,
}

impl Cli {
    /// The whole command line. Settings may stand on either side of the command.
    #[must_use]
    pub fn command() -> clap::Command {
        let program = with_settings(program(), &[]).mut_args(|setting| setting.global(true));
        Command::augment_subcommands(program).mut_subcommands(|command| with_settings(command, &[]))
    }

    /// As much of the command line as it takes to read these arguments.
    ///
    /// In the whole one every command has a copy of every setting, which takes longer to make than to read. Where the
    /// command comes first, the settings can only be its own, and no other command matters.
    pub(super) fn program_for(arguments: &[OsString]) -> Program {
        let commands = Command::augment_subcommands(clap::Command::default());
        match arguments.get(1).and_then(|name| commands.find_subcommand(name)) {
            Some(command) if !command.has_subcommands() => {
                Program { command: program().subcommand(with_settings(command.clone(), &[])), settings_at: 2 }
            }
            _ => Program { command: Self::command(), settings_at: 1 },
        }
    }

    pub(super) fn from_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let command = matches.subcommand().map(|_| Command::from_arg_matches(matches)).transpose()?;
        let settings = Settings::from_arg_matches(settings_of(matches))?;
        Ok(Self { command, settings, unknown_variables: Vec::new() })
    }
}

/// The matches that hold the settings.
pub(super) fn settings_of(matches: &ArgMatches) -> &ArgMatches {
    matches.subcommand().map_or(matches, |(_, of_command)| of_command)
}

/// A grammar that takes nothing from the environment, which is looked at afterwards.
pub(super) fn without_environment(command: clap::Command) -> clap::Command {
    command.mut_args(|argument| argument.env(None::<&str>)).mut_subcommands(without_environment)
}

fn program() -> clap::Command {
    clap::Command::new("scope3-mcp")
        .version(env!("CARGO_PKG_VERSION"))
        .about(env!("CARGO_PKG_DESCRIPTION"))
        .max_term_width(MAX_WIDTH_COLUMNS)
}

/// The command with the settings among its arguments, of which help shows those that matter to it. The rest is taken
/// too: a line that is shared by several commands may hold it. `parents` are the names of the commands above.
fn with_settings(command: clap::Command, parents: &[&str]) -> clap::Command {
    let name = command.get_name().to_owned();
    let path: Vec<&str> = parents.iter().copied().chain([name.as_str()]).collect();
    let shown = shown(&path);
    let is_own: Vec<_> = command.get_arguments().map(|argument| argument.get_id().clone()).collect();
    let command = command.args(config::arguments());
    let command = command.mut_args(|argument| {
        let matters = argument.get_help_heading().is_none_or(|heading| shown.contains(&heading));
        if is_own.contains(argument.get_id()) || matters { argument } else { argument.hide(true) }
    });
    let command = command.mut_args(|argument| argument.hide_env_values(true)).after_help(note(&path, shown));
    command.mut_subcommands(|below| with_settings(below, &path))
}

/// What the help of a command ends with.
fn note(path: &[&str], shown: &[&str]) -> String {
    const KEY: &str = "The API key itself comes from the environment alone, as SCOPE3_API_KEY: every user of a machine \
                       sees its command lines.";
    const ROOT: &str = "Without a command it serves MCP over standard input and output. `scope3-mcp COMMAND --help` \
                        shows the settings of a command.";
    let key = if shown.contains(&heading::KEY) { KEY } else { "" };
    let root = if path == ["scope3-mcp"] { ROOT } else { "" };
    [root, key].join("\n\n").trim().to_owned()
}

/// The headings of the settings that matter to a command.
fn shown(path: &[&str]) -> &'static [&'static str] {
    use heading::{FILE, HTTP, KEY, LIMITS, LISTEN, LOG, SCOPE3, STATE, TOOLS};
    match path {
        ["completions", ..] => &[],
        ["healthcheck"] => &[LISTEN, FILE],
        ["sandbox"] => &[LISTEN, LOG, FILE],
        ["demo"] => &[LIMITS, LOG, FILE],
        ["http"] => &[KEY, SCOPE3, TOOLS, LIMITS, STATE, LISTEN, HTTP, LOG, FILE],
        ["tools"] | ["tools", "list" | "show" | "search"] => &[TOOLS, LOG, FILE],
        _ => &[KEY, SCOPE3, TOOLS, LIMITS, STATE, LOG, FILE],
    }
}

/// Flags of other programs, and what to write here.
const MISNOMERS: [(&[&str], &str); 4] = [
    (
        &["--port", "--host", "--listen", "--address"],
        "to choose where to listen, use '--bind 127.0.0.1:8080'",
    ),
    (
        &["--api-key", "--key"],
        "every user of a machine sees its command lines: set SCOPE3_API_KEY, or use '--api-key-file FILE'",
    ),
    (&["--token", "--mcp-token"], "every user of a machine sees its command lines: set SCOPE3_MCP_TOKEN"),
    (
        &["--log-level", "--verbose", "--debug", "--quiet"],
        "to choose how much is logged, set RUST_LOG, such as RUST_LOG=debug",
    ),
];

/// A refusal as the parser words it, with what was probably meant, and without what nobody wants to see again: long
/// values, and keys that ended up in the wrong place.
pub(super) fn refusal(mut error: clap::Error) -> String {
    for kind in [ContextKind::InvalidValue, ContextKind::InvalidArg, ContextKind::InvalidSubcommand] {
        if let Some(ContextValue::String(text)) = error.get(kind) {
            let text = echo(text);
            error.insert(kind, ContextValue::String(text.into_owned()));
        }
    }
    let unknown = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(flag)) if error.kind() == ErrorKind::UnknownArgument => flag.as_str(),
        _ => "",
    };
    if let Some((_, instead)) = MISNOMERS.iter().find(|(flags, _)| flags.contains(&unknown)) {
        // Both are made for what the parser takes for similar.
        error.remove(ContextKind::SuggestedArg);
        error.remove(ContextKind::Usage);
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![StyledStr::from(*instead)]));
    }
    let text = error.render().to_string();
    text.strip_prefix("error: ").unwrap_or(&text).trim_end().to_owned()
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
            let of_command = help(Cli::program_for(&arguments).command);
            assert_eq!(of_command.contains("--config"), command != "completions", "{of_command}");
            assert_eq!(of_command, help(whole.clone()));
        }
    }

    #[test]
    fn settings_are_read_on_either_side_of_the_command_and_where_others_are_put_in() {
        for line in [
            "stdio --read-only",
            "--read-only stdio",
            "tools --read-only list",
            "tools list --read-only",
            "--read-only",
        ] {
            let mut arguments: Vec<OsString> =
                std::iter::once("scope3-mcp").chain(line.split(' ')).map(OsString::from).collect();
            let Program { command, settings_at } = Cli::program_for(&arguments);
            arguments.insert(settings_at, "--sandbox".into());
            let cli = Cli::from_matches(&command.try_get_matches_from(arguments).unwrap()).unwrap();
            assert!(cli.settings.read_only && cli.settings.sandbox, "{line}");
            assert_eq!(matches!(cli.command, Some(Command::Tools(_))), line.contains("tools"), "{line}");
        }
    }

    #[test]
    fn every_setting_has_a_heading_that_some_command_shows() {
        let everything = shown(&["http"]);
        for setting in crate::config::all() {
            assert!(everything.contains(&setting.get_help_heading().unwrap_or_default()), "{setting}");
        }
    }
}
