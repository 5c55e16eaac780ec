//! `scope3-mcp policy`: checks a policy file, and explains what its rules say about a call.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand, ValueHint};
use jiff::Timestamp;
use scope3_mcp_gateway::{
    catalog::{Catalog, Entry},
    policy::{CallFacts, Decision, EXAMPLE, Policy, PolicyFileError, Rule, Verdict, read_rules},
};

use super::{CommandError, layout, tools};
use crate::config::Settings;

/// How far the text of a rule is indented.
const INDENT: &str = "  ";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check a policy file: exit code 0, or 1 with its problems
    Check {
        /// The policy file
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
    /// Say what the settings and the policy do with a call, and which rule decides. Nothing is sent
    Explain {
        /// Name of the tool
        name: String,
        /// Arguments, as for `tools call`
        arguments: Vec<String>,
        /// The name that the client gives itself, such as `claude-code`
        #[arg(long, value_name = "NAME")]
        client: Option<String>,
        /// The brand agent to which the campaign, tactic or creative of the call belongs; a server looks it up
        #[arg(long, value_name = "ID")]
        brand_agent: Option<String>,
        /// When the call is made, such as `2026-01-31T22:00:00Z` [default: now]
        #[arg(long, value_name = "TIME")]
        at: Option<Timestamp>,
    },
    /// Print a commented example of a policy file
    Example,
}

pub(super) async fn run(settings: &Settings, arguments: Arguments) -> Result<(), CommandError> {
    match arguments.command {
        Command::Check { file } => check(&file),
        Command::Explain { name, arguments, client, brand_agent, at } => {
            let now = at.unwrap_or_else(Timestamp::now);
            explain(settings, &name, &arguments, client.as_deref(), brand_agent.as_deref(), now).await
        }
        Command::Example => Ok(write!(std::io::stdout(), "{EXAMPLE}")?),
    }
}

fn check(file: &Path) -> Result<(), CommandError> {
    let mut out = std::io::stdout().lock();
    match read_rules(file, &Catalog::embedded()) {
        Ok(rules) => {
            writeln!(
                out,
                "{}: {} rules, no problems",
                layout::harmless(&file.to_string_lossy()),
                rules.len()
            )?;
            Ok(())
        }
        Err(PolicyFileError::Fault(fault)) => Err(CommandError::Failed(fault.into())),
        Err(error) => {
            for line in error.to_string().lines() {
                writeln!(out, "{}", layout::harmless(line))?;
            }
            Err(CommandError::AlreadyReported)
        }
    }
}

async fn explain(
    settings: &Settings,
    name: &str,
    given: &[String],
    client: Option<&str>,
    brand_agent: Option<&str>,
    now: Timestamp,
) -> Result<(), CommandError> {
    let (catalog, policy) = tools::catalog_and_policy(settings)?;
    let entry = tools::find(&catalog, name)?;
    let arguments = tools::arguments::read(given, std::io::stdin())
        .map_err(|problem| CommandError::Usage(problem.to_string()))?;
    let arguments = entry.check_arguments(arguments).map_err(|problems| {
        let listed: Vec<String> =
            problems.iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect();
        CommandError::Usage(format!("invalid arguments of {}: {}", entry.tool.name, listed.join("; ")))
    })?;
    let key = settings.key_ring().map_err(|error| CommandError::Usage(error.to_string()))?;
    let key = key.keys().await.ok().and_then(|keys| Some(keys.first()?.fingerprint()));
    let facts = CallFacts { key, client, arguments: &arguments, brand_agent, now, spent_today: 0 };
    let mut out = std::io::stdout().lock();
    for line in explained(&policy, entry, &facts) {
        writeln!(out, "{}", layout::harmless(&line))?;
    }
    Ok(())
}

/// The explanation, line by line.
fn explained(policy: &Policy, entry: &Entry, facts: &CallFacts<'_>) -> Vec<String> {
    let name = &entry.tool.name;
    let columns = layout::columns().unwrap_or(layout::DEFAULT_COLUMNS);
    let wrapped = |text: String| layout::wrapped(&text, columns, "", INDENT);
    if let Err(why) = policy.selection(entry) {
        return wrapped(format!("{name}: denied by the settings: {why}"));
    }
    let Some(rules) = policy.rules() else {
        return wrapped(format!("{name}: allowed; no policy file is set (--policy FILE)"));
    };
    let Verdict { decision, shadows } = rules.decide(entry, facts);
    let (summary, rule) = match decision {
        Decision::Allowed { rule } => ("allowed".to_owned(), rule),
        Decision::Ask { reason, rule } => (format!("needs a person's consent: {reason}"), Some(rule)),
        Decision::Denied { reason, rule } => (format!("denied: {reason}"), rule),
    };
    let mut lines = wrapped(format!("{name}: {summary}"));
    lines.extend(rule.iter().flat_map(|rule| shown("The deciding rule", rule)));
    lines.extend(shadows.iter().flat_map(|rule| shown("Only logged", rule)));
    lines
}

/// A rule as written in the file, which is not wrapped.
fn shown(title: &str, rule: &Rule) -> Vec<String> {
    let mut lines = vec![String::new(), format!("{title}, line {}:", rule.line)];
    lines.extend(rule.text.lines().map(|line| format!("{INDENT}{line}")));
    lines
}
