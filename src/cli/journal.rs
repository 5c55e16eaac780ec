//! `scope3-mcp journal`: the changes that were made, and those whose outcome is unknown.

use std::{io::Write, sync::Arc, time::Duration};

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use scope3_mcp_gateway::{
    journal::{Entry, EntryId, Filter, Settlement},
    state::{Loss, State, StateError},
};

use super::{CommandError, layout};
use crate::config::{Settings, parse_period};

const HEADINGS: [&str; 7] = ["ID", "TIME", "STATE", "TOOL", "TARGET", "AMOUNT", "CODE"];
/// The columns to omit on a narrow terminal, in this order.
const OMISSIBLE: [usize; 3] = [6, 5, 4];

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Only changes of this period, such as `1d` or `12h`
    #[arg(long, value_name = "TIME", value_parser = parse_period)]
    since: Option<Duration>,
    /// Only changes whose outcome is unknown
    #[arg(long)]
    unknown: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Record what you found out about a change whose outcome is unknown
    Settle {
        /// Its number in the journal
        id: EntryId,
        /// Whether the change was made
        outcome: Outcome,
    },
    /// Accept that a damaged journal is lost, so that changes can be made again
    AcceptLoss,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Outcome {
    /// It was made.
    Done,
    /// It was not made.
    Refused,
}

pub(super) async fn run(settings: &Settings, arguments: Arguments) -> Result<(), CommandError> {
    let Arguments { command, since, unknown, json } = arguments;
    let state = settings.state_location().state();
    let unusable = |error: StateError| unusable(settings, &error);
    match command {
        None => {
            let since = since.map(|period| Timestamp::now() - period);
            let entries = state.entries(Filter { since, unknown }).await.map_err(unusable)?;
            if json { print_json(&entries) } else { print(&entries) }
        }
        Some(Command::Settle { id, outcome }) => settle(&state, id, outcome).await.map_err(unusable)?,
        Some(Command::AcceptLoss) => {
            let message = match state.accept_loss().await.map_err(unusable)? {
                Some(Loss::Moved(moved)) => {
                    format!("The damaged journal stays at {}. Changes can be made again.", moved.display())
                }
                Some(Loss::Gone) => "Changes can be made again.".to_owned(),
                None => "Nothing was lost.".to_owned(),
            };
            writeln!(std::io::stdout(), "{message}")?;
            Ok(())
        }
    }
}

/// A state that cannot be used: a wrong setting, or a failure that may pass.
pub(super) fn unusable(settings: &Settings, error: &StateError) -> CommandError {
    match settings.state {
        Some(_) if error.is_usage() => CommandError::Usage(format!("{}: {error}", settings.name_of("state"))),
        _ => CommandError::Failed(anyhow!("the state: {error}")),
    }
}

async fn settle(
    state: &Arc<dyn State>,
    id: EntryId,
    outcome: Outcome,
) -> Result<Result<(), CommandError>, StateError> {
    let settlement = match outcome {
        Outcome::Done => Settlement::Done,
        Outcome::Refused => Settlement::Refused,
    };
    Ok(match state.settle(id, settlement).await? {
        None => Err(CommandError::Failed(anyhow!("the journal has no entry {id}"))),
        Some(Ok(entry)) => print(&[entry]),
        Some(Err(entry)) => {
            let state = entry.state;
            print(&[entry]).and_then(|()| {
                Err(CommandError::Failed(anyhow!(
                    "expected an entry with the state `unknown`, got `{state}`"
                )))
            })
        }
    })
}

fn print(entries: &[Entry]) -> Result<(), CommandError> {
    if entries.is_empty() {
        writeln!(std::io::stderr(), "The journal has no such entries.")?;
        return Ok(());
    }
    let sheet = layout::Sheet::new(HEADINGS, entries.iter().map(cells).collect());
    let mut out = std::io::stdout().lock();
    for line in sheet.lines(layout::columns(), &OMISSIBLE) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

fn cells(entry: &Entry) -> Vec<String> {
    let Entry { id, made_at, state, tool, target, amount, currency, code, .. } = entry;
    let time = format!("{made_at:.0}");
    let amount = [amount.as_deref(), currency.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let or_empty =
        |text: &Option<String>| text.as_deref().map(layout::harmless).unwrap_or_default().into_owned();
    vec![id.to_string(), time, state.to_string(), tool.clone(), or_empty(target), amount, or_empty(code)]
}

fn print_json(entries: &[Entry]) -> Result<(), CommandError> {
    let text = serde_json::to_string_pretty(entries).context("the journal")?;
    writeln!(std::io::stdout(), "{text}")?;
    Ok(())
}
