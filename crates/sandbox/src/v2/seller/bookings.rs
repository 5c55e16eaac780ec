//! Orders as the ad server has them: those that were sent to it.

use serde_json::{Value, json};

use crate::clock::Moment;

use super::{
    super::objects::{media_buy::Package, units},
    Answer, Call, Handler, Order, Refusal, Reply,
    orders::status,
    products::served,
};

pub(super) fn handler(operation: &str) -> Option<Handler> {
    match operation {
        "listEsaMediaBuys" => Some(list),
        "getEsaMediaBuy" => Some(get),
        _ => None,
    }
}

/// The orders that the ad server in the path got, the newest first.
fn booked(call: &Call<'_>) -> Answer<Vec<Order>> {
    let mut orders = call.account.market.orders(served(call)?);
    orders.retain(|order| order.buy.forwarded.is_some());
    Ok(orders)
}

fn row(order: &Order, now: Moment) -> Value {
    let buy = &order.buy;
    let (total, delivered) = (buy.budget(now), buy.delivered(now));
    json!({
        "mediaBuyId": buy.id,
        "buyerRef": buy.id,
        "principalId": order.buyer.id.to_string(),
        "principalName": order.buyer.company,
        "status": status(buy, now),
        "flightStartDate": buy.start,
        "flightEndDate": buy.end,
        "totalBudget": units(total),
        "currency": buy.currency,
        "deliveredImpressions": delivered.impressions,
        "deliveredSpend": units(delivered.spend_cents),
        "pacing": "even",
        "createdAt": buy.forwarded,
    })
}

fn list(call: &mut Call<'_>) -> Answer {
    let now = call.account.now();
    let arguments = &call.arguments;
    let (wanted, principal) = (arguments.text("status"), arguments.id("principalId"));
    let (from, to) = (arguments.moment("fromDate"), arguments.moment("toDate"));
    let mut orders = booked(call)?;
    orders.retain(|order| {
        wanted.is_none_or(|wanted| wanted == status(&order.buy, now))
            && principal.as_ref().is_none_or(|id| *id == order.buyer.id.to_string())
            && from.is_none_or(|from| order.buy.end >= from)
            && to.is_none_or(|to| order.buy.start <= to)
    });
    let mut reply = call.list("mediaBuys", orders.iter().map(|order| row(order, now)).collect());
    reply.data["count"] = reply.data["mediaBuys"].as_array().map_or(0, Vec::len).into();
    Ok(reply)
}

fn get(call: &mut Call<'_>) -> Answer {
    let id = call.id("mediaBuyId")?;
    let now = call.account.now();
    let orders = booked(call)?;
    let order = orders.iter().find(|order| order.buy.id == id);
    let order = order.ok_or_else(|| Refusal::not_found("Media buy", &id))?;
    let products = |package: &Package| package.offer.product.code.clone();
    let mut shown = row(order, now);
    shown["products"] = order.buy.packages.iter().map(products).collect();
    shown["targeting"] = Value::Null;
    shown["creatives"] = json!(order.buy.creatives.clone().unwrap_or_default());
    shown["statusHistory"] = json!([
        { "occurredAt": order.buy.forwarded, "status": "booked", "note": null },
        { "occurredAt": order.buy.updated, "status": status(&order.buy, now), "note": null },
    ]);
    Ok(Reply::of(shown))
}
