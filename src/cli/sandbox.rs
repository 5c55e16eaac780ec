//! `scope3-mcp sandbox`: the embedded API as a server of its own.

use std::{io::Write, time::Duration};

use anyhow::Context;
use clap::Args;

use super::{CommandError, until_asked_to_end};
use crate::{
    catalog::Catalog,
    config::{Settings, parse_duration},
    rate::Rate,
    sandbox::{Fault, Options, Sandbox},
};

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
}

pub(super) async fn run(settings: &Settings, arguments: Arguments) -> Result<(), CommandError> {
    let stop = until_asked_to_end()?;
    let defaults = Options::default();
    let bind = settings.bind.unwrap_or(defaults.bind);
    let Arguments { latency, fault: faults, rate_limit } = arguments;
    let options = Options { bind, latency, faults, rate_limit };
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
