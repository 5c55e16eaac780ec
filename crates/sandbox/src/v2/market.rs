//! The market that all customers share: storefronts and what they sell. All of it is invented.

use serde_json::{Value, json};

use super::objects::units;

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

const MANY: &[&str] = &["USD", "EUR", "GBP", "CAD", "AUD", "CHF", "SEK", "NOK", "DKK", "NZD"];

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

/// All storefronts, by id.
pub(super) static STOREFRONTS: [Storefront; 6] = [
    Storefront {
        id: 501,
        name: "Aurora Media",
        platform: "aurora",
        description: "News, travel and outdoor sites.",
        channels: &["display", "olv"],
        countries: &["US", "CA", "GB"],
        currencies: MANY,
        is_connected: true,
        products: &[
            Product {
                code: "outdoor-display",
                name: "Outdoor and Travel Display",
                description: "Banners on hiking, camping and travel sites.",
                channel: "display",
                format: "image",
                cpm_cents: 650,
                minimum_cents: 50_000,
                clicks: 21,
                is_guaranteed: false,
                words: &["outdoor", "hiking", "camping", "travel", "boots", "trail"],
            },
            Product {
                code: "news-video",
                name: "News Video Pre-Roll",
                description: "Skippable video before news clips.",
                channel: "olv",
                format: "video_hosted",
                cpm_cents: 1_400,
                minimum_cents: 100_000,
                clicks: 34,
                is_guaranteed: false,
                words: &["news", "video", "awareness"],
            },
        ],
    },
    Storefront {
        id: 502,
        name: "Borealis Streaming",
        platform: "borealis",
        description: "Streaming television with advertising.",
        channels: &["ctv"],
        countries: &["US", "CA"],
        currencies: MANY,
        is_connected: true,
        products: &[
            Product {
                code: "prime-ctv",
                name: "Prime-Time Streaming TV",
                description: "Spots of 15 or 30 seconds between 7 and 11 pm.",
                channel: "ctv",
                format: "video_hosted",
                cpm_cents: 3_200,
                minimum_cents: 500_000,
                clicks: 3,
                is_guaranteed: true,
                words: &["tv", "streaming", "awareness", "family", "outdoor"],
            },
            Product {
                code: "sports-ctv",
                name: "Live Sports Streaming TV",
                description: "Spots in live sports.",
                channel: "ctv",
                format: "video_hosted",
                cpm_cents: 4_100,
                minimum_cents: 1_000_000,
                clicks: 2,
                is_guaranteed: true,
                words: &["sports", "live", "fans"],
            },
        ],
    },
    Storefront {
        id: 503,
        name: "Cirrus Publishing",
        platform: "cirrus",
        description: "Magazines and culture sites in Europe.",
        channels: &["display"],
        countries: &["GB", "DE", "FR", "NL"],
        currencies: MANY,
        is_connected: true,
        products: &[
            Product {
                code: "lifestyle-native",
                name: "Lifestyle Native",
                description: "Native units in lifestyle articles.",
                channel: "display",
                format: "image",
                cpm_cents: 800,
                minimum_cents: 50_000,
                clicks: 27,
                is_guaranteed: false,
                words: &["lifestyle", "fashion", "home", "travel"],
            },
            Product {
                code: "books-display",
                name: "Books and Culture Display",
                description: "Banners beside reviews and interviews.",
                channel: "display",
                format: "image",
                cpm_cents: 720,
                minimum_cents: 30_000,
                clicks: 19,
                is_guaranteed: false,
                words: &["books", "reading", "culture", "novel"],
            },
        ],
    },
    Storefront {
        id: 504,
        name: "Delta Audio",
        platform: "delta",
        description: "Podcasts and streamed music.",
        channels: &["podcast", "streaming_audio"],
        countries: &["US", "GB"],
        currencies: MANY,
        is_connected: true,
        products: &[Product {
            code: "podcast-host",
            name: "Host-Read Podcasts",
            description: "Messages that the hosts read.",
            channel: "podcast",
            format: "audio_hosted",
            cpm_cents: 2_400,
            minimum_cents: 200_000,
            clicks: 5,
            is_guaranteed: false,
            words: &["podcast", "audio", "books", "stories"],
        }],
    },
    Storefront {
        id: 505,
        name: "Ember Screens",
        platform: "ember",
        description: "Digital screens in cities.",
        channels: &["dooh"],
        countries: &["US"],
        currencies: &["USD"],
        is_connected: true,
        products: &[Product {
            code: "city-screens",
            name: "City Screens",
            description: "Digital billboards in city centers.",
            channel: "dooh",
            format: "image",
            cpm_cents: 1_100,
            minimum_cents: 250_000,
            clicks: 0,
            is_guaranteed: true,
            words: &["city", "commuters", "billboard"],
        }],
    },
    Storefront {
        id: 506,
        name: "Fjord Retail",
        platform: "fjord",
        description: "Sponsored products in online shops.",
        channels: &["retail_media"],
        countries: &["US", "DE"],
        currencies: MANY,
        is_connected: false,
        products: &[Product {
            code: "shelf-ads",
            name: "Sponsored Shelf",
            description: "Sponsored places in search results of shops.",
            channel: "retail_media",
            format: "sponsored_placement",
            cpm_cents: 950,
            minimum_cents: 50_000,
            clicks: 80,
            is_guaranteed: false,
            words: &["shopping", "retail", "sales"],
        }],
    },
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
