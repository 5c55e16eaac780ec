//! `scope3-mcp usage`: how many calls were made, and what each limit has left.

use std::{collections::BTreeMap, io::Write, time::Duration};

use anyhow::Context;
use clap::Args;
use jiff::Timestamp;
use scope3_mcp_gateway::{limits::Usage, state::CallCount};
use serde_json::json;

use super::{CommandError, journal::unusable, layout};
use crate::{
    app::App,
    config::{Settings, parse_period},
};

/// The width of the longest bar.
const BAR_COLUMNS: u64 = 40;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Only calls of this period, such as `7d` or `12h`
    #[arg(long, value_name = "TIME", default_value = "1d", value_parser = parse_period)]
    since: Duration,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(settings: &Settings, arguments: Arguments) -> Result<(), CommandError> {
    let Arguments { since, json } = arguments;
    let app = App::start(settings).await?;
    let since = Timestamp::now() - since;
    let counts = app.gateway.state().counts(since, None).await.map_err(|error| unusable(settings, &error))?;
    // Without a key there are no limits to show.
    let limits = match app.keys.keys().await.ok().and_then(|keys| Some(keys.first()?.fingerprint())) {
        Some(key) => app.gateway.usage(key).await,
        None => Vec::new(),
    };
    let mut out = std::io::stdout().lock();
    if json {
        let report = json!({ "since": since, "calls": counts, "limits": limits_json(&limits) });
        writeln!(out, "{}", serde_json::to_string_pretty(&report).context("the report")?)?;
        return Ok(());
    }
    if counts.is_empty() {
        writeln!(out, "No calls in this period.")?;
    }
    for line in by_hour(&counts).into_iter().chain(by_tool(&counts)).chain(left(&limits)) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// A bar for each hour with calls.
fn by_hour(counts: &[CallCount]) -> Vec<String> {
    let mut hours: BTreeMap<Timestamp, u64> = BTreeMap::new();
    for count in counts {
        *hours.entry(count.hour).or_default() += count.calls;
    }
    let most = hours.values().copied().max().unwrap_or(1).max(1);
    let bar = |(hour, calls): (Timestamp, u64)| {
        let length = usize::try_from((calls * BAR_COLUMNS).div_ceil(most)).unwrap_or_default();
        format!("{hour:.0}  {calls:>7}  {}", "█".repeat(length))
    };
    hours.into_iter().map(bar).collect()
}

fn by_tool(counts: &[CallCount]) -> Vec<String> {
    let mut tools: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for count in counts {
        *tools.entry((&count.tool, &count.outcome)).or_default() += count.calls;
    }
    let row = |((tool, outcome), calls): ((&str, &str), u64)| {
        vec![layout::harmless(tool).into_owned(), layout::harmless(outcome).into_owned(), calls.to_string()]
    };
    table(["TOOL", "OUTCOME", "CALLS"], tools.into_iter().map(row).collect())
}

fn left(limits: &[Usage]) -> Vec<String> {
    let row = |usage: &Usage| {
        vec![usage.class.to_string(), usage.limit.to_string(), usage.used.to_string(), usage.left.to_string()]
    };
    table(["LIMIT", "RATE", "USED", "LEFT"], limits.iter().map(row).collect())
}

/// A table after an empty line, or nothing if it has no rows.
fn table<const N: usize>(headings: [&str; N], rows: Vec<Vec<String>>) -> Vec<String> {
    if rows.is_empty() {
        return Vec::new();
    }
    let lines = layout::Sheet::new(headings, rows).lines(layout::columns(), &[]);
    std::iter::once(String::new()).chain(lines).collect()
}

fn limits_json(limits: &[Usage]) -> serde_json::Value {
    let row = |usage: &Usage| json!({ "class": usage.class, "limit": usage.limit.to_string(), "used": usage.used, "left": usage.left });
    limits.iter().map(row).collect()
}
