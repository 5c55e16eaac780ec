//! The market that all customers share: storefronts and what they sell. All of it is invented.

mod stock;

use serde_json::{Value, json};

use super::objects::units;

pub(super) use self::stock::STOREFRONTS;

/// A seller.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Storefront {
    pub(super) id: u32,
    pub(super) name: &'static str,
    pub(super) platform: &'static str,
    pub(super) description: &'static str,
    pub(super) channels: &'static [&'static str],
    pub(super) countries: &'static [&'static str],
    /// The currencies in which it has prices.
    pub(super) currencies: &'static [&'static str],
    /// Whether it can sell to the sandbox's customers. Otherwise they would have to connect an account first.
    pub(super) is_connected: bool,
    pub(super) products: &'static [Product],
}

/// Something that a storefront sells.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Product {
    pub(super) code: &'static str,
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    pub(super) channel: &'static str,
    /// The kind of creative that it needs.
    pub(super) format: &'static str,
    /// The price of a thousand impressions, in US cents.
    pub(super) cpm_cents: u64,
    /// The smallest budget, in hundredths of any currency.
    pub(super) minimum_cents: u64,
    /// Clicks in ten thousand impressions.
    pub(super) clicks: u64,
    pub(super) is_guaranteed: bool,
    /// Words in a brief that it fits.
    pub(super) words: &'static [&'static str],
}

/// The value of a US dollar in hundredths of some currencies.
const RATES: [(&str, u64); 10] = [
    ("USD", 100),
    ("EUR", 92),
    ("GBP", 79),
    ("CAD", 136),
    ("AUD", 152),
    ("CHF", 88),
    ("SEK", 1040),
    ("NOK", 1070),
    ("DKK", 686),
    ("NZD", 166),
];

/// The channels of a search that names none, as the document says.
const DEFAULT_CHANNELS: [&str; 4] = ["display", "olv", "ctv", "social"];

/// Channels, and the words of a brief that ask for them. The market has some of them only.
const CHANNEL_WORDS: [(&str, &str); 13] = [
    ("ctv", "ctv|connected tv|streaming tv"),
    ("olv", "video|pre-roll"),
    ("display", "display|banner|banners|native"),
    ("podcast", "podcast|podcasts"),
    ("streaming_audio", "audio|music"),
    ("dooh", "dooh|billboard|billboards|out-of-home"),
    ("retail_media", "retail media"),
    ("radio", "radio"),
    ("cinema", "cinema"),
    ("print", "newspaper|newspapers|print"),
    ("linear_tv", "linear tv"),
    ("ooh", "skywriting|blimp"),
    ("influencer", "influencer|influencers"),
];

/// What a search wants.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    pub(super) brief: String,
    pub(super) channels: Vec<String>,
    pub(super) countries: Vec<String>,
    pub(super) storefronts: Vec<String>,
    pub(super) publisher: Option<String>,
    pub(super) pricing_model: Option<String>,
    pub(super) currency: String,
    pub(super) budget_cents: Option<u64>,
}

impl Wanted {
    fn channels(&self) -> Vec<&str> {
        if !self.channels.is_empty() {
            let name = |channel: &'_ String| match channel.as_str() {
                "video" => "olv".to_owned(),
                "audio" => "streaming_audio".to_owned(),
                other => other.to_owned(),
            };
            let known = self.channels.iter().map(name);
            return known
                .filter_map(|name| CHANNEL_WORDS.iter().find(|row| row.0 == name))
                .map(|row| row.0)
                .collect();
        }
        let brief = spaced(&self.brief);
        let asked = |words: &str| words.split('|').any(|word| brief.contains(&format!(" {word} ")));
        let named: Vec<&str> =
            CHANNEL_WORDS.iter().filter(|row| asked(row.1)).map(|(channel, _)| *channel).collect();
        if named.is_empty() { DEFAULT_CHANNELS.to_vec() } else { named }
    }

    fn accepts(&self, storefront: &Storefront) -> bool {
        let is_named = self.storefronts.is_empty()
            || self.storefronts.iter().any(|wanted| {
                *wanted == storefront.id.to_string() || wanted.eq_ignore_ascii_case(storefront.name)
            });
        let reaches = |country: &String| storefront.countries.contains(&country.as_str());
        let is_reached = self.countries.is_empty() || self.countries.iter().any(reaches);
        let is_published = self.publisher.as_ref().is_none_or(|domain| *domain == storefront.domain());
        let is_cpm = self.pricing_model.as_ref().is_none_or(|model| model == "cpm");
        storefront.is_connected
            && is_named
            && is_reached
            && is_published
            && is_cpm
            && storefront.currencies.contains(&self.currency.as_str())
    }

    /// The products that fit, those with the most words of the brief first.
    pub(super) fn found(&self) -> Vec<Offer> {
        let channels = self.channels();
        let brief = spaced(&self.brief);
        let fits = |offer: &Offer| {
            channels.contains(&offer.product.channel)
                && self.budget_cents.is_none_or(|budget| budget >= offer.product.minimum_cents)
        };
        let score = |offer: &Offer| {
            offer.product.words.iter().filter(|word| brief.contains(&format!(" {word} "))).count()
        };
        let mut found: Vec<Offer> = STOREFRONTS
            .iter()
            .filter(|storefront| self.accepts(storefront))
            .flat_map(Storefront::offers)
            .filter(fits)
            .collect();
        found.sort_by_key(|offer| std::cmp::Reverse(score(offer)));
        found
    }
}

