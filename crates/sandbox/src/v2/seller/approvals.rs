//! The seller's decisions about orders.

use serde_json::{Value, json};

use super::{
    super::{
        flow::banned,
        market::{Decision, Order},
        objects::{
            media_buy::{Approval, Package, Review},
            units,
        },
    },
    Answer, Call, Handler, Refusal, Reply, buyer, number_of, own,
};

pub(super) fn handler(operation: &str) -> Option<Handler> {
    match operation {
        "listPendingMediaBuys" => Some(list),
        "getPendingMediaBuy" => Some(get),
        "evaluatePendingMediaBuy" => Some(evaluate),
        "decidePendingMediaBuy" => Some(decide),
        "retryForwardPendingMediaBuy" => Some(retry),
        "getStorefrontPendingOperations" => Some(pending),
        _ => None,
    }
}

/// The orders of the caller's storefront that were reviewed or are to be, the newest first.
fn reviewed(call: &Call<'_>) -> Answer<Vec<(Order, Approval)>> {
    let orders = call.account.market.orders(own(call)?).into_iter();
    Ok(orders.filter_map(|order| order.buy.approval.clone().map(|approval| (order, approval))).collect())
}

/// The order that the path names.
fn found(call: &Call<'_>) -> Answer<(Order, Approval)> {
    let id = call.id("mediaBuyId")?;
    let found = reviewed(call)?.into_iter().find(|(order, _)| order.buy.id == id);
    found.ok_or_else(|| Refusal::not_found("Order", &id))
}

/// The request of the buyer in the words of `AdCP`.
pub(super) fn payload(order: &Order) -> Value {
    let buy = &order.buy;
    let package = |package: &Package| {
        json!({
            "package_id": package.id,
            "product_id": package.offer.product.code,
            "pricing_option_id": package.offer.product.pricing_option,
            "budget": units(package.budget_cents),
            "bid_price": units(package.cpm_cents),
            "pacing": package.pacing.as_deref().unwrap_or("even"),
        })
    };
    let total: u64 = buy.packages.iter().map(|package| package.budget_cents).sum();
    json!({
        "media_buy_id": buy.id,
        "name": buy.name,
        "brand": { "domain": order.brand, "name": order.advertiser_name },
        "brief": order.brief,
        "start_time": buy.start,
        "end_time": buy.end,
        "total_budget": { "amount": units(total), "currency": buy.currency },
        "packages": buy.packages.iter().map(package).collect::<Vec<_>>(),
    })
}

fn entry(order: &Order, approval: &Approval) -> Value {
    json!({
        "id": number_of(&order.buy.id).to_string(),
        "kind": "create",
        "storefrontId": order.buy.storefront.id.to_string(),
        "mediaBuyId": order.buy.id,
        "buyerCustomerId": order.buyer.id,
        "submittedPayload": payload(order),
        "status": approval.review.word(),
        "reviewedBy": approval.reviewer.map(|id| id.to_string()),
        "reviewedAt": approval.reviewed,
        "reviewerNotes": approval.notes,
        "forwardedAt": order.buy.forwarded,
        "createdAt": approval.submitted,
        "updatedAt": order.buy.updated,
    })
}

fn list(call: &mut Call<'_>) -> Answer {
    let status = call.arguments.text("status").unwrap_or("pending");
    let all = reviewed(call)?.into_iter().filter(|(_, approval)| approval.review.word() == status);
    let items: Vec<Value> = all.map(|(order, approval)| entry(&order, &approval)).collect();
    Ok(Reply::of(json!({ "total": items.len(), "items": items })))
}

fn get(call: &mut Call<'_>) -> Answer {
    let (order, approval) = found(call)?;
    Ok(Reply::of(entry(&order, &approval)))
}

/// Fails if an order does not wait for a decision.
fn check_pending(order: &Order, approval: &Approval) -> Answer<()> {
    if approval.review == Review::Pending {
        return Ok(());
    }
    Err(Refusal::invalid_state(format!("Order {} is already {}", order.buy.id, approval.review.word())))
}

