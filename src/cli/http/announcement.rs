//! What an operator is told at the start: where the server listens, and how clients come in.

use std::{io::Write, net::SocketAddr};

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use url::Url;

use crate::{
    config::{AuthChoice, LogFormat},
    transport::http::Host,
};

/// Where the server is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ServerAddress {
    /// Where it listens, as a URL that works on this machine.
    pub(super) listening: String,
    /// The URL for clients.
    pub(super) endpoint: String,
    /// Whether a token can go to the endpoint without others reading it on the way.
    pub(super) is_private: bool,
}

impl ServerAddress {
    /// The address of a server at an address: that of its public URL, else by the first name that it was given.
    pub(super) fn new(public: Option<&Url>, hosts: &[Host], bound: SocketAddr) -> Self {
        let everywhere = bound.ip().is_unspecified();
        let here = if everywhere { format!("localhost:{}", bound.port()) } else { bound.to_string() };
        let listening = format!("http://{here}/mcp");
        let elsewhere = hosts.iter().find(|host| !host.is_loopback());
        let (endpoint, is_private) = match (public, elsewhere, hosts.first()) {
            (Some(url), _, _) => (below(url), url.scheme() == "https" || is_loopback(url)),
            (None, Some(host), _) if is_direct(host, bound) => {
                (format!("http://{}/mcp", host.authority_with_port(bound.port())), false)
            }
            // Clients reach a name from elsewhere by a proxy, which has TLS and a port of its own.
            (None, Some(host), _) => (format!("https://{}/mcp", host.https_authority()), true),
            (None, None, Some(host)) if everywhere => {
                (format!("http://{}/mcp", host.authority_with_port(bound.port())), true)
            }
            (None, None, _) => (listening.clone(), everywhere || bound.ip().to_canonical().is_loopback()),
        };
        Self { listening, endpoint, is_private }
    }
}

/// Whether clients reach a host without a proxy: it is an address or a name of the local network, and the server
/// listens to more than its own machine.
fn is_direct(host: &Host, bound: SocketAddr) -> bool {
    !bound.ip().to_canonical().is_loopback() && host.is_local()
}

fn is_loopback(url: &Url) -> bool {
    url.host_str().and_then(|host| host.parse::<Host>().ok()).is_some_and(|host| host.is_loopback())
}

/// The endpoint below a public URL, which may name it already.
fn below(url: &Url) -> String {
    let base = url.as_str().trim_end_matches('/');
    if url.path().trim_end_matches('/').ends_with("/mcp") { base.to_owned() } else { format!("{base}/mcp") }
}

/// Who may come in.
pub(super) struct Entry<'a> {
    pub(super) choice: AuthChoice,
    /// Whether only this machine reaches the server.
    pub(super) is_local: bool,
    /// The token, where one was made for this start.
    pub(super) made: Option<&'a SecretString>,
    /// Whether calls are made with a key of the server's own that can spend money.
    pub(super) has_key: bool,
}

const OPEN: &str = "this server lets everybody in who reaches it, and all of them act with its key";
const OPEN_HERE: &str = "--auth none: every program and user of this machine can make calls with this server's key; \
                         set SCOPE3_MCP_TOKEN to ask for a token";
const TOKEN_MADE: &str = "no SCOPE3_MCP_TOKEN is set, so this token holds until the server ends";
const NO_TLS: &str = "do not send the token over `http:` to another machine, where others can read it: put a proxy with \
                      TLS in front of the server, and name its URL by --public-url";

/// Says where the server listens and how to come in. As text it goes past the log, whose level may be set to say
/// nothing; among JSON it is part of the log.
pub(super) fn announce(address: &ServerAddress, entry: &Entry<'_>, format: LogFormat) {
    match format {
        LogFormat::Text => {
            // Where nobody listens to standard error, nobody is told.
            let _written = std::io::stderr().write_all(text(address, entry).as_bytes());
        }
        LogFormat::Json => log(address, entry),
    }
    if entry.choice == AuthChoice::None && entry.is_local && entry.has_key {
        tracing::warn!("{OPEN_HERE}");
    }
}

fn text(address: &ServerAddress, entry: &Entry<'_>) -> String {
    let ServerAddress { listening, endpoint, is_private } = address;
    let mut lines = vec![format!("scope3-mcp: listening on {listening} (auth: {})", who(entry.choice))];
    if endpoint != listening {
        lines.push(format!("clients connect to {endpoint}"));
    }
    if entry.choice == AuthChoice::None && !entry.is_local {
        lines.push(format!("warning: {OPEN}"));
    }
    match entry.made.map(SecretString::expose_secret) {
        Some(token) if *is_private => {
            let header = format!("Bearer {token}");
            let server = json!({ "type": "http", "url": endpoint, "headers": { "Authorization": header } });
            let client = json!({ "mcpServers": { "scope3": server } });
            lines.push(format!("{TOKEN_MADE}. For clients:\n{client:#}"));
        }
        Some(token) => lines.push(format!("{TOKEN_MADE}: {token}\nwarning: {NO_TLS}")),
        None => {}
    }
    lines.push(String::new());
    lines.join("\n")
}

