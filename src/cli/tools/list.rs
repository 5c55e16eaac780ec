//! `tools list` and `tools search`: tools in a table.

use std::io::Write;

use anyhow::Context;
use scope3_mcp_gateway::{catalog::Entry, policy::Denied};
use serde_json::{Value, json};

use super::{CommandError, catalog_and_policy, layout};
use crate::config::Settings;

const HEADINGS: [&str; 5] = ["NAME", "EFFECT", "TOOLSET", "DEFAULT", "TITLE"];
/// The columns to omit on a narrow terminal, in this order.
const OMISSIBLE: [usize; 4] = [3, 2, 4, 1];

/// The maximum number of search results.
const MAX_RESULTS: usize = 10;

pub(super) fn list(settings: &Settings, json: bool) -> Result<(), CommandError> {
    let (catalog, policy) = catalog_and_policy(settings)?;
    let offered: Vec<&Entry> = catalog.entries().filter(|entry| policy.check(entry, None).is_ok()).collect();
    print(&offered, json)
}

pub(super) fn find(settings: &Settings, query: &str, json: bool) -> Result<(), CommandError> {
    let (catalog, policy) = catalog_and_policy(settings)?;
    // Tools that find tools are for clients alone.
    let is_for_clients = |entry: &Entry| policy.selection(entry) == Err(Denied::NotDiscovering);
    let mut found = catalog.search(query, |entry| !is_for_clients(entry));
    found.truncate(MAX_RESULTS);
    if found.is_empty() {
        if json {
            print(&found, json)?;
        }
        let mut err = std::io::stderr();
        writeln!(err, "No tool matches. Try other words, such as `pause campaign` or `weekly report`.")?;
        writeln!(err, "`scope3-mcp tools list --toolsets all` lists every tool.")?;
        return Err(CommandError::AlreadyReported);
    }
    print(&found, json)?;
    let withheld: Vec<&&Entry> = found.iter().filter(|entry| policy.check(entry, None).is_err()).collect();
    if let (Some(first), false) = (withheld.first(), json) {
        let (name, toolset) = (&first.tool.name, &first.toolset);
        writeln!(
            std::io::stderr(),
            "\nNot offered with the current settings: {}.\n`--tools {name}` offers one of them, `--toolsets \
             default,{toolset}` its toolset.",
            withheld.iter().map(|entry| &*entry.tool.name).collect::<Vec<_>>().join(", "),
        )?;
    }
    Ok(())
}

fn print(entries: &[&Entry], json: bool) -> Result<(), CommandError> {
    let mut out = std::io::stdout().lock();
    if json {
        let rows: Vec<Value> = entries.iter().map(|entry| row(entry)).collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&rows).context("the list")?)?;
        return Ok(());
    }
    let cells = |entry: &&Entry| {
        let default = if entry.tool.default { "yes" } else { "" };
        [&*entry.tool.name, entry.tool.effect.as_str(), &*entry.toolset, default, &*entry.tool.title]
            .map(str::to_owned)
            .to_vec()
    };
    let sheet = layout::Sheet::new(HEADINGS, entries.iter().map(cells).collect());
    for line in sheet.lines(layout::columns(), &OMISSIBLE) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

fn row(entry: &Entry) -> Value {
    let Entry { surface, toolset, tool, .. } = entry;
    json!({
        "name": tool.name,
        "title": tool.title,
        "effect": tool.effect,
        "toolset": toolset,
        "surface": surface,
        "default": tool.default,
        "inputSchema": tool.input.object(),
    })
}
