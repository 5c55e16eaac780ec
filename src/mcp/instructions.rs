//! What a client's model reads about this server when it connects.

use jiff::{Timestamp, tz::Offset};
use scope3_mcp_gateway::{Backend, catalog::Surface};

/// The instructions for these APIs: the first in full, what holds for all, and what the others are for.
pub(super) fn instructions(surfaces: &[Surface]) -> String {
    let mut texts = surfaces.iter().map(|surface| about(*surface).trim());
    let mut parts: Vec<&str> = texts.next().into_iter().collect();
    parts.push(include_str!("instructions/common.txt").trim());
    // Last, because some clients cut long instructions.
    parts.extend(texts.filter_map(|text| text.split("\n\n").next()));
    parts.join("\n\n")
}

fn about(surface: Surface) -> &'static str {
    match surface {
        Surface::Campaign => include_str!("instructions/campaign.txt"),
        Surface::Buyer => include_str!("instructions/buyer.txt"),
        Surface::Storefront => include_str!("instructions/storefront.txt"),
        Surface::Measurement => include_str!("instructions/measurement.txt"),
        Surface::Local => "",
    }
}

/// The title of the server, and a notice for the model about the API behind it.
pub(super) fn title_and_notice(backend: Backend) -> (&'static str, String) {
    match backend {
        Backend::Production => ("Scope3", String::new()),
        Backend::Staging => (
            "Scope3 (staging)",
            "This server works with Scope3's staging environment, not with production.\n\n".to_owned(),
        ),
        Backend::Sandbox => {
            let today = Offset::UTC.to_datetime(Timestamp::now()).date();
            let notice = format!(
                "This is a sandbox: an imitation of Scope3's API with made-up data. Nothing here reaches Scope3 or costs \
                 money. Today is {today}.\n\n"
            );
            ("Scope3 (sandbox)", notice)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Claude Code cuts instructions at 2 KB. The notice about the sandbox comes before them.
    #[test]
    fn no_client_cuts_the_instructions() {
        const MOST_BYTES: usize = 2_048 - 200;
        let all = [Surface::Campaign, Surface::Buyer, Surface::Storefront, Surface::Measurement];
        for first in all {
            let text = instructions(&[first]);
            assert!(text.len() <= MOST_BYTES, "{first}: {}", text.len());
        }
        let both = instructions(&[Surface::Buyer, Surface::Campaign]);
        assert!(both.contains("brand agent") && both.contains("execute_campaign"));
    }
}
