//! What a search wants, and what fits it.

use super::{Market, Offer, Storefront, spaced};

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
pub(in crate::v2) struct Wanted {
    pub(in crate::v2) brief: String,
    pub(in crate::v2) channels: Vec<String>,
    pub(in crate::v2) countries: Vec<String>,
    pub(in crate::v2) storefronts: Vec<String>,
    pub(in crate::v2) publisher: Option<String>,
    pub(in crate::v2) pricing_model: Option<String>,
    pub(in crate::v2) currency: String,
    pub(in crate::v2) budget_cents: Option<u64>,
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
    pub(in crate::v2) fn found(&self, market: &Market) -> Vec<Offer> {
        let channels = self.channels();
        let brief = spaced(&self.brief);
        let fits = |offer: &Offer| {
            channels.contains(&offer.product.channel.as_str())
                && self.budget_cents.is_none_or(|budget| budget >= offer.product.minimum_cents)
        };
        let mut found: Vec<Offer> = market.offers().into_iter().filter(fits).collect();
        found.retain(|offer| self.accepts(offer.storefront));
        found.sort_by_key(|offer| std::cmp::Reverse(offer.product.words_in(&brief).len()));
        found
    }
}
