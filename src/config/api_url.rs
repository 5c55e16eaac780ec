//! The base URLs that the operator sets instead of the published ones.

use std::str::FromStr;

use scope3_mcp_gateway::{
    BaseUrl, Profile,
    catalog::{Surface, echo},
};

use super::{ConfigError, Settings};

/// A base URL, and the API that it is for: `https://host/path` or `buyer=https://host/path`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiUrl {
    /// The API. `None` for the only one.
    surface: Option<Surface>,
    url: BaseUrl,
}

impl FromStr for ApiUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_name = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase());
        let (surface, url) = match text.split_once('=').filter(|(name, _)| is_name(name)) {
            Some((name, url)) => (Some(name.parse()?), url),
            None => (None, text),
        };
        let url = url.parse().map_err(|error| format!("{error}"))?;
        Ok(Self { surface, url })
    }
}

impl Settings {
    /// The base URL that the operator set for an API.
    ///
    /// # Errors
    /// If a URL does not say which of several APIs it is for, or has the path of another API. The key would go to the wrong
    /// one.
    pub fn base_url(&self, surface: Surface) -> Result<Option<BaseUrl>, ConfigError> {
        if self.api.len() > 1 && self.api_url.iter().any(|given| given.surface.is_none()) {
            let problem = "expected the name of the API before each URL, such as `buyer=https://host/path`, because several \
                           APIs are active";
            return Err(ConfigError::value(self.name_of("api_url"), problem));
        }
        let is_for = |given: &&ApiUrl| given.surface.is_none_or(|named| named == surface);
        let Some(given) = self.api_url.iter().find(is_for) else { return Ok(None) };
        let url = given.url.to_string();
        let has_path_of = |other: &Surface| {
            Profile::of(*other)
                .is_some_and(|profile| url.trim_end_matches('/').ends_with(profile.published_path()))
        };
        // The key would go to paths that do not exist there, and every call fail.
        let other = Surface::ALL.into_iter().filter(|other| *other != surface).find(has_path_of);
        if let Some(other) = other.filter(|_| !has_path_of(&surface)) {
            let problem = format!(
                "expected the URL of the API `{surface}`, got `{}`, which has the path of `{other}`; use --api {other}, or \
                 another URL",
                echo(&url)
            );
            return Err(ConfigError::value(self.name_of("api_url"), problem));
        }
        Ok(Some(given.url.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_may_name_its_api() {
        let parse = |text: &str| text.parse::<ApiUrl>();
        assert_eq!(parse("https://host/a").unwrap().surface, None);
        let named = parse("buyer=https://host/a").unwrap();
        assert_eq!((named.surface, named.url.to_string().as_str()), (Some(Surface::Buyer), "https://host/a"));
        assert!(parse("seller=https://host/a").unwrap_err().contains("unknown API `seller`"));
        assert!(parse("buyer=http://host/a").unwrap_err().contains("https:"));
    }
}
