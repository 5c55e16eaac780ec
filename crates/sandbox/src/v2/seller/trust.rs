//! Buyers whose orders need no review.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    super::market::{Storefront, Trust},
    Answer, Call, Handler, Order, Refusal, Reply, own,
};

pub(super) fn handler(operation: &str) -> Option<Handler> {
    match operation {
        "listBuyerAutoApprovals" => Some(list),
        "setBuyerAutoApprove" => Some(set),
        _ => None,
    }
}

/// The orders of each customer who ever ordered.
fn buyers(call: &Call<'_>, storefront: &'static Storefront) -> BTreeMap<u32, Vec<Order>> {
    let mut all: BTreeMap<u32, Vec<Order>> = BTreeMap::new();
    for order in call.account.market.orders(storefront) {
        all.entry(order.buyer.id).or_default().push(order);
    }
    all
}

fn name(orders: Option<&Vec<Order>>) -> Option<&'static str> {
    Some(orders?.first()?.buyer.company)
}

fn row(storefront: &Storefront, id: u32, name: Option<&str>, trust: &Trust) -> Value {
    json!({
        "id": format!("{}{id}", storefront.id),
        "storefrontId": storefront.id.to_string(),
        "buyerCustomerId": id,
        "buyerName": name,
        "autoApproveEnabled": trust.is_on,
        "reason": trust.reason,
        "createdAt": trust.created,
        "updatedAt": trust.updated,
        "createdBy": null,
        "createdByCustomerId": storefront.operator,
        "updatedByCustomerId": storefront.operator,
        "policyBypassCount": trust.bypassed,
        "lastPolicyBypassAt": trust.last_bypassed,
    })
}

fn list(call: &mut Call<'_>) -> Answer {
    let storefront = own(call)?;
    let buyers = buyers(call, storefront);
    let trusted = call.account.market.trusted(storefront);
    let items: Vec<Value> =
        trusted.iter().map(|(id, trust)| row(storefront, *id, name(buyers.get(id)), trust)).collect();
    let eligible = |(id, orders): (&u32, &Vec<Order>)| {
        json!({
            "buyerCustomerId": id, "buyerName": name(Some(orders)), "mediaBuyCount": orders.len(),
            "lastMediaBuyAt": orders.first().map(|order| order.buy.submitted()),
        })
    };
    let eligible: Vec<Value> = buyers.iter().map(eligible).collect();
    Ok(Reply::of(json!({ "total": items.len(), "items": items, "eligibleBuyers": eligible })))
}

fn set(call: &mut Call<'_>) -> Answer {
    let storefront = own(call)?;
    let id = call.id("buyerCustomerId")?;
    let buyers = buyers(call, storefront);
    let known = buyers.iter().find(|(customer, _)| customer.to_string() == id);
    let (customer, orders) = known.ok_or_else(|| Refusal::not_found("Buyer", &id))?;
    let now = call.account.tick();
    let old = call.account.market.trusted(storefront).remove(customer);
    let mut trust = old.unwrap_or(Trust {
        is_on: false,
        reason: None,
        created: now,
        updated: now,
        bypassed: 0,
        last_bypassed: None,
    });
    trust.is_on = call.arguments.is_true("enabled");
    trust.updated = now;
    if call.arguments.has("reason") {
        trust.reason = call.arguments.text("reason").map(str::to_owned);
    }
    call.account.market.trust(storefront, *customer, trust.clone());
    Ok(Reply::of(row(storefront, *customer, name(Some(orders)), &trust)))
}
