//! `scope3-mcp tools`: look at the tools, and call one.

use std::{
    io::{IsTerminal, Read, Write},
    sync::Arc,
};

use anyhow::Context;
use clap::{Args, Subcommand};
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Map, Value, json};

use super::CommandError;
use crate::{
    app::App,
    catalog::{Catalog, Entry, search, shortened},
    config::Settings,
    failure::Failure,
    gateway::{CallError, Waiting},
    policy::Policy,
};

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
    /// Show one tool whole
    Show {
        /// Its name
        name: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Find tools by what they do
    Search {
        /// What is wanted, in words
        #[arg(required = true)]
        words: Vec<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Call a tool, by the same way as an agent
    Call {
        /// Its name
        name: String,
        /// Its arguments, as a JSON object; `-` reads them from standard input
        #[arg(default_value = "{}")]
        arguments: String,
        /// Print JSON in one line
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(settings: &Settings, arguments: Arguments) -> Result<(), CommandError> {
    match arguments.command {
        Command::List { json } => {
            let (catalog, policy) = look(settings)?;
            let offered: Vec<&Entry> =
                catalog.entries().filter(|entry| policy.permits(entry).is_ok()).collect();
            print_list(&offered, json)
        }
        Command::Search { words, json } => {
            let (catalog, policy) = look(settings)?;
            let found = search(catalog.entries(), &words.join(" "));
            let offered = found.iter().filter(|entry| policy.permits(entry).is_ok()).count();
            print_list(&found, json)?;
            if !json && offered < found.len() {
                let hidden = found.len() - offered;
                writeln!(std::io::stderr(), "{hidden} of these are not offered with the present settings.")?;
            }
            Ok(())
        }
        Command::Show { name, json } => show(settings, &name, json),
        Command::Call { name, arguments, json } => call(settings, &name, arguments, json).await,
    }
}

fn look(settings: &Settings) -> Result<(Catalog, Policy), CommandError> {
    let catalog = Catalog::embedded();
    let policy =
        Policy::new(&catalog, settings.choice()).map_err(|error| CommandError::Usage(error.to_string()))?;
    Ok((catalog, policy))
}

fn print_list(entries: &[&Entry], json: bool) -> Result<(), CommandError> {
    let mut out = std::io::stdout().lock();
    if json {
        let rows: Vec<Value> = entries.iter().map(|entry| row(entry)).collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&rows).context("the list")?)?;
        return Ok(());
    }
    if entries.is_empty() {
        writeln!(std::io::stderr(), "No tool fits.")?;
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    if !std::io::stdout().is_terminal() {
        table.set_content_arrangement(ContentArrangement::Disabled);
    }
    table.set_header(["NAME", "EFFECT", "TOOLSET", "DEFAULT", "TITLE"]);
    for entry in entries {
        let default = if entry.tool.default { "yes" } else { "" };
        table.add_row([
            &*entry.tool.name,
            entry.tool.effect.as_str(),
            &*entry.toolset,
            default,
            &*entry.tool.title,
        ]);
    }
    writeln!(out, "{}", table.trim_fmt())?;
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

fn show(settings: &Settings, name: &str, json: bool) -> Result<(), CommandError> {
    let (catalog, policy) = look(settings)?;
    let described = crate::local::description(&catalog, &policy, name).map_err(|nearest| {
        let nearest = nearest.map_or_else(String::new, |nearest| format!("; did you mean `{nearest}`?"));
        CommandError::Usage(format!("there is no tool `{}`{nearest}", shortened(name)))
    })?;
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(&described).context("the tool")?)?;
        return Ok(());
    }
    for (member, value) in &described {
        match value {
            Value::String(text) => writeln!(out, "{member}: {text}")?,
            value => writeln!(out, "{member}: {}", serde_json::to_string_pretty(value).context("the tool")?)?,
        }
    }
    Ok(())
}

async fn call(settings: &Settings, name: &str, arguments: String, json: bool) -> Result<(), CommandError> {
    let text = match arguments.as_str() {
        "-" => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text)?;
            text
        }
        _ => arguments,
    };
    let arguments: Map<String, Value> = serde_json::from_str(&text)
        .map_err(|error| CommandError::Usage(format!("the arguments are no JSON object: {error}")))?;
    let app = App::start(settings).await?;
    let on_wait = Arc::new(|Waiting { waited, total }| {
        let left = total.saturating_sub(waited).as_secs();
        tracing::info!("waiting {left} s for the request limit");
    });
    match app.gateway.call(app.caller(), name, arguments, on_wait).await {
        Ok(success) => {
            let sentence = success.sentence.clone().filter(|_| !json);
            let text = match sentence {
                Some(sentence) => sentence,
                None => written(&success.into_value(), json)?,
            };
            writeln!(std::io::stdout(), "{text}")?;
            Ok(())
        }
        Err(CallError::Failed(failure)) => {
            print_failure(&failure, json)?;
            Err(CommandError::Told)
        }
        Err(unknown) => Err(CommandError::Usage(unknown.to_string())),
    }
}

fn print_failure(failure: &Failure, json: bool) -> Result<(), CommandError> {
    let text = written(&json!(failure), json)?;
    if json {
        writeln!(std::io::stdout(), "{text}")?;
    } else {
        writeln!(std::io::stderr(), "{text}")?;
    }
    Ok(())
}

fn written(value: &Value, in_one_line: bool) -> Result<String, CommandError> {
    let text = if in_one_line { serde_json::to_string(value) } else { serde_json::to_string_pretty(value) };
    Ok(text.context("the answer")?)
}
