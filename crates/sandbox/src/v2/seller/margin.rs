//! The profit of a storefront that resells: what its orders bring, and what the inventory costs.

use std::{collections::BTreeMap, ops::AddAssign};

use serde_json::{Value, json};

use crate::clock::Moment;

use super::{
    super::objects::{
        media_buy::{BuyStatus, MediaBuy, Package},
        units,
    },
    Answer, Call, Handler, Order, Reply, own,
    reports::delivered,
    storefront_id,
};

pub(super) fn handler(operation: &str) -> Option<Handler> {
    (operation == "getStorefrontMarginReporting").then_some(margin)
}

/// Amounts in cents of one currency.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    sell_booked: u64,
    sell_realized: u64,
    buy_booked: u64,
    buy_realized: u64,
}

impl AddAssign for Sums {
    fn add_assign(&mut self, other: Self) {
        self.sell_booked += other.sell_booked;
        self.sell_realized += other.sell_realized;
        self.buy_booked += other.buy_booked;
        self.buy_realized += other.buy_realized;
    }
}

/// The share of a spread in the sales.
fn share(spread: u64, sales: u64) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "exact enough for a share")]
    let (spread, sales) = (spread as f64, sales as f64);
    if sales > 0.0 { json!((spread / sales * 1e6).round() / 1e6) } else { Value::Null }
}

impl Sums {
    fn of(package: &Package, buy: &MediaBuy, cost_percent: u64, now: Moment) -> Self {
        let realized = package.delivered(now).spend_cents;
        let has_ended =
            package.is_canceled || matches!(buy.status, BuyStatus::Canceled | BuyStatus::Archived);
        let booked = if has_ended { realized } else { package.budget_cents };
        let cost = |cents: u64| cents * cost_percent / 100;
        Self {
            sell_booked: booked,
            sell_realized: realized,
            buy_booked: cost(booked),
            buy_realized: cost(realized),
        }
    }

    fn to_json(self, currency: &str) -> Value {
        let (booked, realized) = (self.sell_booked - self.buy_booked, self.sell_realized - self.buy_realized);
        json!({
            "settlementCurrency": currency,
            "sellBooked": units(self.sell_booked),
            "sellRealized": units(self.sell_realized),
            "buyBooked": units(self.buy_booked),
            "buyRealized": units(self.buy_realized),
            "spreadBooked": units(booked),
            "spreadRealized": units(realized),
            "marginBookedPct": share(booked, self.sell_booked),
            "marginRealizedPct": share(realized, self.sell_realized),
            "bookedComplete": true,
            "realizedComplete": true,
        })
    }
}

/// The report by buyer, order, package and source. A storefront that sells its own inventory has nothing in it.
fn margin(call: &mut Call<'_>) -> Answer {
    let (storefront, now) = (own(call)?, call.account.now());
    let only = call.arguments.id("buyerCustomerId");
    let mut totals: BTreeMap<String, Sums> = BTreeMap::new();
    // A buyer with orders in several currencies is shown once for each.
    let mut buyers: BTreeMap<(u32, String), (&str, Sums, Vec<Value>)> = BTreeMap::new();
    if let Some(percent) = storefront.cost_percent {
        for order in delivered(call)?.into_iter().flat_map(|(_, orders)| orders) {
            if only.as_ref().is_some_and(|id| *id != order.buyer.id.to_string()) {
                continue;
            }
            let (sum, shown) = of_order(&order, percent, now);
            let currency = order.buy.currency.clone();
            *totals.entry(currency.clone()).or_default() += sum;
            let buyer = buyers.entry((order.buyer.id, currency)).or_insert((
                order.buyer.company,
                Sums::default(),
                Vec::new(),
            ));
            buyer.1 += sum;
            buyer.2.push(shown);
        }
    }
    let row = |((id, currency), (name, sum, buys)): ((u32, String), (&str, Sums, Vec<Value>))| json!({ "buyerCustomerId": id, "buyerName": name, "amounts": sum.to_json(&currency), "mediaBuys": buys });
    Ok(Reply::of(json!({
        "totals": totals.iter().map(|(currency, sum)| sum.to_json(currency)).collect::<Vec<_>>(),
        "buyers": buyers.into_iter().map(row).collect::<Vec<_>>(),
        "periodStart": null,
        "periodEnd": null,
    })))
}

fn of_order(order: &Order, percent: u64, now: Moment) -> (Sums, Value) {
    let buy = &order.buy;
    let mut sum = Sums::default();
    let package = |package: &Package| {
        let own = Sums::of(package, buy, percent, now);
        sum += own;
        let amounts = own.to_json(&buy.currency);
        json!({
            "packageId": package.id,
            "productId": package.offer.product.code,
            "amounts": amounts,
            "sources": [{
                "sourceId": buy.storefront.id.to_string(), "upstreamMediaBuyId": buy.id,
                "upstreamPackageId": package.id, "settlementStatus": "accruing", "amounts": amounts,
            }],
        })
    };
    let packages: Vec<Value> = buy.packages.iter().map(package).collect();
    let shown = json!({
        "mediaBuyId": storefront_id(buy), "amounts": sum.to_json(&buy.currency), "packages": packages,
    });
    (sum, shown)
}
