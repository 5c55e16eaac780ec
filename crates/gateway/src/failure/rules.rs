//! What an agent reads when the operator's rules stop a call. Nothing was sent.

use scope3_mcp_catalog::Entry;
use serde_json::json;

use super::Failure;
use crate::policy::Rule;

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

    /// A call to which a person has to consent.
    #[must_use]
    pub fn consent_required(entry: &Entry, reason: &str) -> Self {
        let name = &entry.tool.name;
        let message = format!(
            "{name} was not run and nothing was changed. A person has to consent to it: {}",
            sentence(reason)
        );
        let hint = "Tell the user what the call would do, and why it needs consent. This server cannot ask for consent yet.";
        Self::new("CONSENT_REQUIRED", message, hint)
    }
}

/// A reason with a period at its end.
fn sentence(reason: &str) -> String {
    let reason = reason.trim();
    if reason.ends_with(['.', '!', '?']) { reason.to_owned() } else { format!("{reason}.") }
}
