//! The orders of a storefront.

use serde_json::{Value, json};

use crate::clock::Moment;

use super::{
    super::objects::{
        media_buy::{Approval, BuyStatus, MediaBuy, Review},
        units,
    },
    Answer, Call, Handler, Order, Refusal, Reply,
    approvals::payload,
    buyer, own, storefront_id,
};

pub(super) fn handler(operation: &str) -> Option<Handler> {
    match operation {
        "listStorefrontMediaBuys" => Some(list),
        "getStorefrontMediaBuyTimeline" => Some(timeline),
        _ => None,
    }
}

/// The state of an order in the seller's words.
pub(super) fn status(buy: &MediaBuy, now: Moment) -> &'static str {
    match buy.status {
        BuyStatus::Draft | BuyStatus::Pending => "pending_approval",
        BuyStatus::Rejected => "rejected",
        BuyStatus::Canceled | BuyStatus::Archived => "canceled",
        BuyStatus::Active | BuyStatus::Paused if now >= buy.end => "completed",
        BuyStatus::Paused => "paused",
        BuyStatus::Active if now < buy.start => "booked",
        BuyStatus::Active => "delivering",
    }
}

fn row(order: &Order, now: Moment) -> Value {
    let buy = &order.buy;
    let waiting = buy.approval.as_ref().filter(|approval| approval.review == Review::Pending);
    json!({
        "mediaBuyId": storefront_id(buy),
        "kind": "routed",
        "buyer": buyer(order),
        "status": status(buy, now),
        "sourceStatus": buy.forwarded.map(|_| status(buy, now)),
        "settlementMethod": "interchange",
        "pendingReason": buy.pending_reason(now),
        "pendingSince": waiting.map(|approval| approval.submitted),
        "errorCode": null,
        "forwardOutcome": if buy.forwarded.is_some() { "all_completed" } else { "not_forwarded" },
        "flightStart": buy.start,
        "flightEnd": buy.end,
        "sourceCount": 1,
        "esaId": null,
        "createdAt": buy.submitted(),
        "forwardedAt": buy.forwarded,
    })
}

/// All orders. Those that wait and start within two days come first, then the newest.
fn list(call: &mut Call<'_>) -> Answer {
    let storefront = own(call)?;
    let (arguments, now) = (&call.arguments, call.account.now());
    let (buyer, source) = (arguments.id("buyerCustomerId"), arguments.id("sourceId"));
    let (from, to) = (arguments.moment("flightStartFrom"), arguments.moment("flightStartTo"));
    let fits = |order: &Order| {
        arguments.text("status").is_none_or(|wanted| wanted == status(&order.buy, now))
            && buyer.as_ref().is_none_or(|id| *id == order.buyer.id.to_string())
            && source.as_ref().is_none_or(|id| *id == storefront.id.to_string())
            && from.is_none_or(|from| order.buy.start >= from)
            && to.is_none_or(|to| order.buy.start <= to)
    };
    let mut orders = call.account.market.orders(storefront);
    orders.retain(fits);
    let is_urgent =
        |order: &Order| order.buy.status == BuyStatus::Pending && order.buy.start < now.plus_hours(48);
    orders.sort_by_key(|order| !is_urgent(order));
    let mut reply = call.list("items", orders.iter().map(|order| row(order, now)).collect());
    reply.data["warnings"] = json!([]);
    reply.data["statusFreshness"] = Value::Null;
    Ok(reply)
}

fn stage(name: &str, at: Moment, detail: Option<&str>) -> Value {
    let evidence = json!({
        "at": at, "kind": "exchange_event", "eventType": "response_received", "outcome": name, "errorCode": null,
        "recovery": null, "attemptNumber": 1, "hiddenCount": null, "detail": null,
    });
    json!({ "stage": name, "at": at, "detail": detail, "evidence": [evidence] })
}

fn timeline(call: &mut Call<'_>) -> Answer {
    let id = call.id("mediaBuyId")?;
    let (orders, now) = (call.account.market.orders(own(call)?), call.account.now());
    let order = orders.iter().find(|order| storefront_id(&order.buy) == id);
    let order = order.ok_or_else(|| Refusal::not_found("Order", &id))?;
    let buy = &order.buy;
    let mut stages = vec![stage("received", buy.submitted(), None)];
    if let Some(Approval { review: Review::Approved | Review::Rejected, reviewed: Some(at), notes, .. }) =
        &buy.approval
    {
        stages.push(stage("decided", *at, notes.as_deref()));
    }
    Ok(Reply::of(json!({
        "mediaBuyId": id,
        "buyer": buyer(order),
        "approval": buy.approval.as_ref().map(|approval| json!({
            "status": approval.review.word(), "submittedAt": approval.submitted,
            "reviewedBy": approval.reviewer.map(|id| id.to_string()), "reviewedAt": approval.reviewed,
            "reviewerNotes": approval.notes, "forwardedAt": buy.forwarded, "submittedPayload": payload(order),
        })),
        "stages": stages,
        "legs": buy.forwarded.map(|at| leg(order, at, now)).into_iter().collect::<Vec<_>>(),
        "eventsTruncated": false,
    })))
}

/// What the storefront's only source did with an order.
fn leg(order: &Order, at: Moment, now: Moment) -> Value {
    let buy = &order.buy;
    let mut stages = vec![stage("forwarded", at, None), stage("accepted", at, None)];
    if now >= buy.start && buy.delivered(now).impressions > 0 {
        stages.push(stage("delivering", buy.start.max(at), None));
    }
    let total: u64 = buy.packages.iter().map(|package| package.budget_cents).sum();
    let products: Vec<&str> =
        buy.packages.iter().map(|package| package.offer.product.code.as_str()).collect();
    json!({
        "sourceId": buy.storefront.id.to_string(),
        "sourceName": buy.storefront.name,
        "sourceKind": "ad_server",
        "currentStatus": status(buy, now),
        "forwardedAt": at,
        "responseReceivedAt": at,
        "theirReference": { "mediaBuyId": buy.id, "taskId": null },
        "platformReference": {
            "idempotencyKey": format!("sf:{}:{}:{}", buy.storefront.id, storefront_id(buy), buy.storefront.id),
            "requestedAt": at,
        },
        "stages": stages,
        "forwardedPayload": payload(order),
        "responsePayload": { "media_buy_id": buy.id, "status": "completed" },
        "payloadHighlights": {
            "flightStart": buy.start, "flightEnd": buy.end, "budget": units(total), "currency": buy.currency,
            "packageCount": buy.packages.len(), "productIds": products, "targetingKeys": [],
        },
        "replayed": false,
        "note": null,
    })
}
