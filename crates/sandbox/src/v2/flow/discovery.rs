//! Searches for products, and their carts.

use serde_json::{Value, json};

use crate::clock::Moment;

use super::{
    super::{
        account::Account,
        arguments::cents,
        market::{Offer, Storefront, Wanted},
        objects::{
            search::{Line, Search},
            units,
        },
    },
    Answer, Call, Handler, Refusal, Reply,
};

pub(super) fn handler(operation: &str) -> Option<Handler> {
    match operation {
        "discoverProducts" => Some(discover),
        "browseProducts" => Some(browse),
        "getProductDetails" => Some(details),
        "getProducts" => Some(cart),
        "addProducts" => Some(add),
        "removeProducts" => Some(remove),
        "applyProposal" => Some(apply_proposal),
        _ => None,
    }
}

/// Opens a search. Returns its id.
pub(super) fn open(account: &mut Account, wanted: Wanted) -> String {
    let id = account.ids.short("disc");
    let found = wanted.found(&account.market);
    account.searches.push(Search { id: id.clone(), wanted, found, cart: Vec::new() });
    id
}

/// What a campaign wants to buy.
pub(super) fn wanted_by(account: &Account, campaign: &str) -> Answer<Wanted> {
    let campaign = account.campaign(campaign)?;
    let texts = |name: &str| {
        let listed = campaign.others.get("constraints").and_then(|constraints| constraints[name].as_array());
        listed.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    Ok(Wanted {
        brief: campaign.brief.clone().unwrap_or_default(),
        channels: texts("channels"),
        countries: texts("geo_countries"),
        storefronts: campaign.storefronts.clone(),
        currency: campaign.currency.clone(),
        budget_cents: Some(campaign.total_cents),
        ..Wanted::default()
    })
}

fn discover(call: &mut Call<'_>) -> Answer {
    let advertiser = call.id("advertiserId")?;
    let currency = call.account.advertiser(&advertiser)?.currency.clone();
    call.account.tick();
    let arguments = &call.arguments;
    let mut wanted = match (arguments.id("discoveryId"), arguments.id("campaignId")) {
        (Some(id), _) => call.account.search(&id)?.wanted.clone(),
        (None, Some(id)) => wanted_by(call.account, &id)?,
        (None, None) => Wanted { currency, ..Wanted::default() },
    };
    if arguments.has("refine") && !arguments.has("discoveryId") {
        return Err(Refusal::invalid_value("refine", "needs discoveryId"));
    }
    if let Some(brief) = arguments.text("brief") {
        brief.clone_into(&mut wanted.brief);
    }
    for (name, list) in [("channels", &mut wanted.channels), ("countries", &mut wanted.countries)] {
        let given = arguments.ids(name);
        if !given.is_empty() {
            *list = given;
        }
    }
    let named: Vec<String> =
        ["storefrontIds", "storefrontNames"].iter().flat_map(|name| arguments.ids(name)).collect();
    if !named.is_empty() {
        wanted.storefronts = named;
    }
    wanted.publisher = arguments.text("publisherDomain").map(str::to_owned).or(wanted.publisher);
    wanted.pricing_model = arguments.text("pricingModel").map(str::to_owned).or(wanted.pricing_model);
    wanted.budget_cents = arguments.cents("budget").or(wanted.budget_cents);
    let id = match arguments.id("discoveryId") {
        Some(id) => {
            let found = wanted.found(&call.account.market);
            let search = call.account.search_mut(&id)?;
            search.found = found;
            search.wanted = wanted;
            id
        }
        None => open(call.account, wanted),
    };
    let mut answer = results(call, call.account.search(&id)?);
    let refined = call.arguments.list("refine");
    if !refined.is_empty() {
        let result = |wish: &Value| json!({ "scope": wish["scope"], "id": wish["id"], "status": "applied" });
        answer["refinementApplied"] = refined.iter().map(result).collect();
    }
    Ok(Reply::of(answer))
}

fn browse(call: &mut Call<'_>) -> Answer {
    let search = call.account.search(&call.id("discoveryId")?)?;
    let mut narrowed = search.clone();
    let named: Vec<String> =
        ["storefrontIds", "storefrontNames"].iter().flat_map(|name| call.arguments.ids(name)).collect();
    let is_named = |storefront: &Storefront| {
        let is_it = |name: &String| *name == storefront.id.to_string() || name == storefront.name;
        named.is_empty() || named.iter().any(is_it)
    };
    let domain = call.arguments.text("publisherDomain");
    narrowed.found.retain(|offer| {
        is_named(offer.storefront) && domain.is_none_or(|domain| domain == offer.storefront.domain())
    });
    Ok(Reply::of(results(call, &narrowed)))
}

/// The results of a search, by seller.
fn results(call: &Call<'_>, search: &Search) -> Value {
    let count = |name: &str, default| call.arguments.count(name).unwrap_or(default);
    let Wanted { currency, brief, .. } = &search.wanted;
    let mut sellers: Vec<&Storefront> = Vec::new();
    for offer in &search.found {
        if !sellers.contains(&offer.storefront) {
            sellers.push(offer.storefront);
        }
    }
    let (skip, take) = (count("productOffset", 0), count("productsPerGroup", 10));
    let group = |storefront: &&Storefront| {
        let of_seller = search.found.iter().filter(|offer| offer.storefront == *storefront);
        let all: Vec<Value> = of_seller.map(|offer| offer.to_json(currency, brief)).collect();
        let shown: Vec<&Value> = all.iter().skip(skip).take(take).collect();
        json!({
            "groupId": format!("group_{}", storefront.id),
            "groupName": storefront.name,
            "storefrontId": storefront.id.to_string(),
            "storefrontName": storefront.name,
            "description": storefront.description,
            "productCount": shown.len(),
            "totalProducts": all.len(),
            "hasMoreProducts": skip + shown.len() < all.len(),
            "products": shown,
        })
    };
    let (first, groups) = (count("groupOffset", 0), count("groupLimit", 10));
    let shown: Vec<Value> = sellers.iter().skip(first).take(groups).map(group).collect();
    let prices: Vec<u64> = search.found.iter().filter_map(|offer| offer.cpm_cents(currency)).collect();
    let average = prices.iter().sum::<u64>().checked_div(prices.len() as u64);
    let mut answer = json!({
        "discoveryId": search.id,
        "totalGroups": sellers.len(),
        "hasMoreGroups": first + shown.len() < sellers.len(),
        "productGroups": shown,
        "summary": {
            "totalProducts": search.found.len(),
            "publishersCount": sellers.len(),
            "priceRange": {
                "min": prices.iter().min().copied().map(units), "max": prices.iter().max().copied().map(units),
                "avg": average.map(units), "currency": currency,
            },
        },
        "budgetContext": search.budget(),
        "revision": 1,
        "resultsComplete": true,
    });
    let proposals: Vec<Value> = sellers.iter().filter_map(|seller| proposal(search, seller)).collect();
    if !proposals.is_empty() {
        answer["proposals"] = proposals.into();
    }
    answer
}

/// What a seller with several fitting products proposes: an equal share for each.
fn proposal(search: &Search, seller: &Storefront) -> Option<Value> {
    let offers: Vec<&Offer> = search.found.iter().filter(|offer| offer.storefront == seller).collect();
    if offers.len() < 2 {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "a few products")]
    let share = 100.0 / offers.len() as f64;
    let minimum: u64 = offers.iter().map(|offer| offer.product.minimum_cents).sum();
    let allocation = |offer: &&Offer| {
        json!({
            "productId": offer.id(), "allocationPercentage": share, "pricingOptionId": offer.product.pricing_option,
        })
    };
    Some(json!({
        "proposalId": proposal_id(search, seller),
        "name": format!("All of {}", seller.name),
        "salesAgentId": seller.sales_agent(),
        "salesAgentName": seller.name,
        "storefrontId": seller.id.to_string(),
        "storefrontName": seller.name,
        "allocations": offers.iter().map(allocation).collect::<Vec<_>>(),
        "totalBudgetGuidance": {
            "min": units(minimum), "recommended": units(minimum * 2), "currency": search.wanted.currency,
        },
    }))
}

