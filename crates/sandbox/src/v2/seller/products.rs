//! The products of a storefront's ad server, in the seller's own words. Those that are active and complete are offered to
//! buyers.

use serde_json::{Map, Value, json};

use super::{
    super::market::{Product, Storefront, shown},
    Answer, Call, Handler, Refusal, Reply, own,
    storefront::AD_SERVERS,
};

pub(super) fn handler(operation: &str) -> Option<Handler> {
    match operation {
        "listEsaProducts" => Some(list),
        "getEsaProduct" => Some(get),
        "validateEsaProduct" => Some(validate),
        "createEsaProduct" => Some(create),
        "patchEsaProduct" => Some(patch),
        "updateEsaProduct" => Some(replace),
        "deleteEsaProduct" => Some(delete),
        "listStorefrontOwnProducts" => Some(all),
        _ => None,
    }
}

/// The caller's storefront, if the path names one of its ad servers. All of them sell the same products.
pub(super) fn served(call: &Call<'_>) -> Answer<&'static Storefront> {
    let id = call.id("esaId")?;
    match call.account.things.get(AD_SERVERS, &id) {
        Some(_) => own(call),
        None => Err(Refusal::not_found("Ad server source", &id)),
    }
}

fn list(call: &mut Call<'_>) -> Answer {
    let products: Vec<Value> = call.account.market.products(served(call)?).iter().map(shown).collect();
    Ok(Reply::of(json!({ "products": products })))
}

/// The product that the path names, and its code.
fn found(call: &Call<'_>, storefront: &Storefront) -> Answer<(String, Map<String, Value>)> {
    let id = call.id("productId")?;
    let product = call.account.market.products(storefront).into_iter().find(|other| code_of(other) == id);
    let product = product.ok_or_else(|| Refusal::not_found("Product", &id))?;
    Ok((id, product))
}

fn code_of(product: &Map<String, Value>) -> &str {
    product.get("productId").and_then(Value::as_str).unwrap_or_default()
}

fn get(call: &mut Call<'_>) -> Answer {
    let (_, product) = found(call, served(call)?)?;
    Ok(Reply::of(shown(&product)))
}

fn validate(call: &mut Call<'_>) -> Answer {
    served(call)?;
    let product = call.arguments.body();
    let errors: Vec<Value> = Product::lacks(&product)
        .into_iter()
        .map(|(field, message)| json!({ "field": field, "message": message, "code": "required" }))
        .collect();
    let mut warnings = Vec::new();
    if product.get("status").is_none_or(|status| status != "active") {
        warnings.push(
            json!({ "field": "status", "message": "Buyers see active products only.", "code": "not_active" }),
        );
    }
    Ok(Reply::of(json!({ "valid": errors.is_empty(), "errors": errors, "warnings": warnings })))
}

/// An id for a product, from the seller's own id or its name.
fn new_code(product: &Map<String, Value>) -> Option<String> {
    let given = ["wholesale_product_id", "name"].iter().find_map(|name| product.get(*name)?.as_str())?;
    let plain: String =
        given.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let words: Vec<&str> = plain.split('-').filter(|word| !word.is_empty()).collect();
    (!words.is_empty()).then(|| words.join("-"))
}

/// The body as a product. Each price gets an id.
fn described(call: &Call<'_>, code: &str) -> Map<String, Value> {
    let mut product = call.arguments.body();
    let options = product.get_mut("pricing_options").and_then(Value::as_array_mut).into_iter().flatten();
    for (position, option) in options.filter(|option| option.is_object()).enumerate() {
        if option["pricing_option_id"].is_null() {
            let suffix = if position == 0 { String::new() } else { format!("-{}", position + 1) };
            option["pricing_option_id"] = format!("{code}-cpm{suffix}").into();
        }
    }
    product
}

/// Stores a product and shows it.
fn store(call: &Call<'_>, storefront: &'static Storefront, code: &str, product: Map<String, Value>) -> Value {
    let now = call.account.tick();
    let mut stored = Map::from_iter([("productId".to_owned(), code.into())]);
    stored.extend(product);
    stored.insert("productId".to_owned(), code.into());
    stored.entry("wholesale_product_id").or_insert_with(|| code.into());
    stored.entry("status").or_insert_with(|| "draft".into());
    stored.insert("updatedAt".to_owned(), json!(now));
    let shown = shown(&stored);
    call.account.market.put_product(storefront, code, stored);
    shown
}

fn create(call: &mut Call<'_>) -> Answer {
    let storefront = served(call)?;
    if call.arguments.text("name").is_none_or(str::is_empty) {
        return Err(Refusal::invalid_value("name", "is required"));
    }
    let code = new_code(&call.arguments.body())
        .ok_or_else(|| Refusal::invalid_value("name", "needs a letter or a digit"))?;
    if call.account.market.products(storefront).iter().any(|other| code_of(other) == code) {
        return Err(Refusal::conflict(format!("Product {code} exists already")));
    }
    let product = described(call, &code);
    Ok(Reply::created(store(call, storefront, &code, product)))
}

/// Changes the given members. Null keeps a member, and `inventory` is merged.
fn patch(call: &mut Call<'_>) -> Answer {
    let storefront = served(call)?;
    let (code, mut product) = found(call, storefront)?;
    for (name, value) in described(call, &code) {
        match (product.get_mut(&name), value) {
            (_, Value::Null) => {}
            (Some(Value::Object(old)), Value::Object(new)) if name == "inventory" => old.extend(new),
            (_, value) => drop(product.insert(name, value)),
        }
    }
    Ok(Reply::of(store(call, storefront, &code, product)))
}

/// Replaces a product. What is not sent is cleared.
fn replace(call: &mut Call<'_>) -> Answer {
    let storefront = served(call)?;
    let (code, old) = found(call, storefront)?;
    let mut product = described(call, &code);
    if let Some(extra) = old.get("ext") {
        product.entry("ext").or_insert_with(|| extra.clone());
    }
    Ok(Reply::of(store(call, storefront, &code, product)))
}

fn delete(call: &mut Call<'_>) -> Answer {
    let storefront = served(call)?;
    let (code, _) = found(call, storefront)?;
    call.account.tick();
    call.account.market.remove_product(storefront, &code);
    Ok(Reply::of(json!({ "productId": code, "deleted": true })))
}

/// What a media buy can get: without prices.
fn all(call: &mut Call<'_>) -> Answer {
    let row = |product: &Map<String, Value>| {
        let texts = |list: &str, member: &str| -> Vec<Value> {
            let items = product.get(list).and_then(Value::as_array).into_iter().flatten();
            items.map(|item| item[member].clone()).filter(Value::is_string).collect()
        };
        json!({
            "productId": code_of(product),
            "name": product.get("name"),
            "description": product.get("description"),
            "status": product.get("status"),
            "creativeFormatIds": texts("format_options", "format_kind"),
            "adUnitNames": [],
        })
    };
    let products: Vec<Value> = call.account.market.products(own(call)?).iter().map(row).collect();
    Ok(Reply::of(products.into()))
}
