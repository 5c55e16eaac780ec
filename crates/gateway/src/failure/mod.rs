//! What an agent reads when a call fails: what happened, whether anything changed, and what to do next. All of this wording
//! is here, so that the same problem always reads the same.

mod hint;
mod journal;
mod rules;
mod sanitize;
mod size;
mod upload;

use std::{error::Error as StdError, time::Duration};

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};
use scope3_mcp_catalog::{Effect, Entry, PlacementError, Problem, Problems, Tool, shortened};
use scope3_mcp_client::{
    Error, Refusal,
    credentials::{KeyError, KeychainError, NotAdmitted},
    root_cause,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use self::hint::{CUSTOMER_SCOPE_REQUIRED, UNAVAILABLE, customers, hint};
use crate::{
    KeyOwner, SendError,
    journal::Confirmation,
    limits::{LimitExceeded, whole_seconds},
    policy::Denied,
};

/// The body of a failed call's result.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// The error code: Scope3's, or one of this server's.
    pub code: String,
    /// What happened.
    pub message: String,
    /// Whether anything changed at Scope3.
    pub changed: Changed,
    /// Whether the same call can succeed later without any other action.
    pub retryable: bool,
    /// How many seconds to wait before calling again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u64>,
    /// When to call again, as an RFC 3339 time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset_time: Option<String>,
    /// The HTTP status, if Scope3 responded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// What to do next.
    pub hint: String,
    /// Further details.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
    /// With what the caller can confirm that the change is sent nevertheless.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmation: Option<Confirmation>,
    /// Whether the code is Scope3's.
    #[serde(skip)]
    pub(crate) is_scope3s: bool,
    /// The cause, for the operator's log.
    #[serde(skip)]
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// Whether a failed call changed anything at Scope3.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Changed {
    /// Nothing changed.
    #[default]
    No,
    /// Something was changed.
    Yes,
    /// This server cannot know.
    Unknown,
}

