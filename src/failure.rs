//! What an agent is told when a call fails: what happened, whether anything changed, and what to do.
//!
//! All wording for agents stands here, so that the same trouble is always told in the same words.

use std::time::Duration;

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    catalog::{Effect, Entry, Problem, Problems, Tool},
    credentials::KeyError,
    limits::{Full, whole_seconds},
    policy::Withheld,
    scope3::{Error, PathProblem, Refusal, SendError},
};

/// The body of a failed call's result.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// What kind of trouble it is, in capitals: Scope3's code, or one of this server's.
    pub code: String,
    /// What happened.
    pub message: String,
    /// Whether anything changed at Scope3.
    pub changed: Changed,
    /// Whether the same call can succeed later without anybody doing anything.
    pub retryable: bool,
    /// How many seconds to wait before calling again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u64>,
    /// The same as a time, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reset_time: Option<String>,
    /// The HTTP status, where Scope3 answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// What to do.
    pub hint: String,
    /// What else is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
}

/// Whether a failed call changed anything at Scope3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Changed {
    /// Nothing was changed.
    No,
    /// Something was.
    Yes,
    /// It cannot be told from here.
    Unknown,
}

impl Failure {
    fn new(code: &str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
            changed: Changed::No,
            retryable: false,
            retry_after_seconds: None,
            reset_time: None,
            status: None,
            hint: hint.into(),
            details: None,
        }
    }

    /// Arguments that do not fit. Nothing was sent.
    #[must_use]
    pub fn arguments(entry: &Entry, problems: &Problems) -> Self {
        let mut listed: Vec<String> = problems.iter().map(sentence).collect();
        let mut details = json!({ "problems": **problems });
        if problems.more > 0 {
            listed.push(format!("and {} more", problems.more));
            details["moreProblems"] = problems.more.into();
        }
        let message = format!(
            "Nothing was sent. The arguments of {} do not fit: {}.",
            entry.tool.name,
            listed.join("; ")
        );
        let hint = "Correct all of them and call again. describe_tool shows the whole input schema.";
        Self { details: Some(details), ..Self::new("VALIDATION_ERROR", message, hint) }
    }

    /// A path argument that would leave its place. Nothing was sent.
    #[must_use]
    pub fn path(problem: &PathProblem) -> Self {
        let hint = "Pass the id exactly as Scope3 gave it.";
        let details =
            json!({ "problems": [{ "path": problem.argument, "message": "cannot be part of a path" }] });
        Self {
            details: Some(details),
            ..Self::new("VALIDATION_ERROR", format!("Nothing was sent. {problem}."), hint)
        }
    }

    /// A tool that this server has but does not run.
    #[must_use]
    pub fn withheld(entry: &Entry, why: Withheld) -> Self {
        let message = format!("{} was not run and nothing was changed: {why}.", entry.tool.name);
        Self::new(
            "TOOL_NOT_OFFERED",
            message,
            "Use the tools that are listed, or ask the operator to offer this one.",
        )
    }

    /// No seat is free.
    #[must_use]
    pub fn full(full: &Full) -> Self {
        let message = format!("Nothing was sent: {full}.");
        Self {
            details: Some(json!({ "class": full.class, "limit": full.limit.to_string() })),
            ..Self::new("RATE_LIMIT_EXCEEDED", message, "Wait until resetTime. get_usage shows every limit.")
                .later(full.wait)
        }
    }

    /// No key can be had.
    #[must_use]
    pub fn key(error: &KeyError) -> Self {
        let how = "Set SCOPE3_API_KEY (or SCOPE3_API_KEY_FILE, or SCOPE3_API_KEY_COMMAND) where this server is started, \
                   and restart it; SCOPE3_SANDBOX=1 tries it without a key.";
        let code = match error {
            KeyError::Missing => "AUTH_MISSING",
            KeyError::Invalid { .. } => "AUTH_INVALID_FORMAT",
            KeyError::File { .. } | KeyError::Command { .. } => "AUTH_UNAVAILABLE",
        };
        Self::new(code, format!("Nothing was sent: {error}."), how)
    }

    /// A request that left and brought nothing. `look` names a read that settles whether it changed something.
    #[must_use]
    pub fn api(error: &Error, tool: &Tool, look: Option<&str>) -> Self {
        let changed = changed(error, tool);
        let mut failure = match error {
            Error::Refused(refusal) => Self::refused(refusal),
            Error::Unauthorized { message } => Self {
                status: Some(401),
                ..Self::new(
                    "AUTH_INVALID_KEY",
                    format!("Scope3 refused the API key: {message}."),
                    "The key is wrong, expired or revoked. Create a new one in Scope3 and set it where this server is \
                     started.",
                )
            },
            Error::RateLimited { wait } => Self {
                status: Some(429),
                ..Self::new(
                    "RATE_LIMIT_EXCEEDED",
                    "Scope3 refused the request: too many requests with this key.",
                    "Wait until resetTime; other programs may use the same key.",
                )
                .later(*wait)
            },
            Error::NotConnected(_) => Self {
                retryable: true,
                ..Self::new(
                    "CONNECTION_FAILED",
                    format!("Nothing was sent: {error}."),
                    "Try again in a minute.",
                )
            },
            Error::TimedOut => Self {
                retryable: true,
                ..Self::new(
                    "TIMEOUT",
                    format!("There was {error}."),
                    "Try again, with a smaller range where one can be given.",
                )
            },
            Error::BrokenOff(_) => Self {
                retryable: true,
                ..Self::new("CONNECTION_LOST", format!("{}.", capitalized(error)), "Try again.")
            },
            Error::Unreadable { status, .. } => Self {
                status: Some(*status),
                retryable: *status >= 500,
                ..Self::new(
                    "INVALID_RESPONSE",
                    format!("{error}."),
                    "This is not about the arguments. If it happens again, tell the operator of this server.",
                )
            },
            Error::Setup(_) => {
                Self::new("SETUP_FAILED", format!("Nothing was sent: {error}."), "Tell the operator.")
            }
        };
        failure.changed = changed;
        if changed == Changed::Unknown {
            failure.retryable = false;
            let look = look.map_or_else(String::new, |tool| format!(" with {tool}"));
            failure.hint = format!(
                "The change may have been made. Do not repeat the call: look first{look}, and repeat it only if it is \
                 clearly missing."
            );
        }
        failure
    }

    fn refused(refusal: &Refusal) -> Self {
        let Refusal { status, code, message, details, retry_after } = refusal;
        let retryable = code == UNAVAILABLE || matches!(status, 500 | 502 | 503 | 504);
        let failure = Self {
            status: Some(*status),
            retryable,
            details: details.clone(),
            ..Self::new(code, message.clone(), hint(code, *status))
        };
        match retry_after {
            Some(wait) if retryable => failure.later(*wait),
            _ => failure,
        }
    }

    fn later(self, wait: Duration) -> Self {
        Self {
            retryable: true,
            retry_after_seconds: Some(whole_seconds(wait)),
            reset_time: Some(reset_time(Timestamp::now(), wait)),
            ..self
        }
    }

    /// The failure of a request to Scope3.
    #[must_use]
    pub fn send(error: &SendError, tool: &Tool, look: Option<&str>) -> Self {
        match error {
            SendError::Key(error) => Self::key(error),
            SendError::Full(full) => Self::full(full),
            SendError::Api { error, .. } => Self::api(error, tool, look),
        }
    }
}