/// A text in lower case, with one space around each word.
fn spaced(text: &str) -> String {
    let words: Vec<&str> =
        text.split(|c: char| !c.is_alphanumeric() && c != '-').filter(|word| !word.is_empty()).collect();
    format!(" {} ", words.join(" ").to_lowercase())
}

/// A product of a storefront.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) storefront: &'static Storefront,
    pub(super) product: &'static Product,
}

impl Storefront {
    pub(super) fn by_id(id: &str) -> Option<&'static Self> {
        STOREFRONTS.iter().find(|storefront| storefront.id.to_string() == id)
    }

    pub(super) fn offers(&'static self) -> impl Iterator<Item = Offer> {
        self.products.iter().map(move |product| Offer { storefront: self, product })
    }

    pub(super) fn domain(&self) -> String {
        format!("{}.example", self.platform)
    }

    pub(super) fn sales_agent(&self) -> String {
        format!("sa_{}", self.platform)
    }
}

impl Offer {
    /// The product with an id such as `sf1:501:news-video`.
    pub(super) fn by_id(id: &str) -> Option<Self> {
        STOREFRONTS.iter().flat_map(Storefront::offers).find(|offer| offer.id() == id)
    }

    pub(super) fn id(self) -> String {
        format!("sf1:{}:{}", self.storefront.id, self.product.code)
    }

    /// The price of a thousand impressions in hundredths of a currency, if there is one.
    pub(super) fn cpm_cents(self, currency: &str) -> Option<u64> {
        let sold = self.storefront.currencies.contains(&currency);
        let (_, rate) = RATES.iter().find(|(code, _)| sold && *code == currency)?;
        Some(self.product.cpm_cents * rate / 100)
    }

    pub(super) fn pricing_option(self) -> String {
        format!("{}-cpm", self.product.code)
    }

    /// The product in the answer of a search.
    pub(super) fn to_json(self, currency: &str, brief: &str) -> Value {
        let Self { storefront, product } = self;
        let cpm = self.cpm_cents(currency).map(units);
        let brief = spaced(brief);
        let words: Vec<&str> =
            product.words.iter().copied().filter(|word| brief.contains(&format!(" {word} "))).collect();
        let relevance = if words.is_empty() {
            format!("In the channel {}.", product.channel)
        } else {
            format!("Fits \"{}\" in the brief.", words.join("\", \""))
        };
        json!({
            "productId": self.id(),
            "name": product.name,
            "description": product.description,
            "channel": product.channel,
            "channels": [product.channel],
            "formatTypes": [product.format],
            "cpm": cpm,
            "currency": currency,
            "salesAgentId": storefront.sales_agent(),
            "salesAgentName": storefront.name,
            "storefrontId": storefront.id.to_string(),
            "storefrontName": storefront.name,
            "deliveryType": if product.is_guaranteed { "guaranteed" } else { "non_guaranteed" },
            "briefRelevance": relevance,
            "pricingOptions": [{
                "pricingOptionId": self.pricing_option(), "pricingModel": "cpm", "isFixed": true,
                "rate": cpm, "fixedPrice": cpm, "currency": currency,
            }],
            "publisherProperties": [{ "publisherDomain": storefront.domain(), "propertyType": "website" }],
            "isSandbox": true,
            "formatOptions": [{ "format_kind": product.format, "format_option_id": product.format }],
            "productCard": { "title": product.name, "cta_label": "Add" },
        })
    }
}