fn log(address: &ServerAddress, entry: &Entry<'_>) {
    let ServerAddress { listening, endpoint, is_private } = address;
    let auth = who(entry.choice);
    tracing::info!(url = listening, public_url = endpoint, auth, "listening on {listening} (auth: {auth})");
    if entry.choice == AuthChoice::None && !entry.is_local {
        tracing::warn!("{OPEN}");
    }
    if let Some(token) = entry.made {
        tracing::warn!(token = token.expose_secret(), public_url = endpoint, "{TOKEN_MADE}");
        if !is_private {
            tracing::warn!("{NO_TLS}");
        }
    }
}

fn who(choice: AuthChoice) -> &'static str {
    match choice {
        AuthChoice::Key => "key",
        AuthChoice::Token => "token",
        AuthChoice::None => "none",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(public: &str, hosts: &str, bound: &str) -> ServerAddress {
        let public = (!public.is_empty()).then(|| public.parse().unwrap());
        let hosts: Vec<Host> = hosts.split_whitespace().map(|host| host.parse().unwrap()).collect();
        ServerAddress::new(public.as_ref(), &hosts, bound.parse().unwrap())
    }

    #[test]
    fn clients_are_given_a_url_that_exists() {
        let here = "http://localhost:8099/mcp";
        for (public, hosts, bound, listening, endpoint, is_private) in [
            ("", "", "127.0.0.1:8080", "http://127.0.0.1:8080/mcp", "http://127.0.0.1:8080/mcp", true),
            ("", "", "[::1]:8080", "http://[::1]:8080/mcp", "http://[::1]:8080/mcp", true),
            ("", "", "0.0.0.0:8099", here, here, true),
            ("", "", "[::]:8099", here, here, true),
            ("", "", "10.0.0.5:8080", "http://10.0.0.5:8080/mcp", "http://10.0.0.5:8080/mcp", false),
            ("", "localhost:9000", "0.0.0.0:8099", here, "http://localhost:9000/mcp", true),
            ("", "mcp.example.com", "0.0.0.0:8099", here, "https://mcp.example.com/mcp", true),
            ("", "localhost mcp.example.com:443", "0.0.0.0:8099", here, "https://mcp.example.com/mcp", true),
            (
                "",
                "mcp.example.com:8443",
                "127.0.0.1:80",
                "http://127.0.0.1:80/mcp",
                "https://mcp.example.com:8443/mcp",
                true,
            ),
            ("", "10.0.0.7", "0.0.0.0:8099", here, "http://10.0.0.7:8099/mcp", false),
            ("", "scope3", "0.0.0.0:8099", here, "http://scope3:8099/mcp", false),
            ("", "10.0.0.7", "127.0.0.1:8080", "http://127.0.0.1:8080/mcp", "https://10.0.0.7/mcp", true),
            ("https://a.example", "mcp.example.com", "0.0.0.0:8099", here, "https://a.example/mcp", true),
            (
                "https://a.example:8443/scope3/",
                "",
                "0.0.0.0:8099",
                here,
                "https://a.example:8443/scope3/mcp",
                true,
            ),
            ("https://a.example/mcp", "", "0.0.0.0:8099", here, "https://a.example/mcp", true),
            ("http://a.example", "", "0.0.0.0:8099", here, "http://a.example/mcp", false),
            ("http://localhost:9000", "", "0.0.0.0:8099", here, "http://localhost:9000/mcp", true),
        ] {
            let expected =
                ServerAddress { listening: listening.into(), endpoint: endpoint.into(), is_private };
            assert_eq!(address(public, hosts, bound), expected, "{public} {hosts} {bound}");
        }
    }

    #[test]
    fn a_token_is_not_put_together_with_a_url_that_others_can_listen_to() {
        let token: SecretString = "a-made-token".into();
        let entry = Entry { choice: AuthChoice::Token, is_local: false, made: Some(&token), has_key: true };
        let open = text(&address("", "10.0.0.7", "0.0.0.0:8099"), &entry);
        assert!(open.contains("a-made-token") && open.contains("--public-url"), "{open}");
        assert!(!open.contains("Authorization") && !open.contains("mcpServers"), "{open}");
        let closed = text(&address("", "mcp.example.com", "0.0.0.0:8099"), &entry);
        assert!(closed.contains("\"url\": \"https://mcp.example.com/mcp\""), "{closed}");
        assert!(closed.contains("Bearer a-made-token") && !closed.contains("http://mcp"), "{closed}");
    }
}
