//! The hosts that the server answers to, and the origins of web pages that may use it.
//!
//! A web page can make a browser send requests to this machine, through a host name of its own (DNS rebinding) or
//! across origins. So the `Host` of every request must be on a list, and so must its `Origin` if it has one.

use std::{
    net::{Ipv4Addr, SocketAddr},
    str::FromStr,
    sync::Arc,
};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header, uri::Authority};
use url::Url;

use super::rejection::Rejection;

/// The loopback names of this machine.
const LOOPBACK_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// An allowed host: `mcp.example.com` with any port, or `mcp.example.com:8443` with only that port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    name: String,
    port: Option<u16>,
}

/// An allowed origin of web pages: `https://app.example.com`, with a port if it is not the scheme's default, or with
/// `:*` for any port. Apps and browser extensions use their own schemes: `app://obsidian.md`, `chrome-extension://…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    scheme: String,
    name: String,
    port: Port,
}

/// The port of an origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Port {
    Any,
    /// This port, or `None` if the scheme has no ports.
    Is(Option<u16>),
}

/// An invalid list entry.
#[derive(Debug, thiserror::Error)]
pub enum AllowlistError {
    /// Not a host.
    #[error("expected a host such as `mcp.example.com` or `mcp.example.com:8443`, without `*`")]
    Host,
    /// Not an origin.
    #[error(
        "expected an origin such as `https://app.example.com`, `http://localhost:*` or `app://obsidian.md`; `*` is \
         allowed only as the port, and `null` cannot be allowed"
    )]
    Origin,
}

impl Host {
    /// Whether the host is a loopback name of this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        LOOPBACK_NAMES.contains(&self.name.as_str())
    }

    /// The host with its port, or with `port` if it has none.
    #[must_use]
    pub fn authority_with_port(&self, port: u16) -> String {
        format!("{}:{}", self.name, self.port.unwrap_or(port))
    }

    /// The host as written in an `https:` URL, without the default port.
    #[must_use]
    pub fn https_authority(&self) -> String {
        match self.port {
            None | Some(443) => self.name.clone(),
            Some(port) => format!("{}:{port}", self.name),
        }
    }

    /// Whether it is an IP address or a name without a domain, as used in a local network.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.name.starts_with('[') || self.name.parse::<Ipv4Addr>().is_ok() || !self.name.contains('.')
    }
}

impl FromStr for Host {
    type Err = AllowlistError;

    fn from_str(text: &str) -> Result<Self, AllowlistError> {
        let text = text.trim();
        let (name, any_port) = text.strip_suffix(":*").map_or((text, false), |name| (name, true));
        // Accepts an IPv6 address without brackets.
        let name =
            if name.parse::<std::net::Ipv6Addr>().is_ok() { format!("[{name}]") } else { name.to_owned() };
        match parse_authority(&name) {
            Some(host) if !(any_port && host.port.is_some()) => Ok(host),
            _ => Err(AllowlistError::Host),
        }
    }
}

impl FromStr for Origin {
    type Err = AllowlistError;

    fn from_str(text: &str) -> Result<Self, AllowlistError> {
        let text = text.trim();
        if let Some(base) = text.strip_suffix(":*") {
            let origin = parse_origin(base).filter(|_| !base.rsplit('/').next().is_some_and(has_port));
            return origin.map(|origin| Self { port: Port::Any, ..origin }).ok_or(AllowlistError::Origin);
        }
        parse_origin(text).ok_or(AllowlistError::Origin)
    }
}

fn has_port(authority: &str) -> bool {
    authority.parse::<Authority>().is_ok_and(|authority| authority.port().is_some())
}

/// Parses the host and port of an authority. Rejects anything that two parsers could read as different hosts.
fn parse_authority(authority: &str) -> Option<Host> {
    let authority: Authority = authority.parse().ok()?;
    let rest = authority.as_str().strip_prefix(authority.host())?;
    let port = match rest.strip_prefix(':') {
        None if rest.is_empty() => None,
        Some(port) => Some(port.parse().ok()?),
        None => return None,
    };
    let name = authority.host().trim_end_matches('.').to_ascii_lowercase();
    (!name.is_empty() && !name.contains('*')).then_some(Host { name, port })
}

/// Parses an origin as browsers write it. `null` is not an origin.
fn parse_origin(text: &str) -> Option<Origin> {
    let url = Url::parse(text).ok()?;
    let bare = url.path().len() <= 1 && url.query().is_none() && url.fragment().is_none();
    if !bare || !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    let name = url.host_str().filter(|name| !name.is_empty() && !name.contains('*'))?.to_ascii_lowercase();
    Some(Origin { scheme: url.scheme().to_owned(), name, port: Port::Is(url.port_or_known_default()) })
}

/// The allowed hosts and origins.
#[derive(Debug, Clone)]
pub struct Allowlist {
    hosts: Vec<Host>,
    origins: Vec<Origin>,
}