/// Scope3's code for a service behind it that did not answer.
const UNAVAILABLE: &str = "SERVICE_UNAVAILABLE";

/// Whether a request that failed may have changed something.
fn changed(error: &Error, tool: &Tool) -> Changed {
    if tool.effect == Effect::Read {
        return Changed::No;
    }
    match error {
        Error::Unauthorized { .. } | Error::RateLimited { .. } | Error::NotConnected(_) | Error::Setup(_) => {
            Changed::No
        }
        Error::TimedOut | Error::BrokenOff(_) | Error::Unreadable { .. } => Changed::Unknown,
        Error::Refused(refusal) => match refusal.status {
            // v1 answers 200 so when what stands behind it did not answer.
            _ if refusal.code == UNAVAILABLE => Changed::Unknown,
            403 | 501 => Changed::No,
            200..=299 | 400..=499 if tool.atomic => Changed::No,
            _ => Changed::Unknown,
        },
    }
}

/// What to do about a refusal by Scope3.
fn hint(code: &str, status: u16) -> &'static str {
    match (code, status) {
        ("CAMPAIGN_ACTIVE", _) => "Ask the person first; force: true deletes an active campaign for good.",
        ("CREATIVE_ASSIGNED", _) => {
            "Unassign it with creative_unassign first, or ask the person about force: true."
        }
        ("CREDIT_LIMIT_EXCEEDED", _) | (_, 402) => {
            "The account's credit does not cover it. A person has to settle that with Scope3."
        }
        ("TOS_ACCEPTANCE_REQUIRED", _) => {
            "A person has to accept the terms of service in Scope3's web interface."
        }
        ("ALPHA_OPT_IN_REQUIRED", _) => "A person has to opt in to this feature with Scope3.",
        ("CURRENCY_MISMATCH", _) => "Use the currency of the object that is changed.",
        (UNAVAILABLE, _) | (_, 500 | 502 | 503 | 504) => "Scope3 has trouble. Try again in a minute.",
        (_, 400 | 422) => "Read the message, correct the arguments and call again.",
        (_, 403) => "The key's account may not do this. A person has to grant it in Scope3.",
        (_, 404) => "Check the id with the matching list tool; other accounts' objects are not visible.",
        (_, 409) => "Look at the present state with the matching get or list tool, then decide anew.",
        (_, 501) => "Scope3 does not offer this yet.",
        (_, 200..300) => "Read the message; the call was understood and declined.",
        _ => "Read the message; if it does not help, tell the operator of this server.",
    }
}

fn sentence(problem: &Problem) -> String {
    let subject =
        if problem.path.is_empty() { "the whole".to_owned() } else { format!("`{}`", problem.path) };
    let mut allowed: Vec<String> = problem.allowed.iter().map(plain).collect();
    if problem.more_allowed > 0 {
        allowed.push(format!("{} more", problem.more_allowed));
    }
    let help = match &problem.did_you_mean {
        Some(meant) => format!(" (did you mean `{meant}`?)"),
        None if allowed.is_empty() => String::new(),
        None => format!(" (allowed: {})", allowed.join(", ")),
    };
    format!("{subject} {}{help}", problem.message)
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn capitalized(error: &Error) -> String {
    let text = error.to_string();
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// The instant that lies `wait` ahead, as RFC 3339 in whole seconds; rounded up, so that who comes then is not early.
#[must_use]
pub fn reset_time(now: Timestamp, wait: Duration) -> String {
    let whole = TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Ceil);
    now.checked_add(wait).and_then(|at| at.round(whole)).map_or_else(|_| String::new(), |at| at.to_string())
}
