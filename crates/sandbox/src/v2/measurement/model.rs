//! How emissions are made up. All amounts are whole micrograms of carbon dioxide or its equivalent, so sums are exact.

use std::ops::AddAssign;

use serde_json::{Value, json};

use super::number_of;

/// What delivering one impression emits in a channel, before the property and the country are known.
struct Channel {
    name: &'static str,
    /// Micrograms for choosing the ad.
    selection: u64,
    /// Micrograms for delivering the media around it.
    distribution: u64,
    /// The bytes of a creative of unknown size.
    bytes: u64,
    device: &'static str,
    /// The seconds that an ad of unknown length is on the screen.
    seconds: u64,
}

#[rustfmt::skip]
const CHANNELS: [Channel; 12] = [
    Channel { name: "web", selection: 120_000, distribution: 60_000, bytes: 300_000, device: "pc", seconds: 10 },
    Channel { name: "app", selection: 90_000, distribution: 25_000, bytes: 250_000, device: "phone", seconds: 10 },
    Channel { name: "social", selection: 30_000, distribution: 45_000, bytes: 700_000, device: "phone", seconds: 5 },
    Channel { name: "streaming-video", selection: 70_000, distribution: 260_000, bytes: 4_000_000, device: "pc", seconds: 20 },
    Channel { name: "ctv-bvod", selection: 80_000, distribution: 420_000, bytes: 12_000_000, device: "tv", seconds: 30 },
    Channel { name: "linear-tv", selection: 5_000, distribution: 300_000, bytes: 0, device: "tv", seconds: 30 },
    Channel { name: "digital-audio", selection: 40_000, distribution: 60_000, bytes: 900_000, device: "smart-speaker", seconds: 30 },
    Channel { name: "traditional-radio", selection: 2_000, distribution: 90_000, bytes: 0, device: "radio", seconds: 30 },
    Channel { name: "search", selection: 15_000, distribution: 10_000, bytes: 20_000, device: "phone", seconds: 5 },
    Channel { name: "dooh", selection: 20_000, distribution: 150_000, bytes: 100_000, device: "tv", seconds: 10 },
    Channel { name: "classic-ooh", selection: 1_000, distribution: 400_000, bytes: 0, device: "radio", seconds: 0 },
    Channel { name: "print", selection: 1_000, distribution: 900_000, bytes: 0, device: "radio", seconds: 0 },
];

/// Countries, with other names, and the grams that a kilowatt-hour emits.
const COUNTRIES: [(&str, &str, u64); 14] = [
    ("US", "usa|united states|united states of america", 370),
    ("GB", "gbr|uk|united kingdom|great britain", 210),
    ("CA", "can|canada", 130),
    ("DE", "deu|germany", 350),
    ("FR", "fra|france", 60),
    ("NL", "nld|netherlands", 330),
    ("SE", "swe|sweden", 40),
    ("NO", "nor|norway", 30),
    ("PL", "pol|poland", 650),
    ("ES", "esp|spain", 170),
    ("IN", "ind|india", 700),
    ("JP", "jpn|japan", 460),
    ("BR", "bra|brazil", 100),
    ("AU", "aus|australia", 550),
];

/// Grams that a kilowatt-hour emits where no country is named.
const WORLD: u64 = 440;

/// Where an ad ran.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting {
    channel: usize,
    /// Grams that a kilowatt-hour emits.
    grid: u64,
}

impl Setting {
    /// The channel and the country. `None` if one of them is unknown. A two-letter code is never unknown.
    pub(super) fn of(channel: &str, country: Option<&str>) -> Option<Self> {
        let channel = CHANNELS.iter().position(|row| row.name == channel)?;
        let Some(country) = country else { return Some(Self { channel, grid: WORLD }) };
        let lower = country.trim().to_lowercase();
        let is_it = |row: &&(&str, &str, u64)| {
            row.0.eq_ignore_ascii_case(&lower) || row.1.split('|').any(|name| name == lower)
        };
        let is_code = lower.len() == 2 && lower.chars().all(|c| c.is_ascii_alphabetic());
        let invented = || is_code.then(|| 150 + number_of(&lower) % 500);
        let grid = COUNTRIES.iter().find(is_it).map(|row| row.2).or_else(invented)?;
        Some(Self { channel, grid })
    }