fn proposal_id(search: &Search, seller: &Storefront) -> String {
    format!("prop_{}_{}", search.id.trim_start_matches("disc_"), seller.id)
}

fn details(call: &mut Call<'_>) -> Answer {
    let search = call.account.search(&call.id("discoveryId")?)?;
    let id = call.id("productId")?;
    let offer = search.found.iter().find(|offer| offer.id() == id);
    let offer = offer.ok_or_else(|| Refusal::not_found("Product", &id))?;
    Ok(Reply::of(offer.to_json(&search.wanted.currency, &search.wanted.brief)))
}

fn shown(call: &Call<'_>, id: &str) -> Answer {
    Ok(Reply::of(call.account.search(id)?.cart(call.account.buyer_of(id))))
}

fn cart(call: &mut Call<'_>) -> Answer {
    shown(call, &call.id("discoveryId")?)
}

fn add(call: &mut Call<'_>) -> Answer {
    let id = call.id("discoveryId")?;
    let now = call.account.tick();
    let currency = call.account.search(&id)?.wanted.currency.clone();
    let before = call.account.search(&id)?.cart.clone();
    if call.arguments.is_true("replace") {
        call.account.search_mut(&id)?.cart.clear();
    }
    for product in call.arguments.list("products") {
        if let Err(refusal) = select(call.account, &id, &product, &currency, now) {
            call.account.search_mut(&id)?.cart = before;
            return Err(refusal);
        }
    }
    shown(call, &id)
}

