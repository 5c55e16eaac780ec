//! `scope3-mcp healthcheck`: whether the server on this machine answers. For container images, which have no curl.

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

/// Longest time to wait for a response: less than container engines give this command.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// URL to check [default: /healthz at the address of `http`]
    #[arg(value_name = "URL", value_parser = http_url)]
    url: Option<Url>,
}

pub(super) async fn run(settings: &Settings, arguments: Arguments) -> Result<(), CommandError> {
    let url = match arguments.url {
        Some(url) => url,
        None => health_of(settings.bind.unwrap_or(http::DEFAULT), &settings.name_of("bind"))?,
    };
    // No certificates either: a server that has lost them is still alive.
    let client = Client::builder().no_proxy().redirect(Policy::none()).tls_certs_only([]).timeout(PATIENCE);
    let client = client.build().context("no client can be made")?;
    let answer = client.get(url.clone()).send().await.map_err(reqwest::Error::without_url);
    let status = answer.with_context(|| format!("no answer from {url}"))?.status();
    if status.is_success() {
        return Ok(());
    }
    Err(anyhow!("{url} answered {status}").into())
}

fn http_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).ok().filter(|url| url.scheme() == "http");
    url.ok_or_else(|| "expected a URL such as `http://127.0.0.1:8080/healthz`".to_owned())
}

/// The URL of the health check of a server that listens at this address.
fn health_of(bind: SocketAddr, name: &str) -> Result<Url, CommandError> {
    let ip = match bind.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    if bind.port() == 0 {
        return Err(CommandError::Usage(format!("{name}: port 0 is any free one; name the URL to ask for")));
    }
    let url = format!("http://{}/healthz", SocketAddr::new(ip, bind.port()));
    Ok(Url::parse(&url).with_context(|| url)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_everywhere_is_asked_on_this_machine() {
        for (bind, url) in [
            ("0.0.0.0:8080", "http://127.0.0.1:8080/healthz"),
            ("[::]:9000", "http://[::1]:9000/healthz"),
            ("127.0.0.1:8080", "http://127.0.0.1:8080/healthz"),
            ("192.0.2.7:80", "http://192.0.2.7/healthz"),
        ] {
            assert_eq!(health_of(bind.parse().unwrap(), "--bind").unwrap().as_str(), url);
        }
        assert!(matches!(health_of("0.0.0.0:0".parse().unwrap(), "--bind"), Err(CommandError::Usage(_))));
    }
}
