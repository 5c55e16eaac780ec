//! `scope3-mcp demo`.

use clap::Args;

use super::CommandError;
use crate::config::Settings;

#[derive(Debug, Args)]
pub(super) struct Arguments {}

pub(super) async fn run(_settings: &Settings, _arguments: Arguments) -> Result<(), CommandError> {
    Ok(())
}
