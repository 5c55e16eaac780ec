//! What an agent can do about a refusal by Scope3.

/// Scope3's code for a service behind it that did not answer.
pub(super) const UNAVAILABLE: &str = "SERVICE_UNAVAILABLE";

/// What to do about a refusal by Scope3.
pub(super) fn hint(code: &str, status: u16) -> &'static str {
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
