//! Where requests go.

use std::{fmt, net::IpAddr, str::FromStr};

use url::{Host, Url};

/// Which of Scope3's installations is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// The one where money is real.
    Production,
    /// The one for trying things.
    Staging,
}

/// A base URL below which a surface's paths lie: HTTPS, or plain HTTP to this machine alone.
#[derive(Clone, PartialEq, Eq)]
pub struct BaseUrl(Url);

/// A text that is no base URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BaseUrlError {
    /// Not a URL at all.
    #[error("`{0}` is not a URL; expected https://host/path")]
    NoUrl(String),
    /// The key would travel in the clear.
    #[error("`{0}` is not allowed; expected https:, or http: to 127.0.0.1, [::1] or localhost")]
    NotSecure(String),
    /// Something that a base has no place for.
    #[error("expected a base URL without a user, `?` or `#`")]
    Extras,
}

impl BaseUrl {
    /// Whether it is this machine, where no proxy stands between and plain HTTP is allowed.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.0)
    }

    /// The URL of a path below the base. `segments` are put in one by one, each as it is.
    pub(super) fn join<'a>(&self, segments: impl Iterator<Item = &'a str>) -> Url {
        let mut url = self.0.clone();
        // A base with a host can have segments; every accepted base has a host.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }
}

fn is_loopback(url: &Url) -> bool {
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
        let url = Url::parse(text).map_err(|_| BaseUrlError::NoUrl(text.to_owned()))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BaseUrlError::Extras);
        }
        if !(url.scheme() == "https" && url.has_host() || url.scheme() == "http" && is_loopback(&url)) {
            return Err(BaseUrlError::NotSecure(text.to_owned()));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(BaseUrlError::Extras);
        }
        Ok(Self(url))
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
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
    fn plain_http_goes_to_this_machine_alone() {
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
            assert_eq!(bad.parse::<BaseUrl>(), Err(BaseUrlError::NotSecure(bad.to_owned())), "{bad}");
        }
        assert_eq!("example.com".parse::<BaseUrl>(), Err(BaseUrlError::NoUrl("example.com".to_owned())));
        for bad in [
            "https://user:pass@example.com",
            "https://user@example.com",
            "https://:pass@example.com",
            "https://example.com/?a=b",
            "https://example.com/#x",
        ] {
            assert_eq!(bad.parse::<BaseUrl>(), Err(BaseUrlError::Extras), "{bad}");
        }
    }
}
