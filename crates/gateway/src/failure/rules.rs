//! What an agent reads when the operator's rules stop a call. Nothing was sent.

use scope3_mcp_catalog::{Entry, shortened};
use serde_json::json;

use super::Failure;
use crate::{budget::OverBudget, consent::Answer, journal::Confirmation, policy::Rule};

impl Failure {
    /// A call that the operator's policy rejects.
    #[must_use]
    pub fn forbidden(entry: &Entry, reason: &str, rule: Option<&Rule>) -> Self {
        let name = &entry.tool.name;
        let message = format!("{name} was not run and nothing was changed: {}", sentence(reason));
        let hint = match rule {
            Some(rule) => format!(
                "Change the call so that it keeps to the rule `{rule}`, or let the user ask the operator of this server. Do not \
                 split the call to get around the rule."
            ),
            None => "Use another tool, or let the user ask the operator of this server for a `permit` rule."
                .to_owned(),
        };
        let details = rule.map(|rule| json!({ "rule": rule.name }));
        Self { details, ..Self::new("POLICY_DENIED", message, hint) }
    }

    /// An operation that only a person can perform. `place` is where.
    #[must_use]
    pub fn for_a_person(entry: &Entry, place: &str) -> Self {
        let message =
            format!("{} was not run and nothing was changed: only a person can do this.", entry.tool.name);
        let hint = format!("Tell the user to do it there: {}", sentence(place));
        Self::new("PERSON_REQUIRED", message, hint)
    }

    /// A call to which a person has to consent, who cannot be asked.
    #[must_use]
    pub fn consent_required(entry: &Entry, reason: Option<&str>) -> Self {
        let name = &entry.tool.name;
        let why = reason.map_or_else(|| "it can spend money or delete".to_owned(), str::to_owned);
        let message = format!(
            "{name} was not run and nothing was changed. A person has to consent to it: {}",
            sentence(&why)
        );
        let hint = "Tell the user that this client cannot ask for consent. A client with elicitation can, or `scope3-mcp \
                    tools call` on a terminal.";
        Self::new("CONSENT_REQUIRED", message, hint)
    }

    /// A call to which the user has to agree. The agent asks, and repeats the call with the confirmation.
    #[must_use]
    pub fn confirmation_required(question: &str, confirmation: Confirmation) -> Self {
        let message = format!("Nothing was changed. The user has to agree first:\n{question}");
        let hint = "Show this to the user. Only if the user agrees, repeat the call with confirmation.code as \
                    `confirmation`. Never agree for the user.";
        Self { confirmation: Some(confirmation), ..Self::new("CONFIRMATION_REQUIRED", message, hint) }
    }

    /// A call to which a person did not consent.
    #[must_use]
    pub fn consent_refused(entry: &Entry, answer: &Answer) -> Self {
        let (code, what) = match answer {
            Answer::Declined | Answer::Accepted => ("CONSENT_DECLINED", "the user declined".to_owned()),
            Answer::Cancelled => {
                ("CONSENT_DECLINED", "the user closed the question without an answer".to_owned())
            }
            Answer::Late => ("CONSENT_UNAVAILABLE", "the user did not answer in time".to_owned()),
            Answer::Unavailable(why) => {
                ("CONSENT_UNAVAILABLE", format!("the client could not ask the user ({})", shortened(why)))
            }
        };
        let message = format!("{} was not run and nothing was changed: {what}.", entry.tool.name);
        let hint = match code {
            "CONSENT_DECLINED" => "Do not repeat the call unless the user asks for it.",
            _ => "Ask the user what to do. A new call asks again.",
        };
        Self::new(code, message, hint)
    }

    /// A call that the operator's caps do not allow.
    #[must_use]
    pub fn over_budget(entry: &Entry, over: &OverBudget) -> Self {
        let code = match over {
            OverBudget::Unmeasured(_) => "BUDGET_UNKNOWN",
            OverBudget::Call { .. } | OverBudget::Day { .. } | OverBudget::Currency { .. } => {
                "BUDGET_EXCEEDED"
            }
        };
        let message = format!("{} was not run and nothing was changed: {over}.", entry.tool.name);
        let hint = "Tell the user. Only the operator of this server can change the caps. Do not split the call to get \
                    around them.";
        Self::new(code, message, hint)
    }
}

/// A reason with a period at its end.
fn sentence(reason: &str) -> String {
    let reason = reason.trim();
    if reason.ends_with(['.', '!', '?']) { reason.to_owned() } else { format!("{reason}.") }
}
