//! `tools call`: one call, by the same way as an agent's.

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
    CallError, Success, Waiting,
    catalog::{Effect, Entry},
    failure::{Changed, Failure},
};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::{CommandError, answer, arguments, catalog_and_policy, find, layout};
use crate::{app::App, config::Settings};

/// A call that takes longer shows that it is still alive.
const QUIET_TIME: Duration = Duration::from_secs(2);

/// How long an interrupted change is waited for, so that its outcome can be told.
const INTERRUPTED_WAIT: Duration = Duration::from_secs(10);

type Outcome = Result<Success, CallError>;

pub(super) async fn call(
    settings: &Settings,
    name: &str,
    given: &[String],
    json: bool,
) -> Result<(), CommandError> {
    let (catalog, _) = catalog_and_policy(settings)?;
    let entry = find(&catalog, name)?;
    let arguments = arguments::read(given, std::io::stdin())
        .map_err(|problem| CommandError::Usage(problem.to_string()))?;
    let app = App::start(settings).await?;
    let form = Form::choose(json);
    match watched(&app, entry, arguments).await? {
        Watched::Ended(outcome) => print(outcome, settings, form),
        Watched::Interrupted(outcome) => {
            if let Some(outcome) = outcome {
                print(outcome, settings, form)?;
            }
            Err(CommandError::AlreadyReported)
        }
    }
}

/// How an answer is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// For people, this many columns wide.
    Text(usize),
    Indented,
    OneLine,
}

impl Form {
    fn choose(json: bool) -> Self {
        if json {
            Self::OneLine
        } else if std::io::stdout().is_terminal() {
            Self::Text(layout::columns().unwrap_or(layout::USUAL_COLUMNS))
        } else {
            Self::Indented
        }
    }
}

fn print(outcome: Outcome, settings: &Settings, form: Form) -> Result<(), CommandError> {
    match outcome {
        Ok(success) => print_success(success, form),
        Err(CallError::Failed(failure)) => {
            print_failure(&failure, settings.sandbox, form)?;
            Err(CommandError::AlreadyReported)
        }
        Err(unknown) => Err(CommandError::Usage(unknown.to_string())),
    }
}

fn print_success(success: Success, form: Form) -> Result<(), CommandError> {
    let mut out = std::io::stdout().lock();
    let Form::Text(columns) = form else {
        writeln!(out, "{}", written(&success.into_value(), form)?)?;
        return Ok(());
    };
    for (name, note) in &success.notes {
        match name.as_str() {
            "sandbox" => writeln!(out, "[sandbox: made-up data]")?,
            name => writeln!(out, "[{name}: {}]", layout::harmless(&plain(note)))?,
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

/// A failure: JSON for those who asked for it, and three lines on standard error for people.
fn print_failure(failure: &Failure, sandbox: bool, form: Form) -> Result<(), CommandError> {
    if form == Form::OneLine {
        writeln!(std::io::stdout(), "{}", written(&json!(failure), form)?)?;
        return Ok(());
    }
    let changed = match failure.changed {
        Changed::No => "no",
        Changed::Yes => "yes",
        Changed::Unknown => "unknown",
    };
    let of_sandbox = if sandbox { " (sandbox)" } else { "" };
    let mut err = std::io::stderr().lock();
    let parts = [
        format!("error[{}]{of_sandbox}: {}", failure.code, failure.message),
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

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn written(value: &Value, form: Form) -> Result<String, CommandError> {
    let text = match form {
        Form::OneLine => serde_json::to_string(value),
        _ => serde_json::to_string_pretty(value),
    };
    Ok(text.context("the answer")?)
}

/// How a watched call ended.
enum Watched {
    Ended(Outcome),
    /// Ctrl-C came first; the outcome stands there if it came soon after.
    Interrupted(Option<Outcome>),
}

/// Makes a call, shows a person that it is running, and stops at Ctrl-C.
async fn watched(app: &App, entry: &Entry, arguments: Map<String, Value>) -> std::io::Result<Watched> {
    let limit_wait = Arc::new(AtomicU64::new(0));
    let told = Arc::clone(&limit_wait);
    let on_wait = Arc::new(move |Waiting { waited, total }: Waiting| {
        told.store(total.saturating_sub(waited).as_secs().max(1), Ordering::Relaxed);
    });
    let mut call = Box::pin(app.gateway.call(app.caller(), &entry.tool.name, arguments, on_wait));
    let started = Instant::now();
    let mut seconds = interval_at(started + QUIET_TIME, Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut sign = Sign::new();
    let mut waits_for_limit = false;
    let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
    loop {
        tokio::select! {
            outcome = &mut call => {
                sign.clear()?;
                return Ok(Watched::Ended(outcome));
            }
            heard = &mut interrupt => {
                heard?;
                sign.clear()?;
                break;
            }
            _ = seconds.tick() => {
                let left = limit_wait.swap(0, Ordering::Relaxed);
                waits_for_limit = left > 0;
                if waits_for_limit {
                    sign.show(&format!("waiting {left} s for the request limit"))?;
                } else {
                    sign.show(&format!("waiting for the answer, {} s", started.elapsed().as_secs()))?;
                }
            }
        }
    }
    let mut err = std::io::stderr();
    if entry.tool.effect == Effect::Read {
        writeln!(err, "\nInterrupted. Nothing was changed.")?;
        return Ok(Watched::Interrupted(None));
    }
    writeln!(err, "\n{}", interrupted(entry))?;
    if waits_for_limit || limit_wait.load(Ordering::Relaxed) > 0 {
        // A change that nobody waits for is given up, unless it left in this very moment.
        drop(call);
        tokio::select! {
            () = app.gateway.finish_changes() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        return Ok(Watched::Interrupted(None));
    }
    let seconds = INTERRUPTED_WAIT.as_secs();
    writeln!(err, "Waiting up to {seconds} s for its outcome; Ctrl-C again ends that.")?;
    let outcome = tokio::select! {
        outcome = timeout(INTERRUPTED_WAIT, &mut call) => outcome.ok(),
        _ = tokio::signal::ctrl_c() => None,
    };
    Ok(Watched::Interrupted(outcome))
}

/// What is known of a change that was interrupted, and how to know more.
fn interrupted(entry: &Entry) -> String {
    let read = entry.tool.settled_by.as_deref();
    let look = read.map_or_else(String::new, |read| format!(" with `scope3-mcp tools call {read}`"));
    format!("Interrupted: the change may have been made. Look{look} before you repeat it.")
}

/// A line on the terminal that is written over.
struct Sign {
    is_watched: bool,
    length: usize,
}

impl Sign {
    fn new() -> Self {
        Self { is_watched: std::io::stderr().is_terminal(), length: 0 }
    }

    fn show(&mut self, text: &str) -> std::io::Result<()> {
        if !self.is_watched {
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
