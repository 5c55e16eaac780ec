//! Products, as sellers describe them and as buyers find them.

use serde_json::{Map, Value, json};

use super::{super::arguments::cents, RATES};

/// Something that a storefront sells: complete and active.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::v2) struct Product {
    /// Its id at the seller.
    pub(in crate::v2) code: String,
    pub(in crate::v2) name: String,
    pub(in crate::v2) description: String,
    pub(in crate::v2) channel: String,
    /// The kind of creative that it needs.
    pub(in crate::v2) format: String,
    pub(in crate::v2) pricing_option: String,
    /// The prices of a thousand impressions, each with its currency, in hundredths. There is at least one.
    prices: Vec<(String, u64)>,
    /// The smallest budget, in hundredths of any currency.
    pub(in crate::v2) minimum_cents: u64,
    /// Clicks in ten thousand impressions.
    pub(in crate::v2) clicks: u64,
    pub(in crate::v2) is_guaranteed: bool,
    /// Words in a brief that it fits.
    words: Vec<String>,
}

/// Clicks in ten thousand impressions of a product that does not say.
const CLICKS: u64 = 15;

/// The largest price and the largest smallest budget, in hundredths: ten billion.
const MOST_CENTS: u64 = 1_000_000_000_000;

/// Why a product is not offered to buyers: the member that is missing or wrong, and what is expected.
pub(in crate::v2) type Lack = (&'static str, &'static str);

impl Product {
    /// What a description in the seller's words lacks to be sold.
    pub(in crate::v2) fn lacks(object: &Map<String, Value>) -> Vec<Lack> {
        let has_text =
            |name: &str| object.get(name).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
        let mut lacks = Vec::new();
        if !has_text("name") {
            lacks.push(("name", "is required"));
        }
        if !has_text("delivery_type") {
            lacks.push(("delivery_type", "is required"));
        }
        if first(object, "format_options", "format_kind").is_none() {
            lacks.push(("format_options", "needs at least one format"));
        }
        if prices(object).is_empty() {
            lacks.push((
                "pricing_options",
                "needs a `cpm` option with a fixed_price above 0 in a known currency",
            ));
        }
        lacks
    }

    /// The product of a description, if it can be sold. `channel` is that of a product that names none.
    pub(super) fn of(object: &Map<String, Value>, code: &str, channel: &str) -> Option<Self> {
        if object.get("status")? != "active" || !Self::lacks(object).is_empty() {
            return None;
        }
        let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let extra = object.get("ext").map(|ext| ext["sandbox"].clone()).unwrap_or_default();
        let listed =
            extra["words"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
        let mut words: Vec<String> = listed.collect();
        if words.is_empty() {
            let name = text("name").to_lowercase();
            let long = name.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() > 3);
            words = long.map(str::to_owned).collect();
        }
        let named = object.get("channels").and_then(|all| all[0].as_str());
        let option = first(object, "pricing_options", "pricing_option_id");
        let minimum = object.get("pricing_options").and_then(|all| cents(&all[0]["min_spend_per_package"]));
        Some(Self {
            code: code.to_owned(),
            name: text("name"),
            description: text("description"),
            channel: named.unwrap_or(channel).to_owned(),
            format: first(object, "format_options", "format_kind")?.to_owned(),
            pricing_option: option.map_or_else(|| format!("{code}-cpm"), str::to_owned),
            prices: prices(object),
            minimum_cents: minimum.unwrap_or_default().min(MOST_CENTS),
            clicks: extra["clicks_per_10000"].as_u64().unwrap_or(CLICKS).min(10_000),
            is_guaranteed: text("delivery_type") == "guaranteed",
            words,
        })
    }

    /// Its words that a brief has. The brief has one space around each word.
    pub(super) fn words_in(&self, brief: &str) -> Vec<&str> {
        let words = self.words.iter().map(String::as_str);
        words.filter(|word| brief.contains(&format!(" {word} "))).collect()
    }

    /// The price of a thousand impressions in hundredths of a currency. It is converted if the seller has set none.
    pub(super) fn cpm_cents(&self, currency: &str) -> Option<u64> {
        if let Some((_, price)) = self.prices.iter().find(|(code, _)| code == currency) {
            return Some(*price);
        }
        let (from, price) = self.prices.first()?;
        Some(price * rate(currency)? / rate(from)?)
    }
}

/// The value of a US dollar in hundredths of a currency.
fn rate(currency: &str) -> Option<u64> {
    RATES.iter().find(|(code, _)| *code == currency).map(|(_, rate)| *rate)
}

/// A text in the first item of a list.
fn first<'a>(object: &'a Map<String, Value>, list: &str, member: &str) -> Option<&'a str> {
    object.get(list)?.get(0)?[member].as_str()
}

fn prices(object: &Map<String, Value>) -> Vec<(String, u64)> {
    let options = object.get("pricing_options").and_then(Value::as_array);
    let price = |option: &Value| {
        let currency = option["currency"].as_str().unwrap_or("USD");
        let is_cpm = option["pricing_model"].as_str().is_none_or(|model| model == "cpm");
        let price =
            cents(&option["fixed_price"]).filter(|price| is_cpm && (1..=MOST_CENTS).contains(price))?;
        rate(currency)?;
        Some((currency.to_owned(), price))
    };
    options.into_iter().flatten().filter_map(price).collect()
}

/// What a seller sees of a product: its own description, with the id.
pub(in crate::v2) fn shown(object: &Map<String, Value>) -> Value {
    let mut shown = Value::Object(object.clone());
    let lacks = Product::lacks(object);
    if !lacks.is_empty() {
        shown["incomplete"] = lacks.iter().map(|(field, _)| json!(field)).collect();
    }
    shown
}
