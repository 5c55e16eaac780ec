//! Searches in the words of `AdCP`. Their carts are those of the other searches.

use serde_json::{Value, json};

use super::{
    super::{
        market::{Offer, STOREFRONTS, Wanted},
        objects::{search::Search, units},
    },
    Answer, Call, Handler, Refusal, Reply, discovery,
};

pub(super) fn handler(operation: &str) -> Option<Handler> {
    (operation == "getMarketplaceProducts").then_some(query)
}

fn query(call: &mut Call<'_>) -> Answer {
    let arguments = &call.arguments;
    call.account.tick();
    let interchange = |name: &str| arguments.id(&format!("ext/interchange/{name}"));
    let id = if let Some(id) = interchange("execution_id") {
        id
    } else {
        let advertiser = interchange("advertiser_id");
        let advertiser = advertiser
            .ok_or_else(|| Refusal::invalid_value("ext.interchange.advertiser_id", "is required"))?;
        let wanted = Wanted {
            brief: arguments.text("brief").unwrap_or_default().to_owned(),
            channels: arguments.ids("filters/channels"),
            countries: arguments.ids("filters/countries"),
            storefronts: arguments.ids("ext/interchange/storefront_ids"),
            currency: call.account.advertiser(&advertiser)?.currency.clone(),
            budget_cents: arguments.cents("filters/budget_range/max"),
            ..Wanted::default()
        };
        discovery::open(call.account, wanted)
    };
    let search = call.account.search(&id)?;
    let products: Vec<Value> =
        search.found.iter().map(|offer| product(offer, &search.wanted.currency)).collect();
    Ok(Reply::of(json!({
        "status": "completed",
        "products": products,
        "cache_scope": "account",
        "ext": { "interchange": progress(search) },
    })))
}

fn product(offer: &Offer, currency: &str) -> Value {
    let Offer { storefront, product } = offer;
    json!({
        "product_id": offer.id(),
        "name": product.name,
        "description": product.description,
        "channels": [product.channel],
        "publisher_properties": [{ "publisher_domain": storefront.domain(), "selection_type": "all" }],
        "delivery_type": if product.is_guaranteed { "guaranteed" } else { "non_guaranteed" },
        "pricing_options": [{
            "pricing_option_id": product.pricing_option, "pricing_model": "cpm", "currency": currency,
            "fixed_price": offer.cpm_cents(currency).map(units),
        }],
        "reporting_capabilities": {
            "available_reporting_frequencies": ["daily"], "expected_delay_minutes": 60, "timezone": "UTC",
            "supports_webhooks": false, "available_metrics": ["impressions", "spend", "clicks"],
            "date_range_support": "date_range",
        },
        "ext": { "interchange": {
            "storefront_id": storefront.id.to_string(), "storefront_name": storefront.name,
            "source_product_id": product.code, "sales_agent_id": storefront.sales_agent(),
        } },
    })
}

/// How far a search is: here, always at its end. Nothing is evaluated, so nothing is charged.
fn progress(search: &Search) -> Value {
    let result = |storefront: &super::super::market::Storefront| {
        let count = search.found.iter().filter(|offer| offer.storefront == storefront).count();
        json!({
            "storefront_id": storefront.id.to_string(), "storefront_name": storefront.name, "status": "completed",
            "product_count": count,
        })
    };
    let connected = STOREFRONTS.iter().filter(|storefront| storefront.is_connected);
    let none = |passes: &str| {
        json!({
            "enabled": false, "status": "not_run", passes: 0, "ranking_passes": 0, "candidates_evaluated": 0,
            "candidates_ranked": 0, "accepted": 0, "rejected": 0, "refining": 0, "refinement_limit_reached": 0,
            "estimated_ius": 0, "charged_ius": 0, "billing_status": "included",
        })
    };
    json!({
        "execution_id": search.id,
        "revision": 1,
        "results_complete": true,
        "provisional": false,
        "candidate_count": search.found.len(),
        "storefront_results": connected.map(result).collect::<Vec<_>>(),
        "evaluation": none("evaluation_passes"),
        "screening": none("screening_passes"),
    })
}
