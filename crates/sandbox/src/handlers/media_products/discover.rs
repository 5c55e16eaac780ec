//! Lists the products of the customer's sellers.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{ApiResponse, ApiResult, Call, count, external};
use crate::objects::{
    market::SalesAgent,
    product::{Pricing, Product},
    signals::distinct,
};

#[derive(Deserialize)]
struct Discover {
    promoted_offering: String,
    brief: Option<String>,
    delivery_type: Option<String>,
    inventory_type: Option<String>,
    formats: Option<Vec<String>>,
    publisher_ids: Option<Vec<String>>,
    min_cpm: Option<f64>,
    max_cpm: Option<f64>,
    customer_id: Option<String>,
}

impl Discover {
    /// Whether a product matches the filters. Scope3 leaves that to the sellers.
    fn matches(&self, product: &Product) -> bool {
        let cpm = cpm(product);
        self.delivery_type.as_ref().is_none_or(|kind| kind == product.delivery_type)
            && self.inventory_type.as_ref().is_none_or(|kind| kind == product.inventory_type)
            && self
                .formats
                .as_ref()
                .is_none_or(|formats| formats.iter().any(|format| product.formats.contains(&format.as_str())))
            && self.publisher_ids.as_ref().is_none_or(|ids| ids.contains(&product.publisher_id))
            && self.min_cpm.is_none_or(|min| cpm >= min)
            && self.max_cpm.is_none_or(|max| cpm <= max)
    }
}

pub(super) fn list(call: &mut Call<'_>) -> ApiResult {
    let input: Discover = call.input()?;
    let customer = call.account.customer_id;
    // A customer can list only its own sellers, regardless of `customer_id`.
    let own = input.customer_id.as_ref().is_none_or(|id| *id == customer.to_string());
    let sellers = if own { call.market.sellers(customer) } else { Vec::new() };
    if sellers.is_empty() {
        return Ok(no_sellers(&input));
    }
    let (reached, failed): (Vec<&SalesAgent>, Vec<&SalesAgent>) =
        sellers.iter().partition(|seller| external::is_reachable(&seller.endpoint_url));
    if reached.is_empty() {
        return Err(ApiResponse::bad_request(format!(
            "Failed to discover products from sales agents: {}",
            external::UNREACHABLE
        )));
    }
    let found = reached.iter().map(|seller| {
        let products = products_of(seller).into_iter().filter(|product| input.matches(product)).collect();
        (*seller, products)
    });
    let found: Vec<(&SalesAgent, Vec<Product>)> = found.collect();
    let products: Vec<&Product> = found.iter().flat_map(|(_, products)| products).collect();
    let lines: Vec<String> = products
        .iter()
        .map(|product| format!("- **{}** ({}): {:.2} CPM", product.name, product.id, cpm(product)))
        .collect();
    let mut data = json!({
        "products": products.iter().map(|product| view(product)).collect::<Vec<_>>(),
        "totalProducts": products.len(),
        "agentsQueried": sellers.len(),
        "successfulAgents": reached.len(),
        "failedAgents": failed.len(),
        "agentResponses": responses(&found, &failed),
        "failures": failed.iter().map(|seller| json!({
            "agentName": seller.name, "error": external::UNREACHABLE, "principalId": seller.id,
        })).collect::<Vec<_>>(),
        "filters": filters(call.arguments()),
        "query": input.promoted_offering,
        "summary": summary(&products),
        // The sandbox calls no seller, so this takes no time.
        "duration": 0,
    });
    if let Some(brief) = &input.brief {
        data["brief"] = json!(brief);
    }
    Ok(ApiResponse::success(
        format!(
            "**{}** from {}\n{}",
            count(products.len(), "product"),
            count(reached.len(), "seller"),
            lines.join("\n")
        ),
        data,
    ))
}