impl Failure {
    fn new(code: &str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), hint: hint.into(), ..Self::default() }
    }

    /// The cause.
    #[must_use]
    pub fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }

    /// Whether the operator of this server can do more about this failure than the agent can.
    #[must_use]
    pub fn concerns_operator(&self) -> bool {
        self.source.is_some()
            || self.status.is_some_and(|status| status >= 500)
            || self.code == INTERNAL_ERROR
    }

    /// An internal error of this server.
    #[must_use]
    pub fn internal(may_have_changed: bool) -> Self {
        let changed = if may_have_changed { Changed::Unknown } else { Changed::No };
        let hint = if may_have_changed {
            "The change may have been made: check before you repeat the call. Tell the operator of this server."
        } else {
            "Tell the operator of this server. The server's log has the details."
        };
        Self {
            changed,
            ..Self::new(
                INTERNAL_ERROR,
                "This server has an internal error and could not finish the call.",
                hint,
            )
        }
    }

    /// A change that Scope3 made only partly.
    #[must_use]
    pub fn partial(entry: &Entry, what: &str, data: Map<String, Value>) -> Self {
        let message = format!("{} was only partly done. Scope3 reports: {what}", entry.tool.name);
        let hint = "The details contain Scope3's response. Repeat only the missing part.";
        Self {
            changed: Changed::Yes,
            details: Some(data.into()),
            ..Self::new("PARTIAL_FAILURE", message, hint)
        }
    }

    /// Invalid arguments. Nothing was sent.
    #[must_use]
    pub fn arguments(entry: &Entry, problems: &Problems) -> Self {
        let mut listed: Vec<String> = problems.iter().map(describe_problem).collect();
        let mut details = json!({ "problems": **problems });
        if problems.more > 0 {
            listed.push(format!("and {} more", problems.more));
            details["moreProblems"] = problems.more.into();
        }
        let message = format!(
            "Nothing was sent. The arguments of {} are invalid: {}.",
            entry.tool.name,
            listed.join("; ")
        );
        let hint = "Correct all of them and call again. describe_tool shows the full input schema.";
        Self { details: Some(details), ..Self::new("VALIDATION_ERROR", message, hint) }
    }

    /// A result that is not kept, or not for this caller.
    #[must_use]
    pub fn no_result(id: &str) -> Self {
        let message = format!(
            "There is no result `{}`: it is older than 10 minutes, or of another key or server.",
            shortened(id)
        );
        Self::new("NOT_FOUND", message, "Repeat the call whose result it was.")
    }

    /// An argument that cannot be placed in the request. Nothing was sent.
    #[must_use]
    pub fn placement(problem: &PlacementError) -> Self {
        let hint = "Pass the id exactly as Scope3 gave it.";
        let details =
            json!({ "problems": [{ "path": problem.argument, "message": problem.reason.to_string() }] });
        Self {
            details: Some(details),
            ..Self::new("VALIDATION_ERROR", format!("Nothing was sent. {problem}."), hint)
        }
    }

    /// A tool that is not offered. Nothing was sent.
    #[must_use]
    pub fn denied(entry: &Entry, why: &Denied) -> Self {
        if let Denied::Forbidden(rule) = why {
            return Self::forbidden(entry, &why.to_string(), rule.as_deref());
        }
        let (name, toolset) = (&entry.tool.name, &entry.toolset);
        let message = format!("{name} was not run and nothing was changed: {why}.");
        let how = match why {
            Denied::ReadOnly => "without --read-only".to_owned(),
            Denied::Excluded => format!("without {name} in --exclude-tools"),
            Denied::NotDiscovering => "with --discover".to_owned(),
            Denied::OtherSurface => format!("with --api {}", entry.surface),
            Denied::NotChosen => {
                format!("with `--toolsets default,{toolset}`, or with `--toolsets default --tools {name}`")
            }
            Denied::Narrowed | Denied::Forbidden(_) => {
                let hint = "Use a listed tool. The client's own configuration leaves this one out.";
                return Self::new("TOOL_NOT_OFFERED", message, hint);
            }
        };
        let hint = format!("Use a listed tool. To offer this one, the operator has to run the server {how}.");
        Self::new("TOOL_NOT_OFFERED", message, hint)
    }

    /// The rate limit is used up. Nothing was sent.
    #[must_use]
    pub fn limit(exceeded: &LimitExceeded) -> Self {
        let message = format!("Nothing was sent: {exceeded}.");
        Self {
            details: Some(json!({ "class": exceeded.class, "limit": exceeded.limit.to_string() })),
            ..Self::new("RATE_LIMIT_EXCEEDED", message, "Wait until resetTime. get_usage shows all limits.")
                .retryable_after(exceeded.wait)
        }
    }

    /// No key is available. Nothing was sent.
    #[must_use]
    pub fn key(error: KeyError) -> Self {
        let how = "Set SCOPE3_API_KEY, SCOPE3_API_KEY_FILE or SCOPE3_API_KEY_COMMAND in the environment of this server, and \
                   restart it. To try it without a key, set SCOPE3_SANDBOX=1.";
        let code = match error {
            KeyError::Missing | KeyError::Keychain(KeychainError::Empty) => "AUTH_MISSING",
            KeyError::Invalid { .. } | KeyError::Keychain(KeychainError::Invalid(_)) => "AUTH_INVALID_FORMAT",
            KeyError::File { .. } | KeyError::Command { .. } | KeyError::Keychain(_) => "AUTH_UNAVAILABLE",
        };
        Self::new(code, format!("Nothing was sent: {}.", error.in_full()), how).caused_by(error)
    }

    /// A caller's key that may not be used now. Nothing was sent.
    fn not_admitted(error: NotAdmitted) -> Self {
        let (code, hint) = match error {
            NotAdmitted::Rejected { .. } => {
                ("AUTH_INVALID_KEY", "Send another key. If this key is valid now, call again at resetTime.")
            }
            NotAdmitted::TooManyUnproven { .. } => ("RATE_LIMIT_EXCEEDED", "Call again at resetTime."),
        };
        Self::new(code, format!("Nothing was sent: {error}."), hint).retryable_after(error.retry_after())
    }

    /// A request that failed or was not sent.
    #[must_use]
    pub fn send(error: SendError, tool: &Tool, key_owner: KeyOwner) -> Self {
        match error {
            SendError::Key(error) => Self::key(error),
            SendError::NotAdmitted(error) => Self::not_admitted(error),
            SendError::Limit(exceeded) => Self::limit(&exceeded),
            SendError::State(error) => Self::state(error),
            SendError::Abandoned => {
                Self::new("CANCELLED", "Nothing was sent: the call was cancelled.", "Call again.")
            }
            SendError::Api(error) => Self::api(error, tool, key_owner),
        }
    }

    fn api(error: Error, tool: &Tool, key_owner: KeyOwner) -> Self {
        let mut failure = Self::describe_api_error(&error, key_owner);
        failure.changed = changed(&error, tool);
        failure.status = error.status();
        if failure.changed == Changed::Unknown {
            failure.retryable = false;
            failure.hint = match &tool.settled_by {
                Some(read) => format!(
                    "The change may have been made. Do not repeat the call: check with {read} first, and repeat it only \
                     if the change is clearly missing."
                ),
                None => "The change may have been made. Do not repeat the call: no tool shows whether it was made. Ask \
                         the user first."
                    .to_owned(),
            };
        }
        match error {
            Error::Refused(_) | Error::RateLimited { .. } => failure,
            error => failure.caused_by(error),
        }
    }

    fn describe_api_error(error: &Error, key_owner: KeyOwner) -> Self {
        match error {
            Error::Refused(refusal) => Self::refused(refusal),
            Error::Unauthorized { message } => Self::new(
                "AUTH_INVALID_KEY",
                format!("Scope3 rejected the API key: {message}."),
                match key_owner {
                    KeyOwner::Server => {
                        "The key is wrong, expired or revoked. Create a new key in Scope3 and set it in the environment \
                         of this server."
                    }
                    KeyOwner::Caller => {
                        "The key is wrong, expired or revoked. Create a new key in Scope3 and send it."
                    }
                },
            ),
            Error::RateLimited { wait, .. } => Self::new(
                "RATE_LIMIT_EXCEEDED",
                "Scope3 rejected the request: too many requests with this key.",
                "Wait until resetTime. Other programs may use the same key.",
            )
            .retryable_after(*wait),
            Error::NotConnected(cause) => {
                let message = format!("Nothing was sent: {error}: {}.", root_cause(cause));
                Self { retryable: true, ..Self::new("CONNECTION_FAILED", message, "Retry in a minute.") }
            }
            Error::TimedOut(_) => {
                let hint = "Retry, with a smaller range if the tool accepts one.";
                Self { retryable: true, ..Self::new("TIMEOUT", format!("There was {error}."), hint) }
            }
            Error::BrokenOff(cause) => {
                let message = format!("The connection to Scope3 was lost: {}.", root_cause(cause));
                Self { retryable: true, ..Self::new("CONNECTION_LOST", message, "Try again.") }
            }
            Error::Unreadable { status, .. } => Self {
                retryable: *status >= 500,
                ..Self::new(
                    "INVALID_RESPONSE",
                    format!("{error}."),
                    "The arguments are not the cause. If it happens again, tell the operator of this server.",
                )
            },
            Error::Setup(cause) => {
                let message = format!("Nothing was sent: {error}: {}.", root_cause(cause));
                Self::new("SETUP_FAILED", message, "Tell the operator of this server.")
            }
        }
    }

    fn refused(refusal: &Refusal) -> Self {
        let Refusal { status, code, message, details, retry_after } = refusal;
        let message = match details.as_ref().filter(|_| code == CUSTOMER_SCOPE_REQUIRED).and_then(customers) {
            Some(customers) => format!("{message} The key sees these customers: {customers}."),
            None => message.clone(),
        };
        let retryable = code == UNAVAILABLE || matches!(status, 500 | 502 | 503 | 504);
        let failure = Self {
            is_scope3s: true,
            retryable,
            details: details.clone(),
            ..Self::new(code, message, hint(code, *status))
        };
        match retry_after {
            Some(wait) if retryable => failure.retryable_after(*wait),
            _ => failure,
        }
    }

    fn retryable_after(self, wait: Duration) -> Self {
        Self {
            retryable: true,
            retry_after_seconds: Some(whole_seconds(wait)),
            reset_time: Some(reset_time(Timestamp::now(), wait)),
            ..self
        }
    }

    fn caused_by(self, cause: impl StdError + Send + Sync + 'static) -> Self {
        Self { source: Some(Box::new(cause)), ..self }
    }
}