    fn row(self) -> &'static Channel {
        &CHANNELS[self.channel]
    }

    /// What choosing the ad and delivering the media around it emits for some impressions, at a place in the order of
    /// properties from the cleanest (0) to the dirtiest (999).
    pub(super) fn property(self, rank: u64, impressions: u64) -> (u64, u64) {
        let factor = 400 + 1_200 * rank / 1_000 + 600 * rank * rank / 1_000_000;
        // The cleanest grid does not halve the emissions, because the chain of companies spans many countries.
        let scaled =
            |base: u64| impressions.saturating_mul(base * factor / 1_000 * (WORLD + self.grid) / (2 * WORLD));
        (scaled(self.row().selection), scaled(self.row().distribution))
    }

    /// What moving some bytes emits.
    fn transfer(self, bytes: u64, is_mobile: bool) -> u64 {
        let watt_hours_a_gigabyte: u64 = if is_mobile { 90 } else { 30 };
        let grams = u128::from(bytes) * u128::from(watt_hours_a_gigabyte * self.grid);
        u64::try_from(grams / 1_000_000).unwrap_or(u64::MAX)
    }

    /// What a device emits in some seconds.
    fn device(self, device: Option<&str>, seconds: u64) -> u64 {
        let watts = match device.unwrap_or(self.row().device) {
            "phone" => 1,
            "tablet" => 4,
            "pc" => 30,
            "tv" => 100,
            _ => 3,
        };
        seconds.saturating_mul(watts * self.grid * 10) / 36
    }

    /// What delivering creatives emits, and the devices that show them.
    pub(super) fn creative(self, row: &Value, impressions: u64) -> (u64, u64) {
        let creative = &row["creative"];
        let number = |name: &str| creative[name].as_f64().map(super::super::arguments::whole);
        let shown = number("videoViewTimeSeconds")
            .or_else(|| number("timeInViewSeconds"))
            .or_else(|| number("videoDurationSeconds"))
            .or_else(|| number("audioDurationSeconds"));
        let seconds = shown.unwrap_or(self.row().seconds);
        let totals =
            ["totalImageDataTransferBytes", "totalAudioDataTransferBytes", "totalVideoDataTransferBytes"];
        let given = totals.iter().filter_map(|name| number(name)).fold(0_u64, u64::saturating_add);
        let each = number("videoSizeBytes")
            .or_else(|| {
                let bytes_a_second = number("videoBitrateKbps")?.saturating_mul(125);
                Some(bytes_a_second.saturating_mul(number("videoDurationSeconds")?))
            })
            .or_else(|| pixels(&creative["imageSizesPixels"]))
            .unwrap_or(if given == 0 { self.row().bytes } else { 0 });
        let extra =
            number("videoVastBytes").unwrap_or(0).saturating_add(number("otherAssetsBytes").unwrap_or(0));
        let bytes = given.saturating_add(impressions.saturating_mul(each.saturating_add(extra)));
        let transfer = self.transfer(bytes, row["network"] == "mobile");
        let device = self.device(row["deviceType"].as_str(), seconds);
        (transfer, device.saturating_mul(impressions))
    }
}

/// The bytes of images with sizes such as `300x250`: half a byte for a pixel.
fn pixels(sizes: &Value) -> Option<u64> {
    let area = |size: &Value| {
        let (width, height) = size.as_str()?.split_once('x')?;
        Some(u64::from(width.trim().parse::<u32>().ok()?) * u64::from(height.trim().parse::<u32>().ok()?) / 2)
    };
    let sizes: Vec<u64> = sizes.as_array()?.iter().filter_map(area).collect();
    sizes.iter().copied().fold(0, u64::saturating_add).checked_div(sizes.len() as u64)
}

/// The place of a property among all, from the cleanest (0) to the dirtiest (999).
pub(super) fn rank(property: &str) -> u64 {
    number_of(&property.to_lowercase()) % 1_000
}

/// What was emitted, in micrograms, by stage.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Emissions {
    pub(super) selection: u64,
    pub(super) distribution: u64,
    pub(super) transfer: u64,
    /// Of the devices that show the creatives.
    pub(super) device: u64,
}

impl AddAssign for Emissions {
    fn add_assign(&mut self, other: Self) {
        self.selection = self.selection.saturating_add(other.selection);
        self.distribution = self.distribution.saturating_add(other.distribution);
        self.transfer = self.transfer.saturating_add(other.transfer);
        self.device = self.device.saturating_add(other.device);
    }
}

/// Micrograms as grams.
pub(super) fn grams(micrograms: u64) -> Value {
    #[expect(
        clippy::cast_precision_loss,
        reason = "exact below 9 * 10^15 micrograms, which are 9,000 tonnes"
    )]
    let micrograms = micrograms as f64;
    json!(micrograms / 1e6)
}

impl Emissions {
    /// Without what a framework does not count.
    pub(super) fn counted(mut self, framework: &str) -> Self {
        if framework == "gmsf" {
            self.distribution = 0;
        }
        if framework == "scope3" {
            self.device = 0;
        }
        self
    }

    pub(super) fn total(self) -> u64 {
        [self.selection, self.distribution, self.transfer, self.device]
            .into_iter()
            .fold(0, u64::saturating_add)
    }

    /// The sum of each stage. `is_whole` is false for creatives alone.
    pub(super) fn totals(self, framework: &str, is_whole: bool) -> Value {
        let mut totals = json!({ "creativeDelivery": grams(self.transfer.saturating_add(self.device)) });
        if is_whole {
            totals["adSelection"] = grams(self.selection);
            if framework != "gmsf" {
                totals["mediaDistribution"] = grams(self.distribution);
            }
        }
        json!({ "framework": framework, "totals": totals })
    }

    /// The stages with their parts.
    pub(super) fn breakdown(self, framework: &str, is_whole: bool) -> Value {
        let stage = |parts: &[(&str, u64)]| {
            let shown = parts
                .iter()
                .map(|(name, amount)| ((*name).to_owned(), json!({ "emissions": grams(*amount) })));
            let total = parts.iter().fold(0_u64, |sum, (_, amount)| sum.saturating_add(*amount));
            json!({ "total": grams(total), "breakdown": shown.collect::<serde_json::Map<_, _>>() })
        };
        let split = |whole: u64, percent: u64| {
            let part = whole / 100 * percent;
            (part, whole - part)
        };
        let mut creative = vec![("dataTransfer", self.transfer)];
        if framework != "scope3" {
            creative.push(("consumerDevice", self.device));
        }
        let mut stages = json!({ "creativeDelivery": stage(&creative) });
        if is_whole {
            let (platform, transfer) = split(self.selection, 70);
            stages["adSelection"] = stage(&[("adPlatform", platform), ("dataTransfer", transfer)]);
            if framework != "gmsf" {
                let (transfer, corporate) = split(self.distribution, 55);
                stages["mediaDistribution"] = stage(&[("dataTransfer", transfer), ("corporate", corporate)]);
            }
        }
        json!({ "framework": framework, "breakdown": stages })
    }
}
