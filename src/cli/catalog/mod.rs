//! `scope3-mcp catalog`: published documents of the API. Newer ones are pulled, compared and used; the build uses the facts of
//! those that are built in.

mod import;
mod newer;

use std::{
    io::{self, Write},
    path::PathBuf,
};

use clap::{Args, Subcommand, ValueHint, builder::PossibleValuesParser};
use scope3_mcp_gateway::{
    Profile,
    catalog::{Surface, newer::server_of},
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
    /// Download the newest published documents. They are not used before `catalog use`
    Pull {
        /// The APIs whose documents to download [default: those of `--api`]
        #[arg(long, value_name = "NAME", value_parser = published())]
        surface: Vec<String>,
    },
    /// Say what a newer document changes against what is built in
    Diff {
        /// A document, or the API whose pulled document to compare [default: all that were pulled]
        #[arg(value_name = "FILE|SURFACE", value_hint = ValueHint::FilePath)]
        document: Option<String>,
    },
    /// List what a document gets wrong, each with its location: exit code 0, or 1 if operations cannot be used
    Check {
        /// The document, in YAML or JSON
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
    /// Use the document that was pulled. Servers that run notice it
    Use {
        /// The API
        #[arg(value_name = "SURFACE", value_parser = published())]
        surface: String,
        /// Use the document again that is built in
        #[arg(long, conflicts_with = "acknowledge")]
        built_in: bool,
        /// Acknowledge what Scope3 changed in its descriptions: calls need no confirmation for that any more
        #[arg(long)]
        acknowledge: bool,
    },
    /// Read a published OpenAPI document, write its facts as a contract, and say what changed; for people who work on this
    /// program
    Import {
        /// The document, in YAML or JSON
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// The API that it describes
        #[arg(long, value_name = "NAME", value_parser = surface_names())]
        surface: String,
        /// Where to write the contract [default: tools/NAME/contract.json]
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        output: Option<PathBuf>,
    },
}

fn surface_names() -> PossibleValuesParser {
    let with_profile = Surface::ALL.into_iter().filter(|surface| Profile::of(*surface).is_some());
    PossibleValuesParser::new(with_profile.map(Surface::as_str))
}

/// The APIs whose tools come from a published document.
fn published() -> PossibleValuesParser {
    let published = Surface::ALL.into_iter().filter(|surface| server_of(*surface).is_some());
    PossibleValuesParser::new(published.map(Surface::as_str))
}

pub(super) async fn run(settings: &Settings, arguments: Arguments) -> Result<(), CommandError> {
    match arguments.command {
        Command::Pull { surface } => newer::pull(settings, &surface).await,
        Command::Diff { document } => newer::diff(document.as_deref()),
        Command::Check { file } => newer::check(&file),
        Command::Use { surface, built_in: true, .. } => newer::use_built_in(&surface),
        Command::Use { surface, acknowledge, .. } => newer::use_pulled(&surface, acknowledge),
        Command::Import { file, surface, output } => import::run(&file, &surface, output),
    }
}

/// Prints lines, which may contain texts from documents.
fn print(lines: Vec<String>) -> Result<(), CommandError> {
    let mut out = io::stdout().lock();
    for line in lines {
        writeln!(out, "{}", layout::harmless(&line))?;
    }
    Ok(())
}
