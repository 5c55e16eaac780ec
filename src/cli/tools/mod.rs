//! `scope3-mcp tools`: lists, shows, searches and calls tools.

mod answer;
pub(super) mod arguments;
mod call;
mod list;
mod show;
mod terminal;

use clap::{Args, Subcommand};
use scope3_mcp_gateway::{
    catalog::{Catalog, Entry},
    policy::Policy,
};

use super::{CommandError, layout};
use crate::config::Settings;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the tools that the settings offer
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one tool in full
    Show {
        /// Name of the tool
        name: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Find tools by what they do: `pause my ads`, `weekly report`
    Search {
        /// What to find, in plain words
        #[arg(required = true)]
        words: Vec<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Call a tool, the way an agent does
    Call {
        /// Name of the tool
        name: String,
        /// Arguments: `name=value`, `name:=JSON`, `object.member=value`, `list[]=value`, a JSON object, or `-` for
        /// one on standard input
        arguments: Vec<String>,
        /// Print the result or the failure as one line of JSON. By default, a terminal gets a message and a table, and
        /// a pipe or file gets indented JSON
        #[arg(long)]
        json: bool,
        /// Consent to the call in advance, if it can spend or delete. By default, a terminal asks, and elsewhere the
        /// call is refused
        #[arg(long, short)]
        yes: bool,
    },
}

pub(super) async fn run(settings: &Settings, arguments: Arguments) -> Result<(), CommandError> {
    match arguments.command {
        Command::List { json } => list::list(settings, json),
        Command::Search { words, json } => list::find(settings, &words.join(" "), json),
        Command::Show { name, json } => show::show(settings, &name, json),
        Command::Call { name, arguments, json, yes } => {
            call::call(settings, &name, &arguments, call::Options { json, yes }).await
        }
    }
}

pub(super) fn catalog_and_policy(settings: &Settings) -> Result<(Catalog, Policy), CommandError> {
    let catalog = crate::documents::catalog(settings)
        .map_err(|error| CommandError::Usage(format!("{}: {error}", settings.name_of("openapi"))))?;
    let policy = settings.policy(&catalog).map_err(|error| CommandError::Usage(error.to_string()))?;
    Ok((catalog, policy))
}

/// The tool with this name.
///
/// # Errors
/// If there is none. The error suggests a tool with a similar name or purpose.
pub(super) fn find<'a>(catalog: &'a Catalog, name: &str) -> Result<&'a Entry, CommandError> {
    catalog.get(name).map(|entry| &**entry).ok_or_else(|| {
        let found = catalog.search(name, |_| true);
        let similar = catalog.nearest(name).or_else(|| found.first().map(|entry| &*entry.tool.name));
        if let Some(api) = catalog.inactive_api_of(name) {
            return CommandError::Usage(format!(
                "`{name}` is a tool of the API `{api}`; run with --api {api}"
            ));
        }
        let suggestion = similar.map_or_else(
            || "`scope3-mcp tools list --toolsets all` lists every tool".to_owned(),
            |similar| format!("did you mean `{similar}`?"),
        );
        CommandError::Usage(format!(
            "unknown tool `{}`; {suggestion}",
            layout::cut(name, arguments::MAX_ECHO_BYTES)
        ))
    })
}
