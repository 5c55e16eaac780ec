//! `tools call`: one call, on the same path as an agent's.

use std::{
    io::{IsTerminal, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use scope3_mcp_gateway::{
    CallError, Caller, Success, WaitReason, Waiting,
    catalog::{Effect, Entry},
    consent::Person,
    failure::{Changed, Failure},
};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::{CommandError, answer, arguments, catalog_and_policy, find, layout, terminal::Terminal};
use crate::{app::App, config::Settings};

/// A call that takes longer shows its progress.
const PROGRESS_DELAY: Duration = Duration::from_secs(2);

/// How long to wait for the outcome of an interrupted change.
const INTERRUPTED_WAIT: Duration = Duration::from_secs(10);

/// The options of the command.
#[derive(Debug, Clone, Copy)]
pub(super) struct Options {
    /// Print one line of JSON.
    pub(super) json: bool,
    /// Whoever runs the command consents to the call.
    pub(super) yes: bool,
}

type Outcome = Result<Success, CallError>;

pub(super) async fn call(
    settings: &Settings,
    name: &str,
    given: &[String],
    options: Options,
) -> Result<(), CommandError> {
    let Options { json, yes } = options;
    let (catalog, _) = catalog_and_policy(settings)?;
    let entry = find(&catalog, name)?;
    let arguments = arguments::read(given, std::io::stdin())
        .map_err(|problem| CommandError::Usage(problem.to_string()))?;
    let app = App::start(settings).await?;
    let format = Format::choose(json);
    let terminal = Terminal::default();
    let person = if yes { Person::Consented } else { Person::Reachable(Arc::new(terminal.clone())) };
    let caller = Caller { person, ..app.caller() };
    match call_with_progress(&app, caller, entry, arguments, &terminal).await? {
        CallEnd::Ended(outcome) => {
            // The call is still being added to the usage statistics.
            app.gateway.finish_changes().await;
            print(outcome, settings, format)
        }
        CallEnd::Interrupted(outcome) => {
            if let Some(outcome) = outcome {
                print(outcome, settings, format)?;
            }
            Err(CommandError::AlreadyReported)
        }
    }
}

/// The format of the printed result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// A message and a table, this many columns wide.
    Text(usize),
    IndentedJson,
    JsonLine,
}

impl Format {
    fn choose(json: bool) -> Self {
        if json {
            Self::JsonLine
        } else if std::io::stdout().is_terminal() {
            Self::Text(layout::columns().unwrap_or(layout::DEFAULT_COLUMNS))
        } else {
            Self::IndentedJson
        }
    }
}

fn print(outcome: Outcome, settings: &Settings, format: Format) -> Result<(), CommandError> {
    match outcome {
        Ok(success) => print_success(success, format),
        Err(CallError::Failed(failure)) => {
            print_failure(&failure, settings.sandbox, format)?;
            Err(CommandError::AlreadyReported)
        }
        Err(unknown) => Err(CommandError::Usage(unknown.to_string())),
    }
}

fn print_success(success: Success, format: Format) -> Result<(), CommandError> {
    let mut out = std::io::stdout().lock();
    let Format::Text(columns) = format else {
        writeln!(out, "{}", to_json(&success.into_value(), format)?)?;
        return Ok(());
    };
    for (name, note) in &success.notes {
        match name.as_str() {
            "sandbox" => writeln!(out, "[sandbox: made-up data]")?,
            name => writeln!(out, "[{name}: {}]", layout::harmless(&note_text(note)))?,
        }
    }
    match &success.sentence {
        Some(sentence) => writeln!(out, "{}", layout::harmless(sentence))?,
        None => {
            for line in answer::lines(&success.data, columns) {
                writeln!(out, "{line}")?;
            }
        }
    }
    Ok(())
}

/// Prints a failure: as JSON on standard output with `--json`, otherwise as three lines on standard error.
fn print_failure(failure: &Failure, sandbox: bool, format: Format) -> Result<(), CommandError> {
    if format == Format::JsonLine {
        writeln!(std::io::stdout(), "{}", to_json(&json!(failure), format)?)?;
        return Ok(());
    }
    let changed = match failure.changed {
        Changed::No => "no",
        Changed::Yes => "yes",
        Changed::Unknown => "unknown",
    };
    let sandbox_note = if sandbox { " (sandbox)" } else { "" };
    let mut err = std::io::stderr().lock();
    let parts = [
        format!("error[{}]{sandbox_note}: {}", failure.code, failure.message),
        format!("changed: {changed}"),
        format!("hint: {}", failure.hint),
    ];
    for part in parts {
        let part = layout::harmless(&part).split_whitespace().collect::<Vec<_>>().join(" ");
        let columns = if std::io::stderr().is_terminal() { layout::columns() } else { None };
        for line in layout::wrapped(&part, columns.unwrap_or(usize::MAX), "", "  ") {
            writeln!(err, "{line}")?;
        }
    }
    Ok(())
}

fn note_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn to_json(value: &Value, format: Format) -> Result<String, CommandError> {
    let text = match format {
        Format::JsonLine => serde_json::to_string(value),
        _ => serde_json::to_string_pretty(value),
    };
    Ok(text.context("the result")?)
}

/// How a call ended.
enum CallEnd {
    Ended(Outcome),
    /// The user pressed Ctrl-C. The outcome is present if it arrived soon after.
    Interrupted(Option<Outcome>),
}

/// Makes a call, shows its progress on a terminal, and stops on Ctrl-C.
async fn call_with_progress(
    app: &App,
    caller: Caller,
    entry: &Entry,
    arguments: Map<String, Value>,
    terminal: &Terminal,
) -> std::io::Result<CallEnd> {
    let limit_wait = Arc::new(AtomicU64::new(0));
    let announced = Arc::clone(&limit_wait);
    let on_wait = Arc::new(move |Waiting { reason, waited, total }: Waiting| {
        if reason == WaitReason::Limit {
            announced.store(total.saturating_sub(waited).as_secs().max(1), Ordering::Relaxed);
        }
    });
    let mut call = Box::pin(app.gateway.call(caller, &entry.tool.name, arguments, on_wait));
    let started = Instant::now();
    let mut seconds = interval_at(started + PROGRESS_DELAY, Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut progress = ProgressLine::new();
    let mut waits_for_limit = false;
    let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
    loop {
        tokio::select! {
            outcome = &mut call => {
                progress.clear()?;
                return Ok(CallEnd::Ended(outcome));
            }
            signal = &mut interrupt => {
                signal?;
                progress.clear()?;
                if terminal.is_asking() {
                    drop(call);
                    writeln!(std::io::stderr(), "\nInterrupted. Nothing was changed.")?;
                    return Ok(CallEnd::Interrupted(None));
                }
                break;
            }
            _ = seconds.tick() => {
                if terminal.is_asking() {
                    continue;
                }
                let left = limit_wait.swap(0, Ordering::Relaxed);
                waits_for_limit = left > 0;
                if waits_for_limit {
                    progress.show(&format!("waiting {left} s for the request limit"))?;
                } else {
                    progress.show(&format!("waiting for the response, {} s", started.elapsed().as_secs()))?;
                }
            }
        }
    }
    let mut err = std::io::stderr();
    if entry.tool.effect == Effect::Read {
        writeln!(err, "\nInterrupted. Nothing was changed.")?;
        return Ok(CallEnd::Interrupted(None));
    }
    writeln!(err, "\n{}", interrupted(entry))?;
    if waits_for_limit || limit_wait.load(Ordering::Relaxed) > 0 {
        // Dropping the call abandons the change, unless it has just been sent.
        drop(call);
        tokio::select! {
            () = app.gateway.finish_changes() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        return Ok(CallEnd::Interrupted(None));
    }
    let seconds = INTERRUPTED_WAIT.as_secs();
    writeln!(err, "Waiting up to {seconds} s for its outcome; Ctrl-C again ends that.")?;
    let outcome = tokio::select! {
        outcome = timeout(INTERRUPTED_WAIT, &mut call) => outcome.ok(),
        _ = tokio::signal::ctrl_c() => None,
    };
    Ok(CallEnd::Interrupted(outcome))
}

/// The message for an interrupted change, with the tool that shows whether it was made.
fn interrupted(entry: &Entry) -> String {
    let read = entry.tool.settled_by.as_deref();
    let check = read.map_or_else(String::new, |read| format!(" with `scope3-mcp tools call {read}`"));
    format!("Interrupted: the change may have been made. Check{check} before you repeat it.")
}

/// A progress line on the terminal that is overwritten in place.
struct ProgressLine {
    is_terminal: bool,
    length: usize,
}

impl ProgressLine {
    fn new() -> Self {
        Self { is_terminal: std::io::stderr().is_terminal(), length: 0 }
    }

    fn show(&mut self, text: &str) -> std::io::Result<()> {
        if !self.is_terminal {
            return Ok(());
        }
        let mut err = std::io::stderr().lock();
        write!(err, "\r{text:<length$}", length = self.length)?;
        self.length = self.length.max(text.len());
        err.flush()
    }

    fn clear(&mut self) -> std::io::Result<()> {
        if self.length > 0 {
            let mut err = std::io::stderr().lock();
            write!(err, "\r{:length$}\r", "", length = self.length)?;
            self.length = 0;
            err.flush()?;
        }
        Ok(())
    }
}