/// Puts a product into a cart, or replaces the line with the same selection.
pub(super) fn select(
    account: &mut Account,
    search: &str,
    wanted: &Value,
    currency: &str,
    now: Moment,
) -> Answer<()> {
    let id = wanted["productId"].as_str().unwrap_or_default();
    let offer = account.market.offer(id).ok_or_else(|| Refusal::not_found("Product", id))?;
    let price = offer.cpm_cents(currency).ok_or_else(|| Refusal::no_price(&offer.product.name, currency))?;
    let bid_cents = cents(&wanted["bidPrice"]);
    if bid_cents.is_some_and(|bid| bid < price) {
        return Err(Refusal::invalid_value("products.bidPrice", "is below the seller's price"));
    }
    let kept = ["targetingOverlay", "pricingOptionId"];
    let others = kept.iter().filter_map(|name| Some(((*name).to_owned(), wanted.get(name)?.clone())));
    let line = Line {
        selection: wanted["selectionId"].as_str().unwrap_or(id).to_owned(),
        offer,
        budget_cents: cents(&wanted["budget"]),
        bid_cents,
        others: others.collect(),
        selected: now,
    };
    let cart = &mut account.search_mut(search)?.cart;
    match cart.iter_mut().find(|other| other.selection == line.selection) {
        Some(other) => *other = line,
        None => cart.push(line),
    }
    Ok(())
}

fn remove(call: &mut Call<'_>) -> Answer {
    let id = call.id("discoveryId")?;
    let products = call.arguments.ids("productIds");
    call.account.tick();
    let cart = &mut call.account.search_mut(&id)?.cart;
    cart.retain(|line| !products.contains(&line.offer.id()) && !products.contains(&line.selection));
    shown(call, &id)
}

fn apply_proposal(call: &mut Call<'_>) -> Answer {
    let (id, proposal) = (call.id("discoveryId")?, call.id("proposalId")?);
    if call.arguments.is_true("replace") {
        call.account.search_mut(&id)?.cart.clear();
    }
    let (name, applied, total) = apply(call.account, &id, &proposal, call.arguments.cents("totalBudget"))?;
    let Reply { mut data, .. } = shown(call, &id)?;
    data["proposal"] = json!({ "proposalId": proposal, "name": name });
    data["totalBudgetUsed"] = units(total);
    data["productsApplied"] = applied.into();
    data["productsSkipped"] = json!([]);
    Ok(Reply::of(data))
}

/// Puts the products of a proposal into a cart. Returns its name, the number of products and the budget.
pub(super) fn apply(
    account: &mut Account,
    search: &str,
    proposal_id: &str,
    total_cents: Option<u64>,
) -> Answer<(String, usize, u64)> {
    let now = account.tick();
    let found = account.search(search)?;
    let sellers = found.found.iter().map(|offer| offer.storefront);
    let seller = sellers.into_iter().find(|seller| self::proposal_id(found, seller) == proposal_id);
    let seller = seller.ok_or_else(|| Refusal::not_found("Proposal", proposal_id))?;
    let currency = found.wanted.currency.clone();
    let offers: Vec<Offer> = found.found.iter().filter(|offer| offer.storefront == seller).cloned().collect();
    let minimum: u64 = offers.iter().map(|offer| offer.product.minimum_cents).sum();
    let total = total_cents.unwrap_or(minimum * 2);
    let share = total.checked_div(offers.len() as u64).unwrap_or_default();
    for offer in &offers {
        let wanted = json!({ "productId": offer.id(), "budget": units(share) });
        select(account, search, &wanted, &currency, now)?;
    }
    Ok((format!("All of {}", seller.name), offers.len(), total))
}
