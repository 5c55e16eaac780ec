//! The APIs as data: the base URLs, the header for the key, the dialect of the responses, and the quotas of each.

use std::num::NonZeroU32;

use http::{HeaderName, HeaderValue, header};
use scope3_mcp_catalog::{
    SpecialLimit, Surface,
    rate::{Per, Rate},
};

use super::{base::Environment, dialect::Dialect};
use crate::{Class, Counts, Quota, credentials::ApiKey};

/// The fixed properties of an API, from Scope3's documentation.
#[derive(Debug)]
pub struct Profile {
    /// The API.
    pub surface: Surface,
    /// The published base URL for production.
    pub production: &'static str,
    /// The published base URL for staging, if there is one.
    pub staging: Option<&'static str>,
    /// The header for the key.
    pub key_header: KeyHeader,
    /// The header that names the customer, for keys that see several. Only documents of v3 name it; that v2 honors it is
    /// an assumption.
    pub customer_header: Option<&'static str>,
    /// The format of responses.
    pub dialect: Dialect,
    /// The limits of each key.
    pub quotas: &'static [Quota],
}

/// The header in which requests send the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyHeader {
    /// `x-scope3-api-key`, which has no special meaning to proxies.
    ApiKey,
    /// `Authorization: Bearer`.
    Bearer,
}

const MCP: Quota = per_hour(Class::MCP, Counts::Calls, 500);
const EXPORT: Quota = per_hour(Class::EXPORT, Counts::CallsWith(SpecialLimit::Export), 50);

/// v1 counts per key. For v2, Scope3 counts 100 per minute per IP address, and per hour per account.
const V1_QUOTAS: [Quota; 3] = [MCP, per_hour(Class::API, Counts::Requests, 1000), EXPORT];
const V2_QUOTAS: [Quota; 3] = [
    MCP,
    Quota { class: Class::INTERCHANGE, counts: Counts::Requests, rate: rate(100, Per::Minute) },
    EXPORT,
];

const CUSTOMER_HEADER: &str = "x-scope3-customer-id";

/// All APIs that requests can be sent to.
static PROFILES: [Profile; 4] = [
    Profile {
        surface: Surface::Campaign,
        production: "https://api.agentic.scope3.com/rest/v1",
        staging: Some("https://api.agentic.staging.scope3.com/rest/v1"),
        key_header: KeyHeader::ApiKey,
        customer_header: None,
        dialect: Dialect::CampaignV1,
        quotas: &V1_QUOTAS,
    },
    Profile {
        surface: Surface::Buyer,
        production: "https://api.interchange.io/api/v2/buyer",
        staging: Some("https://api.staging.interchange.io/api/v2/buyer"),
        key_header: KeyHeader::Bearer,
        customer_header: Some(CUSTOMER_HEADER),
        dialect: Dialect::InterchangeV2,
        quotas: &V2_QUOTAS,
    },
    Profile {
        surface: Surface::Storefront,
        production: "https://api.interchange.io/api/v2/storefront",
        staging: Some("https://api.staging.interchange.io/api/v2/storefront"),
        key_header: KeyHeader::Bearer,
        customer_header: Some(CUSTOMER_HEADER),
        dialect: Dialect::InterchangeV2,
        quotas: &V2_QUOTAS,
    },
    Profile {
        surface: Surface::Measurement,
        production: "https://api.scope3.com/v2",
        staging: None,
        key_header: KeyHeader::Bearer,
        customer_header: Some(CUSTOMER_HEADER),
        dialect: Dialect::InterchangeV2,
        quotas: &V2_QUOTAS,
    },
];

impl Profile {
    /// The profile of a surface. The local surface has none, because the server handles its calls itself.
    #[must_use]
    pub fn of(surface: Surface) -> Option<&'static Self> {
        PROFILES.iter().find(|profile| profile.surface == surface)
    }

    /// The path of the published base URLs, such as `/api/v2/buyer`.
    #[must_use]
    pub fn published_path(&self) -> &'static str {
        let host = self.production.trim_start_matches("https://");
        host.find('/').map_or("", |at| &host[at..])
    }

    /// The published base URL for this environment, if there is one.
    #[must_use]
    pub fn base_url(&self, environment: Environment) -> Option<&'static str> {
        match environment {
            Environment::Production => Some(self.production),
            Environment::Staging => self.staging,
        }
    }
}

impl KeyHeader {
    /// The header with the key as its value, which is marked sensitive.
    pub(super) fn with(self, key: &ApiKey) -> (HeaderName, HeaderValue) {
        match self {
            Self::ApiKey => (HeaderName::from_static("x-scope3-api-key"), key.header()),
            Self::Bearer => (header::AUTHORIZATION, key.bearer()),
        }
    }
}

const fn per_hour(class: Class, counts: Counts, count: u32) -> Quota {
    Quota { class, counts, rate: rate(count, Per::Hour) }
}

const fn rate(count: u32, per: Per) -> Rate {
    match NonZeroU32::new(count) {
        Some(count) => Rate { count, per },
        None => Rate { count: NonZeroU32::MIN, per },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A wrong URL could spend real money for a user of staging.
    #[test]
    fn every_surface_has_the_base_urls_that_scope3_published() {
        let url = |surface, environment| Profile::of(surface).unwrap().base_url(environment);
        for (surface, production, staging) in [
            (
                Surface::Campaign,
                "https://api.agentic.scope3.com/rest/v1",
                Some("https://api.agentic.staging.scope3.com/rest/v1"),
            ),
            (
                Surface::Buyer,
                "https://api.interchange.io/api/v2/buyer",
                Some("https://api.staging.interchange.io/api/v2/buyer"),
            ),
            (
                Surface::Storefront,
                "https://api.interchange.io/api/v2/storefront",
                Some("https://api.staging.interchange.io/api/v2/storefront"),
            ),
            (Surface::Measurement, "https://api.scope3.com/v2", None),
        ] {
            assert_eq!(url(surface, Environment::Production), Some(production));
            assert_eq!(url(surface, Environment::Staging), staging);
        }
        assert!(Profile::of(Surface::Local).is_none());
        assert_eq!(Profile::of(Surface::Buyer).unwrap().published_path(), "/api/v2/buyer");
        for profile in &PROFILES {
            let urls = [Some(profile.production), profile.staging].into_iter().flatten();
            assert!(
                urls.into_iter().all(|url| url.ends_with(profile.published_path())),
                "{:?}",
                profile.surface
            );
        }
    }
}
