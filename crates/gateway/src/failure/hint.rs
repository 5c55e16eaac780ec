//! Hints: what an agent can do when Scope3 refuses a request.

/// Scope3's code for a backend service that did not answer.
pub(super) const UNAVAILABLE: &str = "SERVICE_UNAVAILABLE";

/// The hint for a refusal, by Scope3's code first and then by HTTP status.
pub(super) fn hint(code: &str, status: u16) -> &'static str {
    match (code, status) {
        ("CAMPAIGN_ACTIVE", _) => "Ask the user first; force: true permanently deletes an active campaign.",
        ("CREATIVE_ASSIGNED", _) => {
            "Unassign it with creative_unassign first, or ask the user about force: true."
        }
        ("CREDIT_LIMIT_EXCEEDED", _) | (_, 402) => {
            "The account has not enough credit. A person has to resolve this with Scope3."
        }
        ("TOS_ACCEPTANCE_REQUIRED", _) => {
            "A person must accept the terms of service in Scope3's web interface."
        }
        ("ALPHA_OPT_IN_REQUIRED", _) => "A person has to opt in to this feature with Scope3.",
        ("CURRENCY_MISMATCH", _) => "Use the currency of the object that you change.",
        (UNAVAILABLE, _) | (_, 500 | 502 | 503 | 504) => "Scope3 is unavailable. Retry in a minute.",
        (_, 400 | 422) => "Read the message, correct the arguments and call again.",
        (_, 403) => "The account of this key lacks the permission. A person has to grant it in Scope3.",
        (_, 404) => "Check the id with the matching list tool; objects of other accounts are not visible.",
        (_, 409) => "Read the current state with the matching get or list tool, then decide again.",
        (_, 501) => "Scope3 does not offer this yet.",
        (_, 200..300) => "Read the message: Scope3 understood the call and declined it.",
        _ => "Read the message. If it does not help, tell the operator of this server.",
    }
}
