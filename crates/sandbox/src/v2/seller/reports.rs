//! The seller's reports. They come from the ledgers of the buyers' packages, so both sides see the same figures.

use serde_json::{Value, json};

use super::{
    super::{
        flow::reports::{Period, metrics},
        objects::media_buy::{Figures, MediaBuy, Package},
    },
    Answer, Call, Handler, Order, Reply,
    orders::status,
    own, storefront_id,
};

pub(super) fn handler(operation: &str) -> Option<Handler> {
    (operation == "getStorefrontReportingMetrics").then_some(report)
}

/// The orders of the caller's storefront that a source got, by advertiser.
pub(super) fn delivered(call: &Call<'_>) -> Answer<Vec<(String, Vec<Order>)>> {
    let storefront = own(call)?;
    let source = call.arguments.id("inventorySourceId");
    let mut groups: Vec<(String, Vec<Order>)> = Vec::new();
    if source.is_some_and(|id| id != storefront.id.to_string()) {
        return Ok(groups);
    }
    for order in call.account.market.orders(storefront) {
        if order.buy.forwarded.is_none() {
            continue;
        }
        match groups.iter_mut().find(|(id, _)| *id == order.advertiser) {
            Some((_, orders)) => orders.push(order),
            None => groups.push((order.advertiser.clone(), vec![order])),
        }
    }
    Ok(groups)
}

fn report(call: &mut Call<'_>) -> Answer {
    let period = Period::of(call)?;
    let groups = delivered(call)?;
    if call.arguments.is_true("download") {
        return Ok(Reply::of(json!({
            "downloadUrl": "https://sandbox.example/reports/storefront.csv",
            "expiresAt": period.now.plus_hours(7 * 24),
            "fileName": format!("storefront-{}-{}.csv", period.first, period.last),
            "rowCount": series(&groups, period).len(),
        })));
    }
    let mut answer = if call.arguments.text("view") == Some("timeseries") {
        json!({ "timeseries": series(&groups, period) })
    } else {
        let mut total = Figures::default();
        let shown = |(id, orders): &(String, Vec<Order>)| {
            let mut sum = Figures::default();
            let buys: Vec<Value> = orders.iter().map(|order| of_buy(&order.buy, period, &mut sum)).collect();
            total += sum;
            let name = orders.first().map_or("", |order| order.advertiser_name.as_str());
            json!({ "advertiserId": id, "advertiserName": name, "metrics": metrics(sum), "mediaBuys": buys })
        };
        let advertisers: Vec<Value> = groups.iter().map(shown).collect();
        json!({ "advertisers": advertisers, "totals": metrics(total) })
    };
    answer["periodStart"] = period.first.to_string().into();
    answer["periodEnd"] = period.last.to_string().into();
    Ok(Reply::of(answer))
}

fn of_buy(buy: &MediaBuy, period: Period, outer: &mut Figures) -> Value {
    let mut sum = Figures::default();
    let source = buy.storefront.id.to_string();
    let package = |package: &Package| {
        let figures = period.figures(package);
        sum += figures;
        json!({
            "packageId": package.id, "productId": package.offer.product.code,
            "productName": package.offer.product.name, "metrics": metrics(figures),
        })
    };
    let packages: Vec<Value> = buy.packages.iter().map(package).collect();
    *outer += sum;
    json!({
        "mediaBuyId": storefront_id(buy), "name": buy.name, "status": status(buy, period.now),
        "inventorySourceId": source, "inventorySourceIds": [source], "metrics": metrics(sum), "packages": packages,
    })
}

/// A row for each package on each day with delivery.
fn series(groups: &[(String, Vec<Order>)], period: Period) -> Vec<Value> {
    let orders = groups.iter().flat_map(|(_, orders)| orders);
    let packages = orders.flat_map(|order| order.buy.packages.iter().map(move |package| (order, package)));
    let mut rows = Vec::new();
    for (order, package) in packages {
        let source = order.buy.storefront.id.to_string();
        for day in period.days() {
            let figures = day.figures(package);
            if figures == Figures::default() {
                continue;
            }
            rows.push(json!({
                "date": day.first.to_string(), "advertiserId": order.advertiser,
                "advertiserName": order.advertiser_name, "mediaBuyId": storefront_id(&order.buy),
                "mediaBuyName": order.buy.name, "mediaBuyStatus": status(&order.buy, period.now),
                "inventorySourceId": source, "inventorySourceIds": [source], "packageId": package.id,
                "productId": package.offer.product.code, "productName": package.offer.product.name,
                "metrics": metrics(figures),
            }));
        }
    }
    rows.sort_by(|a, b| a["date"].as_str().cmp(&b["date"].as_str()));
    rows
}
