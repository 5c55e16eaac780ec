//! The errors of a request.

use std::time::Duration;

use serde_json::Value;

use crate::sanitize::Sanitizer;

/// Why a request returned no data.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Scope3 refused the request.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// Scope3 rejected the key.
    #[error("Scope3 rejected the API key")]
    Unauthorized {
        /// Scope3's message.
        message: String,
    },
    /// Scope3 received too many requests.
    #[error("Scope3 rejected the request: too many requests")]
    RateLimited {
        /// The HTTP status: usually 429; v1 can also refuse with 200.
        status: u16,
        /// How long to wait: at least one second, at most the longest window of a limit.
        wait: Duration,
    },
    /// No connection could be opened, so nothing was sent.
    #[error("cannot connect to Scope3")]
    NotConnected(#[source] reqwest::Error),
    /// Scope3 did not respond in time.
    #[error("Scope3 did not respond in time")]
    TimedOut(#[source] reqwest::Error),
    /// The connection was lost.
    #[error("the connection to Scope3 was lost")]
    BrokenOff(#[source] reqwest::Error),
    /// The response cannot be parsed.
    #[error("cannot parse Scope3's response (status {status}): {why}")]
    Unreadable {
        /// The HTTP status of the response.
        status: u16,
        /// What is wrong with the response.
        why: String,
    },
    /// The HTTP client cannot be built.
    #[error("cannot set up the HTTP client")]
    Setup(#[source] reqwest::Error),
}

/// A refusal from Scope3.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The HTTP status. It is 200 if a v1 response has `success: false`.
    pub status: u16,
    /// Scope3's code, or the default code of the status.
    pub code: String,
    /// Scope3's message.
    pub message: String,
    /// The rest of the response body.
    pub details: Option<Value>,
    /// How long Scope3 asks to wait before the next request.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// Whether a limit of Scope3 was reached. The code is checked for every status, because v1 can refuse with 200.
    pub(super) fn is_rate_limit(&self) -> bool {
        self.status == 429 || matches!(self.code.as_str(), "RATE_LIMIT_EXCEEDED" | "RATE_LIMITED")
    }
}

/// Prints the message.
impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error {
    /// Whether a read may succeed if it is sent again unchanged.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::NotConnected(_) | Self::TimedOut(_) | Self::BrokenOff(_) => true,
            Self::Refused(refusal) => matches!(refusal.status, 500 | 502 | 503 | 504),
            Self::Unreadable { status, .. } => *status >= 500,
            Self::Unauthorized { .. } | Self::RateLimited { .. } | Self::Setup(_) => false,
        }
    }

    /// The HTTP status, if Scope3 responded.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused(refusal) => Some(refusal.status),
            Self::Unauthorized { .. } => Some(401),
            Self::RateLimited { status, .. } | Self::Unreadable { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// The value of the metric label `status` for a request without an HTTP status.
    pub(super) fn metric_status(&self) -> &'static str {
        match self {
            Self::NotConnected(_) => "not_connected",
            Self::TimedOut(_) => "timed_out",
            Self::BrokenOff(_) => "broken_off",
            _ => "other",
        }
    }

    /// Makes what the error repeats of a response harmless.
    pub(super) fn sanitized(mut self, sanitizer: &mut Sanitizer) -> Self {
        match &mut self {
            Self::Refused(refusal) => {
                sanitizer.text(&mut refusal.code);
                sanitizer.text(&mut refusal.message);
                if let Some(details) = &mut refusal.details {
                    sanitizer.value(details);
                }
            }
            Self::Unauthorized { message: text } | Self::Unreadable { why: text, .. } => {
                sanitizer.text(text);
            }
            Self::RateLimited { .. }
            | Self::NotConnected(_)
            | Self::TimedOut(_)
            | Self::BrokenOff(_)
            | Self::Setup(_) => {}
        }
        self
    }

    /// Converts an error from reqwest.
    pub(super) fn from_transport(error: reqwest::Error) -> Self {
        // Otherwise the message contains the whole URL. The causes say what happened.
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

/// The message of the innermost cause, which says what happened. The outer errors say what was attempted.
pub fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// The default code of an HTTP status, for responses without a code.
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
