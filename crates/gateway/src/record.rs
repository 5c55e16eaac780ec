//! The record of a call for logs and metrics: one log line per call, however it ends.

use std::{borrow::Cow, error::Error, time::Instant};

use jiff::Timestamp;
use scope3_mcp_catalog::{Entry, SpecialLimit};
use scope3_mcp_client::{credentials::Fingerprint, default_code, instruments};

use super::{
    CallError, Caller, Success,
    audit::{Event, Origin},
    changes::OpenRead,
    journal::EntryId,
    state::CallCount,
};

/// A call in progress. Dropping the record before `end` counts the call as cancelled.
#[derive(Debug)]
pub(super) struct CallRecord {
    tool: Cow<'static, str>,
    class: &'static str,
    started: Instant,
    client: String,
    trace_id: String,
    /// Where the call came from, for events.
    pub(super) origin: Origin,
    /// The last key that the call tried.
    pub(super) key: Option<Fingerprint>,
    /// The key with which the call took its permit of a call. What the call reads on the way takes no other.
    pub(super) counted_key: Option<Fingerprint>,
    attempts: u32,
    /// The journal entry of a change.
    pub(super) entry: Option<EntryId>,
    /// The journal entry of a read that has not ended.
    pub(super) open_read: Option<OpenRead>,
    ended: bool,
}

impl CallRecord {
    pub(super) fn begin(entry: Option<&Entry>, caller: &Caller) -> Self {
        Self {
            tool: entry.map_or("unknown".into(), |entry| entry.tool.name.clone()),
            class: entry.map_or("none", class),
            started: Instant::now(),
            client: caller.client.clone().unwrap_or_else(|| "-".to_owned()),
            trace_id: trace_id(caller).unwrap_or("-").to_owned(),
            origin: Origin::of(caller),
            key: None,
            counted_key: None,
            attempts: 0,
            entry: None,
            open_read: None,
            ended: false,
        }
    }

    /// Counts a request that is about to be sent.
    pub(super) fn count_attempt(&mut self) {
        self.attempts += 1;
    }

    /// The name of the tool.
    pub(super) fn tool(&self) -> &str {
        &self.tool
    }

    /// Whether any request has been sent.
    pub(super) fn has_sent(&self) -> bool {
        self.attempts > 0
    }

    /// Writes a security event of this call.
    pub(super) fn audit(&self, event: Event, code: Option<&str>) {
        self.origin.write(event, self, code);
    }

    /// Ends the call. `delivered` says whether the caller still waits for the result. Returns the number of calls to add.
    pub(super) fn end(mut self, outcome: &Result<Success, CallError>, delivered: bool) -> CallCount {
        self.ended = true;
        if let Err(error) = outcome {
            self.origin.write_failure(error, &self);
        }
        let tool = self.tool.to_string();
        let line = match outcome {
            Ok(_) => Line { outcome: "ok".into(), delivered, ..Line::default() },
            Err(CallError::UnknownTool { .. }) => {
                Line { outcome: "UNKNOWN_TOOL".into(), delivered, ..Line::default() }
            }
            Err(CallError::ConsentNeeded { .. }) => {
                Line { outcome: "CONSENT_NEEDED".into(), delivered, ..Line::default() }
            }
            Err(CallError::Failed(failure)) => {
                // Scope3's own codes are many, so the usual code of the status stands in for them.
                let outcome = match failure.status {
                    Some(status) if failure.is_scope3s => default_code(status).into(),
                    _ => failure.code.clone().into(),
                };
                let cause = failure.source().map_or_else(String::new, chain);
                let (status, warn) = (failure.status, failure.concerns_operator());
                Line { outcome, status, cause, warn, delivered }
            }
        };
        let outcome = line.outcome.to_string();
        self.log(line);
        CallCount { hour: this_hour(), tool, outcome, calls: 1 }
    }

    fn log(&mut self, line: Line) {
        let Line { outcome, status, cause, warn, delivered } = line;
        let Self { tool, class, started, client, trace_id, key, attempts, entry, .. } = self;
        let took = started.elapsed();
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let key = key.map_or_else(|| "-".to_owned(), |key| key.to_string());
        let status = status.unwrap_or_default();
        let attempts = *attempts;
        let entry = entry.map(|entry| entry.0);
        if warn {
            tracing::warn!(
                tool = &**tool, %outcome, ms, key, client, attempts, status, trace_id, entry, cause, delivered, "call"
            );
        } else {
            tracing::info!(
                tool = &**tool, %outcome, ms, key, client, attempts, status, trace_id, entry, cause, delivered, "call"
            );
        }
        instruments::call_ended(std::mem::take(tool), class, outcome, took);
    }
}

impl Drop for CallRecord {
    fn drop(&mut self) {
        if !self.ended {
            self.log(Line { outcome: "CANCELLED".into(), ..Line::default() });
        }
    }
}

#[derive(Default)]
struct Line {
    outcome: Cow<'static, str>,
    status: Option<u16>,
    cause: String,
    warn: bool,
    delivered: bool,
}

/// The metric label for the rate limit class of a tool.
fn class(entry: &Entry) -> &'static str {
    match (&entry.tool.request, entry.tool.limit) {
        (None, _) => "local",
        (_, Some(SpecialLimit::Export)) => "export",
        (_, None) => "mcp",
    }
}

/// The start of the current hour, in UTC.
fn this_hour() -> Timestamp {
    const HOUR_SECONDS: i64 = 3600;
    let now = Timestamp::now();
    let start = now.as_second().div_euclid(HOUR_SECONDS) * HOUR_SECONDS;
    Timestamp::from_second(start).unwrap_or(now)
}

/// The trace id in the caller's `traceparent`.
fn trace_id(caller: &Caller) -> Option<&str> {
    caller.traceparent.as_ref()?.to_str().ok()?.split('-').nth(1)
}

/// An error and all its causes, outermost first.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        // Some errors already include their cause in their own text.
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = error.source();
    }
    text
}
