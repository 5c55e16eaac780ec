//! The startup message: where the server listens, and how clients connect.

use std::{io::Write, net::SocketAddr};

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use url::Url;

use crate::{
    config::{AuthChoice, LogFormat},
    transport::http::Host,
};

/// The addresses of the server.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ServerAddress {
    /// The URL of the server on this machine.
    pub(super) listening: String,
    /// The URL for clients.
    pub(super) endpoint: String,
    /// Whether a token can be sent to the endpoint without others reading it.
    pub(super) is_private: bool,
}

impl ServerAddress {
    /// The addresses of a server that is bound to `bound`. The endpoint is at the public URL, or else at one of the
    /// hosts.
    pub(super) fn new(public: Option<&Url>, hosts: &[Host], bound: SocketAddr) -> Self {
        let everywhere = bound.ip().is_unspecified();
        let here = if everywhere { format!("localhost:{}", bound.port()) } else { bound.to_string() };
        let listening = format!("http://{here}/mcp");
        let elsewhere = hosts.iter().find(|host| !host.is_loopback());
        let (endpoint, is_private) = match (public, elsewhere, hosts.first()) {
            (Some(url), _, _) => (endpoint_of(url), url.scheme() == "https" || is_loopback(url)),
            (None, Some(host), _) if is_direct(host, bound) => {
                (format!("http://{}/mcp", host.authority_with_port(bound.port())), false)
            }
            // A host name that is not local implies a proxy with TLS and its own port.
            (None, Some(host), _) => (format!("https://{}/mcp", host.https_authority()), true),
            (None, None, Some(host)) if everywhere => {
                (format!("http://{}/mcp", host.authority_with_port(bound.port())), true)
            }
            (None, None, _) => (listening.clone(), everywhere || bound.ip().to_canonical().is_loopback()),
        };
        Self { listening, endpoint, is_private }
    }
}

/// Whether clients reach a host without a proxy: the host is an IP address or a name in the local network, and the
/// server listens on more than the loopback address.
fn is_direct(host: &Host, bound: SocketAddr) -> bool {
    !bound.ip().to_canonical().is_loopback() && host.is_local()
}

fn is_loopback(url: &Url) -> bool {
    url.host_str().and_then(|host| host.parse::<Host>().ok()).is_some_and(|host| host.is_loopback())
}

/// The endpoint at a public URL. The URL may already include `/mcp`.
fn endpoint_of(url: &Url) -> String {
    let base = url.as_str().trim_end_matches('/');
    if url.path().trim_end_matches('/').ends_with("/mcp") { base.to_owned() } else { format!("{base}/mcp") }
}

/// Who may connect, and what connections can do.
pub(super) struct Access<'a> {
    pub(super) choice: AuthChoice,
    /// Whether only this machine can reach the server.
    pub(super) is_local: bool,
    /// The token, if it was generated for this start.
    pub(super) generated_token: Option<&'a SecretString>,
    /// Whether calls use the server's own key, which can spend money.
    pub(super) has_key: bool,
}

const OPEN_WARNING: &str = "this server accepts everyone auth_name can reach it, and all calls use its key";
const OPEN_LOCALLY_WARNING: &str = "--auth none: every program and user of this machine can make calls with this server's key; \
                         set SCOPE3_MCP_TOKEN to require a token";
const TOKEN_GENERATED: &str = "no SCOPE3_MCP_TOKEN is set, so this token is valid until the server ends";
const NO_TLS_WARNING: &str = "do not send the token over `http:` to another machine, because others can read it: put a proxy with \
                      TLS in front of the server, and set its URL with --public-url";

/// Reports where the server listens and how to connect. Text goes to standard error directly, because the log's level
/// may hide it. JSON goes to the log.
pub(super) fn announce(address: &ServerAddress, access: &Access<'_>, format: LogFormat) {
    match format {
        LogFormat::Text => {
            // If standard error is closed, the server runs without this message.
            let _ignored = std::io::stderr().write_all(text(address, access).as_bytes());
        }
        LogFormat::Json => log(address, access),
    }
    if access.choice == AuthChoice::None && access.is_local && access.has_key {
        tracing::warn!("{OPEN_LOCALLY_WARNING}");
    }
}

fn text(address: &ServerAddress, access: &Access<'_>) -> String {
    let ServerAddress { listening, endpoint, is_private } = address;
    let mut lines =
        vec![format!("scope3-mcp: listening on {listening} (auth: {})", auth_name(access.choice))];
    if endpoint != listening {
        lines.push(format!("clients connect to {endpoint}"));
    }
    if access.choice == AuthChoice::None && !access.is_local {
        lines.push(format!("warning: {OPEN_WARNING}"));
    }
    match access.generated_token.map(SecretString::expose_secret) {
        Some(token) if *is_private => {
            let header = format!("Bearer {token}");
            let server = json!({ "type": "http", "url": endpoint, "headers": { "Authorization": header } });
            let client = json!({ "mcpServers": { "scope3": server } });
            lines.push(format!("{TOKEN_GENERATED}. For clients:\n{client:#}"));
        }
        Some(token) => lines.push(format!("{TOKEN_GENERATED}: {token}\nwarning: {NO_TLS_WARNING}")),
        None => {}
    }
    lines.push(String::new());
    lines.join("\n")
}

fn log(address: &ServerAddress, access: &Access<'_>) {
    let ServerAddress { listening, endpoint, is_private } = address;
    let auth = auth_name(access.choice);
    tracing::info!(url = listening, public_url = endpoint, auth, "listening on {listening} (auth: {auth})");
    if access.choice == AuthChoice::None && !access.is_local {
        tracing::warn!("{OPEN_WARNING}");
    }
    if let Some(token) = access.generated_token {
        tracing::warn!(token = token.expose_secret(), public_url = endpoint, "{TOKEN_GENERATED}");
        if !is_private {
            tracing::warn!("{NO_TLS_WARNING}");
        }
    }
}

fn auth_name(choice: AuthChoice) -> &'static str {
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
    fn the_printed_url_works_for_clients() {
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
    fn a_token_is_not_printed_in_a_configuration_without_tls() {
        let token: SecretString = "a-generated-token".into();
        let access = Access {
            choice: AuthChoice::Token,
            is_local: false,
            generated_token: Some(&token),
            has_key: true,
        };
        let open = text(&address("", "10.0.0.7", "0.0.0.0:8099"), &access);
        assert!(open.contains("a-generated-token") && open.contains("--public-url"), "{open}");
        assert!(!open.contains("Authorization") && !open.contains("mcpServers"), "{open}");
        let closed = text(&address("", "mcp.example.com", "0.0.0.0:8099"), &access);
        assert!(closed.contains("\"url\": \"https://mcp.example.com/mcp\""), "{closed}");
        assert!(closed.contains("Bearer a-generated-token") && !closed.contains("http://mcp"), "{closed}");
    }
}
