//! Creative formats. The list is fixed, as at Scope3 (`src/services/creative-service.ts` of
//! `scope3data/activation-api`), and also has the other standard banner sizes.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{ApiResponse, ApiResult, Call, count};
use crate::objects::creative::FormatRef;

/// A creative format.
#[derive(Debug, Clone, Serialize)]
#[expect(clippy::struct_field_names, reason = "the names are Scope3's")]
#[serde(rename_all = "camelCase")]
struct Format {
    format_id: &'static str,
    name: &'static str,
    description: &'static str,
    r#type: &'static str,
    requirements: Requirements,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Requirements {
    accepts_third_party_tags: bool,
    assembly_capable: bool,
    required_assets: &'static [Asset],
}

#[derive(Debug, Clone, Serialize)]
struct Asset {
    r#type: &'static str,
    specs: Specs,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Specs {
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<&'static str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    formats: &'static [&'static str],
    #[serde(skip_serializing_if = "Option::is_none")]
    max_size: Option<&'static str>,
}

const fn asset(
    r#type: &'static str,
    dimensions: Option<&'static str>,
    formats: &'static [&'static str],
    max_size: Option<&'static str>,
) -> Asset {
    Asset { r#type, specs: Specs { dimensions, formats, max_size } }
}

const IMAGES: &[&str] = &["jpg", "png", "gif"];

const fn format(
    r#type: &'static str,
    format_id: &'static str,
    name: &'static str,
    description: &'static str,
    accepts_third_party_tags: bool,
    required_assets: &'static [Asset],
) -> Format {
    // All formats can be assembled from assets.
    let requirements = Requirements { accepts_third_party_tags, assembly_capable: true, required_assets };
    Format { format_id, name, description, r#type, requirements }
}

macro_rules! banner {
    ($name:literal, $size:literal) => {
        format(
            "adcp",
            concat!("display_banner_", $size),
            concat!($name, " ", $size),
            "Standard display ad of the IAB",
            true,
            &[asset("image", Some($size), IMAGES, Some("200KB"))],
        )
    };
}

/// The number of formats in Scope3's published code. They come first.
const PUBLISHED_COUNT: usize = 8;

const FORMATS: [Format; 20] = [
    format(
        "adcp",
        "display_banner_320x50",
        "Mobile Banner 320x50",
        "Standard mobile banner display ad",
        true,
        &[asset("image", Some("320x50"), IMAGES, Some("150KB"))],
    ),
    format(
        "adcp",
        "display_banner_728x90",
        "Leaderboard 728x90",
        "Standard desktop leaderboard display ad",
        true,
        &[asset("image", Some("728x90"), IMAGES, Some("200KB"))],
    ),
    format(
        "adcp",
        "video_vast_preroll",
        "VAST Pre-roll Video",
        "Video ad before the content, as a VAST tag or a file",
        true,
        &[asset("video", Some("16:9"), &["mp4", "webm"], Some("10MB"))],
    ),
    format(
        "adcp",
        "native_article",
        "Native Article",
        "Native ad that looks like an article on the page",
        false,
        &[
            asset("image", Some("1200x628"), &["jpg", "png"], Some("500KB")),
            asset("text", None, &[], None),
            asset("logo", Some("1:1"), &["png"], Some("100KB")),
        ],
    ),
    format(
        "publisher",
        "amazon_dsp_ctv_video",
        "Amazon DSP CTV Video",
        "Video for connected TV, with Amazon's requirements",
        false,
        &[asset("video", Some("1920x1080"), &["mp4"], Some("50MB"))],
    ),
    format(
        "publisher",
        "google_dv360_responsive_display",
        "Google DV360 Responsive Display",
        "Display ad that Google adapts to the ad space",
        true,
        &[
            asset("image", Some("1200x628"), &["jpg", "png"], Some("5MB")),
            asset("text", None, &[], None),
            asset("logo", Some("1:1"), &["png"], Some("1MB")),
        ],
    ),
    format(
        "creative_agent",
        "ai_dynamic_product",
        "AI Dynamic Product Ad",
        "Product ad that an agent generates from a product page",
        false,
        &[asset("image", None, &["jpg", "png"], Some("5MB")), asset("text", None, &[], None)],
    ),
    format(
        "creative_agent",
        "ai_brand_template",
        "AI Brand Template",
        "Ad that an agent generates from a brand's template",
        false,
        &[asset("logo", None, &["png", "svg"], Some("2MB")), asset("text", None, &[], None)],
    ),
    banner!("Medium Rectangle", "300x250"),
    banner!("Large Rectangle", "336x280"),
    banner!("Square", "250x250"),
    banner!("Wide Skyscraper", "160x600"),
    banner!("Skyscraper", "120x600"),
    banner!("Half Page", "300x600"),
    banner!("Billboard", "970x250"),
    banner!("Large Leaderboard", "970x90"),
    banner!("Full Banner", "468x60"),
    banner!("Small Mobile Banner", "300x50"),
    banner!("Large Mobile Banner", "320x100"),
    banner!("Mobile Interstitial", "320x480"),
];

/// Why a creative cannot have a format, or `None` if it can. The published code does not check it.
pub(in super::super) fn format_problem(format: &FormatRef) -> Option<String> {
    let FormatRef { r#type, format_id } = format;
    match FORMATS.iter().find(|format| format.format_id == format_id) {
        Some(known) if known.r#type == r#type => None,
        Some(known) => Some(format!("{format_id} is of type {}, not {type:.64}", known.r#type)),
        None => Some(format!(
            "unknown format {format_id:.64}; format_list has all formats, such as display_banner_300x250"
        )),
    }
}

/// The asset types that a format requires. Empty for unknown formats.
pub(in super::super) fn required_assets(format_id: &str) -> impl Iterator<Item = &'static str> {
    FORMATS
        .into_iter()
        .filter(move |format| format.format_id == format_id)
        .flat_map(|format| format.requirements.required_assets)
        .map(|asset| asset.r#type)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct List {
    r#type: Option<String>,
    search: Option<String>,
    accepts_third_party_tags: Option<bool>,
    assembly_capable: Option<bool>,
}

impl List {
    fn matches(&self, format: &Format) -> bool {
        let requirements = &format.requirements;
        let text = || format!("{}\n{}\n{}", format.format_id, format.name, format.description).to_lowercase();
        self.r#type.as_ref().is_none_or(|expected| expected == format.r#type)
            && self.search.as_ref().is_none_or(|part| text().contains(&part.to_lowercase()))
            && self
                .accepts_third_party_tags
                .is_none_or(|expected| expected == requirements.accepts_third_party_tags)
            && self.assembly_capable.is_none_or(|expected| expected == requirements.assembly_capable)
    }
}

pub(super) fn list(call: &mut Call<'_>) -> ApiResult {
    let input: List = call.input()?;
    let known = if call.account.as_published { PUBLISHED_COUNT } else { FORMATS.len() };
    let found: Vec<Format> = FORMATS.into_iter().take(known).filter(|format| input.matches(format)).collect();
    let of = |kind| found.iter().filter(|format| format.r#type == kind).collect::<Vec<_>>();
    let (adcp, publisher, agent) = (of("adcp"), of("publisher"), of("creative_agent"));
    let tags = found.iter().filter(|format| format.requirements.accepts_third_party_tags).count();
    let assembly = found.iter().filter(|format| format.requirements.assembly_capable).count();
    let lines: Vec<String> = found
        .iter()
        .map(|format| format!("- {}/{}: {}", format.r#type, format.format_id, format.name))
        .collect();
    Ok(ApiResponse::success(
        format!("**{}**\n{}", count(found.len(), "creative format"), lines.join("\n")),
        json!({
            "formats": {
                "adcp_formats": adcp, "publisher_formats": publisher, "creative_agent_formats": agent,
            },
            "filters": call.arguments(),
            "summary": {
                "totalFormats": found.len(),
                "adcpFormats": adcp.len(),
                "publisherFormats": publisher.len(),
                "creativeAgentFormats": agent.len(),
                "assemblyCapable": assembly,
                "thirdPartyTagCapable": tags,
            },
        }),
    ))
}
