//! Security events: what an operator wants to hear of, in words that stay the same.
//!
//! Each event is one line of the log with the target [`TARGET`]. `docs/audit.md` describes the events and their fields.

use scope3_mcp_client::credentials::Fingerprint;

use crate::{CallError, Caller, journal::EntryId, record::CallRecord};

/// The target of the lines.
pub const TARGET: &str = "scope3_mcp::audit";

/// A kind of event. Its name does not change between versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Scope3 rejected a key.
    KeyRejected,
    /// A client named a session of another key.
    SessionForeign,
    /// A client called a tool that the operator does not offer.
    PolicyRejected,
    /// A person was asked to consent to a call, or the agent was told to ask.
    ConsentRequested,
    /// A person consented to a call.
    ConsentGranted,
    /// A person did not consent to a call, or could not be asked.
    ConsentDeclined,
    /// A budget cap refused a call.
    BudgetReached,
    /// A client confirmed a change that would otherwise not have been sent again.
    ConfirmationUsed,
    /// A client sent a confirmation that is not valid.
    ConfirmationInvalid,
    /// A request over HTTP had no valid key or token.
    AuthFailed,
    /// A limit refused a call.
    LimitReached,
}

impl Event {
    /// The value of the field `event`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::KeyRejected => "key_rejected",
            Self::SessionForeign => "session_foreign",
            Self::PolicyRejected => "policy_rejected",
            Self::ConsentRequested => "consent_requested",
            Self::ConsentGranted => "consent_granted",
            Self::ConsentDeclined => "consent_declined",
            Self::BudgetReached => "budget_reached",
            Self::ConfirmationUsed => "confirmation_used",
            Self::ConfirmationInvalid => "confirmation_invalid",
            Self::AuthFailed => "auth_failed",
            Self::LimitReached => "limit_reached",
        }
    }

    /// The event that a failure of a call is.
    fn of_code(code: &str) -> Option<Self> {
        match code {
            "TOOL_NOT_OFFERED" | "POLICY_DENIED" => Some(Self::PolicyRejected),
            "CONFIRMATION_INVALID" => Some(Self::ConfirmationInvalid),
            "CONSENT_DECLINED" | "CONSENT_REQUIRED" | "CONSENT_UNAVAILABLE" => Some(Self::ConsentDeclined),
            "BUDGET_EXCEEDED" | "BUDGET_UNKNOWN" => Some(Self::BudgetReached),
            "RATE_LIMIT_EXCEEDED" => Some(Self::LimitReached),
            _ => None,
        }
    }
}

/// What is known of an event. An unknown part is `-`.
#[derive(Debug, Clone, Default)]
pub struct Details<'a> {
    /// The tool that was called.
    pub tool: Option<&'a str>,
    /// The key that was used.
    pub key: Option<Fingerprint>,
    /// The client, as it names itself.
    pub client: Option<&'a str>,
    /// The MCP session, as the journal names it.
    pub session: Option<&'a str>,
    /// The entry of the journal.
    pub entry: Option<EntryId>,
    /// What exactly was wrong, as a code.
    pub code: Option<&'a str>,
}

/// Writes an event.
pub fn write(event: Event, details: &Details<'_>) {
    let Details { tool, key, client, session, entry, code } = details;
    let key = key.map_or_else(|| "-".to_owned(), |key| key.to_string());
    let [tool, client, session, code] = [tool, client, session, code].map(|text| text.unwrap_or("-"));
    let entry = entry.map(|entry| entry.0);
    tracing::warn!(target: TARGET, event = event.name(), tool, key, client, session, entry, code, "audit");
}

/// What is known of a call, to complete the events of the call.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    client: Option<String>,
    session: Option<String>,
}

impl Origin {
    pub(crate) fn of(caller: &Caller) -> Self {
        Self { client: caller.client.clone(), session: caller.session.clone() }
    }

    /// Writes an event of a call.
    pub(crate) fn write(&self, event: Event, record: &CallRecord, code: Option<&str>) {
        let details = Details {
            tool: Some(record.tool()),
            key: record.key,
            client: self.client.as_deref(),
            session: self.session.as_deref(),
            entry: record.entry,
            code,
        };
        write(event, &details);
    }

    /// Writes the event that the failure of a call is, if it is one.
    pub(crate) fn write_failure(&self, error: &CallError, record: &CallRecord) {
        if let CallError::Failed(failure) = error
            && let Some(event) = Event::of_code(&failure.code)
        {
            self.write(event, record, Some(&failure.code));
        }
    }
}
