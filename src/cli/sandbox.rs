//! `scope3-mcp sandbox`: runs the embedded sandbox as a separate server.

use std::{io::Write, time::Duration};

use anyhow::Context;
use clap::Args;
use jiff::{
    Timestamp,
    civil::{Date, Time},
    tz::TimeZone,
};
use scope3_mcp_gateway::catalog::{Catalog, Surface, rate::Rate};
use scope3_mcp_sandbox::{Fault, Options, Sandbox};

use super::{CommandError, until_signaled};
use crate::config::{Settings, parse_duration};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Delay before each response, such as `200ms`
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = parse_duration)]
    latency: Duration,

    /// Status and the share of requests that fail with it, such as `503:0.1`; can be repeated
    #[arg(long, value_name = "STATUS:SHARE")]
    fault: Vec<Fault>,

    /// Limit of requests per key, such as `20/h`
    #[arg(long, value_name = "RATE")]
    rate_limit: Option<Rate>,

    /// Date or instant of the sandbox clock, such as `2026-06-15` or `2026-06-15T12:00:00Z`. The clock then advances by
    /// one second with each change, so the same requests get the same responses [default: the real time]
    #[arg(long, value_name = "DATE", value_parser = parse_instant, allow_hyphen_values = true)]
    now: Option<Timestamp>,

    /// Behave like Scope3's published code where it does less than its documents promise: some operations always fail,
    /// some filters have no effect
    #[arg(long)]
    as_published: bool,
}

fn parse_instant(text: &str) -> Result<Timestamp, &'static str> {
    let midnight = || TimeZone::UTC.to_timestamp(text.parse::<Date>().ok()?.to_datetime(Time::MIN)).ok();
    let instant = text.parse().ok().or_else(midnight);
    instant.ok_or("expected a date or an instant, such as `2026-06-15` or `2026-06-15T12:00:00Z`")
}

pub(super) async fn run(settings: &Settings, arguments: Arguments) -> Result<(), CommandError> {
    let stop = until_signaled()?;
    let defaults = Options::default();
    let bind = settings.bind.unwrap_or(defaults.bind);
    let Arguments { latency, fault: faults, rate_limit, now, as_published } = arguments;
    let options = Options { bind, latency, faults, rate_limit, now, as_published };
    let catalog = Catalog::embedded();
    let sandbox =
        Sandbox::start(options, catalog.clone()).await.with_context(|| format!("cannot listen on {bind}"))?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "SCOPE3_API_URL={}", sandbox.url())?;
    for key in Sandbox::keys() {
        writeln!(out, "SCOPE3_API_KEY={key}")?;
    }
    let served = |surface: &Surface| {
        *surface != Surface::Campaign && catalog.entries().any(|entry| entry.surface == *surface)
    };
    for surface in Surface::ALL.into_iter().filter(served) {
        if let Some(url) = sandbox.url_of(surface) {
            writeln!(out, "SCOPE3_API_URL={surface}={url}")?;
        }
    }
    out.flush()?;
    drop(out);
    stop.cancelled().await;
    sandbox.shutdown().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_instants_are_parsed() {
        let read = |text| parse_instant(text).map(|instant| instant.to_string());
        assert_eq!(read("2028-02-29").as_deref(), Ok("2028-02-29T00:00:00Z"));
        assert_eq!(read("2026-06-15T12:00:00Z").as_deref(), Ok("2026-06-15T12:00:00Z"));
        assert_eq!(read("2026-06-15T12:00:00+02:00").as_deref(), Ok("2026-06-15T10:00:00Z"));
        for wrong in ["", "soon", "2026-02-29", "2026-13-01", "12:00"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
