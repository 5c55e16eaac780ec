//! `scope3-mcp completions SHELL`: a completion script.

use std::io::Write;

use anyhow::Context;
use clap::{Args, builder::PossibleValuesParser};
use clap_complete::Shell;
use scope3_mcp_gateway::catalog::Catalog;

use super::{Cli, CommandError};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Shell to complete for
    shell: Shell,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), CommandError> {
    // Generate in memory: the generator panics if its output is closed.
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut with_names(Cli::command()), "scope3-mcp", &mut script);
    let mut script = String::from_utf8(script).context("the script")?;
    if arguments.shell == Shell::Bash {
        // If the program's name has a hyphen, clap_complete 4.6.11 writes labels for its commands that it never looks
        // up (<https://github.com/clap-rs/clap/issues/6421>).
        script = script.replace("scope3__subcmd__mcp", "scope3__mcp");
    }
    std::io::stdout().write_all(script.as_bytes())?;
    Ok(())
}

/// Adds the names of all tools and toolsets. Only for completion: a parser with these names would reject unknown names
/// with clap's messages instead of ours.
fn with_names(command: clap::Command) -> clap::Command {
    let command = command.mut_args(|argument| match argument.get_id().as_str() {
        // `name` is the argument of `tools show`, `tools call` and `policy explain`.
        "tools" | "exclude_tools" | "name" => argument.value_parser(tool_names()),
        "toolsets" => argument.value_parser(toolset_names()),
        _ => argument,
    });
    command.mut_subcommands(with_names)
}

fn tool_names() -> PossibleValuesParser {
    let catalog = Catalog::embedded();
    catalog.entries().map(|entry| entry.tool.name.to_string()).collect::<Vec<_>>().into()
}

fn toolset_names() -> PossibleValuesParser {
    let catalog = Catalog::embedded();
    let mut names: Vec<String> = catalog.entries().map(|entry| entry.toolset.to_string()).collect();
    names.sort_unstable();
    names.dedup();
    names.extend(["default", "all"].map(str::to_owned));
    names.into()
}
