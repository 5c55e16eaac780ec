//! The base URLs of requests.

use std::{fmt, net::IpAddr, str::FromStr};

use scope3_mcp_catalog::echo;
use url::{Host, Url};

/// One of Scope3's environments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// Spends real money.
    Production,
    /// For testing.
    Staging,
}

/// The base URL of a surface's paths. It uses HTTPS; plain HTTP is allowed only to this machine.
#[derive(Clone, PartialEq, Eq)]
pub struct BaseUrl {
    url: Url,
    /// The path of the base URL that Scope3 publishes for the surface, such as `/api/v2/buyer`.
    published_path: &'static str,
}

/// Why a text is not a valid base URL. The messages repeat as much of the text as [`echo`] allows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BaseUrlError {
    /// The text is not a URL.
    #[error("expected a URL such as https://host/path, got `{0}`")]
    NotUrl(String),
    /// The key would be sent unencrypted.
    #[error(
        "expected a URL with `https:`, or with `http:` to this machine (127.0.0.1, [::1] or localhost), got `{0}`"
    )]
    Insecure(String),
    /// The URL has a part that a base URL cannot have. The message does not repeat it, as it may be a password.
    #[error("a base URL cannot contain a user name, a password, a query (`?`) or a fragment (`#`)")]
    UnexpectedPart,
}

impl BaseUrl {
    /// Whether the URL points to this machine. If so, plain HTTP is allowed and no proxy is used.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.url)
    }

    /// The same URL for a surface whose published base URL has this path.
    pub(super) fn of(self, published_path: &'static str) -> Self {
        Self { published_path, ..self }
    }

    /// Appends path segments to the base URL. `segments` are added one at a time, each as it is.
    ///
    /// Some operations have another base than their surface, such as `/api/v2` instead of `/api/v2/buyer`. It takes the
    /// place of the surface's path at the end of the URL. If the URL does not end with that path, it stands for Scope3's
    /// host, and `base` follows it. The host and all that precedes stay as they are, and the key with them.
    pub(super) fn join<'a>(&self, base: Option<&str>, segments: impl Iterator<Item = &'a str>) -> Url {
        let mut url = self.url.clone();
        let path = url.path().trim_end_matches('/');
        let outer = path.strip_suffix(self.published_path).unwrap_or(path);
        if let Some(base) = base {
            url.set_path(&format!("{outer}{base}"));
        }
        // This fails only for a URL without a host, and every accepted base URL has a host.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }
}

/// Whether a URL leads to this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip).to_canonical().is_loopback(),
        None => false,
    }
}

impl FromStr for BaseUrl {
    type Err = BaseUrlError;

    fn from_str(text: &str) -> Result<Self, BaseUrlError> {
        let url = Url::parse(text).map_err(|_| BaseUrlError::NotUrl(echo(text).into_owned()))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BaseUrlError::UnexpectedPart);
        }
        if !(url.scheme() == "https" && url.has_host() || url.scheme() == "http" && is_loopback(&url)) {
            return Err(BaseUrlError::Insecure(echo(text).into_owned()));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(BaseUrlError::UnexpectedPart);
        }
        Ok(Self { url, published_path: "" })
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.as_str())
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_allowed_only_to_this_machine() {
        for good in
            ["https://api.example.com/v1", "http://127.0.0.1:9/x", "http://[::1]:9", "http://localhost:9/"]
        {
            assert!(good.parse::<BaseUrl>().is_ok(), "{good}");
        }
        let evil = "http://127.0.0.1.evil.example";
        for bad in [
            "http://example.com",
            evil,
            "http://10.0.0.1",
            "ftp://localhost",
            "file:///etc",
            "http://0.0.0.0",
        ] {
            assert_eq!(bad.parse::<BaseUrl>(), Err(BaseUrlError::Insecure(bad.to_owned())), "{bad}");
        }
        assert_eq!("example.com".parse::<BaseUrl>(), Err(BaseUrlError::NotUrl("example.com".to_owned())));
        for bad in [
            "https://user:pass@example.com",
            "https://user@example.com",
            "https://:pass@example.com",
            "https://example.com/?a=b",
            "https://example.com/#x",
        ] {
            assert_eq!(bad.parse::<BaseUrl>(), Err(BaseUrlError::UnexpectedPart), "{bad}");
        }
    }

    #[test]
    fn another_base_moves_along_with_the_environment_and_the_operators_url() {
        for (url, base, expected) in [
            (
                "https://api.interchange.io/api/v2/buyer",
                None,
                "https://api.interchange.io/api/v2/buyer/x/1%2F2",
            ),
            (
                "https://api.interchange.io/api/v2/buyer",
                Some("/api/v2"),
                "https://api.interchange.io/api/v2/x/1%2F2",
            ),
            (
                "https://api.interchange.io/api/v2/buyer/",
                Some("/api/v2"),
                "https://api.interchange.io/api/v2/x/1%2F2",
            ),
            (
                "https://api.staging.interchange.io/api/v2/buyer",
                Some(""),
                "https://api.staging.interchange.io/x/1%2F2",
            ),
            (
                "https://proxy.example/s3/api/v2/buyer",
                Some("/api/v2"),
                "https://proxy.example/s3/api/v2/x/1%2F2",
            ),
            ("https://proxy.example/s3/api/v2/buyer", Some(""), "https://proxy.example/s3/x/1%2F2"),
            ("http://127.0.0.1:9", None, "http://127.0.0.1:9/x/1%2F2"),
            ("http://127.0.0.1:9", Some("/api/v2"), "http://127.0.0.1:9/api/v2/x/1%2F2"),
            ("http://127.0.0.1:9/s3/", Some(""), "http://127.0.0.1:9/s3/x/1%2F2"),
        ] {
            let url = url.parse::<BaseUrl>().unwrap().of("/api/v2/buyer");
            assert_eq!(url.join(base, ["x", "1/2"].into_iter()).as_str(), expected);
        }
    }

    #[test]
    fn an_error_repeats_little_of_a_url_and_nothing_that_may_be_a_password() {
        let expected = BaseUrlError::NotUrl(String::new()).to_string().len();
        let expected = expected.max(BaseUrlError::Insecure(String::new()).to_string().len());
        let long = "x".repeat(100_000);
        for bad in [
            "user:hidden@example.com",
            "hidden@example.com",
            "https://user:hidden@exa mple.com",
            "https://user:hid/hidden@example.com",
            "https://user:hid?hidden@example.com",
            "//user:hidden@example.com",
            "http://user:hidden@example.com",
            "http://example.com/?token=hidden",
            "http://example.com/#hidden",
            "https://exa mple.com/?token=hidden",
            "scope3_aaaa_hidden",
            &long,
            &format!("http://{long}.example.com"),
        ] {
            let error = bad.parse::<BaseUrl>().unwrap_err().to_string();
            assert!(!error.contains("hid"), "{error}");
            assert!(error.len() <= expected + 64, "{} bytes: {error}", error.len());
        }
        assert!(
            "http://example.com".parse::<BaseUrl>().unwrap_err().to_string().contains("`http://example.com`")
        );
    }
}
