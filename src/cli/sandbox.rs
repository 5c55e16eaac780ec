//! `scope3-mcp sandbox`: the embedded API as a server of its own.

use std::{io::Write, time::Duration};

use anyhow::Context;
use clap::Args;
use jiff::{
    Timestamp,
    civil::{Date, Time},
    tz::TimeZone,
};
use scope3_mcp_gateway::catalog::{Catalog, rate::Rate};
use scope3_mcp_sandbox::{Fault, Options, Sandbox};

use super::{CommandError, until_asked_to_end};
use crate::config::{Settings, parse_duration};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// How long to wait before each answer, such as `200ms`
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = parse_duration)]
    latency: Duration,

    /// A status and the share of requests that fail with it, such as `503:0.1`; may be given again
    #[arg(long, value_name = "STATUS:SHARE")]
    fault: Vec<Fault>,

    /// How many requests each key may make, such as `20/h`
    #[arg(long, value_name = "RATE")]
    rate_limit: Option<Rate>,

    /// Set the clock to a date or instant, such as `2026-06-15` or `2026-06-15T12:00:00Z`: it stands there and goes on
    /// by a second with each change, so that the same requests get the same answers [default: the true time]
    #[arg(long, value_name = "DATE", value_parser = parse_instant, allow_hyphen_values = true)]
    now: Option<Timestamp>,

    /// Do what Scope3's published code does where that falls short of its documents: operations that always fail,
    /// filters without effect
    #[arg(long)]
    as_published: bool,
}

fn parse_instant(text: &str) -> Result<Timestamp, &'static str> {
    let midnight = || TimeZone::UTC.to_timestamp(text.parse::<Date>().ok()?.to_datetime(Time::MIN)).ok();
    let instant = text.parse().ok().or_else(midnight);
    instant.ok_or("expected a date or an instant, such as `2026-06-15` or `2026-06-15T12:00:00Z`")
}

pub(super) async fn run(settings: &Settings, arguments: Arguments) -> Result<(), CommandError> {
    let stop = until_asked_to_end()?;
    let defaults = Options::default();
    let bind = settings.bind.unwrap_or(defaults.bind);
    let Arguments { latency, fault: faults, rate_limit, now, as_published } = arguments;
    let options = Options { bind, latency, faults, rate_limit, now, as_published };
    let catalog = Catalog::embedded();
    let sandbox =
        Sandbox::start(options, catalog).await.with_context(|| format!("cannot listen at {bind}"))?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "SCOPE3_API_URL={}", sandbox.url())?;
    for key in Sandbox::keys() {
        writeln!(out, "SCOPE3_API_KEY={key}")?;
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
    fn reads_dates_and_instants() {
        let read = |text| parse_instant(text).map(|instant| instant.to_string());
        assert_eq!(read("2028-02-29").as_deref(), Ok("2028-02-29T00:00:00Z"));
        assert_eq!(read("2026-06-15T12:00:00Z").as_deref(), Ok("2026-06-15T12:00:00Z"));
        assert_eq!(read("2026-06-15T12:00:00+02:00").as_deref(), Ok("2026-06-15T10:00:00Z"));
        for wrong in ["", "soon", "2026-02-29", "2026-13-01", "12:00"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