fn no_sellers(input: &Discover) -> ApiResponse {
    let mut data = json!({
        "products": [], "totalProducts": 0, "agentsQueried": 0, "successfulAgents": 0, "failedAgents": 0,
        "query": input.promoted_offering,
    });
    if let Some(customer) = &input.customer_id {
        data["customerId"] = json!(customer);
    }
    ApiResponse::success("🔍 **No sales agents found**", data)
}

/// The products of a seller. `create_tactic` derives the same product from each id.
fn products_of(seller: &SalesAgent) -> Vec<Product> {
    let kinds: &[&str] = match seller.organization.as_str() {
        "aurora" => &["hulu_ctv", "run_of_site"],
        "borealis" => &["netflix_premium", "youtube_select"],
        _ => &["run_of_site"],
    };
    kinds
        .iter()
        .map(|kind| Product::from_id(&format!("{}_{kind}", seller.organization), seller.added_at))
        .collect()
}

/// Whether a seller sells this format, such as `video`.
pub(in super::super) fn sells(seller: &SalesAgent, format: &str) -> bool {
    products_of(seller).iter().any(|product| product.formats.contains(&format))
}

fn cpm(product: &Product) -> f64 {
    match product.base_pricing {
        Pricing::Fixed { fixed_cpm } => fixed_cpm,
        Pricing::Auction { target_cpm, .. } => target_cpm,
    }
}

/// A product as in this list: with the member names of Scope3's tools, and again with those of the Ad Context Protocol.
fn view(product: &Product) -> Value {
    let mut view = json!(product);
    view["created_at"] = json!(product.created_at);
    view["updated_at"] = json!(product.updated_at);
    view["delivery_type"] = json!(product.delivery_type);
    view["inventory_type"] = json!(product.inventory_type);
    view["publisher_id"] = json!(product.publisher_id);
    view["publisher_name"] = json!(product.publisher_name);
    view["supported_targeting"] = json!(product.supported_targeting);
    view["pricing"] = match product.base_pricing {
        Pricing::Fixed { fixed_cpm } => json!({"model": "fixed_cpm", "fixed_cpm": fixed_cpm}),
        Pricing::Auction { floor_cpm, target_cpm } => {
            json!({"model": "auction", "floor_cpm": floor_cpm, "target_cpm": target_cpm})
        }
    };
    view
}

fn responses(found: &[(&SalesAgent, Vec<Product>)], failed: &[&SalesAgent]) -> Vec<Value> {
    let succeeded = found.iter().map(|(seller, products)| {
        json!({
            "agentId": seller.id, "agentName": seller.name, "success": true, "productCount": products.len(),
        })
    });
    let failed = failed.iter().map(|seller| {
        json!({
            "agentId": seller.id, "agentName": seller.name, "success": false, "productCount": 0,
            "error": external::UNREACHABLE,
        })
    });
    succeeded.chain(failed).collect()
}

fn filters(arguments: &Value) -> Value {
    let mut filters = arguments.clone();
    if let Value::Object(members) = &mut filters {
        members.retain(|name, _| name != "promoted_offering" && name != "brief");
    }
    filters
}

fn summary(products: &[&Product]) -> Value {
    let guaranteed = products.iter().filter(|product| product.delivery_type == "guaranteed").count();
    let publishers = distinct(products.iter().map(|product| product.publisher_name.as_str()));
    let mut summary = json!({
        "availableFormats": distinct(products.iter().flat_map(|product| product.formats.iter().copied())),
        "guaranteedProducts": guaranteed,
        "nonGuaranteedProducts": products.len() - guaranteed,
        "uniquePublishers": publishers.len(),
    });
    let prices: Vec<f64> = products.iter().map(|product| cpm(product)).collect();
    if let Ok(count) = u32::try_from(prices.len())
        && count > 0
    {
        summary["priceRange"] = json!({
            "minCpm": prices.iter().copied().fold(f64::INFINITY, f64::min),
            "maxCpm": prices.iter().copied().fold(0.0, f64::max),
            "avgCpm": prices.iter().sum::<f64>() / f64::from(count),
        });
    }
    summary
}