/// The code of an internal error of this server.
const INTERNAL_ERROR: &str = "INTERNAL_ERROR";

/// Whether a failed request changed anything.
fn changed(error: &Error, tool: &Tool) -> Changed {
    if tool.effect == Effect::Read {
        return Changed::No;
    }
    match error {
        Error::Unauthorized { .. } | Error::RateLimited { .. } | Error::NotConnected(_) | Error::Setup(_) => {
            Changed::No
        }
        Error::TimedOut(_) | Error::BrokenOff(_) | Error::Unreadable { .. } => Changed::Unknown,
        Error::Refused(refusal) => match refusal.status {
            // v1 responds with 200 and this code when a service behind it did not respond.
            _ if refusal.code == UNAVAILABLE => Changed::Unknown,
            403 | 501 => Changed::No,
            200..=299 | 400..=499 if tool.atomic => Changed::No,
            _ => Changed::Unknown,
        },
    }
}

fn describe_problem(problem: &Problem) -> String {
    let subject = if problem.path.is_empty() {
        "the arguments object".to_owned()
    } else {
        format!("`{}`", problem.path)
    };
    let mut allowed: Vec<String> = problem.allowed.iter().map(unquoted).collect();
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

fn unquoted(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The time after `wait`, as RFC 3339 in whole seconds, rounded up so that a call at that time is not early.
#[must_use]
pub fn reset_time(now: Timestamp, wait: Duration) -> String {
    let whole = TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Ceil);
    now.checked_add(wait).and_then(|at| at.round(whole)).map_or_else(|_| String::new(), |at| at.to_string())
}
