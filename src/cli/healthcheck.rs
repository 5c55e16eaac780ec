//! `scope3-mcp healthcheck`: checks that the server on this machine responds. For container images, which have no curl.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context, anyhow};
use clap::Args;
use reqwest::{Client, redirect::Policy};
use url::Url;

use super::{CommandError, http};
use crate::config::Settings;

/// The maximum time to wait for a response, less than the time that container engines give this command.
const TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// URL to check [default: /healthz at the address of `http`]
    #[arg(value_name = "URL", value_parser = http_url)]
    url: Option<Url>,
}

pub(super) async fn run(settings: &Settings, arguments: Arguments) -> Result<(), CommandError> {
    let url = match arguments.url {
        Some(url) => url,
        None => health_url(settings.bind.unwrap_or(http::DEFAULT_ADDRESS), &settings.name_of("bind"))?,
    };
    // Load no certificates: the check uses `http:` only, and must work in a container without certificates.
    let client = Client::builder().no_proxy().redirect(Policy::none()).tls_certs_only([]).timeout(TIMEOUT);
    let client = client.build().context("cannot set up the HTTP client")?;
    let response = client.get(url.clone()).send().await.map_err(reqwest::Error::without_url);
    let status = response.with_context(|| format!("no response from {url}"))?.status();
    if status.is_success() {
        return Ok(());
    }
    Err(anyhow!("{url} responded with {status}").into())
}

fn http_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).ok().filter(|url| url.scheme() == "http");
    url.ok_or_else(|| "expected a URL such as `http://127.0.0.1:8080/healthz`".to_owned())
}

/// The health check's URL of a server that listens on this address.
fn health_url(bind: SocketAddr, name: &str) -> Result<Url, CommandError> {
    let ip = match bind.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    if bind.port() == 0 {
        return Err(CommandError::Usage(format!(
            "{name}: port 0 means any free port; give the URL to check instead"
        )));
    }
    let url = format!("http://{}/healthz", SocketAddr::new(ip, bind.port()));
    Ok(Url::parse(&url).with_context(|| url)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_all_addresses_is_checked_on_the_loopback_address() {
        for (bind, url) in [
            ("0.0.0.0:8080", "http://127.0.0.1:8080/healthz"),
            ("[::]:9000", "http://[::1]:9000/healthz"),
            ("127.0.0.1:8080", "http://127.0.0.1:8080/healthz"),
            ("192.0.2.7:80", "http://192.0.2.7/healthz"),
        ] {
            assert_eq!(health_url(bind.parse().unwrap(), "--bind").unwrap().as_str(), url);
        }
        assert!(matches!(health_url("0.0.0.0:0".parse().unwrap(), "--bind"), Err(CommandError::Usage(_))));
    }
}
