//! `scope3-mcp stdio`: MCP over standard input and output.

use anyhow::Context;

use super::{CommandError, until_asked_to_end};
use crate::{app::App, config::Settings, transport};

pub(super) async fn run(settings: &Settings) -> Result<(), CommandError> {
    let stop = until_asked_to_end()?;
    let app = App::start(settings).await?;
    transport::stdio::serve(app.server(), stop).await.context("the MCP session could not begin")?;
    app.gateway.finish_changes().await;
    Ok(())
}