impl Allowlist {
    /// Allows the listed hosts and origins, and the loopback names with the port that the server listens on.
    ///
    /// Loopback names are always allowed, so that the health check of a container needs no entry. This is safe, because
    /// a page that uses them has another origin, which is checked.
    #[must_use]
    pub fn new(mut hosts: Vec<Host>, mut origins: Vec<Origin>, bound: SocketAddr) -> Self {
        let address = (!bound.ip().is_unspecified()).then(|| match bound {
            SocketAddr::V4(address) => address.ip().to_string(),
            SocketAddr::V6(address) => format!("[{}]", address.ip()),
        });
        let port = Some(bound.port());
        for name in LOOPBACK_NAMES.map(str::to_owned).into_iter().chain(address) {
            origins.push(Origin { scheme: "http".to_owned(), name: name.clone(), port: Port::Is(port) });
            hosts.push(Host { name, port });
        }
        Self { hosts, origins }
    }

    fn allows_host(&self, authority: &str) -> bool {
        parse_authority(authority).is_some_and(|host| {
            // Clients omit the default port of the scheme.
            let port = host.port.unwrap_or(80);
            self.hosts.iter().any(|entry| {
                entry.name == host.name
                    && entry
                        .port
                        .is_none_or(|allowed| allowed == port || host.port.is_none() && allowed == 443)
            })
        })
    }

    /// Whether pages of this origin may use the server.
    pub(super) fn allows_origin(&self, text: &HeaderValue) -> bool {
        text.to_str().ok().and_then(parse_origin).is_some_and(|origin| {
            self.origins.iter().any(|entry| {
                entry.scheme == origin.scheme
                    && entry.name == origin.name
                    && (entry.port == Port::Any || entry.port == origin.port)
            })
        })
    }

    fn check(&self, request: &Request) -> Result<(), Rejection> {
        let host = single_value(request.headers(), header::HOST);
        let host_is_allowed = host.is_some_and(|host| self.allows_host(host));
        // A host in the request target takes precedence over the header.
        let target_is_allowed =
            request.uri().authority().is_none_or(|authority| self.allows_host(authority.as_str()));
        if !(host_is_allowed && target_is_allowed) {
            let message = "this Host is not allowed; the operator can add it with --allow-host";
            return Err(Rejection::new(StatusCode::FORBIDDEN, message));
        }
        let mut origins = request.headers().get_all(header::ORIGIN).iter();
        let origin_is_allowed = match (origins.next(), origins.next()) {
            (None, _) => true,
            (Some(origin), None) => self.allows_origin(origin),
            _ => false,
        };
        if !origin_is_allowed {
            let message = "this Origin is not allowed; the operator can add it with --allow-origin";
            return Err(Rejection::new(StatusCode::FORBIDDEN, message));
        }
        Ok(())
    }
}

/// Whether a request uses a loopback name of this machine. A request through a proxy uses the proxy's name.
pub(super) fn has_loopback_host(headers: &HeaderMap) -> bool {
    single_value(headers, header::HOST).and_then(parse_authority).is_some_and(|host| host.is_loopback())
}

/// The value of a header that is not repeated.
fn single_value(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then(|| value.to_str().ok())?
}

