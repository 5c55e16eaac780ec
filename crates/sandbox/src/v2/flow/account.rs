//! The account, and checks before a buy.

use serde_json::{Value, json};

use super::{
    super::market::{STOREFRONTS, Storefront},
    Answer, Call, Handler, Reply, moderation,
};

pub(super) fn handler(operation: &str) -> Option<Handler> {
    match operation {
        "getCurrentAccount" => Some(current),
        "listCustomerAccounts" => Some(list),
        "getBuyerReadiness" => Some(readiness),
        "resolveBuyerBrand" => Some(resolve_brand),
        "checkModeration" => Some(check_moderation),
        _ => None,
    }
}

fn current(call: &mut Call<'_>) -> Answer {
    let customer = call.account.customer;
    let domain = customer.email.split_once('@').map(|(_, domain)| domain);
    Ok(Reply::of(json!({
        "id": customer.id,
        "company": customer.company,
        "name": customer.name,
        "email": customer.email,
        "role": "ADMIN",
        "customerDomain": domain,
        // In minor units, as the document says.
        "standing": { "creditLimit": 25_000_000, "currency": "USD" },
    })))
}

fn list(call: &mut Call<'_>) -> Answer {
    let row = |customer: crate::customers::Customer| json!({ "id": customer.id, "company": customer.company, "name": customer.name, "role": "ADMIN" });
    let accounts: Vec<Value> = call.customers().into_iter().map(row).collect();
    Ok(Reply::of(json!({ "accounts": accounts })))
}

fn readiness(call: &mut Call<'_>) -> Answer {
    let customer = call.account.customer;
    let domain = customer.email.split_once('@').map(|(_, domain)| domain);
    let destination = |storefront: &Storefront| {
        let (status, reason) = if storefront.is_connected {
            ("ready", "This seller can sell to the account.")
        } else {
            ("needs_connection", "Connect an account at this seller first.")
        };
        let action = (!storefront.is_connected).then(|| {
            json!({
                "label": "Connect", "operation": "connectStorefront", "page": null,
                "pathParams": { "storefrontId": storefront.id.to_string() },
            })
        });
        json!({
            "storefrontId": storefront.id.to_string(), "platformId": storefront.platform, "name": storefront.name,
            "kind": "adcp", "provider": null, "billingRoute": "interchange",
            "status": status, "canBuy": storefront.is_connected, "reason": reason, "action": action,
        })
    };
    let check = |id: &str, name: &str, description: &str| {
        json!({
            "id": id, "name": name, "description": description,
            "status": "complete", "isBlocker": true, "action": null,
        })
    };
    let ready = STOREFRONTS.iter().filter(|storefront| storefront.is_connected).count();
    Ok(Reply::of(json!({
        "version": 1,
        "customer": { "id": customer.id, "company": customer.company },
        "status": "ready",
        "platformReady": true,
        "canBuyAnywhere": true,
        "identity": {
            "operatorDomain": domain, "operatorDomainSource": "user_confirmed", "status": "verified",
            "organization": {
                "domain": domain, "relationship": "same_organization", "verificationSource": "organization_domain",
            },
            "aao": { "status": "not_checked", "canonicalDomain": null, "name": null, "source": null },
        },
        "commercial": {
            "tosAccepted": true, "suspended": false, "interchangeClearingReady": true,
            "mediaRateCard": {
                "status": "ACTIVE", "billingCustomerId": customer.id, "inheritedFromOrganization": false,
                "pricingSource": "standard", "billingType": "DECISIONED", "pricingType": "MARGIN",
                "feeRatePercent": 0, "clearingSupported": true, "clearingUnsupportedReason": null,
            },
            "missing": [],
        },
        "checks": [
            check("operator_identity", "Operator", "The operator of the account is confirmed."),
            check("terms", "Terms of service", "The terms of service are accepted."),
            check("account_standing", "Standing", "The account is in good standing."),
        ],
        "destinations": {
            "total": STOREFRONTS.len(), "ready": ready, "needsConnection": STOREFRONTS.len() - ready,
            "blocked": 0, "limit": 50, "offset": 0, "hasMore": false, "nextOffset": null, "truncated": false,
            "items": STOREFRONTS.iter().map(destination).collect::<Vec<_>>(),
        },
    })))
}

fn resolve_brand(call: &mut Call<'_>) -> Answer {
    let given = call.text("domain")?;
    let domain = domain_of(&given);
    if domain.starts_with("unknown") || !domain.contains('.') {
        return Ok(Reply::of(json!({
            "resolved": false, "domain": domain, "builderUrl": "https://sandbox.example/brand-builder",
        })));
    }
    let label = domain.split('.').next().unwrap_or_default().replace('-', " ");
    let name: Vec<String> = label.split(' ').map(capitalized).collect();
    let name = name.join(" ");
    Ok(Reply::of(json!({
        "resolved": true,
        "domain": domain,
        "brandName": name,
        "logoUrl": null,
        "manifest": { "name": name, "url": format!("https://{domain}/"), "tone": "Plain and friendly" },
    })))
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// The domain of a website.
pub(super) fn domain_of(text: &str) -> String {
    let text = text.trim().to_lowercase();
    let host = text.split_once("://").map_or(text.as_str(), |(_, rest)| rest);
    let host = host.split(['/', '?', '#']).next().unwrap_or_default();
    host.trim_start_matches("www.").to_owned()
}

fn check_moderation(call: &mut Call<'_>) -> Answer {
    let text = call.text("text")?;
    let finding = |word: &str| json!({ "category": "prohibited", "severity": "high", "suggestion": format!("Remove \"{word}\".") });
    let findings: Vec<Value> = moderation::banned(&text).map(finding).into_iter().collect();
    let is_fine = findings.is_empty();
    Ok(Reply::of(json!({ "passed": is_fine, "wouldBlock": !is_fine, "findings": findings })))
}
