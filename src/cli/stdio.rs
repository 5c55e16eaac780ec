//! `scope3-mcp stdio`: MCP over standard input and output.

use std::io::{IsTerminal, Write};

use anyhow::Context;

use super::{CommandError, until_signaled};
use crate::{
    app::App,
    config::{LogFormat, Settings},
    transport,
};

/// Serves until the client disconnects or the user stops the program. `by_default` is true if no command was given.
pub(super) async fn run(settings: &Settings, by_default: bool) -> Result<(), CommandError> {
    let stop = until_signaled()?;
    let app = App::start(settings).await?;
    if std::io::stdin().is_terminal() && settings.log_format == LogFormat::Text {
        // If standard error is closed, the server runs without this message.
        let _ignored = std::io::stderr().write_all(welcome(by_default).as_bytes());
    }
    app.follow_documents(settings);
    transport::stdio::serve(app.own_server(), stop).await.context("the MCP session could not begin")?;
    app.gateway.finish_changes().await;
    Ok(())
}

/// A message for a person at a terminal, who would otherwise see no output.
fn welcome(by_default: bool) -> String {
    const WAITING: &str = "scope3-mcp: waiting for an MCP client on standard input; Ctrl-C ends it\n";
    if !by_default {
        return WAITING.to_owned();
    }
    format!(
        "{WAITING}
An MCP client starts this program itself: see mcp.json.example for its settings.
To see what the program does:       scope3-mcp demo
To see its commands and settings:   scope3-mcp --help
"
    )
}
