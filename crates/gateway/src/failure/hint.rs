//! Hints: what an agent can do when Scope3 refuses a request.

use scope3_mcp_catalog::shortened;
use serde_json::Value;

/// Scope3's code for a backend service that did not answer.
pub(super) const UNAVAILABLE: &str = "SERVICE_UNAVAILABLE";

/// Scope3's code for a key that sees several customers, where the request names none.
pub(super) const CUSTOMER_SCOPE_REQUIRED: &str = "CUSTOMER_SCOPE_REQUIRED";

/// The customers to choose from, with their ids.
pub(super) fn customers(details: &Value) -> Option<String> {
    const MAX_CUSTOMERS: usize = 20;
    let customers =
        details.get("availableCustomers").or_else(|| details.get("details")?.get("availableCustomers"))?;
    let in_words = |customer: &Value| {
        let id = customer.get("id").or_else(|| customer.get("customerId")).unwrap_or(customer);
        let name = ["name", "company"].iter().find_map(|name| customer.get(*name)?.as_str());
        match name {
            Some(name) => format!("{} ({id})", Value::from(&*shortened(name))),
            None => id.to_string(),
        }
    };
    let listed: Vec<String> = customers.as_array()?.iter().take(MAX_CUSTOMERS).map(in_words).collect();
    (!listed.is_empty()).then(|| listed.join(", "))
}

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
        (CUSTOMER_SCOPE_REQUIRED, _) => {
            "Ask the user which customer is meant. The operator sets it with --customer ID, and restarts this server."
        }
        ("PRICING_NOT_CONFIGURED", _) => {
            "The account has no pricing yet. A person has to set it up with Scope3, under Plan & Billing."
        }
        ("INSUFFICIENT_MEDIA_BUDGET", _) => {
            "What is left of the budget does not cover this. Ask the user whether to raise it or to buy less."
        }
        ("INVALID_STATE", _) => "Read the object first: its status does not allow this now.",
        ("CAPABILITY_NOT_SUPPORTED", _) => {
            "This seller or source cannot do it. Choose another, or leave it out."
        }
        ("CONTENT_MODERATION_BLOCKED", _) => {
            "Scope3's moderation refused a name or brief. Show the user the reason, and change the text."
        }
        ("ACCESS_DENIED", _) => "The key may not do this, or not for this customer or object. Tell the user.",
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