/// What Scope3's evaluator would advise. A person decides unless the order names something that nobody may sell.
fn evaluate(call: &mut Call<'_>) -> Answer {
    let (order, approval) = found(call)?;
    check_pending(&order, &approval)?;
    let text = format!("{} {} {}", order.buy.name, order.brief.as_deref().unwrap_or_default(), order.brand);
    let word = banned(&text);
    let check = |label: &str, passes: bool, detail: String| {
        json!({
            "category": "policy_safety", "label": label, "status": if passes { "pass" } else { "fail" },
            "detail": detail, "severity": "hard", "blocking": !passes, "stage": "approval",
        })
    };
    let policy = match word {
        Some(word) => format!("The order mentions \"{word}\"."),
        None => "Nothing in the order is forbidden.".to_owned(),
    };
    let (decision, advice) = match word {
        Some(_) => ("definitely_not_on_policy", "auto_reject"),
        None => ("needs_human_approval", "escalate_to_human"),
    };
    let reason = word.map(|word| format!("We do not run advertising that mentions \"{word}\"."));
    Ok(Reply::of(json!({
        "mediaBuyId": order.buy.id,
        "evaluatorId": "sandbox-acceptance",
        "evaluatorVersion": "1",
        "policyDecision": decision,
        "recommendation": advice,
        "rejectionReason": reason,
        "summary": if word.is_some() { "The order conflicts with the policy." } else { "A person has to decide." },
        "checks": [
            check("Advertiser", true, format!("The advertiser is {}.", order.advertiser_name)),
            check("Products", true, format!("{} of this storefront.", order.buy.packages.len())),
            check("Policy", word.is_none(), policy),
        ],
    })))
}

fn decide(call: &mut Call<'_>) -> Answer {
    let (mut order, approval) = found(call)?;
    check_pending(&order, &approval)?;
    let review = if call.text("status")? == "approved" { Review::Approved } else { Review::Rejected };
    let notes = call.arguments.text("reviewerNotes").map(str::to_owned);
    let (at, reviewer) = (call.account.tick(), call.account.customer.id);
    order.buy.decide(review, reviewer, notes.clone(), false, at);
    let media_buy = order.buy.id.clone();
    let buyer = order.buyer.id;
    call.account.market.decide(Decision { buyer, media_buy, review, reviewer, notes, at });
    Ok(Reply::of(entry(&order, order.buy.approval.as_ref().unwrap_or(&approval))))
}

/// Sends an approved order again. Here, the first time always succeeds, and nothing is booked twice.
fn retry(call: &mut Call<'_>) -> Answer {
    let (order, approval) = found(call)?;
    if approval.review != Review::Approved {
        let word = approval.review.word();
        return Err(Refusal::invalid_state(format!("Order {} is {word}, not approved", order.buy.id)));
    }
    if call.arguments.is_true("forceTerminal") {
        return Err(Refusal::invalid_state(format!("A source already has order {}", order.buy.id)));
    }
    let mut answer = entry(&order, &approval);
    answer["forwardOutcome"] = "all_completed".into();
    answer["forwardResult"] = json!([{
        "sourceId": order.buy.storefront.id.to_string(), "status": "completed", "upstreamMediaBuyId": order.buy.id,
    }]);
    Ok(Reply::of(answer))
}

/// What waits for someone. Groups without members are left out.
fn pending(call: &mut Call<'_>) -> Answer {
    let waiting = reviewed(call)?.into_iter().filter(|(_, approval)| approval.review == Review::Pending);
    let row = |(order, approval): (Order, Approval)| {
        json!({
            "mediaBuyId": order.buy.id, "kind": "create", "buyer": buyer(&order),
            "submittedAt": approval.submitted,
        })
    };
    let rows: Vec<Value> = waiting.map(row).collect();
    if rows.is_empty() {
        return Ok(Reply::nothing());
    }
    Ok(Reply::of(json!({ "approvals": { "count": rows.len(), "items": rows } })))
}
