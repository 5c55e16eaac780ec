//! Everything that can go wrong between a request and its data.

use std::time::Duration;

use serde_json::Value;

/// A request that brought no data.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Scope3 answered, and refused.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// Scope3 did not accept the key.
    #[error("Scope3 rejected the API key")]
    Unauthorized {
        /// What Scope3 said.
        message: String,
    },
    /// Scope3 counts too many requests.
    #[error("Scope3 rejected the request: too many requests")]
    RateLimited {
        /// The HTTP status: 429, or 200 where v1 declines so.
        status: u16,
        /// How long to wait: at least a second, and no longer than the longest limit.
        wait: Duration,
    },
    /// No connection came about, so nothing was sent.
    #[error("no connection to Scope3")]
    NotConnected(#[source] reqwest::Error),
    /// No answer came in time.
    #[error("no response from Scope3 in time")]
    TimedOut(#[source] reqwest::Error),
    /// The connection broke off.
    #[error("the connection to Scope3 was lost")]
    BrokenOff(#[source] reqwest::Error),
    /// An answer came that makes no sense.
    #[error("cannot read Scope3's response (status {status}): {why}")]
    Unreadable {
        /// The HTTP status that came with it.
        status: u16,
        /// What was wrong with it.
        why: String,
    },
    /// The client cannot be built.
    #[error("cannot set up the HTTP client")]
    Setup(#[source] reqwest::Error),
}

/// A refusal in Scope3's words.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The HTTP status. 200 where a v1 answer says `success: false`.
    pub status: u16,
    /// Scope3's code, or the usual one of the status.
    pub code: String,
    /// Scope3's message.
    pub message: String,
    /// What else Scope3 said.
    pub details: Option<Value>,
    /// When Scope3 wants to be asked again.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// Whether a limit of Scope3's was reached. The code counts with every status: v1 declines with 200.
    pub(super) fn is_rate_limit(&self) -> bool {
        self.status == 429 || matches!(self.code.as_str(), "RATE_LIMIT_EXCEEDED" | "RATE_LIMITED")
    }
}

/// Refusals print as their message.
impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error {
    /// Whether a read may bring its data when it is simply sent again.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::NotConnected(_) | Self::TimedOut(_) | Self::BrokenOff(_) => true,
            Self::Refused(refusal) => matches!(refusal.status, 500 | 502 | 503 | 504),
            Self::Unreadable { status, .. } => *status >= 500,
            Self::Unauthorized { .. } | Self::RateLimited { .. } | Self::Setup(_) => false,
        }
    }

    /// The HTTP status, where Scope3 answered.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused(refusal) => Some(refusal.status),
            Self::Unauthorized { .. } => Some(401),
            Self::RateLimited { status, .. } | Self::Unreadable { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// The word for what went wrong on the way, as it is measured.
    pub(super) fn measured(&self) -> &'static str {
        match self {
            Self::NotConnected(_) => "not_connected",
            Self::TimedOut(_) => "timed_out",
            Self::BrokenOff(_) => "broken_off",
            _ => "other",
        }
    }

    /// The error of a request that failed on the way.
    pub(super) fn from_transport(error: reqwest::Error) -> Self {
        // The whole URL stands in the error's text otherwise, and its causes tell what happened.
        let error = error.without_url();
        if error.is_builder() {
            Self::Setup(error)
        } else if error.is_connect() {
            Self::NotConnected(error)
        } else if error.is_timeout() {
            Self::TimedOut(error)
        } else {
            Self::BrokenOff(error)
        }
    }
}

/// The innermost cause, which names what happened; the outer ones name what was tried.
pub fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// The code that stands for an HTTP status where Scope3 gives none.
#[must_use]
pub fn default_code(status: u16) -> &'static str {
    match status {
        400 => "BAD_REQUEST",
        401 => "AUTH_INVALID_KEY",
        402 => "CREDIT_LIMIT_EXCEEDED",
        403 => "FORBIDDEN",
        404 => "NOT_FOUND",
        409 => "CONFLICT",
        413 => "PAYLOAD_TOO_LARGE",
        422 => "VALIDATION_ERROR",
        429 => "RATE_LIMIT_EXCEEDED",
        500 => "INTERNAL_ERROR",
        501 => "NOT_IMPLEMENTED",
        502 => "BAD_GATEWAY",
        503 => "SERVICE_UNAVAILABLE",
        504 => "GATEWAY_TIMEOUT",
        300..400 => "UNEXPECTED_REDIRECT",
        _ => "REQUEST_FAILED",
    }
}
