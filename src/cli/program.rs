//! The grammar of the command line: the commands, and the settings that each command's help shows.

use std::ffi::OsString;

use clap::{
    ArgMatches, FromArgMatches, Subcommand,
    builder::StyledStr,
    error::{ContextKind, ContextValue, ErrorKind},
};
use scope3_mcp_gateway::catalog::echo;

use super::{Cli, Command};
use crate::config::{self, Settings, heading};

/// The maximum width of help, which fits a terminal of 80 columns.
const MAX_WIDTH_COLUMNS: usize = 80;

/// The grammar of the command line, or the part of it that some arguments need.
pub(super) struct Program {
    /// The grammar, with environment variables for the help text.
    pub(super) command: clap::Command,
    /// The index at which settings can be inserted: before any argument that takes all later arguments.
    pub(super) settings_at: usize,
}

impl Cli {
    /// The full grammar. Settings may come before or after the command.
    #[must_use]
    pub fn command() -> clap::Command {
        let program = with_settings(program(), &[]).mut_args(|setting| setting.global(true));
        Command::augment_subcommands(program).mut_subcommands(|command| with_settings(command, &[]))
    }

    /// The part of the grammar that is needed to parse these arguments.
    ///
    /// In the full grammar, every command has a copy of every setting, which takes longer to build than to parse. If
    /// the command comes first, the settings must follow it, so only this command is needed.
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

/// The matches that contain the settings.
pub(super) fn settings_of(matches: &ArgMatches) -> &ArgMatches {
    matches.subcommand().map_or(matches, |(_, of_subcommand)| of_subcommand)
}

/// Removes environment variables from a grammar. `config` reads the environment after the flags.
pub(super) fn without_environment(command: clap::Command) -> clap::Command {
    command.mut_args(|argument| argument.env(None::<&str>)).mut_subcommands(without_environment)
}

fn program() -> clap::Command {
    clap::Command::new("scope3-mcp")
        .version(env!("CARGO_PKG_VERSION"))
        .about(env!("CARGO_PKG_DESCRIPTION"))
        .max_term_width(MAX_WIDTH_COLUMNS)
}

/// Adds the settings to a command. Help shows those that the command uses. The command accepts all others too, because
/// several commands may share a line of arguments. `parents` are the names of the parent commands.
fn with_settings(command: clap::Command, parents: &[&str]) -> clap::Command {
    let name = command.get_name().to_owned();
    let path: Vec<&str> = parents.iter().copied().chain([name.as_str()]).collect();
    let shown = shown(&path);
    let own_ids: Vec<_> = command.get_arguments().map(|argument| argument.get_id().clone()).collect();
    let command = command.args(config::arguments());
    let command = command.mut_args(|argument| {
        let is_used = argument.get_help_heading().is_none_or(|heading| shown.contains(&heading));
        if own_ids.contains(argument.get_id()) || is_used { argument } else { argument.hide(true) }
    });
    let command = command.mut_args(|argument| argument.hide_env_values(true)).after_help(note(&path, shown));
    command.mut_subcommands(|below| with_settings(below, &path))
}

/// The end of a command's help.
fn note(path: &[&str], shown: &[&str]) -> String {
    const KEY: &str = "The API key itself comes from the environment alone, as SCOPE3_API_KEY: every user of a machine \
                       sees its command lines.";
    const ROOT: &str = "Without a command it serves MCP over standard input and output. `scope3-mcp COMMAND --help` \
                        shows the settings of a command.";
    let key = if shown.contains(&heading::KEY) { KEY } else { "" };
    let root = if path == ["scope3-mcp"] { ROOT } else { "" };
    [root, key].join("\n\n").trim().to_owned()
}

/// The headings of the settings that a command uses.
fn shown(path: &[&str]) -> &'static [&'static str] {
    use heading::{FILE, HTTP, KEY, LIMITS, LISTEN, LOG, MONEY, SCOPE3, STATE, TOOLS};
    match path {
        ["completions", ..] => &[],
        ["healthcheck"] => &[LISTEN, FILE],
        ["sandbox"] => &[LISTEN, LOG, FILE],
        ["journal", ..] => &[STATE, LOG, FILE],
        ["demo"] => &[LIMITS, LOG, FILE],
        ["http"] => &[KEY, SCOPE3, TOOLS, MONEY, LIMITS, STATE, LISTEN, HTTP, LOG, FILE],
        ["catalog", "pull"] => &[SCOPE3, TOOLS, LOG, FILE],
        ["catalog" | "key", ..] | ["policy", "check" | "example"] => &[LOG, FILE],
        ["policy", ..] => &[KEY, TOOLS, LOG, FILE],
        ["tools"] | ["tools", "list" | "show" | "search"] => &[TOOLS, LOG, FILE],
        _ => &[KEY, SCOPE3, TOOLS, MONEY, LIMITS, STATE, LOG, FILE],
    }
}

/// Common flags of other programs, with the setting to use instead.
const COMMON_MISTAKES: [(&[&str], &str); 4] = [
    (
        &["--port", "--host", "--listen", "--address"],
        "to choose where to listen, use '--bind 127.0.0.1:8080'",
    ),
    (
        &["--api-key", "--key"],
        "every user of a machine sees its command lines: set SCOPE3_API_KEY, or use '--api-key-file FILE' or \
         '--api-key-keychain'",
    ),
    (&["--token", "--mcp-token"], "every user of a machine sees its command lines: set SCOPE3_MCP_TOKEN"),
    (
        &["--log-level", "--verbose", "--debug", "--quiet"],
        "to choose how much is logged, set RUST_LOG, such as RUST_LOG=debug",
    ),
];

/// The parser's error message, with a suggestion. Long values and misplaced keys are truncated or removed.
pub(super) fn usage_error(mut error: clap::Error) -> String {
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
    if let Some((_, instead)) = COMMON_MISTAKES.iter().find(|(flags, _)| flags.contains(&unknown)) {
        // Both refer to the flag that clap considers similar.
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
    fn a_command_alone_parses_the_same_as_in_the_full_grammar() {
        let full = Cli::command();
        full.clone().debug_assert();
        for command in full.get_subcommands().map(clap::Command::get_name) {
            let arguments = ["scope3-mcp", command, "--help"].map(OsString::from);
            let help = |mut program: clap::Command| {
                let help = program.try_get_matches_from_mut(&arguments).unwrap_err();
                assert_eq!(help.kind(), ErrorKind::DisplayHelp, "{command}");
                help.to_string()
            };
            let by_command = help(Cli::program_for(&arguments).command);
            assert_eq!(by_command.contains("--config"), command != "completions", "{by_command}");
            assert_eq!(by_command, help(full.clone()));
        }
    }

    #[test]
    fn settings_are_accepted_before_the_command_after_it_and_where_they_are_inserted() {
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
    fn every_setting_has_a_heading_that_http_shows() {
        let everything = shown(&["http"]);
        for setting in crate::config::all() {
            assert!(everything.contains(&setting.get_help_heading().unwrap_or_default()), "{setting}");
        }
    }
}