/// Rejects a request unless its host and origin are allowed.
pub(super) async fn check_source(
    State(allowlist): State<Arc<Allowlist>>,
    request: Request,
    next: Next,
) -> Response {
    match allowlist.check(&request) {
        Ok(()) => next.run(request).await,
        Err(rejection) => rejection.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(hosts: &[&str], origins: &[&str]) -> Allowlist {
        let parsed = |list: &[&str]| list.iter().map(|entry| entry.parse().unwrap()).collect::<Vec<Host>>();
        let origins = origins.iter().map(|entry| entry.parse().unwrap()).collect();
        Allowlist::new(parsed(hosts), origins, "127.0.0.1:8080".parse().unwrap())
    }

    fn page(text: &'static str) -> HeaderValue {
        HeaderValue::from_static(text)
    }

    #[test]
    fn without_a_list_only_this_machine_at_the_bound_port_is_allowed() {
        let hosts = hosts(&[], &[]);
        for good in ["127.0.0.1:8080", "localhost:8080", "LOCALHOST:8080", "[::1]:8080"] {
            assert!(hosts.allows_host(good), "{good}");
        }
        let bad = [
            "evil.example:8080",
            "localhost:80",
            "localhost",
            "127.0.0.1:8081",
            "localhost.evil.example:8080",
        ];
        for bad in
            bad.into_iter().chain(["me@localhost:8080", "localhost:8080@evil", "", "localhost:", ":8080"])
        {
            assert!(!hosts.allows_host(bad), "{bad}");
        }
        assert!(hosts.allows_origin(&page("http://localhost:8080")));
        for bad in
            ["null", "http://localhost:3000", "http://localhost", "https://localhost:8080", "http://evil"]
        {
            assert!(!hosts.allows_origin(&page(bad)), "{bad}");
        }
    }

    #[test]
    fn an_entry_without_a_port_allows_any_port_and_an_entry_with_one_only_that_port() {
        let hosts = hosts(&["mcp.example.com", "other.example.com:8443", "10.0.0.1:443"], &[]);
        assert!(hosts.allows_host("mcp.example.com") && hosts.allows_host("mcp.example.com:1234"));
        assert!(hosts.allows_host("mcp.example.com."), "a trailing dot means the same host");
        assert!(hosts.allows_host("other.example.com:8443") && !hosts.allows_host("other.example.com:8444"));
        assert!(hosts.allows_host("10.0.0.1"), "behind a proxy with TLS, clients omit the port");
        assert!(hosts.allows_host("localhost:8080"), "a health check on the same machine is allowed");
        assert!(!hosts.allows_host("localhost:8081"));
    }

    #[test]
    fn an_origin_is_a_scheme_a_host_and_a_port() {
        let hosts = hosts(&[], &["https://app.example.com", "http://localhost:*", "http://127.0.0.1:6274"]);
        assert!(hosts.allows_origin(&page("https://app.example.com")));
        assert!(
            hosts.allows_origin(&page("http://localhost:1"))
                && hosts.allows_origin(&page("http://127.0.0.1:6274"))
        );
        let bad = ["http://app.example.com", "https://app.example.com:8443", "http://127.0.0.1:6275", "null"];
        for bad in bad.into_iter().chain(["https://app.example.com/path", "https://me@app.example.com"]) {
            assert!(!hosts.allows_origin(&page(bad)), "{bad}");
        }
    }

    #[test]
    fn invalid_entries_are_rejected() {
        for bad in ["", "http://a", "a b", "a:99999", "me@a", "a:1:*", "*", "*.example.com"] {
            assert!(bad.parse::<Host>().is_err(), "{bad}");
        }
        assert_eq!("::1".parse::<Host>().unwrap(), "[::1]".parse().unwrap());
        let bad = [
            "",
            "null",
            "*",
            "a",
            "a.example",
            "https://a/b",
            "https://a:1:*",
            "https://*.a.example",
            "app://*",
        ];
        for bad in bad.into_iter().chain([
            "app://",
            "data:text",
            "file:///a",
            "app://a?b",
            "app://me@a",
            "://a",
            "*://a",
        ]) {
            assert!(bad.parse::<Origin>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_bound_address_is_allowed_but_not_the_unspecified_address() {
        let at = |bound: &str| Allowlist::new(vec![], vec![], bound.parse().unwrap());
        let one = at("10.0.0.5:8080");
        assert!(one.allows_host("10.0.0.5:8080") && !one.allows_host("10.0.0.5:8081"));
        assert!(one.allows_origin(&page("http://10.0.0.5:8080")));
        assert!(one.allows_host("localhost:8080") && !one.allows_host("10.0.0.6:8080"));
        let six = at("[fd00::5]:8080");
        assert!(six.allows_host("[fd00::5]:8080"));
        for all in ["0.0.0.0:8080", "[::]:8080"] {
            assert!(at(all).allows_host("localhost:8080"), "{all}");
            assert!(!at(all).allows_host(all), "a page could reach this machine at {all}");
            let origin = HeaderValue::from_str(&format!("http://{all}")).unwrap();
            assert!(!at(all).allows_origin(&origin), "{all}");
        }
    }

    #[test]
    fn an_entry_with_the_https_port_allows_no_other_port() {
        let hosts = hosts(&["mcp.example.com:443", "plain.example.com:80"], &[]);
        assert!(hosts.allows_host("mcp.example.com") && hosts.allows_host("mcp.example.com:443"));
        assert!(!hosts.allows_host("mcp.example.com:80") && !hosts.allows_host("mcp.example.com:8443"));
        assert!(hosts.allows_host("plain.example.com") && !hosts.allows_host("plain.example.com:443"));
    }

    #[test]
    fn origins_of_apps_and_extensions_can_be_allowed() {
        let listed = [
            "app://obsidian.md",
            "chrome-extension://aaaabbbbccccddddeeeeffffgggghhhh",
            "vscode-webview://1ab2-uuid/",
            "capacitor://localhost",
            "tauri://localhost:*",
        ];
        let hosts = hosts(&[], &listed);
        for good in listed.map(|entry| entry.trim_end_matches(['/', '*', ':'])) {
            assert!(hosts.allows_origin(&page(good)), "{good}");
        }
        for bad in [
            "null",
            "app://obsidian.md:1",
            "app://other.md",
            "https://obsidian.md",
            "chrome-extension://bbbbbbbbccccddddeeeeffffgggghhhh",
            "moz-extension://aaaabbbbccccddddeeeeffffgggghhhh",
            "app://",
        ] {
            assert!(!hosts.allows_origin(&page(bad)), "{bad}");
        }
    }
}
